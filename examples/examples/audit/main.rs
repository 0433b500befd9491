//! A mirror that loses nothing and repeats nothing.
//!
//! Without arguments this program starts a replica set of three members on this machine. A writer
//! inserts, updates, replaces and deletes the documents of a collection. Another process follows
//! the collection by a change stream and repeats each change in a second collection. Meanwhile the
//! primary is killed ten times with SIGKILL, and so is the mirroring process, five times. The
//! restarted process continues with the resume token that it has stored. Finally both collections
//! are compared, and the journal of the mirror is compared with the writes. The last line is a
//! summary. The exit status is 0 only if the collections are equal, and every change was mirrored
//! exactly once.
//!
//! ```text
//! cargo run --release --example audit -- [--uri URI] [--blocking] [--events N] [--kills K]
//!     [--restarts K]
//! ```
//!
//! With `--blocking` the writer and the mirror are threads that use `driver::sync`.
//!
//! # How a change is mirrored exactly once
//!
//! One transaction writes a few changes to the mirror, their entries to the journal, and the new
//! resume token. After a crash at any moment, all of them are there or none, and the stored token
//! is that of the last mirrored change. The token has a version. The transaction fails if it does
//! not find the version that the mirror has read. So no change is repeated when the last commit of
//! a killed process arrives while its successor already works.

pub(crate) mod arguments;
mod collections;
mod mirror;
mod process;
pub(crate) mod script;
mod tasks;
mod threads;
pub(crate) mod verdict;

use std::fmt;
use std::process::ExitCode;
use std::sync::Arc;

use driver::bson::oid::ObjectId;
use examples::failover::{self, BoxError, Mode, Work};

use self::arguments::Arguments;
use self::collections::Collections;
pub(crate) use self::process::Assignment;
use self::process::MirrorProcess;
use self::verdict::Verdict;

fn main() -> ExitCode {
    failover::main("audit", async |parser| match Assignment::of_this_process() {
        Some(assignment) => Err(tokio::task::spawn_blocking(|| assignment.fulfil()).await?),
        None => run(Arguments::read(parser)?).await,
    })
}

/// The result of a run.
pub(crate) struct Summary {
    pub(crate) events: u32,
    pub(crate) verdict: Verdict,
    /// The number of change streams that continued another: those that the driver has resumed, and
    /// those of restarted processes.
    pub(crate) resumes: u32,
}

impl failover::Summary for Summary {
    /// Whether every change was mirrored exactly once.
    fn is_perfect(&self) -> bool {
        let Verdict { lost, duplicated, is_equal, .. } = self.verdict;
        lost == 0 && duplicated == 0 && is_equal
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary { events, verdict, resumes } = self;
        let Verdict { mirrored, lost, duplicated, .. } = verdict;
        write!(
            f,
            "events={events} mirrored={mirrored} lost={lost} duplicated={duplicated} \
             resumes={resumes}"
        )
    }
}

/// Runs the whole example.
pub(crate) async fn run(arguments: Arguments) -> Result<Summary, BoxError> {
    let (uri, set) = failover::deployment(arguments.uri.as_deref()).await?;
    let options = collections::options(&uri).await?;
    // Each run has its own database.
    let database = format!("audit_{}", ObjectId::new());
    let collections = Collections::of(&driver::Client::with_options(options.clone())?, &database);
    collections.create().await?;

    let assignment = Assignment { uri, database: database.clone(), mode: arguments.mode };
    let mirror = MirrorProcess::start(assignment, arguments.process)?;
    let work = Arc::new(Work::new(arguments.events, arguments.kills));
    let kills = set.clone().map(|set| failover::unleash(set, work.clone()));
    let restarts = mirror.restart_during(work.clone(), arguments.restarts);
    let written = work.clone();
    let progress = failover::show(arguments.events, move || written.done());

    let wrote = match arguments.mode {
        Mode::Async => tasks::write(&collections.source, &work).await,
        Mode::Blocking => {
            let client = driver::sync::Client::with_options(options)?;
            let (source, work) = (Collections::of(&client, &database).source, work.clone());
            tokio::task::spawn_blocking(move || threads::write(&source, &work)).await?
        }
    };
    work.end();
    progress.finish().await;
    if let Some(kills) = kills {
        kills.await??;
    }
    let mut mirror = restarts.await??;
    wrote?;

    mirror.catch_up(&collections, arguments.events).await?;
    let resumes = mirror.finish().saturating_sub(1);
    let verdict = verdict::read(&collections, arguments.events).await?;
    collections.drop().await?;
    Ok(Summary { events: arguments.events, verdict, resumes })
}
