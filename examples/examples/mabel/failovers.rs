//! Watches the client's description of the deployment for a new primary.

use std::sync::Arc;
use std::time::Duration;

use driver::Mode;
use driver::client::Client;
use driver::options::ServerAddress;
use tokio::task::JoinHandle;
use toro::Event;

use super::timeline::{Failover, Timeline};

/// A task that watches for failovers. [`FailoverWatcher::finish`] ends it.
pub(crate) struct FailoverWatcher {
    stop: Arc<Event>,
    task: JoinHandle<Vec<Failover>>,
}

impl FailoverWatcher {
    /// Stops watching, and returns the failovers seen.
    pub(crate) async fn finish(self) -> Vec<Failover> {
        self.stop.set();
        self.task.await.unwrap_or_default()
    }
}

/// Reports each failover when it is seen.
pub(crate) fn watch<F: Mode>(client: Client<F>, timeline: Arc<Timeline>) -> FailoverWatcher {
    let stop = Arc::new(Event::new());
    let task = tokio::spawn(collect_failovers(client, timeline, stop.clone()));
    FailoverWatcher { stop, task }
}

async fn collect_failovers<F: Mode>(
    client: Client<F>,
    timeline: Arc<Timeline>,
    stop: Arc<Event>,
) -> Vec<Failover> {
    let mut seen = Vec::new();
    let mut primary: Option<ServerAddress> = None;
    let mut lost_at: Option<Duration> = None;
    let mut topology = client.topology();
    loop {
        match (topology.primary().map(|server| server.address()), &primary) {
            (Some(new), Some(old)) if new != old => {
                let (at, old) = (timeline.now(), old.to_string());
                let lost_at = lost_at.take().unwrap_or(at);
                let killed_at = timeline.killed_at(&old, lost_at);
                let since = killed_at.unwrap_or(lost_at);
                let failover = Failover { since, at, old, new: new.to_string() };
                let fate = if killed_at.is_some() { "died" } else { "is no longer primary" };
                report(&failover, fate, &timeline, &stop).await;
                seen.push(failover);
                primary = Some(new.clone());
            }
            (Some(new), _) => {
                primary = Some(new.clone());
                lost_at = None;
            }
            (None, Some(_)) => lost_at = lost_at.or_else(|| Some(timeline.now())),
            (None, None) => {}
        }
        let mut next = None;
        let news = async { next = Some(client.topology_changed(&topology).await) };
        if stop.wait().until(news).await.is_ok() {
            return seen;
        }
        topology = next.unwrap_or(topology);
    }
}

/// Waits for the first write after the failover, and reports the length of the outage.
async fn report(failover: &Failover, fate: &str, timeline: &Timeline, stop: &Event) {
    let mut outage = timeline.outage(failover);
    while outage.is_none() && !stop.is_set() {
        let next = timeline.reached(timeline.done() + 1);
        let _ = next.wait().until(stop.wait()).await;
        outage = timeline.outage(failover);
    }
    let (old, new) = (&failover.old, &failover.new);
    match outage {
        Some(outage) => {
            println!(
                "failover: {old} {fate}, {new} took over; no write was acknowledged for {} ms",
                outage.as_millis()
            );
        }
        None => println!(
            "failover: {old} {fate}, {new} took over; no write has been acknowledged since"
        ),
    }
}
