//! The `tracing` messages of the driver (specification "Logging"): names, levels, fields.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Mutex;
use std::time::Duration;

use driver::bson::{Document, doc};
use driver::event::log::MAX_DOCUMENT_LENGTH;
use driver::options::ConnectionString;
use driver::sync::Client;
use testbed::Standalone;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// One log message.
#[derive(Clone, Debug)]
struct Line {
    target: String,
    level: Level,
    fields: HashMap<String, String>,
}

static LINES: Mutex<Vec<Line>> = Mutex::new(Vec::new());

/// Records the driver's messages.
struct Keeper;

impl Subscriber for Keeper {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("driver::")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let metadata = event.metadata();
        let line = Line {
            target: metadata.target().to_owned(),
            level: *metadata.level(),
            fields: fields.0,
        };
        LINES.lock().unwrap().push(line);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Fields(HashMap<String, String>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }
}

/// The first log message `message`, with its fields.
fn line(message: &str) -> Line {
    let lines = LINES.lock().unwrap();
    let said = |line: &&Line| line.fields.get("message").is_some_and(|said| said == message);
    lines.iter().find(said).unwrap_or_else(|| panic!("{message:?} was not logged")).clone()
}

/// The operation ids in the messages about selections and commands of this name.
fn ids(name: &str) -> Vec<u64> {
    let lines = LINES.lock().unwrap();
    let fields = lines.iter().map(|line| &line.fields);
    let of_name = fields.filter(|fields| {
        ["operation", "commandName"].iter().any(|key| fields.get(*key).is_some_and(|n| n == name))
    });
    of_name.map(|fields| fields["operationId"].parse().unwrap()).collect()
}

fn check(message: &str, target: &str, level: Level, fields: &[&str]) {
    let line = line(message);
    assert_eq!((line.target.as_str(), line.level), (target, level), "{message}");
    let mut names: Vec<&str> =
        line.fields.keys().map(String::as_str).filter(|name| *name != "message").collect();
    let mut expected = fields.to_vec();
    names.sort_unstable();
    expected.sort_unstable();
    assert_eq!(names, expected, "{message}");
}

#[test]
fn log_messages_have_the_names_of_the_specification() {
    tracing::subscriber::set_global_default(Keeper).unwrap();
    let server = Standalone::start().unwrap();
    let uri = format!("{}/?retryWritse=false", server.uri().trim_end_matches('/'));
    let mut options = ConnectionString::parse(uri).unwrap().options;
    options.server_selection_timeout = Some(Duration::from_secs(20));
    let client = Client::with_options(options.clone()).unwrap();
    let client_warnings = client.warnings().to_vec();
    let coll = client.database("log").collection::<Document>("c");
    coll.insert_one(doc! { "_id": 1, "text": "ü".repeat(2 * MAX_DOCUMENT_LENGTH) }).run().unwrap();
    client.database("log").run_command(doc! { "noSuchCommand": 1 }).run().unwrap_err();
    let broken = doc! { "failCommands": ["find"], "closeConnection": true };
    let point =
        doc! { "configureFailPoint": "failCommand", "mode": { "times": 1 }, "data": broken };
    let point = server.fail_point(point).unwrap();
    coll.find_one(doc! {}).run().unwrap();
    drop(point);
    client.wait_for_refresh().unwrap();
    server.kill().unwrap();
    testbed::eventually("the pool is cleared", || {
        LINES.lock().unwrap().iter().any(|line| {
            line.fields.get("message").is_some_and(|message| message == "Connection pool cleared")
        })
    });
    options.server_selection_timeout = Some(Duration::from_millis(50));
    let nobody = Client::with_options(options).unwrap();
    nobody.database("log").run_command(doc! { "ping": 1 }).run().unwrap_err();
    drop((coll, client, nobody));

    const SERVER: [&str; 2] = ["serverHost", "serverPort"];
    let with = |fields: &[&'static str]| [&SERVER[..], fields].concat();
    let about = [
        "commandName",
        "databaseName",
        "requestId",
        "operationId",
        "driverConnectionId",
        "serverConnectionId",
    ];
    let command = |fields: &[&'static str]| [&SERVER[..], &about[..], fields].concat();
    for (message, fields) in [
        ("Command started", command(&["command"])),
        ("Command succeeded", command(&["durationMS", "reply"])),
        ("Command failed", command(&["durationMS", "failure"])),
    ] {
        check(message, "driver::command", Level::DEBUG, &fields);
    }
    for (message, fields) in [
        ("Connection pool created", with(&[])),
        ("Connection pool ready", with(&[])),
        ("Connection pool cleared", with(&[])),
        ("Connection pool closed", with(&[])),
        ("Connection created", with(&["driverConnectionId"])),
        ("Connection ready", with(&["driverConnectionId", "durationMS"])),
        ("Connection closed", with(&["driverConnectionId", "reason"])),
        ("Connection checkout started", with(&[])),
        ("Connection checked out", with(&["driverConnectionId", "durationMS"])),
        ("Connection checked in", with(&["driverConnectionId"])),
    ] {
        check(message, "driver::connection", Level::DEBUG, &fields);
    }
    let heartbeat = |fields: &[&'static str]| {
        with(&[&["topologyId", "awaited", "driverConnectionId"], fields].concat())
    };
    for (message, fields) in [
        ("Starting topology monitoring", vec!["topologyId"]),
        ("Stopped topology monitoring", vec!["topologyId"]),
        (
            "Topology description changed",
            vec!["topologyId", "previousDescription", "newDescription"],
        ),
        ("Starting server monitoring", with(&["topologyId"])),
        ("Stopped server monitoring", with(&["topologyId"])),
        ("Server heartbeat started", heartbeat(&[])),
        ("Server heartbeat succeeded", heartbeat(&["serverConnectionId", "durationMS", "reply"])),
        ("Server heartbeat failed", heartbeat(&["serverConnectionId", "durationMS", "failure"])),
    ] {
        check(message, "driver::topology", Level::DEBUG, &fields);
    }
    let selection = |fields: &[&'static str]| {
        [&["selector", "operation", "operationId", "topologyDescription"], fields].concat()
    };
    for (message, level, fields) in [
        ("Server selection started", Level::DEBUG, selection(&[])),
        ("Server selection succeeded", Level::DEBUG, selection(&SERVER)),
        (
            "Waiting for suitable server to become available",
            Level::INFO,
            selection(&["remainingTimeMS"]),
        ),
        ("Server selection failed", Level::DEBUG, selection(&["failure"])),
    ] {
        check(message, "driver::server_selection", level, &fields);
    }
    let [unknown] = client_warnings.as_slice() else { panic!("{client_warnings:?}") };
    check(unknown, "driver::client", Level::WARN, &[]);
    let command = &line("Command started").fields["command"];
    assert!(
        command.ends_with("...") && command.chars().count() == MAX_DOCUMENT_LENGTH + 3,
        "{command}"
    );
    assert!(command.starts_with(r#"{"insert":"c""#), "{command}");
    assert_eq!(line("Server selection started").fields["operation"], "insert");
    // Two attempts, each with the start and the end of a selection and of a command.
    let found = ids("find");
    assert!(found.len() >= 8, "{found:?}");
    assert!(found.iter().all(|id| *id == found[0]), "{found:?}");
    assert!(!ids("insert").contains(&found[0]));
}
