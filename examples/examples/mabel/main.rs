//! Save the Monkey: writers that lose nothing while the primary is killed under them.
//!
//! Mabel the swimming monkey breathes through a snorkel, and every breath is recorded in MongoDB: a breath that is lost, or
//! counted twice, and the pump goes wrong. Without arguments this program starts a replica set of three real members on this
//! machine, lets eight writers record three thousand breaths, and twice kills the primary with SIGKILL in the middle. In the end
//! it reads everything back and compares. Its last line sums up; its exit status is 0 only if no breath was lost or counted
//! twice.
//!
//! ```text
//! cargo run --release --example mabel -- [--uri URI] [--writes N] [--writers K] [--kills K] [--plot FILE.svg] [--no-retry]
//! ```

mod arguments;
mod audit;
mod breath;
mod disasters;
mod failovers;
mod plot;
mod progress;
mod timeline;
mod writers;

use std::process::ExitCode;
use std::sync::Arc;

use driver::Client;
use driver::bson::oid::ObjectId;
use driver::options::{ClientOptions, CollectionOptions, WriteConcern};
use testbed::ReplicaSet;

use crate::arguments::{Arguments, Recipe};
use crate::breath::Breath;
use crate::timeline::Timeline;
use crate::writers::Pace;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let run = || -> Result<bool, BoxError> {
        let arguments = Arguments::from_command_line()?;
        tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(run(arguments))
    };
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("mabel: {error}");
            ExitCode::from(2)
        }
    }
}

/// Does the whole job; `true` when every breath is there exactly once.
async fn run(arguments: Arguments) -> Result<bool, BoxError> {
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
    if arguments.recipe == Recipe::TryOnce {
        // The driver itself would try once more.
        options.retry_writes = Some(false);
    }
    let client = Client::with_options(options)?;
    for warning in client.warnings() {
        eprintln!("mabel: {warning}");
    }
    // Acknowledged by a majority: such a write survives the death of any one member.
    let options = CollectionOptions::builder().write_concern(WriteConcern::majority()).build();
    let name = format!("breaths_{}", ObjectId::new());
    let breaths = client.database("mabel").collection_with_options::<Breath>(&name, options);

    let timeline = Arc::new(Timeline::start(arguments.writes));
    let marks = arguments.kill_marks(set.is_some());
    let pace = Arc::new(Pace::new(arguments.writes, &marks));
    let watching = failovers::watch(client.clone(), timeline.clone());
    let disasters = set.clone().map(|set| disasters::unleash(set, marks, timeline.clone(), pace.clone()));
    let progress = progress::show(timeline.clone());

    let written = writers::record(&breaths, &arguments, &timeline, &pace).await;
    progress.finish().await;
    let disasters = match disasters {
        Some(disasters) => disasters.await?,
        None => Ok(()),
    };
    let failovers = watching.finish().await;
    written?;
    disasters?;

    let audit = audit::read_back(&breaths, arguments.writes).await?;
    breaths.drop().await?;
    if let Some(file) = &arguments.plot {
        std::fs::write(file, plot::draw(&timeline, &failovers))
            .map_err(|e| format!("cannot write the plot to {}: {e}", file.display()))?;
        println!("plot written to {}", file.display());
    }
    println!(
        "acknowledged={} found={} lost={} duplicated={} failovers={} longest_outage_ms={}",
        timeline.acknowledged(),
        audit.found,
        audit.lost,
        audit.duplicated,
        failovers.len(),
        timeline.longest_outage(&failovers).as_millis(),
    );
    Ok(audit.lost == 0 && audit.duplicated == 0)
}
