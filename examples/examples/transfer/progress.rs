//! A progress bar, only on a terminal.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use toro::Event;

use super::bank::Ledger;

const WIDTH: u32 = 40;
const REFRESH: Duration = Duration::from_millis(100);

/// The bar. [`Progress::finish`] ends it.
pub(crate) struct Progress {
    enough: Arc<Event>,
    task: Option<JoinHandle<()>>,
}

impl Progress {
    /// Erases the bar.
    pub(crate) async fn finish(self) {
        self.enough.set();
        if let Some(task) = self.task {
            let _ = task.await;
        }
    }
}

/// Draws the bar on standard error until it is finished. Draws nothing if standard error is not a
/// terminal.
pub(crate) fn show(ledger: Arc<Ledger>) -> Progress {
    let enough = Arc::new(Event::new());
    let task = std::io::stderr().is_terminal().then(|| tokio::spawn(draw(ledger, enough.clone())));
    Progress { enough, task }
}

async fn draw(ledger: Arc<Ledger>, enough: Arc<Event>) {
    while enough.wait().timeout(REFRESH).await.is_err() {
        let (done, transfers) = (ledger.done(), ledger.transfers);
        let filled = (u64::from(done) * u64::from(WIDTH) / u64::from(transfers)) as usize;
        let bar = "#".repeat(filled) + &".".repeat((WIDTH as usize).saturating_sub(filled));
        eprint!("\r[{bar}] {done}/{transfers}");
        let _ = std::io::stderr().flush();
    }
    eprint!("\r\x1b[K");
}
