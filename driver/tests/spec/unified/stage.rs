//! One case while it runs: its ground, its entities, and the operations of `testRunner`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bson::{Bson, Document, doc};
use driver::TopologyDescription;

use super::arguments::Arguments;
use super::entities::{Entities, Entity, Watched, lock};
use super::ground::Ground;
use super::operations::{Ended, of_collection, of_database};
use super::records::unobserved;
use super::way::Way;
use super::{failure, matching};

/// What the threads of a case share.
pub(crate) struct Stage<F: Way> {
    ground: &'static Ground,
    pub(crate) entities: Entities<F>,
}

/// How long the primary may take to change.
const PATIENCE: Duration = Duration::from_secs(60);

impl<F: Way> Stage<F> {
    pub(crate) fn on(ground: &'static Ground) -> Arc<Self> {
        Arc::new(Stage { ground, entities: Entities::on(ground.uri()) })
    }

    /// Runs one operation, and compares how it ended with what was expected.
    ///
    /// # Errors
    /// It ended in another way; an operation or a field that this harness does not know.
    pub(crate) fn run(self: &Arc<Self>, operation: &Document) -> Result<(), String> {
        let mut operation = Arguments::of("an operation", operation.clone());
        let (name, object) = (operation.text("name")?, operation.text("object")?);
        let arguments = operation.maybe_document("arguments")?.unwrap_or_default();
        let mut arguments = Arguments::of(&name, arguments);
        let expected_error = operation.maybe_document("expectError")?;
        let expected_result = operation.maybe("expectResult");
        let saved_as = operation.maybe_text("saveResultAsEntity")?;
        let unjudged = operation.flag("ignoreResultAndError")?.unwrap_or(false);
        operation.done()?;

        if object == "testRunner" {
            self.of_runner(&name, &mut arguments)?;
            return arguments.done();
        }
        let ended = self.of_entity(&name, &object, &mut arguments)?;
        arguments.done()?;
        let judged = match (ended, expected_error) {
            _ if unjudged => Ok(None),
            (Ok(result), None) => Ok(result),
            (Err(error), Some(expected)) => failure::check(&expected, &error, &self.entities).map(|()| None),
            (Ok(result), Some(_)) => Err(format!("an error was expected, but there is {result:?}")),
            (Err(error), None) => Err(format!("no error was expected, but there is {error}")),
        };
        let result = judged.map_err(|why| format!("{name}: {why}"))?;
        if let Some(expected) = expected_result {
            matching::result(&expected, result.as_ref(), &self.entities)
                .map_err(|why| format!("{name}: {why}"))?;
        }
        if let Some(saved_as) = saved_as {
            self.entities.put(&saved_as, Entity::Value(result.unwrap_or(Bson::Null)));
        }
        Ok(())
    }

    fn of_entity(&self, name: &str, object: &str, arguments: &mut Arguments) -> Result<Ended, String> {
        let session = match arguments.maybe_text("session")? {
            None => None,
            Some(name) => Some(self.entities.session(&name)?),
        };
        let mut session = session.as_deref().map(lock);
        let session = match &mut session {
            None => None,
            Some(session) => Some(session.as_mut().ok_or("the session has ended")?),
        };
        match self.entities.get(object)? {
            Entity::Database(database) => of_database(&database, name, arguments, session),
            Entity::Collection(collection) => of_collection(&collection, name, arguments, session),
            Entity::Client(client) => match name {
                "close" => {
                    client.close();
                    Ok(Ok(None))
                }
                "appendMetadata" => {
                    let mut info = Arguments::of(name, arguments.document("driverInfoOptions")?);
                    let mut told = driver::options::DriverInfo::builder().name(info.text("name")?);
                    told = told.version(info.maybe_text("version")?).platform(info.maybe_text("platform")?);
                    info.done()?;
                    Ok(client.client()?.append_metadata(told.build()).map(|()| None))
                }
                other => Err(format!("the harness does not know the operation {other:?} of clients")),
            },
            Entity::Session(session) => match name {
                "endSession" => {
                    drop(lock(&session).take());
                    Ok(Ok(None))
                }
                "getSnapshotTime" => {
                    let session = lock(&session);
                    let session = session.as_ref().ok_or("the session has ended")?;
                    Ok(Ok(session.snapshot_time().map(Bson::Timestamp)))
                }
                other => Err(format!("the harness does not know the operation {other:?} of sessions")),
            },
            _ => Err(format!("{object:?} has no operation {name:?}")),
        }
    }

    fn of_runner(self: &Arc<Self>, name: &str, arguments: &mut Arguments) -> Result<(), String> {
        match name {
            "failPoint" => {
                let client = self.entities.client(&arguments.text("client")?)?;
                self.fail_point(&client, arguments.document("failPoint")?)
            }
            "createEntities" => {
                let entities = arguments.documents("entities")?;
                entities.iter().try_for_each(|entity| self.entities.create(entity))
            }
            "wait" => {
                let ms = arguments.number::<u64>("ms")?.ok_or("wait lacks ms")?;
                std::thread::sleep(Duration::from_millis(ms));
                Ok(())
            }
            "waitForEvent" => {
                let client = self.entities.client(&arguments.text("client")?)?;
                let count = arguments.number("count")?.ok_or("waitForEvent lacks count")?;
                client.events.wait_for(&arguments.document("event")?, count, &self.entities)
            }
            "assertEventCount" => {
                let client = self.entities.client(&arguments.text("client")?)?;
                let event = arguments.document("event")?;
                let expected: usize = arguments.number("count")?.ok_or("assertEventCount lacks count")?;
                match client.events.count(&event, &self.entities) {
                    count if count == expected => Ok(()),
                    count => Err(format!("{event} was expected {expected} times, but came {count} times")),
                }
            }
            "assertSameLsidOnLastTwoCommands" => self.last_two_lsids(arguments, |one, other| one == other),
            "assertDifferentLsidOnLastTwoCommands" => {
                self.last_two_lsids(arguments, |one, other| one != other)
            }
            "runOnThread" => {
                let Entity::Thread(thread) = self.entities.get(&arguments.text("thread")?)? else {
                    return Err("runOnThread names no thread".into());
                };
                let (stage, operation) = (self.clone(), arguments.document("operation")?);
                thread.run(Box::new(move || stage.run(&operation)))
            }
            "waitForThread" => match self.entities.get(&arguments.text("thread")?)? {
                Entity::Thread(thread) => thread.finish(),
                _ => Err("waitForThread names no thread".into()),
            },
            "recordTopologyDescription" => {
                let topology = self.entities.client(&arguments.text("client")?)?.client()?.topology();
                self.entities.put(&arguments.text("id")?, Entity::Topology(topology));
                Ok(())
            }
            "assertTopologyType" => {
                let topology = self.topology(&arguments.text("topologyDescription")?)?;
                let (expected, actual) =
                    (arguments.text("topologyType")?, topology.topology_type().to_string());
                match expected == actual {
                    true => Ok(()),
                    false => Err(format!("a topology {expected} was expected, but it is {actual}")),
                }
            }
            "waitForPrimaryChange" => {
                let client = self.entities.client(&arguments.text("client")?)?.client()?;
                let prior = self.topology(&arguments.text("priorTopologyDescription")?)?;
                arguments.millis("timeoutMS")?;
                let primary =
                    |topology: &TopologyDescription| topology.primary().map(|p| p.address().clone());
                let until = Instant::now() + PATIENCE;
                unobserved(|| {
                    while primary(&client.topology()).is_none_or(|now| Some(now) == primary(&prior)) {
                        if Instant::now() > until {
                            return Err(format!("the primary did not change: {}", client.topology()));
                        }
                        std::thread::sleep(Duration::from_millis(5));
                    }
                    Ok(())
                })
            }
            other => Err(format!("the harness does not know the operation {other:?} of its own")),
        }
    }

    /// The client sets it itself, on the primary: that it takes a connection for it is among the events that cases expect.
    fn fail_point(&self, client: &Watched<F>, given: Document) -> Result<(), String> {
        let name = given.get_str("configureFailPoint").map_err(|e| e.to_string())?.to_owned();
        self.ground.will_restore(&name);
        // The command is known by its first field, wherever the file has it.
        let mut command = doc! { "configureFailPoint": name };
        command.extend(given);
        let admin = client.client()?.database("admin");
        let set = || F::run_command(admin.run_command(command));
        let reply = if client.records.is_some() { set() } else { unobserved(set) };
        reply.map(drop).map_err(|e| e.to_string())
    }

    fn topology(&self, name: &str) -> Result<Arc<TopologyDescription>, String> {
        match self.entities.get(name)? {
            Entity::Topology(topology) => Ok(topology),
            _ => Err(format!("{name:?} is no topology description")),
        }
    }

    fn last_two_lsids(
        &self,
        arguments: &mut Arguments,
        holds: fn(&Bson, &Bson) -> bool,
    ) -> Result<(), String> {
        let client = self.entities.client(&arguments.text("client")?)?;
        let commands = client.events.last_commands(2);
        let lsids: Vec<&Bson> = commands.iter().filter_map(|command| command.get("lsid")).collect();
        match lsids[..] {
            [one, other] if holds(one, other) => Ok(()),
            _ => Err(format!("the lsids of the last two commands are {lsids:?}")),
        }
    }
}
