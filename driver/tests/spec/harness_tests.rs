//! Tests of the harness: wrong expectations, malformed files and panics must fail.

use std::time::Duration;

use driver::bson::doc;
use driver::options::ConnectionString;
use driver::sync::Client;
use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};
use testbed::Standalone;

use crate::suite::{Case, Outcome, Suite};
use crate::{ignored, suites};

/// One trial per property of the harness.
pub(crate) fn trials() -> Vec<Trial> {
    let trial = |name: &str, claim: fn() -> Result<(), String>| {
        Trial::test(format!("harness: {name}"), move || claim().map_err(Failed::from))
    };
    vec![
        trial("the right expectations pass", right_expectations_pass),
        trial("each wrong expectation fails", wrong_expectations_fail),
        trial("an unknown option or member fails", unknown_members_fail),
        trial("a malformed file is an error", other_forms_are_unreadable),
        trial("a panic is a failure", panic_is_a_failure),
        trial("a case that must fail does not pass", what_passes_does_not_fail),
        trial("missing components are named", missing_components_are_named),
        trial(
            "only old servers lack fail points at the handshake",
            old_servers_lack_handshake_fail_points,
        ),
    ]
}

fn suite(name: &str) -> Suite {
    suites::all().into_iter().find(|suite| suite.name == name).expect("the suite exists")
}

fn outcome(name: &str, case: &Value) -> Result<Outcome, String> {
    let whole_file = [
        "initial-dns",
        "server-selection/",
        "max-staleness",
        "server-discovery-and-monitoring/",
        "crud/",
        "bson-",
    ]
    .iter()
    .any(|begin| name.starts_with(begin));
    let file = if whole_file { case.clone() } else { json!({ "tests": [case] }) };
    match (suite(name).cases)(&file) {
        Ok(mut cases) => Ok(cases.pop().ok_or("no case was read")?.outcome()),
        Err(why) => Ok(Outcome::Failed(why)),
    }
}

/// Cases with correct expectations, by suite.
fn right() -> Vec<(&'static str, Value)> {
    vec![
        (
            "connection-string",
            json!({
                "description": "all", "uri": "mongodb://al:pw@h:1/db?w=1&bananas=2",
                "valid": true, "warning": true,
                "hosts": [{ "type": "hostname", "host": "h", "port": 1 }],
                "auth": { "username": "al", "password": "pw", "db": "db" },
                "options": { "w": 1 },
            }),
        ),
        (
            "connection-string",
            json!({ "description": "bad", "uri": "mongo://h", "valid": false, "warning": null }),
        ),
        (
            "uri-options",
            json!({
                "description": "options", "uri": "mongodb://h/?maxPoolSize=5&tls=true",
                "valid": true, "warning": false,
                "options": { "maxPoolSize": 5, "tls": true },
            }),
        ),
        (
            "auth/legacy",
            json!({
                "description": "plain", "uri": "mongodb://al:pw@h/db?authMechanism=PLAIN",
                "valid": true,
                "credential": { "username": "al", "password": "pw", "source": "db",
                    "mechanism": "PLAIN" },
            }),
        ),
        (
            "read-write-concern/connection-string",
            json!({ "description": "w", "uri": "mongodb://h/?w=2", "valid": true,
                "writeConcern": { "w": 2 } }),
        ),
        (
            "server-selection/server_selection",
            json!({
                "topology_description": { "type": "ReplicaSetWithPrimary", "servers": [
                    { "address": "a:1", "type": "RSPrimary", "avg_rtt_ms": 100 },
                    { "address": "b:1", "type": "RSSecondary", "avg_rtt_ms": 5,
                        "tags": { "dc": "ny" } },
                    { "address": "c:1", "type": "RSSecondary", "avg_rtt_ms": 50,
                        "tags": { "dc": "ny" } },
                ]},
                "operation": "read", "read_preference": { "mode": "Secondary",
                    "tag_sets": [{ "dc": "ny" }] },
                "suitable_servers": [{ "address": "b:1" }, { "address": "c:1" }],
                "in_latency_window": [{ "address": "b:1" }],
            }),
        ),
        (
            "server-discovery-and-monitoring/rs",
            json!({ "uri": "mongodb://a,b/?replicaSet=rs", "phases": [{
                "responses": [["a:27017", {
                    "ok": 1, "isWritablePrimary": true, "setName": "rs", "setVersion": 1,
                    "hosts": ["a:27017", "c:27017"],
                    "electionId": { "$oid": "000000000000000000000001" },
                    "minWireVersion": 0, "maxWireVersion": 21, "logicalSessionTimeoutMinutes": 30,
                }]],
                "outcome": {
                    "servers": {
                        "a:27017": { "type": "RSPrimary", "setName": "rs", "setVersion": 1,
                            "pool": { "generation": 0 } },
                        "c:27017": { "type": "Unknown", "error": "" },
                    },
                    "topologyType": "ReplicaSetWithPrimary", "setName": "rs",
                    "logicalSessionTimeoutMinutes": 30,
                    "maxElectionId": { "$oid": "000000000000000000000001" }, "maxSetVersion": 1,
                    "compatible": true,
                },
            }]}),
        ),
        (
            "server-discovery-and-monitoring/monitoring",
            json!({ "uri": "mongodb://a/?directConnection=true", "phases": [{
                "responses": [],
                "outcome": { "events": [
                    { "topology_opening_event": { "topologyId": "42" } },
                    { "topology_description_changed_event": {
                        "previousDescription": { "topologyType": "Unknown", "servers": [] },
                        "newDescription": { "topologyType": "Single", "servers": [
                            { "address": "a:27017", "arbiters": [], "hosts": [], "passives": [],
                                "type": "Unknown" },
                        ]},
                    }},
                    { "server_opening_event": { "address": "a:27017" } },
                ]},
            }]}),
        ),
        ("server-selection/rtt", json!({ "avg_rtt_ms": 10, "new_rtt_ms": 60, "new_avg_rtt": 20 })),
        (
            "read-write-concern/document",
            json!({
                "description": "w", "valid": true, "writeConcern": { "w": 0 },
                "writeConcernDocument": { "w": 0 },
                "isServerDefault": false, "isAcknowledged": false,
            }),
        ),
        ("crud/unified", in_unified_format()),
        (
            "bson-corpus",
            json!({ "description": "x", "bson_type": "0x10", "test_key": "i", "valid": [{
                "description": "1", "canonical_bson": "0C0000001069000100000000",
                "canonical_extjson": "{\"i\" : {\"$numberInt\": \"1\"}}",
            }]}),
        ),
        (
            "bson-corpus",
            json!({ "description": "x", "bson_type": "0x10", "decodeErrors": [{ "description": "1",
                "bson": "0500000001" }]}),
        ),
        (
            "bson-binary-vector",
            json!({ "description": "x", "test_key": "vector", "tests": [{
                "description": "1", "valid": true, "vector": [127, 7], "dtype_hex": "0x03",
                "padding": 0,
                "canonical_bson": "1600000005766563746F7200040000000903007F0700",
            }]}),
        ),
        #[cfg(feature = "dns")]
        (
            "initial-dns-seedlist-discovery/replica-set",
            json!({
                "uri": "mongodb+srv://al:pw@test5.test.build.10gen.cc/db",
                "seeds": ["localhost.test.build.10gen.cc:27017"],
                "numSeeds": 1, "options": { "ssl": true, "authSource": "thisDB" },
                "parsed_options": { "user": "al", "password": "pw", "db": "db" },
            }),
        ),
    ]
}

/// A case of the unified format with most kinds of expectations.
fn in_unified_format() -> Value {
    json!({
        "description": "harness", "schemaVersion": "1.0",
        "createEntities": [
            { "client": { "id": "client", "observeEvents": ["commandStartedEvent",
                "commandSucceededEvent"] } },
            { "database": { "id": "db", "client": "client", "databaseName": "harness" } },
            { "collection": { "id": "c", "database": "db", "collectionName": "c" } },
        ],
        "initialData": [{ "databaseName": "harness", "collectionName": "c",
            "documents": [{ "_id": 1 }] }],
        "tests": [{
            "description": "insert",
            "operations": [
                {
                    "name": "insertOne", "object": "c", "arguments": { "document": { "_id": 2 } },
                    "expectResult": { "insertedId": { "$$unsetOrMatches": 2 } },
                },
                {
                    "name": "insertOne", "object": "c", "arguments": { "document": { "_id": 1 } },
                    "expectError": { "errorResponse": { "ok": 1 }, "isError": true,
                        "isClientError": false, "errorCode": 11000,
                        "errorContains": "duplicate key",
                        "errorLabelsOmit": ["RetryableWriteError"] },
                },
                {
                    "name": "find", "object": "c", "arguments": { "filter": {},
                        "sort": { "_id": 1 } },
                    "expectResult": [{ "_id": 1 }, { "_id": { "$$type": ["int", "long"] } }],
                },
            ],
            "expectEvents": [{ "client": "client", "events": [
                { "commandStartedEvent": { "commandName": "insert", "databaseName": "harness",
                    "command": { "insert": "c", "documents": [{ "_id": 2 }],
                        "bananas": { "$$exists": false } } } },
                { "commandSucceededEvent": { "commandName": "insert", "reply": { "ok": 1,
                    "n": 1 } } },
                { "commandStartedEvent": {} },
                { "commandSucceededEvent": {} },
                { "commandStartedEvent": { "commandName": "find" } },
                { "commandSucceededEvent": { "commandName": "find" } },
            ]}],
            "outcome": [{ "databaseName": "harness", "collectionName": "c",
                "documents": [{ "_id": 1 }, { "_id": 2 }] }],
        }],
    })
}

/// Whether the path belongs to an instruction of a unified case, not to an expectation.
fn is_instruction(path: &str) -> bool {
    let begins = ["/schemaVersion", "/createEntities", "/initialData", "/tests/0/description"];
    let instructs = ["/name", "/object", "/arguments/"].iter().any(|part| path.contains(part));
    begins.iter().any(|begin| path.starts_with(begin))
        || path.starts_with("/tests/0/operations/") && instructs
}

fn right_expectations_pass() -> Result<(), String> {
    for (suite, case) in right() {
        match outcome(suite, &case)? {
            Outcome::Passed | Outcome::Routed => {}
            other => return Err(format!("{suite}: {case}: {other:?}")),
        }
    }
    Ok(())
}

/// Changes each leaf of every correct case, one at a time. Each change must fail.
fn wrong_expectations_fail() -> Result<(), String> {
    for (suite, case) in right() {
        for path in expectations(&case) {
            let mut spoilt = case.clone();
            let leaf = spoilt.pointer_mut(&path).ok_or("the path leads nowhere")?;
            *leaf = match &*leaf {
                Value::Bool(flag) => json!(!flag),
                Value::Number(n) => json!(n.as_i64().unwrap_or_default() + 1),
                Value::String(text) if text == "hostname" => json!("unix"),
                _ => json!("wrong"),
            };
            if !matches!(outcome(suite, &spoilt)?, Outcome::Failed(_)) {
                return Err(format!("{suite}: passes although {path} is wrong: {spoilt}"));
            }
        }
    }
    Ok(())
}

/// The JSON pointers of all leaves that are expectations.
fn expectations(case: &Value) -> Vec<String> {
    fn walk(value: &Value, path: String, leaves: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                members
                    .iter()
                    .for_each(|(key, member)| walk(member, format!("{path}/{key}"), leaves));
            }
            Value::Array(items) => {
                items
                    .iter()
                    .enumerate()
                    .for_each(|(i, item)| walk(item, format!("{path}/{i}"), leaves));
            }
            Value::Null => {}
            _ => leaves.push(path),
        }
    }
    let mut leaves = Vec::new();
    walk(case, String::new(), &mut leaves);
    let given = [
        "/description",
        "/uri",
        "/topology_description",
        "/operation",
        "/phases/0/responses",
        "/bson_type",
        "/test_key",
        // The padding of a vector is only compared if the type has one.
        "/tests/0/padding",
    ];
    leaves.retain(|path| !is_instruction(path) && !path.ends_with("/description"));
    // Not tested: an omitted label beside another, and one of two accepted types.
    leaves.retain(|path| !path.contains("errorLabelsOmit") && !path.contains("$$type/1"));
    leaves.retain(|path| {
        !given.iter().any(|given| path.starts_with(given)) && !path.ends_with("/topologyId")
    });
    leaves
}

fn unknown_members_fail() -> Result<(), String> {
    for (suite, case) in [
        (
            "uri-options",
            json!({ "description": "x", "uri": "mongodb://h", "valid": true,
                "options": { "bananas": null } }),
        ),
        (
            "auth/legacy",
            json!({ "description": "x", "uri": "mongodb://a:b@h", "valid": true,
                "credential": { "bananas": null } }),
        ),
        ("connection-string", json!({ "description": "x", "uri": "mongodb://h" })),
        ("read-write-concern/document", json!({ "description": "x", "valid": true })),
    ] {
        if !matches!(outcome(suite, &case)?, Outcome::Failed(_)) {
            return Err(format!("{suite}: passes: {case}"));
        }
    }
    Ok(())
}

fn other_forms_are_unreadable() -> Result<(), String> {
    // These suites expect malformed files.
    let takes_them =
        |suite: &Suite| suite.name.ends_with("/invalid") || suite.name.ends_with("/valid-fail");
    for suite in suites::all().into_iter().filter(|suite| !takes_them(suite)) {
        for content in [json!({}), json!({ "tests": 1 }), json!({ "tests": [{}] })] {
            if (suite.cases)(&content).is_ok() {
                return Err(format!("{} reads {content}", suite.name));
            }
        }
    }
    Ok(())
}

/// A passing case in a suite of failing cases is a failure. So is a file that is read instead of
/// refused.
fn what_passes_does_not_fail() -> Result<(), String> {
    for name in ["unified-test-format/valid-fail", "unified-test-format/invalid"] {
        for case in (suite(name).cases)(&in_unified_format())? {
            match case.outcome() {
                Outcome::Failed(_) => {}
                other => return Err(format!("{name}: {other:?}")),
            }
        }
    }
    Ok(())
}

/// `resume_unwind` panics without the panic hook's message and backtrace.
fn panic_is_a_failure() -> Result<(), String> {
    let case = Case::new("panics", || std::panic::resume_unwind(Box::new("on purpose")));
    match case.outcome() {
        Outcome::Failed(why) if why.contains("on purpose") => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

/// Reasons to ignore belong to cases, not to whole suites.
fn missing_components_are_named() -> Result<(), String> {
    match ignored::missing_component(
        "auth/legacy/connection-string: should recognise the mechanism (MONGODB-AWS)",
    ) {
        None => Ok(()),
        Some(reason) => Err(format!("ignored: {reason}")),
    }
}

/// Checks the versions in `ignored.rs` against the server.
fn old_servers_lack_handshake_fail_points() -> Result<(), String> {
    const NAME: &str = "handshake_probe";
    let server = Standalone::start().map_err(|e| e.to_string())?;
    let fault = doc! {
        "configureFailPoint": "failCommand", "mode": "alwaysOn",
        "data": { "failCommands": ["hello", "isMaster"], "closeConnection": true, "appName": NAME },
    };
    let _fault = server.fail_point(fault).map_err(|e| e.to_string())?;
    let mut options = ConnectionString::parse(server.uri()).map_err(|e| e.to_string())?.options;
    options.app_name = Some(NAME.to_owned());
    options.server_selection_timeout = Some(Duration::from_secs(2));
    let client = Client::with_options(options).map_err(|e| e.to_string())?;
    // An old server fails the monitor's second check, which may clear the pool at any time.
    let ping = || client.database("admin").run_command(doc! { "ping": 1 }).run().is_ok();
    let reached = (0..3).any(|_| ping());
    let (version, since) = (server.version(), ignored::HANDSHAKE_FAIL_POINTS);
    if reached == (version < since) {
        Ok(())
    } else {
        Err(format!("{version}: connected: {reached}; versions since {since} must not connect"))
    }
}
