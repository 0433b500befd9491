//! "Server Discovery And Monitoring": the effects of replies and errors on the description, the
//! pools and the events.

use driver::ServerDescription;
use driver::TopologyDescription;
use driver::bson::{Bson, RawDocumentBuf};
use driver::conformance::selection::server_type;
use driver::conformance::topology::{Failure, Topology, When};
use driver::event::sdam::SdamEvent;
use driver::options::ConnectionString;
use serde_json::{Map, Value, json};

use super::expect::{same, text};
use crate::suite::Case;

pub(crate) fn cases(content: &Value) -> Result<Vec<Case>, String> {
    let description = content
        .get("description")
        .and_then(Value::as_str)
        .unwrap_or("the outcome of the phases")
        .to_owned();
    text(content, "uri")?;
    array(content, "phases")?;
    let content = content.clone();
    Ok(vec![Case::new(description, move || run(&content))])
}

/// Runs the phases of one file, each with its outcome.
fn run(case: &Value) -> Result<(), String> {
    let parsed = ConnectionString::parse(text(case, "uri")?).map_err(|e| e.to_string())?;
    let topology = Topology::open(parsed.options).map_err(|e| e.to_string())?;
    for (i, phase) in array(case, "phases")?.iter().enumerate() {
        run_phase(&topology, phase).map_err(|why| format!("phase {i}: {why}"))?;
    }
    Ok(())
}

fn run_phase(topology: &Topology, phase: &Value) -> Result<(), String> {
    only(phase, &["description", "responses", "applicationErrors", "outcome"])?;
    for response in phase.get("responses").and_then(Value::as_array).into_iter().flatten() {
        let address = response.get(0).and_then(Value::as_str).ok_or("a response has no address")?;
        let reply = raw(response.get(1).ok_or("a response has no reply")?)?;
        topology.checked(address, &reply).map_err(|e| e.to_string())?;
    }
    for error in phase.get("applicationErrors").and_then(Value::as_array).into_iter().flatten() {
        run_error(topology, error)?;
    }
    let outcome = phase.get("outcome").ok_or("the phase has no outcome")?;
    match outcome.get("events") {
        Some(events) => {
            only(outcome, &["events"])?;
            expect_events(
                topology.take_events(),
                events.as_array().ok_or("events is not an array")?,
            )
        }
        None => expect_outcome(topology, outcome),
    }
}

fn run_error(topology: &Topology, error: &Value) -> Result<(), String> {
    only(error, &["address", "generation", "maxWireVersion", "when", "type", "response"])?;
    let when = match text(error, "when")? {
        "beforeHandshakeCompletes" => When::BeforeHandshake,
        "afterHandshakeCompletes" => When::AfterHandshake,
        other => return Err(format!("unknown time of an error {other:?}")),
    };
    let reply = error.get("response").map(raw).transpose()?;
    let failure = match (text(error, "type")?, &reply) {
        ("network", _) => Failure::Network,
        ("timeout", _) => Failure::Timeout,
        ("command", Some(reply)) => Failure::Command(reply),
        (other, _) => return Err(format!("unknown type of an error {other:?}")),
    };
    let generation =
        error.get("generation").and_then(Value::as_u64).map(|generation| generation as u32);
    topology.failed(text(error, "address")?, generation, &failure, when).map_err(|e| e.to_string())
}

fn expect_outcome(topology: &Topology, outcome: &Value) -> Result<(), String> {
    const MEMBERS: [&str; 8] = [
        "servers",
        "topologyType",
        "setName",
        "logicalSessionTimeoutMinutes",
        "compatible",
        "maxElectionId",
        "maxSetVersion",
        "events",
    ];
    only(outcome, &MEMBERS)?;
    let description = topology.description();
    same("the type", description.topology_type().to_string(), text(outcome, "topologyType")?)?;
    let minutes = description.logical_session_timeout().map(|timeout| timeout.as_secs() / 60);
    let actual = json!({
        "setName": description.set_name(),
        "logicalSessionTimeoutMinutes": minutes,
        "compatible": description.compatibility_error().is_none(),
        "maxElectionId": description.max_election_id().map(|id| json!({ "$oid": id.to_hex() })),
        "maxSetVersion": description.max_set_version(),
    });
    for (key, expected) in outcome.as_object().into_iter().flatten() {
        if let Some(actual) = actual.get(key) {
            let expected =
                if key == "compatible" && expected.is_null() { &json!(true) } else { expected };
            same(key, actual, expected)?;
        }
    }
    let servers =
        outcome.get("servers").and_then(Value::as_object).ok_or("the outcome has no servers")?;
    same("the number of servers", description.servers().len(), servers.len())?;
    for (address, expected) in servers {
        let server =
            find(&description, address).ok_or_else(|| format!("there is no server {address}"))?;
        expect_server(topology, server, expected).map_err(|why| format!("{address}: {why}"))?;
    }
    Ok(())
}

fn find<'d>(description: &'d TopologyDescription, address: &str) -> Option<&'d ServerDescription> {
    description.servers().find(|server| server.address().to_string() == address)
}

fn expect_server(
    topology: &Topology,
    server: &ServerDescription,
    expected: &Value,
) -> Result<(), String> {
    let version = server.topology_version().map(|version| {
        json!({ "processId": { "$oid": version.process_id.to_hex() },
            "counter": { "$numberLong": version.counter.to_string() } })
    });
    for (key, expected) in expected.as_object().ok_or("a server is not a document")? {
        let actual = match key.as_str() {
            "type" => {
                let wanted = server_type(expected.as_str().unwrap_or_default())
                    .map_err(|e| e.to_string())?;
                same("type", server.server_type(), wanted)?;
                continue;
            }
            "error" => {
                let wanted = expected.as_str().ok_or("the error is not a string")?;
                let error = server.error().map(ToString::to_string).unwrap_or_default();
                if !error.contains(wanted) {
                    return Err(format!("the error {error:?} does not contain {wanted:?}"));
                }
                continue;
            }
            "pool" => {
                only(expected, &["generation"])?;
                let generation = topology
                    .generation(&server.address().to_string())
                    .map_err(|e| e.to_string())?;
                same("the pool's generation", &json!(generation), &expected["generation"])?;
                continue;
            }
            "setName" => json!(server.replica_set_name()),
            "setVersion" => json!(server.replica_set_version()),
            "electionId" => json!(server.election_id().map(|id| json!({ "$oid": id.to_hex() }))),
            "logicalSessionTimeoutMinutes" => {
                json!(server.logical_session_timeout().map(|t| t.as_secs() / 60))
            }
            "minWireVersion" => json!(server.min_wire_version()),
            "maxWireVersion" => json!(server.max_wire_version()),
            "topologyVersion" => json!(version),
            other => return Err(format!("a server has the unknown member {other:?}")),
        };
        same(key, &actual, expected)?;
    }
    Ok(())
}

fn expect_events(actual: Vec<SdamEvent>, expected: &[Value]) -> Result<(), String> {
    let actual: Vec<Value> = actual.iter().filter_map(event).collect();
    for (i, (actual, expected)) in actual.iter().zip(expected).enumerate() {
        let mut expected = expected.clone();
        forget_ids(&mut expected);
        same(&format!("event {i}"), actual, &expected)?;
    }
    same("the number of events", actual.len(), expected.len())
}

/// The event in the format of the cases; `None` for heartbeats, which the cases omit.
fn event(event: &SdamEvent) -> Option<Value> {
    Some(match event {
        SdamEvent::TopologyOpening(_) => json!({ "topology_opening_event": {} }),
        SdamEvent::TopologyClosed(_) => json!({ "topology_closed_event": {} }),
        SdamEvent::ServerOpening(e) => {
            json!({ "server_opening_event": { "address": e.address.to_string() } })
        }
        SdamEvent::ServerClosed(e) => {
            json!({ "server_closed_event": { "address": e.address.to_string() } })
        }
        SdamEvent::ServerDescriptionChanged(e) => json!({ "server_description_changed_event": {
            "address": e.address.to_string(),
            "previousDescription": server(&e.previous_description),
            "newDescription": server(&e.new_description),
        }}),
        SdamEvent::TopologyDescriptionChanged(e) => json!({ "topology_description_changed_event": {
            "previousDescription": deployment(&e.previous_description),
            "newDescription": deployment(&e.new_description),
        }}),
        _ => return None,
    })
}

fn server(server: &ServerDescription) -> Value {
    let list = |addresses: &[driver::options::ServerAddress]| {
        addresses.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let mut value = json!({
        "address": server.address().to_string(),
        "arbiters": list(server.arbiters()),
        "hosts": list(server.hosts()),
        "passives": list(server.passives()),
        "type": server.server_type().to_string(),
    });
    if let Some(primary) = server.primary() {
        value["primary"] = json!(primary.to_string());
    }
    if let Some(name) = server.replica_set_name() {
        value["setName"] = json!(name);
    }
    value
}

fn deployment(description: &TopologyDescription) -> Value {
    let servers: Vec<Value> = description.servers().map(server).collect();
    let mut value =
        json!({ "topologyType": description.topology_type().to_string(), "servers": servers });
    if let Some(name) = description.set_name() {
        value["setName"] = json!(name);
    }
    value
}

/// Removes values that differ in every run, and replaces a server type that multi-threaded clients
/// do not use.
fn forget_ids(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.remove("topologyId");
            members.values_mut().for_each(forget_ids);
        }
        Value::Array(items) => items.iter_mut().for_each(forget_ids),
        Value::String(kind) if kind == "PossiblePrimary" => *kind = "Unknown".into(),
        _ => {}
    }
}

/// Extended JSON as a BSON document.
fn raw(value: &Value) -> Result<RawDocumentBuf, String> {
    let document = match serde_json::from_value::<Bson>(value.clone()) {
        Ok(Bson::Document(document)) => document,
        other => return Err(format!("{value} is not a document: {other:?}")),
    };
    RawDocumentBuf::try_from(document).map_err(|e| e.to_string())
}

fn array<'a>(value: &'a Value, key: &str) -> Result<&'a Vec<Value>, String> {
    value.get(key).and_then(Value::as_array).ok_or_else(|| format!("there is no array {key:?}"))
}

/// Asserts that the value has only known members.
fn only(value: &Value, known: &[&str]) -> Result<(), String> {
    let members: &Map<String, Value> =
        value.as_object().ok_or_else(|| format!("{value} is not a document"))?;
    match members.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => Err(format!("there is the unknown member {key:?}")),
    }
}
