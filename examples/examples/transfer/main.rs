//! A bank whose money stays the same, whatever happens to its servers.
//!
//! Without arguments this program starts a replica set of three members on this machine and opens
//! twenty accounts. Eight tasks transfer money between random accounts, each transfer in a
//! transaction. Meanwhile the primary is killed ten times with SIGKILL. Finally a snapshot read
//! adds up all accounts. The last line is a summary. The exit status is 0 only if the sum is what
//! it was at the beginning.
//!
//! ```text
//! cargo run --release --example transfer -- [--uri URI] [--blocking] [--transfers N]
//!     [--workers K] [--accounts N] [--kills K]
//! ```
//!
//! With `--blocking` the workers are threads that use `driver::sync`.

pub(crate) mod arguments;
mod bank;
mod kills;
mod progress;
mod tasks;
mod threads;

use std::fmt;
use std::process::ExitCode;
use std::sync::Arc;

use driver::options::{ClientOptions, WriteConcern};
use testbed::ReplicaSet;

use self::arguments::{Arguments, Mode};
use self::bank::Ledger;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let run = || -> Result<Summary, BoxError> {
        let arguments = Arguments::read(lexopt::Parser::from_env())?;
        tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(run(arguments))
    };
    match run() {
        Ok(summary) => {
            println!("{summary}");
            if summary.is_balanced() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("transfer: {error}");
            ExitCode::from(2)
        }
    }
}

/// The result of a run.
pub(crate) struct Summary {
    /// The number of committed transfers.
    pub(crate) transfers: u32,
    /// The number of transfers from accounts with too little money.
    pub(crate) aborted: u32,
    pub(crate) sum: i64,
    pub(crate) expected: i64,
}

impl Summary {
    /// Whether no money has appeared or vanished.
    pub(crate) fn is_balanced(&self) -> bool {
        self.sum == self.expected
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary { transfers, aborted, sum, expected } = self;
        write!(f, "transfers={transfers} aborted={aborted} sum={sum} expected={expected}")
    }
}

/// Runs the whole example.
pub(crate) async fn run(arguments: Arguments) -> Result<Summary, BoxError> {
    let set = match &arguments.uri {
        Some(_) => None,
        None => {
            println!("starting a replica set of three members");
            Some(Arc::new(tokio::task::spawn_blocking(|| ReplicaSet::start(3)).await??))
        }
    };
    let uri = match (&arguments.uri, &set) {
        (Some(uri), _) => uri.clone(),
        (None, Some(set)) => set.uri(),
        (None, None) => unreachable!("without --uri a set was started"),
    };
    let mut options = ClientOptions::parse(&uri).await?;
    // A transfer that a majority has survives the death of any one member.
    options.write_concern = Some(WriteConcern::majority());

    let ledger = Arc::new(Ledger::of(&arguments));
    let kills = set.clone().map(|set| kills::unleash(set, arguments.kills, ledger.clone()));
    let progress = progress::show(ledger.clone());
    let worked = match arguments.mode {
        Mode::Async => tasks::run(driver::Client::with_options(options)?, &ledger).await,
        Mode::Blocking => {
            let client = driver::sync::Client::with_options(options)?;
            let ledger = ledger.clone();
            tokio::task::spawn_blocking(move || threads::run(&client, &ledger)).await?
        }
    };
    ledger.end();
    progress.finish().await;
    if let Some(kills) = kills {
        kills.await??;
    }
    Ok(ledger.summary(worked?))
}
