//! "Server Selection" and "Max Staleness": suitable servers, the latency window, and the selected
//! server.

use std::collections::BTreeMap;
use std::time::Duration;

use driver::bson;
use driver::conformance::selection::{Deployment, Server, moving_average};
use driver::options::{ReadPreference, ServerAddress};
use serde_json::Value;

use super::expect::{asserted, same, text};
use crate::suite::Case;

const DEFAULT_HEARTBEAT: Duration = Duration::from_secs(10);
const LOCAL_THRESHOLD: Duration = Duration::from_millis(15);

pub(crate) fn selection_cases(content: &Value) -> Result<Vec<Case>, String> {
    one(content, "topology_description", run_selection)
}

pub(crate) fn window_cases(content: &Value) -> Result<Vec<Case>, String> {
    one(content, "mocked_topology_state", run_window)
}

pub(crate) fn rtt_cases(content: &Value) -> Result<Vec<Case>, String> {
    one(content, "new_rtt_ms", run_rtt)
}

/// The single case of a file with the member `key`.
fn one(
    content: &Value,
    key: &str,
    run: fn(&Value) -> Result<(), String>,
) -> Result<Vec<Case>, String> {
    content.get(key).ok_or_else(|| format!("the file has no {key:?}"))?;
    let description =
        content.get("description").and_then(Value::as_str).unwrap_or("the servers selected");
    let content = content.clone();
    Ok(vec![Case::new(description, move || run(&content))])
}

/// Runs a case of "server_selection" or "max-staleness".
pub(crate) fn run_selection(case: &Value) -> Result<(), String> {
    only(
        case,
        &[
            "topology_description",
            "operation",
            "read_preference",
            "suitable_servers",
            "in_latency_window",
            "error",
            "heartbeatFrequencyMS",
            "deprioritized_servers",
        ],
    )?;
    let deployment = deployment(case)?;
    let error_expected = asserted(case, "error").is_some_and(|error| error == true);
    let selected = preference(case).and_then(|preference| {
        let avoided = avoided(case)?;
        let suitable = deployment.suitable(&preference, &avoided).map_err(|e| e.to_string())?;
        let near = deployment.in_window(&preference, &avoided).map_err(|e| e.to_string())?;
        Ok((suitable, near))
    });
    match (selected, error_expected) {
        (Err(_), true) => Ok(()),
        (Ok(_), true) => Err("expected an error, found none".into()),
        (Err(e), false) => Err(format!("unexpected error: {e}")),
        (Ok((suitable, near)), false) => {
            same("the suitable servers", suitable, names(case, "suitable_servers")?)?;
            same("the servers in the latency window", near, names(case, "in_latency_window")?)
        }
    }
}

/// Runs a case of "in_window".
pub(crate) fn run_window(case: &Value) -> Result<(), String> {
    only(
        case,
        &["description", "topology_description", "mocked_topology_state", "iterations", "outcome"],
    )?;
    let iterations = number(case, "iterations")? as u32;
    let mut operations = BTreeMap::new();
    for server in array(case, "mocked_topology_state")? {
        operations
            .insert(text(server, "address")?.to_owned(), number(server, "operation_count")? as u32);
    }
    let nearest = ReadPreference::nearest(None);
    let chosen =
        deployment(case)?.choose(&nearest, &operations, iterations).map_err(|e| e.to_string())?;
    let outcome = case.get("outcome").ok_or("the case has no outcome")?;
    let tolerance = number(outcome, "tolerance")?;
    let expected = outcome
        .get("expected_frequencies")
        .and_then(Value::as_object)
        .ok_or("the outcome has no frequencies")?;
    for (address, frequency) in expected {
        let frequency = frequency.as_f64().ok_or("a frequency is not a number")?;
        let actual =
            f64::from(chosen.get(address).copied().unwrap_or_default()) / f64::from(iterations);
        let fits = match frequency {
            0.0 | 1.0 => actual == frequency,
            _ => (actual - frequency).abs() <= tolerance,
        };
        if !fits {
            return Err(format!(
                "{address}: expected the frequency {frequency} ± {tolerance}, found {actual}"
            ));
        }
    }
    Ok(())
}

/// Runs a case of "rtt".
pub(crate) fn run_rtt(case: &Value) -> Result<(), String> {
    only(case, &["avg_rtt_ms", "new_rtt_ms", "new_avg_rtt"])?;
    let old = match case.get("avg_rtt_ms") {
        Some(Value::String(none)) if none == "NULL" => None,
        _ => Some(millis(number(case, "avg_rtt_ms")?)),
    };
    let new = moving_average(old, millis(number(case, "new_rtt_ms")?));
    let expected = number(case, "new_avg_rtt")?;
    if (new.as_secs_f64() * 1e3 - expected).abs() < 1e-3 {
        Ok(())
    } else {
        Err(format!("the new average: expected {expected} ms, found {new:?}"))
    }
}

fn deployment(case: &Value) -> Result<Deployment, String> {
    let description =
        case.get("topology_description").ok_or("the case has no topology_description")?;
    let servers =
        array(description, "servers")?.iter().map(server).collect::<Result<Vec<_>, _>>()?;
    let heartbeat = match case.get("heartbeatFrequencyMS") {
        Some(_) => millis(number(case, "heartbeatFrequencyMS")?),
        None => DEFAULT_HEARTBEAT,
    };
    Deployment::new(text(description, "type")?, &servers, heartbeat, LOCAL_THRESHOLD)
        .map_err(|e| e.to_string())
}

fn server(value: &Value) -> Result<Server, String> {
    only(
        value,
        &["address", "avg_rtt_ms", "type", "tags", "lastUpdateTime", "lastWrite", "maxWireVersion"],
    )?;
    let mut server = Server {
        address: text(value, "address")?.to_owned(),
        server_type: text(value, "type")?.to_owned(),
        ..Server::default()
    };
    if value.get("avg_rtt_ms").is_some() {
        server.average_rtt = Some(millis(number(value, "avg_rtt_ms")?));
    }
    if let Some(tags) = value.get("tags").and_then(Value::as_object) {
        for (key, tag) in tags {
            server
                .tags
                .insert(key.clone(), tag.as_str().ok_or("a tag is not a string")?.to_owned());
        }
    }
    if value.get("lastUpdateTime").is_some() {
        server.last_update_ms = number(value, "lastUpdateTime")? as u64;
    }
    if let Some(written) = value.pointer("/lastWrite/lastWriteDate/$numberLong") {
        let written = written.as_str().and_then(|ms| ms.parse().ok());
        server.last_write_ms = Some(written.ok_or("lastWriteDate is not a number")?);
    }
    Ok(server)
}

/// Writes select as reads from the primary.
fn preference(case: &Value) -> Result<ReadPreference, String> {
    let given =
        match (asserted(case, "read_preference"), case.get("operation").and_then(Value::as_str)) {
            (_, Some("write")) | (None, _) => return Ok(ReadPreference::Primary),
            (Some(given), _) => given,
        };
    let mut written = given.clone();
    let object = written.as_object_mut().ok_or("read_preference is not a document")?;
    let mode = object.get("mode").and_then(Value::as_str).unwrap_or("Primary").to_owned();
    object.insert("mode".into(), mode.into());
    if mode_of(&object["mode"]) == "primary"
        && object.get("tag_sets").is_some_and(|sets| *sets == serde_json::json!([{}]))
    {
        object.remove("tag_sets");
    }
    let document = bson::serialize_to_document(&written).map_err(|e| e.to_string())?;
    bson::deserialize_from_document(document).map_err(|e| e.to_string())
}

fn mode_of(mode: &Value) -> String {
    mode.as_str().unwrap_or_default().to_ascii_lowercase()
}

fn avoided(case: &Value) -> Result<Vec<ServerAddress>, String> {
    let Some(servers) = asserted(case, "deprioritized_servers") else { return Ok(Vec::new()) };
    let servers = servers.as_array().ok_or("deprioritized_servers is not an array")?;
    servers
        .iter()
        .map(|server| ServerAddress::parse(text(server, "address")?).map_err(|e| e.to_string()))
        .collect()
}

fn names(case: &Value, key: &str) -> Result<Vec<String>, String> {
    let mut names = array(case, key)?
        .iter()
        .map(|server| text(server, "address").map(str::to_owned))
        .collect::<Result<Vec<_>, _>>()?;
    names.sort();
    Ok(names)
}

fn array<'a>(value: &'a Value, key: &str) -> Result<&'a Vec<Value>, String> {
    value.get(key).and_then(Value::as_array).ok_or_else(|| format!("there is no array {key:?}"))
}

fn number(value: &Value, key: &str) -> Result<f64, String> {
    value.get(key).and_then(Value::as_f64).ok_or_else(|| format!("there is no number {key:?}"))
}

fn millis(ms: f64) -> Duration {
    Duration::from_secs_f64(ms / 1e3)
}

/// Asserts that the case has only known members.
fn only(case: &Value, known: &[&str]) -> Result<(), String> {
    let object = case.as_object().ok_or("the case is not a document")?;
    match object.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => Err(format!("the case has the unknown member {key:?}")),
    }
}
