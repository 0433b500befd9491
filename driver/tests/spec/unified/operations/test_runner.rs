//! The operations of the test runner itself (section "Special Test Operations").

use std::sync::Arc;
use std::time::{Duration, Instant};

use bson::{Bson, Document, doc};
use driver::TopologyDescription;
use driver::conformance::is_dirty;

use super::{Kind, Read, Registry, of_runner};
use crate::unified::Steps;
use crate::unified::arguments::Arguments;
use crate::unified::entities::{Entity, Watched, lock};
use crate::unified::format::{EntityDefinition, Operation};
use crate::unified::log_messages::unobserved;
use crate::unified::runner::Runner;
use crate::unified::stop::Stop;

/// The time limit for a change of the primary.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn register<F: Steps>(registry: &mut Registry<F>) {
    registry.add(Kind::Runner, "failPoint", fail_point);
    registry.add(Kind::Runner, "createEntities", create_entities);
    registry.add(Kind::Runner, "wait", wait);
    registry.add(Kind::Runner, "waitForEvent", wait_for_event);
    registry.add(Kind::Runner, "assertEventCount", assert_event_count);
    registry.add(Kind::Runner, "assertSameLsidOnLastTwoCommands", assert_same_lsid);
    registry.add(Kind::Runner, "assertDifferentLsidOnLastTwoCommands", assert_different_lsid);
    registry.add(Kind::Runner, "assertNumberConnectionsCheckedOut", assert_checked_out);
    registry.add(Kind::Runner, "assertCollectionExists", assert_collection_exists);
    registry.add(Kind::Runner, "assertCollectionNotExists", assert_collection_not_exists);
    registry.add(Kind::Runner, "assertIndexExists", assert_index_exists);
    registry.add(Kind::Runner, "assertIndexNotExists", assert_index_not_exists);
    registry.add(Kind::Runner, "runOnThread", run_on_thread);
    registry.add(Kind::Runner, "waitForThread", wait_for_thread);
    registry.add(Kind::Runner, "recordTopologyDescription", record_topology);
    registry.add(Kind::Runner, "assertTopologyType", assert_topology_type);
    registry.add(Kind::Runner, "waitForPrimaryChange", wait_for_primary_change);
    registry.add(Kind::Runner, "assertSessionDirty", |of| assert_dirty(of, true));
    registry.add(Kind::Runner, "assertSessionNotDirty", |of| assert_dirty(of, false));
}

/// The client itself sets the fail point on the primary, because tests expect the events of its
/// checkout.
fn fail_point<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let client: String = arguments.required("client")?;
    let mut given: Document = arguments.required("failPoint")?;
    let name = given.get_str("configureFailPoint").map_err(|e| e.to_string())?.to_owned();
    of_runner(move |runner| {
        let client = runner.entities.client(&client)?;
        runner.servers.will_restore(&name);
        if let Ok(data) = given.get_document_mut("data")
            && let Ok(pause) = data.get_i32("blockTimeMS")
        {
            data.insert("blockTimeMS", runner.lengthened(i64::from(pause)));
        }
        // The command is known by its first field, wherever the file has it.
        let mut command = doc! { "configureFailPoint": name };
        command.extend(given);
        let admin = client.client()?.database("admin");
        let set = || F::end(admin.run_command(command));
        let reply = if client.log_levels.is_some() { set() } else { unobserved(set) };
        reply.map(drop).map_err(|e| e.to_string().into())
    })
}

fn create_entities<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let entities: Vec<EntityDefinition> = arguments.required("entities")?;
    of_runner(move |runner| entities.iter().try_for_each(|entity| runner.entities.create(entity)))
}

fn wait<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let time = arguments.millis("ms")?.ok_or("wait lacks ms")?;
    of_runner(move |_| {
        std::thread::sleep(time);
        Ok(())
    })
}

fn wait_for_event<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let client: String = arguments.required("client")?;
    let (event, count): (Document, _) =
        (arguments.required("event")?, arguments.required("count")?);
    of_runner(move |runner| {
        let client = runner.entities.client(&client)?;
        Ok(client.events.wait_for(&event, count, &runner.entities)?)
    })
}

fn assert_event_count<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let client: String = arguments.required("client")?;
    let (event, expected): (Document, usize) =
        (arguments.required("event")?, arguments.required("count")?);
    of_runner(move |runner| {
        let client = runner.entities.client(&client)?;
        match client.events.count(&event, &runner.entities) {
            count if count == expected => Ok(()),
            count => {
                Err(format!("{event} was expected {expected} times, but came {count} times").into())
            }
        }
    })
}

fn assert_same_lsid<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    last_two_lsids(arguments, |one, other| one == other)
}

fn assert_different_lsid<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    last_two_lsids(arguments, |one, other| one != other)
}

fn last_two_lsids<F: Steps>(arguments: &mut Arguments, holds: fn(&Bson, &Bson) -> bool) -> Read<F> {
    let client: String = arguments.required("client")?;
    of_runner(move |runner| {
        let commands = runner.entities.client(&client)?.events.last_commands(2);
        let lsids: Vec<&Bson> = commands.iter().filter_map(|command| command.get("lsid")).collect();
        match lsids[..] {
            [one, other] if holds(one, other) => Ok(()),
            _ => Err(format!("the lsids of the last two commands are {lsids:?}").into()),
        }
    })
}

/// A connection may be checked in a moment after its operation has ended.
fn assert_checked_out<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let client: String = arguments.required("client")?;
    let expected: usize = arguments.required("connections")?;
    of_runner(move |runner| {
        Ok(runner.entities.client(&client)?.events.wait_for_checked_out(expected)?)
    })
}

fn assert_collection_exists<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    collection(arguments, true)
}

fn assert_collection_not_exists<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    collection(arguments, false)
}

fn collection<F: Steps>(arguments: &mut Arguments, expected: bool) -> Read<F> {
    let (db, name): (String, String) =
        (arguments.required("databaseName")?, arguments.required("collectionName")?);
    of_runner(move |runner| {
        let list = doc! { "listCollections": 1, "filter": { "name": &name }, "nameOnly": true };
        is_listed(runner, &db, list, &name, expected)
    })
}

fn assert_index_exists<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    index(arguments, true)
}

fn assert_index_not_exists<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    index(arguments, false)
}

fn index<F: Steps>(arguments: &mut Arguments, expected: bool) -> Read<F> {
    let (db, collection): (String, String) =
        (arguments.required("databaseName")?, arguments.required("collectionName")?);
    let name: String = arguments.required("indexName")?;
    of_runner(move |runner| {
        is_listed(runner, &db, doc! { "listIndexes": &collection }, &name, expected)
    })
}

/// Whether the first batch of `list` has an item called `name`. A collection that does not exist
/// lists nothing.
fn is_listed<F: Steps>(
    runner: &Arc<Runner<F>>,
    db: &str,
    list: Document,
    name: &str,
    expected: bool,
) -> Result<(), Stop> {
    let listed = match runner.servers.command(db, list) {
        Err(why) if why.contains("NamespaceNotFound") => false,
        Err(why) => return Err(why.into()),
        Ok(reply) => {
            let batch =
                reply.get_document("cursor").and_then(|cursor| cursor.get_array("firstBatch"));
            let items = batch.map_err(|e| e.to_string())?.iter().filter_map(Bson::as_document);
            items.into_iter().any(|item| item.get_str("name").is_ok_and(|own| own == name))
        }
    };
    match (listed, expected) {
        (false, true) => Err(format!("{name} does not exist").into()),
        (true, false) => Err(format!("{name} exists").into()),
        _ => Ok(()),
    }
}

fn assert_dirty<F: Steps>(arguments: &mut Arguments, expected: bool) -> Read<F> {
    let session: String = arguments.required("session")?;
    of_runner(move |runner| {
        let session = runner.entities.session(&session)?;
        let dirty = lock(&session).as_mut().map(is_dirty);
        match dirty.ok_or("the session has ended")? {
            dirty if dirty == expected => Ok(()),
            dirty => Err(format!("dirty is {dirty}, but should be {expected}").into()),
        }
    })
}

fn run_on_thread<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let thread: String = arguments.required("thread")?;
    let operation: Operation = arguments.required("operation")?;
    of_runner(move |runner| {
        let thread = runner.entities.thread(&thread)?;
        let runner = Arc::clone(runner);
        Ok(thread.run(Box::new(move || match runner.run(&operation) {
            Err(Stop::Failed(why) | Stop::Lacks(why)) => Err(why),
            Ok(()) => Ok(()),
        }))?)
    })
}

fn wait_for_thread<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let thread: String = arguments.required("thread")?;
    of_runner(move |runner| Ok(runner.entities.thread(&thread)?.finish()?))
}

fn record_topology<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let (client, id): (String, String) = (arguments.required("client")?, arguments.required("id")?);
    of_runner(move |runner| {
        let topology = runner.entities.client(&client)?.client()?.topology();
        Ok(runner.entities.put(&id, Entity::Topology(topology))?)
    })
}

fn assert_topology_type<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let topology: String = arguments.required("topologyDescription")?;
    let expected: String = arguments.required("topologyType")?;
    of_runner(move |runner| {
        let actual = runner.entities.topology(&topology)?.topology_type().to_string();
        if expected == actual {
            Ok(())
        } else {
            Err(format!("a topology {expected} was expected, but it is {actual}").into())
        }
    })
}

fn wait_for_primary_change<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let client: String = arguments.required("client")?;
    let prior: String = arguments.required("priorTopologyDescription")?;
    // A busy machine takes longer than a test allows.
    arguments.millis("timeoutMS")?;
    of_runner(move |runner| {
        let client: Arc<Watched<F>> = runner.entities.client(&client)?;
        let (client, prior) = (client.client()?, runner.entities.topology(&prior)?);
        let primary =
            |topology: &TopologyDescription| topology.primary().map(|p| p.address().clone());
        let until = Instant::now() + PATIENCE;
        unobserved(|| {
            while primary(&client.topology()).is_none_or(|now| Some(now) == primary(&prior)) {
                if Instant::now() > until {
                    return Err(format!("the primary did not change: {}", client.topology()).into());
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            Ok(())
        })
    })
}
