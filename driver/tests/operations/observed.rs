//! A client with recorded commands and connections.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use driver::bson::{Bson, Document, doc};
use driver::client::Client;
use driver::database::Database;
use driver::error::ErrorKind;
use driver::event::EventHandler;
use driver::event::cmap::CmapEvent;
use driver::event::command::{CommandEvent, CommandStartedEvent};
use driver::ops::Operation;
use driver::options::{ClientOptions, ConnectionString};
use driver::{Async, Error};
use testbed::{eventually, settles};

use crate::api::{Api, block_on};

/// Far longer than any step here, so only a hang reaches it.
const PATIENCE: Duration = Duration::from_secs(30);

/// A client and its events. Its application name is the name of a database that no other test uses.
pub(crate) struct Observed<F: Api> {
    pub(crate) client: Client<F>,
    pub(crate) name: String,
    commands: Arc<Mutex<Vec<CommandEvent>>>,
    connections: Arc<Mutex<(usize, usize)>>,
    ready: Arc<AtomicUsize>,
}

impl<F: Api> Observed<F> {
    pub(crate) fn of(uri: &str) -> Self {
        Self::with(uri, |_| {})
    }

    pub(crate) fn with(uri: &str, adjust: impl FnOnce(&mut ClientOptions)) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("observed_{}_{number}", std::process::id());
        let commands: Arc<Mutex<Vec<CommandEvent>>> = Arc::default();
        let connections: Arc<Mutex<(usize, usize)>> = Arc::default();
        let mut options = ConnectionString::parse(uri).unwrap().options;
        let log = Arc::clone(&commands);
        options.command_event_handler =
            Some(EventHandler::callback(move |event| log.lock().unwrap().push(event)));
        let ready: Arc<AtomicUsize> = Arc::default();
        let (counts, ready_count) = (Arc::clone(&connections), Arc::clone(&ready));
        options.cmap_event_handler = Some(EventHandler::callback(move |event| match event {
            CmapEvent::ConnectionCreated(_) => counts.lock().unwrap().0 += 1,
            CmapEvent::ConnectionClosed(_) => counts.lock().unwrap().1 += 1,
            CmapEvent::ConnectionReady(_) => {
                ready_count.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }));
        options.app_name = Some(name.clone());
        adjust(&mut options);
        Observed { client: F::open(options).unwrap(), name, commands, connections, ready }
    }

    pub(crate) fn database(&self) -> Database<F> {
        self.client.database(&self.name)
    }

    /// The sent commands with that name.
    pub(crate) fn sent(&self, name: &str) -> Vec<Document> {
        let commands = self.commands.lock().unwrap();
        let sent = commands.iter().filter_map(|event| match event {
            CommandEvent::Started(event) if event.command_name == name => Some(&event.command),
            _ => None,
        });
        sent.cloned().collect()
    }

    /// The started events of the commands with that name.
    pub(crate) fn started(&self, name: &str) -> Vec<CommandStartedEvent> {
        let commands = self.commands.lock().unwrap();
        let started = commands.iter().filter_map(|event| match event {
            CommandEvent::Started(event) if event.command_name == name => Some(event.clone()),
            _ => None,
        });
        started.collect()
    }

    /// The replies to the successful commands with that name.
    #[allow(dead_code, reason = "the prose tests use it")]
    pub(crate) fn replied(&self, name: &str) -> Vec<Document> {
        let commands = self.commands.lock().unwrap();
        let replied = commands.iter().filter_map(|event| match event {
            CommandEvent::Succeeded(event) if event.command_name == name => Some(&event.reply),
            _ => None,
        });
        replied.cloned().collect()
    }

    /// The number of commands with that name that failed.
    #[allow(dead_code, reason = "the tests of operations use it")]
    pub(crate) fn failed(&self, name: &str) -> usize {
        let commands = self.commands.lock().unwrap();
        let is_failure = |event: &&CommandEvent| match event {
            CommandEvent::Failed(event) => event.command_name == name,
            _ => false,
        };
        commands.iter().filter(is_failure).count()
    }

    /// The names of the sent commands.
    pub(crate) fn names(&self) -> Vec<String> {
        let commands = self.commands.lock().unwrap();
        let names = commands.iter().filter_map(|event| match event {
            CommandEvent::Started(event) => Some(event.command_name.clone()),
            _ => None,
        });
        names.collect()
    }

    /// The names of the commands that have ended, in the order of their ends.
    #[allow(dead_code, reason = "the tests of operations use it")]
    pub(crate) fn ended(&self) -> Vec<String> {
        let commands = self.commands.lock().unwrap();
        let names = commands.iter().filter_map(|event| match event {
            CommandEvent::Succeeded(event) => Some(event.command_name.clone()),
            CommandEvent::Failed(event) => Some(event.command_name.clone()),
            _ => None,
        });
        names.collect()
    }

    /// Forgets the recorded events.
    pub(crate) fn forget(&self) {
        self.commands.lock().unwrap().clear();
    }

    /// The numbers of opened and of closed connections. A monitor may deliver these events, and so
    /// may be behind.
    pub(crate) fn connections(&self) -> (usize, usize) {
        *self.connections.lock().unwrap()
    }

    /// The number of connections that have become ready.
    #[allow(dead_code, reason = "the prose tests use it")]
    pub(crate) fn ready_connections(&self) -> usize {
        self.ready.load(Ordering::Relaxed)
    }

    /// The numbers of connections in use and of idle ones, over all pools.
    #[allow(dead_code, reason = "the tests of operations use it")]
    pub(crate) fn metrics(&self) -> (u32, u32) {
        let pools = self.client.pool_metrics();
        (pools.iter().map(|pool| pool.in_use).sum(), pools.iter().map(|pool| pool.idle).sum())
    }

    /// The number of open cursors of the client's database on the server.
    pub(crate) fn open_cursors(&self) -> usize {
        self.open_cursors_of(&self.name)
    }

    /// The number of open cursors of the database `name` on the server.
    pub(crate) fn open_cursors_of(&self, name: &str) -> usize {
        let in_database = doc! { "$match": { "ns": { "$regex": format!("^{name}[.]") } } };
        let idle = doc! { "$currentOp": { "allUsers": true, "idleCursors": true } };
        let of_cursors = doc! { "$match": { "type": "idleCursor" } };
        let stages = [idle, of_cursors, in_database];
        let found = F::end(self.client.database("admin").aggregate(stages)).unwrap();
        F::collect(found).unwrap().len()
    }
}

/// The server delays one `command` of the application `app` by `millis`.
pub(crate) fn held_once(app: &str, command: &str, millis: i32) -> Document {
    doc! {
        "configureFailPoint": "failCommand", "mode": { "times": 1 },
        "data": {
            "failCommands": [command], "blockConnection": true, "blockTimeMS": millis,
            "appName": app,
        },
    }
}

/// A server has only one fail point of each name, so tests that set one take turns.
pub(crate) fn turn_for_faults() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Drops an operation before the server replies.
pub(crate) fn drop_in_flight(operation: impl Operation, sent: impl Fn() -> bool) {
    block_on(async {
        let mut operation = std::pin::pin!(operation.perform());
        let dropped = tokio::time::timeout(PATIENCE, async {
            std::future::poll_fn(|cx| match operation.as_mut().poll(cx) {
                std::task::Poll::Ready(_) => panic!("the operation ended before it was dropped"),
                std::task::Poll::Pending if sent() => std::task::Poll::Ready(()),
                std::task::Poll::Pending => {
                    cx.waker().wake_by_ref();
                    std::task::Poll::Pending
                }
            })
            .await;
        });
        dropped.await.expect("nothing was sent");
    });
}

/// The message of an `InvalidArgument`.
pub(crate) fn invalid(error: &Error) -> String {
    assert!(matches!(error.kind(), ErrorKind::InvalidArgument { .. }), "{error:?}");
    error.to_string()
}

/// The numbers in the field `x` of the documents.
pub(crate) fn numbers(documents: &[Document]) -> Vec<i64> {
    let number = |document: &Document| match document.get("x") {
        Some(Bson::Int32(x)) => i64::from(*x),
        Some(Bson::Int64(x)) => *x,
        other => panic!("x is {other:?}"),
    };
    documents.iter().map(number).collect()
}

/// A dropped operation leaves neither its connection nor a cursor behind.
pub(crate) fn check_nothing_stays(observed: &Observed<Async>) {
    eventually("no cursor is open", || observed.open_cursors() == 0);
    settles(|| observed.connections(), (1, 0));
}
