//! Handlers of events: traits with a method per event, channels of tokio, and async callbacks.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use driver::bson::doc;
use driver::event::EventHandler;
use driver::event::cmap::{CmapEvent, CmapEventHandler, ConnectionCreatedEvent};
use driver::event::command::{CommandEvent, CommandEventHandler, CommandStartedEvent};
use driver::event::sdam::{SdamEvent, SdamEventHandler, TopologyOpeningEvent};
use driver::{Client, sync};
use testbed::settles;

use crate::{json, options};

#[derive(Default)]
struct Counting {
    commands: Mutex<Vec<String>>,
    connections: AtomicUsize,
    topologies: AtomicUsize,
}

impl CommandEventHandler for Counting {
    fn handle_command_started_event(&self, event: CommandStartedEvent) {
        self.commands.lock().unwrap().push(event.command_name);
    }
}

impl CmapEventHandler for Counting {
    fn handle_connection_created_event(&self, _: ConnectionCreatedEvent) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }
}

impl SdamEventHandler for Counting {
    fn handle_topology_opening_event(&self, _: TopologyOpeningEvent) {
        self.topologies.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn handlers_have_a_method_for_each_event() {
    let counting = Arc::new(Counting::default());
    let mut options = options();
    options.command_event_handler = Some(EventHandler::<CommandEvent>::from(counting.clone()));
    options.cmap_event_handler = Some(EventHandler::<CmapEvent>::from(counting.clone()));
    options.sdam_event_handler = Some(EventHandler::<SdamEvent>::from(counting.clone()));
    let client = sync::Client::with_options(options).unwrap();
    client.database("admin").run_command(doc! { "ping": 1 }).run().unwrap();
    assert_eq!(*counting.commands.lock().unwrap(), ["ping"]);
    // A monitor may deliver these, after the operation has returned.
    settles(|| counting.connections.load(Ordering::Relaxed), 1);
    settles(|| counting.topologies.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn events_come_through_a_channel_of_tokio() {
    let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
    let mut options = options();
    options.command_event_handler = Some(sender.into());
    let client = Client::with_options(options).unwrap();
    for _ in 0..4 {
        client.database("admin").run_command(doc! { "ping": 1 }).await.unwrap();
    }
    // All events arrive, although the channel has room for one.
    for _ in 0..8 {
        let event: CommandEvent = receiver.recv().await.unwrap();
        assert!(json(&event)["commandName"] == "ping");
    }
}

fn counting_futures(counted: &Arc<AtomicUsize>) -> EventHandler<CommandEvent> {
    let counted = Arc::clone(counted);
    EventHandler::async_callback(move |_| {
        let counted = Arc::clone(&counted);
        Box::pin(async move {
            counted.fetch_add(1, Ordering::Relaxed);
        })
    })
}

#[test]
fn async_callbacks_run_without_a_runtime_of_the_program() {
    let counted = Arc::new(AtomicUsize::new(0));
    let mut options = options();
    options.command_event_handler = Some(counting_futures(&counted));
    let client = sync::Client::with_options(options).unwrap();
    client.database("admin").run_command(doc! { "ping": 1 }).run().unwrap();
    while counted.load(Ordering::Relaxed) < 2 {
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn async_callbacks_run_on_the_runtime_of_the_program() {
    let counted = Arc::new(AtomicUsize::new(0));
    let mut options = options();
    options.command_event_handler = Some(counting_futures(&counted));
    let client = Client::with_options(options).unwrap();
    client.database("admin").run_command(doc! { "ping": 1 }).await.unwrap();
    while counted.load(Ordering::Relaxed) < 2 {
        tokio::task::yield_now().await;
    }
}
