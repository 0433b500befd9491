//! Ends the process when a trial hangs, and names the trial.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The time limit of a trial. A trial takes seconds; the first ones also start servers.
const LIMIT: Duration = Duration::from_secs(300);
const POLL: Duration = Duration::from_secs(1);

static RUNNING: Mutex<Option<HashMap<String, Instant>>> = Mutex::new(None);

/// A running trial, from [`watch`] to its drop.
pub(crate) struct Running(String);

/// Watches the trial `name`.
pub(crate) fn watch(name: &str) -> Running {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| drop(thread::spawn(end_after_limit)));
    running().get_or_insert_default().insert(name.to_owned(), Instant::now());
    Running(name.to_owned())
}

impl Drop for Running {
    fn drop(&mut self) {
        running().get_or_insert_default().remove(&self.0);
    }
}

fn running() -> MutexGuard<'static, Option<HashMap<String, Instant>>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

fn end_after_limit() {
    loop {
        thread::sleep(POLL);
        let hung: Vec<_> = running()
            .iter()
            .flatten()
            .filter(|(_, started)| started.elapsed() > LIMIT)
            .map(|(name, _)| name.clone())
            .collect();
        if !hung.is_empty() {
            eprintln!("hung for {} s: {}", LIMIT.as_secs(), hung.join("; "));
            std::process::exit(101);
        }
    }
}
