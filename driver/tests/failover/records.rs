//! Recorded events of a client, and queries on them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use driver::event::EventHandler;
use driver::event::cmap::CmapEvent;
use driver::event::command::{CommandEvent, CommandStartedEvent};
use driver::event::sdam::SdamEvent;
use driver::options::ClientOptions;

/// The events of one client.
#[derive(Clone, Default)]
pub(crate) struct Records {
    pools: Arc<Mutex<Vec<CmapEvent>>>,
    servers: Arc<Mutex<Vec<SdamEvent>>>,
    commands: Arc<Mutex<Vec<CommandStartedEvent>>>,
}

impl Records {
    /// Records the events of the client with these options.
    pub(crate) fn of(options: &mut ClientOptions) -> Self {
        let records = Records::default();
        let (pools, servers) = (Arc::clone(&records.pools), Arc::clone(&records.servers));
        options.cmap_event_handler =
            Some(EventHandler::callback(move |event| pools.lock().unwrap().push(event)));
        options.sdam_event_handler =
            Some(EventHandler::callback(move |event| servers.lock().unwrap().push(event)));
        let commands = Arc::clone(&records.commands);
        options.command_event_handler = Some(EventHandler::callback(move |event| {
            if let CommandEvent::Started(event) = event {
                commands.lock().unwrap().push(event);
            }
        }));
        records
    }

    /// The maximum number of connections to one server that were being established at once.
    pub(crate) fn most_opening_at_once(&self) -> usize {
        let mut opening: HashMap<String, Vec<u64>> = HashMap::new();
        let mut most = 0;
        for event in &*self.pools.lock().unwrap() {
            match event {
                CmapEvent::ConnectionCreated(e) => {
                    let opening = opening.entry(e.address.to_string()).or_default();
                    opening.push(e.connection_id);
                    most = most.max(opening.len());
                }
                CmapEvent::ConnectionReady(e) => {
                    opening
                        .entry(e.address.to_string())
                        .or_default()
                        .retain(|id| *id != e.connection_id);
                }
                CmapEvent::ConnectionClosed(e) => {
                    opening
                        .entry(e.address.to_string())
                        .or_default()
                        .retain(|id| *id != e.connection_id);
                }
                _ => {}
            }
        }
        most
    }

    /// The number of open pool connections.
    pub(crate) fn open(&self) -> usize {
        let count = |kind: fn(&CmapEvent) -> bool| {
            self.pools.lock().unwrap().iter().filter(|e| kind(e)).count()
        };
        count(|e| matches!(e, CmapEvent::ConnectionCreated(_)))
            - count(|e| matches!(e, CmapEvent::ConnectionClosed(_)))
    }

    /// The number of closed pool connections.
    pub(crate) fn closed(&self) -> usize {
        self.pools
            .lock()
            .unwrap()
            .iter()
            .filter(|e| matches!(e, CmapEvent::ConnectionClosed(_)))
            .count()
    }

    /// The number of interruptions of connections in use.
    pub(crate) fn interruptions(&self) -> usize {
        let interrupts = |event: &&CmapEvent| {
            matches!(
                event,
                CmapEvent::PoolCleared(e) if e.interrupt_in_use_connections
            )
        };
        self.pools.lock().unwrap().iter().filter(interrupts).count()
    }

    /// The number of pool clears.
    pub(crate) fn clears(&self) -> usize {
        self.pools.lock().unwrap().iter().filter(|e| matches!(e, CmapEvent::PoolCleared(_))).count()
    }

    /// The servers that cursors were read from, in order.
    ///
    /// These events are delivered before the command is sent. Those of a pool can come later, from
    /// another thread.
    pub(crate) fn read_from(&self) -> Vec<String> {
        let reads = |event: &&CommandStartedEvent| {
            matches!(event.command_name.as_str(), "find" | "getMore")
        };
        let commands = self.commands.lock().unwrap();
        commands.iter().filter(reads).map(|event| event.connection.address.to_string()).collect()
    }

    /// The number of checks of each server, without awaitable ones.
    pub(crate) fn checks(&self) -> HashMap<String, usize> {
        let mut checks = HashMap::new();
        for event in &*self.servers.lock().unwrap() {
            if let SdamEvent::ServerHeartbeatStarted(e) = event
                && !e.awaited
            {
                *checks.entry(e.server_address.to_string()).or_default() += 1;
            }
        }
        checks
    }
}
