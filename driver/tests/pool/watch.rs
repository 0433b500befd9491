//! Clients with recorded pool events, and servers that identify the connection of a command.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use driver::Mode;
use driver::bson::{Document, doc};
use driver::client::Client;
use driver::event::EventHandler;
use driver::event::cmap::CmapEvent;
use driver::options::{ClientOptions, ServerAddress};
use testbed::{Standalone, shared_standalone};

pub(crate) fn server() -> &'static Standalone {
    shared_standalone().unwrap()
}

/// A server has one fail point of each name. A test holds this lock while it uses one.
pub(crate) static FAULTS: toro::Lock<()> = toro::Lock::new(());

/// A name that no other test uses.
pub(crate) fn name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("requests_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The number of connections in use now, without events: a monitor may deliver those, and so may be
/// behind.
pub(crate) fn in_use<F: Mode>(client: &Client<F>) -> u32 {
    client.pool_metrics().iter().map(|pool| pool.in_use).sum()
}

/// The pool events of a client.
#[derive(Clone, Default)]
pub(crate) struct Events(Arc<Mutex<Vec<CmapEvent>>>);

impl Events {
    pub(crate) fn count(&self, is: impl Fn(&CmapEvent) -> bool) -> usize {
        self.0.lock().unwrap().iter().filter(|event| is(event)).count()
    }

    /// A handler that records the events.
    pub(crate) fn handler(&self) -> EventHandler<CmapEvent> {
        let sink = self.clone();
        EventHandler::callback(move |event| sink.0.lock().unwrap().push(event))
    }

    pub(crate) fn checked_out(&self) -> usize {
        self.count(|event| matches!(event, CmapEvent::ConnectionCheckedOut(_)))
    }

    pub(crate) fn created(&self) -> usize {
        self.count(|event| matches!(event, CmapEvent::ConnectionCreated(_)))
    }

    pub(crate) fn closed(&self) -> usize {
        self.count(|event| matches!(event, CmapEvent::ConnectionClosed(_)))
    }

    /// The number of open connections.
    pub(crate) fn open(&self) -> usize {
        let events = self.0.lock().unwrap();
        let count = |is: fn(&CmapEvent) -> bool| events.iter().filter(|event| is(event)).count();
        count(|event| matches!(event, CmapEvent::ConnectionCreated(_)))
            - count(|event| matches!(event, CmapEvent::ConnectionClosed(_)))
    }

    /// The number of connections that were checked out and have not come back.
    pub(crate) fn in_use(&self) -> usize {
        let events = self.0.lock().unwrap();
        let count = |is: fn(&CmapEvent) -> bool| events.iter().filter(|event| is(event)).count();
        let out = count(|event| matches!(event, CmapEvent::ConnectionCheckedOut(_)));
        let back = count(|event| matches!(event, CmapEvent::ConnectionCheckedIn(_)));
        assert!(back <= out, "{out} were checked out, and {back} came back");
        out - back
    }

    /// Whether every started checkout has succeeded or failed.
    pub(crate) fn all_answered(&self) -> bool {
        let events = self.0.lock().unwrap();
        let count = |is: fn(&CmapEvent) -> bool| events.iter().filter(|event| is(event)).count();
        count(|event| matches!(event, CmapEvent::ConnectionCheckoutStarted(_)))
            == count(|event| {
                matches!(
                    event,
                    CmapEvent::ConnectionCheckedOut(_) | CmapEvent::ConnectionCheckoutFailed(_)
                )
            })
    }
}

/// Options for a client of `server` with its own application name and with `events` recorded.
pub(crate) fn options(server: &Standalone, events: &Events) -> ClientOptions {
    let mut options = ClientOptions::default();
    options.hosts = vec![ServerAddress::parse(server.host()).unwrap()];
    options.app_name = Some(name());
    options.cmap_event_handler = Some(events.handler());
    options
}

/// A command with the client's address in its reply.
pub(crate) fn whats_my_uri() -> Document {
    doc! { "whatsmyuri": 1 }
}

/// The address of the connection, as the server sees it.
pub(crate) fn own_address(reply: &Document) -> String {
    reply.get_str("you").unwrap().to_owned()
}

/// The number of connections of application `app` to the server, without monitors.
pub(crate) fn open(server: &Standalone, app: &str) -> usize {
    let pipeline = vec![
        doc! { "$currentOp": { "allUsers": true, "idleConnections": true } },
        doc! { "$match": { "appName": app } },
        doc! { "$count": "n" },
    ];
    let reply = server.admin(doc! { "aggregate": 1, "pipeline": pipeline, "cursor": {} }).unwrap();
    let batch = reply.get_document("cursor").unwrap().get_array("firstBatch").unwrap();
    batch.first().map_or(0, |first| first.as_document().unwrap().get_i32("n").unwrap() as usize)
}
