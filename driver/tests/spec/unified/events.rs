//! The events of a client as documents with the specifications' names.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bson::{Document, doc};
use driver::event::EventHandler;
use driver::event::cmap::{CmapEvent, ConnectionCheckoutFailedReason, ConnectionClosedReason};
use driver::event::command::CommandEvent;
use driver::event::sdam::SdamEvent;
use driver::options::ClientOptions;
use driver::options::ServerAddress;
use driver::{ServerDescription, TopologyDescription};

use super::format::{ClientDefinition, ExpectedEvents};
use super::matching::{self, Names};

/// The time limit of a wait for an event within a case.
const PATIENCE: Duration = Duration::from_secs(20);
/// The time limit of the comparisons at the end of a case. Only a failing case waits that long.
const LAST_EVENTS: Duration = Duration::from_secs(5);

/// The observed events of a client, in order.
pub(crate) struct Events {
    observed: Vec<String>,
    ignored_commands: Vec<String>,
    secrets: bool,
    recorded: Mutex<Vec<ObservedEvent>>,
    grown: Condvar,
    connections: Mutex<Connections>,
    moved: Condvar,
}

/// The connections of a client.
#[derive(Default)]
struct Connections {
    checked_out: usize,
    /// The number of opened connections per server.
    opened: HashMap<ServerAddress, usize>,
}

/// One event.
#[derive(Clone, Debug)]
pub(crate) struct ObservedEvent {
    /// `command`, `cmap` or `sdam`.
    kind: &'static str,
    name: &'static str,
    content: Document,
}

impl Events {
    /// The events that the client entity `client` observes.
    pub(crate) fn of(client: &ClientDefinition) -> Arc<Events> {
        let mut ignored_commands = client.ignore_command_monitoring_events.to_vec();
        ignored_commands.push("configureFailPoint".into());
        Arc::new(Events {
            observed: client.observe_events.iter().map(|name| name.to_string()).collect(),
            ignored_commands,
            secrets: client.observe_sensitive_commands.unwrap_or(false),
            recorded: Mutex::default(),
            grown: Condvar::new(),
            connections: Mutex::default(),
            moved: Condvar::new(),
        })
    }

    /// Registers the event handlers in `options`.
    pub(crate) fn listen(self: &Arc<Self>, options: &mut ClientOptions) {
        let wants = |kind: fn(&str) -> bool| self.observed.iter().any(|name| kind(name));
        if wants(|name| name.starts_with("command")) {
            let events = self.clone();
            options.command_event_handler =
                Some(EventHandler::callback(move |event: CommandEvent| {
                    events.take(command(&event))
                }));
        }
        let events = self.clone();
        options.cmap_event_handler = Some(EventHandler::callback(move |event: CmapEvent| {
            events.count_connections(&event);
            events.take(connection(&event));
        }));
        if wants(|name| name.starts_with("server") || name.starts_with("topology")) {
            let events = self.clone();
            options.sdam_event_handler =
                Some(EventHandler::callback(move |event: SdamEvent| events.take(topology(&event))));
        }
    }

    fn take(&self, event: Option<ObservedEvent>) {
        let Some(event) = event else { return };
        let command = event.content.get_str("commandName").unwrap_or_default();
        let hidden = event.kind == "command"
            && (self.ignored_commands.iter().any(|ignored| ignored == command)
                || (!self.secrets && is_secret(command, &event)));
        if !hidden && self.observed.iter().any(|name| name == event.name) {
            self.recorded().push(event);
            self.grown.notify_all();
        }
    }

    fn count_connections(&self, event: &CmapEvent) {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            CmapEvent::ConnectionCheckedOut(_) => connections.checked_out += 1,
            CmapEvent::ConnectionCheckedIn(_) => connections.checked_out -= 1,
            CmapEvent::ConnectionReady(e) => {
                *connections.opened.entry(e.address.clone()).or_default() += 1
            }
            _ => return,
        }
        self.moved.notify_all();
    }

    /// Waits until `expected` connections are checked out.
    ///
    /// # Errors
    /// There are more or fewer after 5 s, far longer than a check-in takes.
    pub(crate) fn wait_for_checked_out(&self, expected: usize) -> Result<(), String> {
        let connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        let (connections, late) = self
            .moved
            .wait_timeout_while(connections, LAST_EVENTS, |connections| {
                connections.checked_out != expected
            })
            .unwrap_or_else(PoisonError::into_inner);
        if late.timed_out() {
            Err(format!(
                "expected {expected} checked out connections, found {}",
                connections.checked_out
            ))
        } else {
            Ok(())
        }
    }

    /// Waits until `least` connections to each of the servers were opened, then discards all
    /// earlier events.
    ///
    /// # Errors
    /// There are fewer after `limit`.
    pub(crate) fn wait_for_pools(
        &self,
        least: usize,
        limit: Duration,
        servers: impl Fn() -> usize,
    ) -> Result<(), String> {
        let until = Instant::now() + limit;
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        let is_filled = |connections: &Connections| {
            let filled = connections.opened.values().filter(|opened| **opened >= least).count();
            filled > 0 && filled >= servers()
        };
        while least > 0 && !is_filled(&connections) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(format!(
                    "not all pools have {least} connections: {:?}",
                    connections.opened
                ));
            }
            connections = self
                .moved
                .wait_timeout(connections, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        drop(connections);
        self.recorded().clear();
        Ok(())
    }

    fn recorded(&self) -> MutexGuard<'_, Vec<ObservedEvent>> {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `count` events match `template`.
    ///
    /// # Errors
    /// There are fewer after 20 s.
    pub(crate) fn wait_for(
        &self,
        template: &Document,
        count: usize,
        names: &dyn Names,
    ) -> Result<(), String> {
        let (events, late) = self
            .grown
            .wait_timeout_while(self.recorded(), PATIENCE, |events| {
                times(events, template, names) < count
            })
            .unwrap_or_else(PoisonError::into_inner);
        if late.timed_out() {
            Err(format!(
                "waited for {count} of {template}; there were {}: {events:#?}",
                times(&events, template, names)
            ))
        } else {
            Ok(())
        }
    }

    /// The number of events that match `template`.
    pub(crate) fn count(&self, template: &Document, names: &dyn Names) -> usize {
        times(&self.recorded(), template, names)
    }

    /// The last `count` started commands, the oldest first.
    pub(crate) fn last_commands(&self, count: usize) -> Vec<Document> {
        let events = self.recorded();
        let started = events.iter().rev().filter(|event| event.name == "commandStartedEvent");
        let mut last: Vec<Document> = started
            .take(count)
            .filter_map(|event| event.content.get_document("command").ok().cloned())
            .collect();
        last.reverse();
        last
    }

    /// Compares the events of one kind with one entry of `expectEvents`.
    ///
    /// # Errors
    /// They still differ when the time limit for the last events expires.
    pub(crate) fn check(&self, expected: &ExpectedEvents, names: &dyn Names) -> Result<(), String> {
        let until = Instant::now() + LAST_EVENTS;
        let mut events = self.recorded();
        loop {
            let outcome = compare(expected, &events, names);
            let left = until.saturating_duration_since(Instant::now());
            if outcome.is_ok() || left.is_zero() {
                return outcome;
            }
            events =
                self.grown.wait_timeout(events, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

fn times(events: &[ObservedEvent], template: &Document, names: &dyn Names) -> usize {
    events.iter().filter(|event| is(event, template, names).is_ok()).count()
}

/// Compares an event with the expected one, `{name: content}`.
fn is(event: &ObservedEvent, template: &Document, names: &dyn Names) -> Result<(), String> {
    let (name, content) = template.iter().next().ok_or("an expected event has no name")?;
    if name != event.name {
        return Err(format!("expected {name}, found {event:?}"));
    }
    let content = content.as_document().ok_or("an expected event is not a document")?;
    for (key, expected) in content {
        matching::root(expected, event.content.get(key), names)
            .map_err(|why| format!("{name}: {key}: {why}"))?;
    }
    Ok(())
}

fn compare(
    expected: &ExpectedEvents,
    events: &[ObservedEvent],
    names: &dyn Names,
) -> Result<(), String> {
    let events: Vec<&ObservedEvent> =
        events.iter().filter(|event| event.kind == expected.event_type).collect();
    for (i, template) in expected.events.iter().enumerate() {
        let event = events
            .get(i)
            .ok_or_else(|| format!("event {i}: {template} is missing from {events:#?}"))?;
        is(event, template, names).map_err(|why| format!("event {i}: {why}"))?;
    }
    match events.get(expected.events.len()) {
        Some(surplus) if !expected.ignore_extra_events => {
            Err(format!("unexpected event: {surplus:?}"))
        }
        _ => Ok(()),
    }
}

/// Specification "Command Logging and Monitoring", section "Security".
fn is_secret(command: &str, event: &ObservedEvent) -> bool {
    const SECRET: [&str; 9] = [
        "authenticate",
        "saslStart",
        "saslContinue",
        "getnonce",
        "createUser",
        "updateUser",
        "copydbgetnonce",
        "copydbsaslstart",
        "copydb",
    ];
    let emptied = |key: &str| event.content.get_document(key).is_ok_and(Document::is_empty);
    SECRET.contains(&command)
        || matches!(command.to_ascii_lowercase().as_str(), "hello" | "ismaster")
            && (emptied("command") || emptied("reply"))
}

fn command(event: &CommandEvent) -> Option<ObservedEvent> {
    let (name, command, db, connection, service, more) = match event {
        CommandEvent::Started(e) => (
            "commandStartedEvent",
            &e.command_name,
            &e.db,
            &e.connection,
            e.service_id,
            doc! { "command": e.command.clone() },
        ),
        CommandEvent::Succeeded(e) => (
            "commandSucceededEvent",
            &e.command_name,
            &e.db,
            &e.connection,
            e.service_id,
            doc! { "reply": e.reply.clone() },
        ),
        CommandEvent::Failed(e) => {
            ("commandFailedEvent", &e.command_name, &e.db, &e.connection, e.service_id, doc! {})
        }
        _ => return None,
    };
    let mut content = more;
    content.extend(doc! {
        "commandName": command, "databaseName": db,
        "hasServerConnectionId": connection.server_id.is_some(), "hasServiceId": service.is_some(),
    });
    Some(ObservedEvent { kind: "command", name, content })
}

fn connection(event: &CmapEvent) -> Option<ObservedEvent> {
    let (name, content) = match event {
        CmapEvent::PoolCreated(_) => ("poolCreatedEvent", doc! {}),
        CmapEvent::PoolReady(_) => ("poolReadyEvent", doc! {}),
        CmapEvent::PoolCleared(e) => (
            "poolClearedEvent",
            doc! {
                "hasServiceId": e.service_id.is_some(),
                "interruptInUseConnections": e.interrupt_in_use_connections,
            },
        ),
        CmapEvent::PoolClosed(_) => ("poolClosedEvent", doc! {}),
        CmapEvent::ConnectionCreated(_) => ("connectionCreatedEvent", doc! {}),
        CmapEvent::ConnectionReady(_) => ("connectionReadyEvent", doc! {}),
        CmapEvent::ConnectionClosed(e) => {
            let reason = match e.reason {
                ConnectionClosedReason::Stale => "stale",
                ConnectionClosedReason::Idle => "idle",
                ConnectionClosedReason::Error => "error",
                ConnectionClosedReason::PoolClosed => "poolClosed",
                _ => "another",
            };
            ("connectionClosedEvent", doc! { "reason": reason })
        }
        CmapEvent::ConnectionCheckoutStarted(_) => ("connectionCheckOutStartedEvent", doc! {}),
        CmapEvent::ConnectionCheckoutFailed(e) => {
            let reason = match e.reason {
                ConnectionCheckoutFailedReason::Timeout => "timeout",
                ConnectionCheckoutFailedReason::ConnectionError => "connectionError",
                ConnectionCheckoutFailedReason::PoolClosed => "poolClosed",
                _ => "another",
            };
            ("connectionCheckOutFailedEvent", doc! { "reason": reason })
        }
        CmapEvent::ConnectionCheckedOut(_) => ("connectionCheckedOutEvent", doc! {}),
        CmapEvent::ConnectionCheckedIn(_) => ("connectionCheckedInEvent", doc! {}),
        _ => return None,
    };
    Some(ObservedEvent { kind: "cmap", name, content })
}

fn topology(event: &SdamEvent) -> Option<ObservedEvent> {
    let server = |server: &ServerDescription| doc! { "type": server.server_type().name() };
    let all =
        |topology: &TopologyDescription| doc! { "type": topology.topology_type().to_string() };
    let (name, content) = match event {
        SdamEvent::TopologyOpening(_) => ("topologyOpeningEvent", doc! {}),
        SdamEvent::TopologyClosed(_) => ("topologyClosedEvent", doc! {}),
        SdamEvent::TopologyDescriptionChanged(e) => (
            "topologyDescriptionChangedEvent",
            doc! {
                "previousDescription": all(&e.previous_description),
                "newDescription": all(&e.new_description),
            },
        ),
        SdamEvent::ServerOpening(_) => ("serverOpeningEvent", doc! {}),
        SdamEvent::ServerClosed(_) => ("serverClosedEvent", doc! {}),
        SdamEvent::ServerDescriptionChanged(e) => (
            "serverDescriptionChangedEvent",
            doc! {
                "previousDescription": server(&e.previous_description),
                "newDescription": server(&e.new_description),
            },
        ),
        SdamEvent::ServerHeartbeatStarted(e) => {
            ("serverHeartbeatStartedEvent", doc! { "awaited": e.awaited })
        }
        SdamEvent::ServerHeartbeatSucceeded(e) => {
            ("serverHeartbeatSucceededEvent", doc! { "awaited": e.awaited })
        }
        SdamEvent::ServerHeartbeatFailed(e) => {
            ("serverHeartbeatFailedEvent", doc! { "awaited": e.awaited })
        }
        _ => return None,
    };
    Some(ObservedEvent { kind: "sdam", name, content })
}
