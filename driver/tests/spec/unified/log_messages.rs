//! The log messages of a client, for cases with `expectLogMessages`.
//!
//! The process has one subscriber. It keeps the records of clients that were created while it
//! listened. A listening case runs alone, and ends only after its clients have written their last
//! records. So all kept records belong to its observed client, or are server selections of another.

use std::cell::Cell;
use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{
    Condvar, Mutex, MutexGuard, Once, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
};
use std::time::{Duration, Instant};

use bson::{Bson, Document};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};

use super::format::ExpectedLogMessages;
use super::matching::{self, Names};

/// The time limit for the last records.
const LAST_RECORDS: Duration = Duration::from_secs(5);

/// Pairs of records: of a start and of its end. After the last record of a closed client, there are
/// as many ends as starts.
const PAIRS: [[&str; 2]; 3] = [
    ["Starting topology monitoring", "Stopped topology monitoring"],
    ["Connection pool created", "Connection pool closed"],
    ["Connection created", "Connection closed"],
];

static ONE_AT_A_TIME: RwLock<()> = RwLock::new(());
static LISTENING: AtomicBool = AtomicBool::new(false);
static KEPT: Mutex<Vec<Kept>> = Mutex::new(Vec::new());
static GROWN: Condvar = Condvar::new();

thread_local! {
    /// Whether this thread's records are currently ignored.
    static UNOBSERVED: Cell<bool> = const { Cell::new(false) };
}

#[derive(Clone, Debug)]
struct Kept {
    component: &'static str,
    level: Level,
    data: Document,
}

/// The right to listen, alone, or to run without listening, among others.
pub(crate) enum Turn {
    Listening(#[allow(dead_code, reason = "held")] RwLockWriteGuard<'static, ()>),
    Deaf(#[allow(dead_code, reason = "held")] RwLockReadGuard<'static, ()>),
}

impl Turn {
    /// Waits for the turn of a case. A listening case runs alone, the others run together.
    pub(crate) fn take(listening: bool) -> Turn {
        static INSTALLED: Once = Once::new();
        if !listening {
            return Turn::Deaf(ONE_AT_A_TIME.read().unwrap_or_else(PoisonError::into_inner));
        }
        let turn = ONE_AT_A_TIME.write().unwrap_or_else(PoisonError::into_inner);
        INSTALLED.call_once(|| {
            tracing::subscriber::set_global_default(Keeper).expect("nobody else listens")
        });
        kept().clear();
        LISTENING.store(true, Ordering::SeqCst);
        Turn::Listening(turn)
    }

    /// Waits for the last records of closed clients, which may still be opening a connection.
    ///
    /// # Errors
    /// The records are missing after the time limit.
    pub(crate) fn end(self) -> Result<(), String> {
        match self {
            Turn::Deaf(_) => Ok(()),
            Turn::Listening(_) => until_ok(|all| {
                let count = |message: &str| {
                    all.iter()
                        .filter(|kept| {
                            kept.data.get_str("message").is_ok_and(|logged| logged == message)
                        })
                        .count()
                };
                match PAIRS.into_iter().find(|[begin, end]| count(begin) != count(end)) {
                    None => Ok(()),
                    Some([begin, end]) => Err(format!(
                        "the clients are closed, but there are {} records {begin:?} and {} {end:?}",
                        count(begin),
                        count(end)
                    )),
                }
            }),
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if matches!(self, Turn::Listening(_)) {
            LISTENING.store(false, Ordering::SeqCst);
        }
    }
}

/// Runs `quietly` and ignores its records on this thread. The clients that it creates write no
/// records of commands, connections or the topology later either, because a client asks for these
/// targets when it is created.
pub(crate) fn unobserved<T>(quietly: impl FnOnce() -> T) -> T {
    let before = UNOBSERVED.replace(true);
    let outcome = quietly();
    UNOBSERVED.set(before);
    outcome
}

fn kept() -> MutexGuard<'static, Vec<Kept>> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Compares the kept records with one entry of `expectLogMessages`. `observed` is the client's
/// `observeLogMessages`.
///
/// # Errors
/// They still differ when the time limit for the last records expires.
pub(crate) fn check(
    expected: &ExpectedLogMessages,
    observed: &Document,
    names: &dyn Names,
) -> Result<(), String> {
    until_ok(|all| compare(expected, observed, all, names))
}

/// Repeats the check `look` until it succeeds or the time limit for the last records expires.
fn until_ok(look: impl Fn(&[Kept]) -> Result<(), String>) -> Result<(), String> {
    let until = Instant::now() + LAST_RECORDS;
    let mut all = kept();
    loop {
        let outcome = look(&all);
        let left = until.saturating_duration_since(Instant::now());
        if outcome.is_ok() || left.is_zero() {
            return outcome;
        }
        all = GROWN.wait_timeout(all, left).unwrap_or_else(PoisonError::into_inner).0;
    }
}

fn compare(
    expected: &ExpectedLogMessages,
    observed: &Document,
    all: &[Kept],
    names: &dyn Names,
) -> Result<(), String> {
    let ExpectedLogMessages {
        messages,
        ignore_messages: ignored,
        ignore_extra_messages: extra,
        ..
    } = expected;
    let is_observed = |kept: &&Kept| {
        let limit = observed.get_str(kept.component).unwrap_or("off");
        limit.parse::<Level>().is_ok_and(|limit| kept.level <= limit)
    };
    let of_interest =
        |kept: &&Kept| !ignored.iter().any(|ignored| is(kept, ignored, names).is_ok());
    let kept: Vec<&Kept> = all.iter().filter(is_observed).filter(of_interest).collect();
    for (i, message) in messages.iter().enumerate() {
        let kept = kept
            .get(i)
            .ok_or_else(|| format!("record {i}: {} is missing from {kept:#?}", **message))?;
        is(kept, message, names).map_err(|why| format!("record {i}: {why}, in {kept:?}"))?;
    }
    match kept.get(messages.len()) {
        Some(surplus) if !extra => Err(format!("unexpected record: {surplus:?}")),
        _ => Ok(()),
    }
}

fn is(kept: &Kept, message: &Document, names: &dyn Names) -> Result<(), String> {
    for (what, wanted) in message {
        match (what.as_str(), wanted) {
            ("level", Bson::String(level))
                if level.parse::<Level>().is_ok_and(|level| level == kept.level) => {}
            ("component", Bson::String(component)) if component == kept.component => {}
            ("data", wanted) => matching::root(wanted, Some(&kept.data.clone().into()), names)?,
            ("failureIsRedacted", Bson::Boolean(wanted)) => {
                let failure = kept.data.get_str("failure").map_err(|e| format!("failure: {e}"))?;
                if is_redacted(failure) != *wanted {
                    return Err(format!(
                        "failureIsRedacted is {wanted}, but the failure is {failure:?}"
                    ));
                }
            }
            ("level" | "component", wanted) => return Err(format!("expected the {what} {wanted}")),
            other => return Err(format!("the harness does not know the expectation {other:?}")),
        }
    }
    Ok(())
}

/// Whether the server's message is missing. An error reads `... (code 1): MESSAGE [host]`.
fn is_redacted(failure: &str) -> bool {
    failure.split_once("): ").is_some_and(|(_, words)| words.is_empty() || words.starts_with('['))
}

/// The subscriber.
struct Keeper;

impl Subscriber for Keeper {
    /// Not cached, because it changes whether a case listens and whether a thread is observed.
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        LISTENING.load(Ordering::SeqCst) && component(metadata).is_some() && !UNOBSERVED.get()
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let Some(component) = component(event.metadata()) else { return };
        let mut fields = Fields(Document::new());
        event.record(&mut fields);
        kept().push(Kept { component, level: *event.metadata().level(), data: fields.0 });
        GROWN.notify_all();
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The specifications' names for the driver's targets.
fn component(metadata: &Metadata<'_>) -> Option<&'static str> {
    match metadata.target() {
        "driver::command" => Some("command"),
        "driver::connection" => Some("connection"),
        "driver::topology" => Some("topology"),
        "driver::server_selection" => Some("serverSelection"),
        _ => None,
    }
}

struct Fields(Document);

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name(), value as i64);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name(), value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}
