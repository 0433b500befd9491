//! A bank whose total stays the same while its servers fail.
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
mod tasks;
mod threads;

use std::fmt;
use std::process::ExitCode;
use std::sync::Arc;

use driver::options::{ClientOptions, WriteConcern};
use examples::failover::{self, BoxError, Mode};

use self::arguments::Arguments;
use self::bank::Ledger;

fn main() -> ExitCode {
    failover::main("transfer", async |parser| run(Arguments::read(parser)?).await)
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

impl failover::Summary for Summary {
    /// Whether no money has appeared or vanished.
    fn is_perfect(&self) -> bool {
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
    let (uri, set) = failover::deployment(arguments.uri.as_deref()).await?;
    let mut options = ClientOptions::parse(&uri).await?;
    // A transfer that a majority has survives the death of any one member.
    options.write_concern = Some(WriteConcern::majority());

    let ledger = Arc::new(Ledger::of(&arguments));
    let kills = set.clone().map(|set| failover::unleash(set, ledger.work.clone()));
    let work = ledger.work.clone();
    let progress = failover::show(arguments.transfers, move || work.done());
    let worked = match arguments.mode {
        Mode::Async => tasks::run(driver::Client::with_options(options)?, &ledger).await,
        Mode::Blocking => {
            let client = driver::sync::Client::with_options(options)?;
            let ledger = ledger.clone();
            tokio::task::spawn_blocking(move || threads::run(&client, &ledger)).await?
        }
    };
    ledger.work.end();
    progress.finish().await;
    if let Some(kills) = kills {
        kills.await??;
    }
    Ok(ledger.summary(worked?))
}
