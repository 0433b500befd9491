//! "Connection Monitoring and Pooling": operations on one pool from several threads, and the
//! resulting events.
//!
//! Each case runs twice, over tokio sockets and over blocking ones. Cases with fail points run one
//! after the other, on their own server.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use driver::conformance::pool::{Connection, Pool};
use driver::error::ErrorKind;
use driver::event::EventHandler;
use driver::event::cmap::{
    CmapEvent, ConnectionCheckoutFailedReason, ConnectionClosedReason, ConnectionPoolOptions,
};
use driver::options::{ClientOptions, ServerAddress};
use serde_json::{Map, Value, json};
use testbed::{Standalone, Version, shared_standalone};

use super::expect::text;
use crate::suite::{Case, Outcome};

/// The time limit for an expected event.
const PATIENCE: Duration = Duration::from_secs(20);

/// Opens a pool of one of the APIs.
type Open = fn(ClientOptions, Option<Duration>) -> driver::Result<Arc<Pool>>;

pub(crate) fn cases(content: &Value) -> Result<Vec<Case>, String> {
    let description = text(content, "description")?;
    let modes: [(&str, Open); 2] = [("async", on_tokio), ("blocking", Pool::on_threads)];
    let case = |(mode, open): (&str, Open)| {
        let content = content.clone();
        Case {
            description: format!("{description} [{mode}]"),
            run: Box::new(move || run(&content, open).unwrap_or_else(Outcome::Failed)),
        }
    };
    Ok(modes.into_iter().map(case).collect())
}

fn on_tokio(options: ClientOptions, upkeep: Option<Duration>) -> driver::Result<Arc<Pool>> {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    let runtime =
        RUNTIME.get_or_init(|| tokio::runtime::Runtime::new().expect("a runtime can be started"));
    let _context = runtime.enter();
    Pool::on_tokio(options, upkeep)
}

fn run(case: &Value, open: Open) -> Result<Outcome, String> {
    let unlucky = |e: testbed::Error| e.to_string();
    match text(case, "style")? {
        "unit" => play(case, open, shared_standalone().map_err(unlucky)?).map(|()| Outcome::Passed),
        "integration" => {
            let server = own_server()?;
            if let Some(reason) = unfit(case, server.version())? {
                return Ok(Outcome::Ignored(reason));
            }
            let fail_point = match case.get("failPoint") {
                None => None,
                Some(point) => {
                    let point = bson::serialize_to_document(point).map_err(|e| e.to_string())?;
                    Some(server.fail_point(point).map_err(unlucky)?)
                }
            };
            let played = play(case, open, &server);
            drop(fail_point);
            played.map(|()| Outcome::Passed)
        }
        other => Err(format!("the harness does not know the style {other:?}")),
    }
}

/// The server for fail points. The guard gives exclusive use of it.
fn own_server() -> Result<MutexGuard<'static, Standalone>, String> {
    static SERVER: OnceLock<Result<Mutex<Standalone>, String>> = OnceLock::new();
    match SERVER.get_or_init(|| Standalone::start().map(Mutex::new).map_err(|e| e.to_string())) {
        Ok(server) => Ok(server.lock().unwrap_or_else(PoisonError::into_inner)),
        Err(why) => Err(why.clone()),
    }
}

/// The reason why the case cannot run on a server of this version.
fn unfit(case: &Value, version: Version) -> Result<Option<String>, String> {
    let Some(run_on) = case.get("runOn").and_then(Value::as_array) else { return Ok(None) };
    for requirement in run_on {
        let minimum = text(requirement, "minServerVersion")?;
        let parts: Vec<u32> = minimum.split('.').filter_map(|part| part.parse().ok()).collect();
        let [major, minor, patch] = parts[..] else {
            return Err(format!("{minimum:?} is not a version"));
        };
        if version >= Version::new(major as _, minor as _, patch as _) {
            return Ok(None);
        }
    }
    Ok(Some(format!("needs a server that meets {run_on:?}; this one is {version}")))
}

/// The events so far.
#[derive(Default)]
struct Log {
    events: Mutex<Vec<CmapEvent>>,
    grown: Condvar,
}

impl Log {
    fn push(&self, event: CmapEvent) {
        lock(&self.events).push(event);
        self.grown.notify_all();
    }

    fn wait_for(&self, name: &str, count: u64, patience: Duration) -> Result<(), String> {
        let seen = |events: &Vec<CmapEvent>| {
            events.iter().filter(|e| in_case_format(e).0 == name).count() as u64
        };
        let (events, expired) = self
            .grown
            .wait_timeout_while(lock(&self.events), patience, |events| seen(events) < count)
            .unwrap_or_else(PoisonError::into_inner);
        if expired.timed_out() {
            Err(format!("waited for {count} of {name}; there were {}: {events:#?}", seen(&events)))
        } else {
            Ok(())
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The state that all threads of a case share.
struct CaseState {
    pool: Arc<Pool>,
    log: Arc<Log>,
    labelled: Mutex<HashMap<String, Connection>>,
    /// Connections without a label, which stay checked out until the end.
    unlabelled: Mutex<Vec<Connection>>,
}

/// The failure of an operation.
enum Failure {
    /// An error of the pool. The case may expect it.
    Pool(driver::Error),
    /// An error in the case or in its server.
    Case(String),
}

struct Thread {
    orders: Sender<Map<String, Value>>,
    worker: JoinHandle<Result<(), Failure>>,
}

fn play(case: &Value, open: Open, server: &Standalone) -> Result<(), String> {
    let log = Arc::new(Log::default());
    let (options, upkeep) = options(case, server, &log)?;
    let pool = open(options, upkeep).map_err(|e| e.to_string())?;
    let state =
        Arc::new(CaseState { pool, log, labelled: Mutex::default(), unlabelled: Mutex::default() });
    let played = operations(case, &state);
    let checked = match (case.get("error").filter(|e| !e.is_null()), played) {
        (_, Err(Failure::Case(why))) => Err(why),
        (None, Ok(())) => Ok(()),
        (None, Err(Failure::Pool(error))) => Err(format!("unexpected error: {error}")),
        (Some(expected), Ok(())) => Err(format!("expected {expected}, but there was no error")),
        (Some(expected), Err(Failure::Pool(error))) => error_is(expected, &error),
    };
    checked.and_then(|()| events_are(case, &state.log))
}

fn options(
    case: &Value,
    server: &Standalone,
    log: &Arc<Log>,
) -> Result<(ClientOptions, Option<Duration>), String> {
    let mut options = ClientOptions::default();
    let mut upkeep = Some(Duration::from_secs(1));
    let address = ServerAddress::parse(server.host()).map_err(|e| e.to_string())?;
    options.hosts = vec![address];
    let log = Arc::clone(log);
    options.cmap_event_handler = Some(EventHandler::callback(move |event| log.push(event)));
    for (key, value) in case.get("poolOptions").and_then(Value::as_object).into_iter().flatten() {
        let number = || value.as_u64().ok_or(format!("{key} is not a number"));
        let size = || number().map(|n| Some(n as u32));
        let millis = || number().map(|n| Some(Duration::from_millis(n)));
        match key.as_str() {
            "maxPoolSize" => options.max_pool_size = size()?,
            "minPoolSize" => options.min_pool_size = size()?,
            "maxConnecting" => options.max_connecting = size()?,
            "maxIdleTimeMS" => options.max_idle_time = millis()?,
            "waitQueueTimeoutMS" => options.wait_queue_timeout = millis()?,
            "appName" => options.app_name = value.as_str().map(str::to_owned),
            "backgroundThreadIntervalMS" => {
                upkeep =
                    value.as_i64().and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis);
            }
            other => return Err(format!("the harness does not know the pool option {other:?}")),
        }
    }
    Ok((options, upkeep))
}

/// Runs the operations: those with a thread on that thread, the others here.
fn operations(case: &Value, state: &Arc<CaseState>) -> Result<(), Failure> {
    let broken = |why: &str| Failure::Case(why.to_owned());
    let mut threads: HashMap<String, Thread> = HashMap::new();
    let list =
        case.get("operations").and_then(Value::as_array).ok_or_else(|| broken("no operations"))?;
    for operation in list {
        let mut operation = operation
            .as_object()
            .cloned()
            .ok_or_else(|| broken("an operation is not an object"))?;
        let target = |operation: &Map<String, Value>| {
            operation
                .get("target")
                .and_then(Value::as_str)
                .map(str::to_owned)
                .ok_or_else(|| broken("no target"))
        };
        if let Some(Value::String(name)) = operation.remove("thread") {
            let thread = threads.get(&name).ok_or_else(|| broken("no such thread"))?;
            // A failed thread ignores further operations. Waiting for it returns its error.
            let _ = thread.orders.send(operation);
            continue;
        }
        match operation.get("name").and_then(Value::as_str) {
            Some("start") => {
                let (orders, inbox) = channel();
                let state = Arc::clone(state);
                let worker = std::thread::spawn(move || work(&inbox, &state));
                threads.insert(target(&operation)?, Thread { orders, worker });
            }
            Some("waitForThread") => {
                let Thread { orders, worker } =
                    threads.remove(&target(&operation)?).ok_or_else(|| broken("no such thread"))?;
                drop(orders);
                worker.join().map_err(|_| broken("a thread panicked"))??;
            }
            _ => perform(&operation, state)?,
        }
    }
    Ok(())
}

fn work(inbox: &Receiver<Map<String, Value>>, state: &CaseState) -> Result<(), Failure> {
    inbox.iter().try_for_each(|operation| perform(&operation, state))
}

fn perform(operation: &Map<String, Value>, state: &CaseState) -> Result<(), Failure> {
    let string = |key: &str| {
        let value = operation.get(key).and_then(Value::as_str);
        value.map(str::to_owned).ok_or_else(|| Failure::Case(format!("no {key} in {operation:?}")))
    };
    let number = |key: &str| operation.get(key).and_then(Value::as_u64);
    match string("name")?.as_str() {
        "ready" => state.pool.ready(),
        "close" => state.pool.close(),
        "clear" => match operation.get("interruptInUseConnections").and_then(Value::as_bool) {
            Some(true) => state.pool.clear_and_interrupt(),
            _ => state.pool.clear(),
        },
        "wait" => std::thread::sleep(Duration::from_millis(number("ms").unwrap_or_default())),
        "waitForEvent" => {
            let patience =
                number("timeout").map_or(PATIENCE, |ms| Duration::from_millis(ms).max(PATIENCE));
            let event = string("event")?;
            state
                .log
                .wait_for(&event, number("count").unwrap_or(1), patience)
                .map_err(Failure::Case)?;
        }
        "checkOut" => {
            let connection = state.pool.check_out().map_err(Failure::Pool)?;
            match operation.get("label").and_then(Value::as_str) {
                Some(label) => drop(lock(&state.labelled).insert(label.to_owned(), connection)),
                None => lock(&state.unlabelled).push(connection),
            }
        }
        "checkIn" => {
            let label = string("connection")?;
            let connection = lock(&state.labelled).remove(&label);
            drop(
                connection
                    .ok_or_else(|| Failure::Case(format!("no connection has the label {label}")))?,
            );
        }
        other => {
            return Err(Failure::Case(format!(
                "the harness does not know the operation {other:?}"
            )));
        }
    }
    Ok(())
}

/// Compares the type, which must be equal. The message must begin with the expected one if the
/// driver has its own message.
fn error_is(expected: &Value, actual: &driver::Error) -> Result<(), String> {
    let kind = match actual.kind() {
        ErrorKind::Shutdown => "PoolClosedError",
        ErrorKind::ConnectionPoolCleared { .. } => "PoolClearedError",
        ErrorKind::WaitQueueTimeout { .. } => "WaitQueueTimeoutError",
        _ => "not a pool error",
    };
    if text(expected, "type")? != kind || actual.host().is_none() {
        return Err(format!("expected {expected}, found {actual}"));
    }
    let message = text(expected, "message")?;
    if kind == "WaitQueueTimeoutError" && !actual.to_string().starts_with(message) {
        return Err(format!("expected {message:?}, found {actual}"));
    }
    Ok(())
}

fn events_are(case: &Value, log: &Log) -> Result<(), String> {
    let ignored: Vec<&str> = case
        .get("ignore")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let expected = case.get("events").and_then(Value::as_array).ok_or("the case has no events")?;
    // The last operation may still cause events.
    let events = || -> Vec<Value> {
        let events = lock(&log.events);
        events
            .iter()
            .map(in_case_format)
            .filter(|(name, _)| !ignored.contains(name))
            .map(|(_, event)| event)
            .collect()
    };
    let (_guard, _) = log
        .grown
        .wait_timeout_while(lock(&log.events), PATIENCE, |events| {
            events.iter().filter(|event| !ignored.contains(&in_case_format(event).0)).count()
                < expected.len()
        })
        .unwrap_or_else(PoisonError::into_inner);
    drop(_guard);
    let actual = events();
    for (i, expected) in expected.iter().enumerate() {
        let met = actual.get(i).is_some_and(|actual| matches(expected, actual));
        if !met {
            return Err(format!("event {i}: expected {expected}, found {actual:#?}"));
        }
    }
    Ok(())
}

/// The specification's MATCH: the expected value is a part of the actual one, and 42 matches any
/// value.
fn matches(expected: &Value, actual: &Value) -> bool {
    match (expected, actual) {
        (Value::Number(n), _) if n.as_i64() == Some(42) => !actual.is_null(),
        (Value::Object(expected), Value::Object(actual)) => expected
            .iter()
            .all(|(key, expected)| actual.get(key).is_some_and(|actual| matches(expected, actual))),
        _ => expected == actual,
    }
}

/// The event in the format of the cases.
fn in_case_format(event: &CmapEvent) -> (&'static str, Value) {
    let (name, address, mut rest) = match event {
        CmapEvent::PoolCreated(e) => {
            ("ConnectionPoolCreated", &e.address, json!({ "options": set(&e.options) }))
        }
        CmapEvent::PoolReady(e) => ("ConnectionPoolReady", &e.address, json!({})),
        CmapEvent::PoolCleared(e) => (
            "ConnectionPoolCleared",
            &e.address,
            json!({ "interruptInUseConnections": e.interrupt_in_use_connections }),
        ),
        CmapEvent::PoolClosed(e) => ("ConnectionPoolClosed", &e.address, json!({})),
        CmapEvent::ConnectionCreated(e) => {
            ("ConnectionCreated", &e.address, json!({ "connectionId": e.connection_id }))
        }
        CmapEvent::ConnectionReady(e) => (
            "ConnectionReady",
            &e.address,
            json!({ "connectionId": e.connection_id, "duration": e.duration.as_nanos() as u64 }),
        ),
        CmapEvent::ConnectionClosed(e) => {
            let reason = match e.reason {
                ConnectionClosedReason::Stale => "stale",
                ConnectionClosedReason::Idle => "idle",
                ConnectionClosedReason::Error => "error",
                ConnectionClosedReason::PoolClosed => "poolClosed",
                _ => "unknown",
            };
            (
                "ConnectionClosed",
                &e.address,
                json!({ "connectionId": e.connection_id, "reason": reason }),
            )
        }
        CmapEvent::ConnectionCheckoutStarted(e) => {
            ("ConnectionCheckOutStarted", &e.address, json!({}))
        }
        CmapEvent::ConnectionCheckoutFailed(e) => {
            let reason = match e.reason {
                ConnectionCheckoutFailedReason::Timeout => "timeout",
                ConnectionCheckoutFailedReason::ConnectionError => "connectionError",
                ConnectionCheckoutFailedReason::PoolClosed => "poolClosed",
                _ => "unknown",
            };
            (
                "ConnectionCheckOutFailed",
                &e.address,
                json!({ "reason": reason, "duration": e.duration.as_nanos() as u64 }),
            )
        }
        CmapEvent::ConnectionCheckedOut(e) => (
            "ConnectionCheckedOut",
            &e.address,
            json!({ "connectionId": e.connection_id, "duration": e.duration.as_nanos() as u64 }),
        ),
        CmapEvent::ConnectionCheckedIn(e) => {
            ("ConnectionCheckedIn", &e.address, json!({ "connectionId": e.connection_id }))
        }
        _ => return ("unknown", Value::Null),
    };
    rest["type"] = json!(name);
    rest["address"] = json!(address.to_string());
    (name, rest)
}

fn set(options: &ConnectionPoolOptions) -> Value {
    let mut set = Map::new();
    let mut put = |key: &str, value: Option<u64>| {
        if let Some(value) = value {
            set.insert(key.into(), value.into());
        }
    };
    let millis = |duration: Option<Duration>| duration.map(|duration| duration.as_millis() as u64);
    put("maxPoolSize", options.max_pool_size.map(u64::from));
    put("minPoolSize", options.min_pool_size.map(u64::from));
    put("maxConnecting", options.max_connecting.map(u64::from));
    put("maxIdleTimeMS", millis(options.max_idle_time));
    put("waitQueueTimeoutMS", millis(options.wait_queue_timeout));
    set.into()
}
