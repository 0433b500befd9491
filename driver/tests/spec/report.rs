//! Writes the outcome of each trial to the file in `SPEC_REPORT`.

use std::cell::Cell;
use std::fs::File;
use std::io::Write;
use std::sync::{Mutex, OnceLock, PoisonError};

use serde_json::json;

use crate::suite::Outcome;

thread_local! {
    /// The servers of the trial that runs on this thread.
    static SERVERS: Cell<Option<&'static str>> = const { Cell::new(None) };
}

/// The trial on this thread runs on `servers`.
pub(crate) fn runs_on(servers: &'static str) {
    SERVERS.set(Some(servers));
}

/// Writes the outcome of the trial that ends on this thread.
pub(crate) fn add(suite: &str, name: &str, outcome: &Outcome) {
    let servers = SERVERS.take();
    let Some(file) = file() else { return };
    let (word, reason) = match outcome {
        Outcome::Passed | Outcome::Routed => ("passed", None),
        Outcome::Failed(why) => ("failed", Some(why)),
        Outcome::Ignored(why) => ("ignored", Some(why)),
        Outcome::Missing(why) => ("missing", Some(why)),
    };
    let line = json!({
        "suite": suite, "name": name, "servers": servers, "outcome": word, "reason": reason,
    });
    let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
    writeln!(file, "{line}").expect("the report can be written");
}

fn file() -> Option<&'static Mutex<File>> {
    static FILE: OnceLock<Option<Mutex<File>>> = OnceLock::new();
    let open = || {
        let path = std::env::var_os("SPEC_REPORT").filter(|path| !path.is_empty())?;
        Some(Mutex::new(File::create(path).expect("the report can be created")))
    };
    FILE.get_or_init(open).as_ref()
}
