//! A progress bar. It is shown only on a terminal.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use toro::Event;

const WIDTH: u32 = 40;
const REFRESH: Duration = Duration::from_millis(100);

/// The bar. [`Progress::finish`] ends it.
pub struct Progress {
    stop: Arc<Event>,
    task: Option<JoinHandle<()>>,
}

impl Progress {
    /// Erases the bar.
    pub async fn finish(self) {
        self.stop.set();
        if let Some(task) = self.task {
            let _ = task.await;
        }
    }
}

/// Draws how much of `total` is `done` on standard error until the bar is finished. Draws nothing
/// if standard error is not a terminal.
pub fn show(total: u32, done: impl Fn() -> u32 + Send + 'static) -> Progress {
    let stop = Arc::new(Event::new());
    let is_shown = std::io::stderr().is_terminal();
    let task = is_shown.then(|| tokio::spawn(draw(total, done, stop.clone())));
    Progress { stop, task }
}

async fn draw(total: u32, done: impl Fn() -> u32, stop: Arc<Event>) {
    while stop.wait().timeout(REFRESH).await.is_err() {
        let done = done();
        let filled = (u64::from(done) * u64::from(WIDTH) / u64::from(total.max(1))) as usize;
        let bar = "#".repeat(filled) + &".".repeat((WIDTH as usize).saturating_sub(filled));
        eprint!("\r[{bar}] {done}/{total}");
        let _ = std::io::stderr().flush();
    }
    eprint!("\r\x1b[K");
}
