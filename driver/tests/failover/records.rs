//! What a client tells of itself, written down, and questions about it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use driver::event::EventHandler;
use driver::event::cmap::CmapEvent;
use driver::event::sdam::SdamEvent;
use driver::options::ClientOptions;

/// The events of one client.
#[derive(Clone, Default)]
pub(crate) struct Records {
    pools: Arc<Mutex<Vec<CmapEvent>>>,
    servers: Arc<Mutex<Vec<SdamEvent>>>,
}

impl Records {
    /// Has the client of these options tell its events.
    pub(crate) fn of(options: &mut ClientOptions) -> Self {
        let records = Records::default();
        let (pools, servers) = (Arc::clone(&records.pools), Arc::clone(&records.servers));
        options.cmap_event_handler =
            Some(EventHandler::callback(move |event| pools.lock().unwrap().push(event)));
        options.sdam_event_handler =
            Some(EventHandler::callback(move |event| servers.lock().unwrap().push(event)));
        records
    }

    /// The most connections that were being opened to one server at the same time.
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

    /// How many connections of pools are open.
    pub(crate) fn open(&self) -> usize {
        let count = |kind: fn(&CmapEvent) -> bool| {
            self.pools.lock().unwrap().iter().filter(|e| kind(e)).count()
        };
        count(|e| matches!(e, CmapEvent::ConnectionCreated(_)))
            - count(|e| matches!(e, CmapEvent::ConnectionClosed(_)))
    }

    /// How many connections of pools were closed.
    pub(crate) fn closed(&self) -> usize {
        self.pools
            .lock()
            .unwrap()
            .iter()
            .filter(|e| matches!(e, CmapEvent::ConnectionClosed(_)))
            .count()
    }

    /// How often the connections in use were interrupted.
    pub(crate) fn interruptions(&self) -> usize {
        let interrupts = |event: &&CmapEvent| matches!(event, CmapEvent::PoolCleared(e) if e.interrupt_in_use_connections);
        self.pools.lock().unwrap().iter().filter(interrupts).count()
    }

    /// How often a pool was cleared.
    pub(crate) fn clears(&self) -> usize {
        self.pools.lock().unwrap().iter().filter(|e| matches!(e, CmapEvent::PoolCleared(_))).count()
    }

    /// The servers whose connections operations used, in order.
    pub(crate) fn used(&self) -> Vec<String> {
        let used = |event: &CmapEvent| match event {
            CmapEvent::ConnectionCheckedOut(e) => Some(e.address.to_string()),
            _ => None,
        };
        self.pools.lock().unwrap().iter().filter_map(used).collect()
    }

    /// How often each server was asked for its state, those requests not counted that wait for
    /// news.
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
