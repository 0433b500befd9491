//! Save the Monkey: writers that lose nothing while the primary is killed.
//!
//! Mabel the swimming monkey breathes through a snorkel, and every breath is recorded in MongoDB.
//! If a breath is lost or counted twice, the pump fails. Without arguments this program starts a
//! replica set of three members on this machine, and eight writers record three thousand breaths.
//! Meanwhile it kills the primary twice with SIGKILL. Finally it reads all documents back and
//! compares. Its last line is a summary. Its exit status is 0 only if no breath was lost or counted
//! twice.
//!
//! ```text
//! cargo run --release --example mabel -- [--uri URI] [--blocking] [--writes N] [--writers K]
//!     [--kills K] [--plot FILE.svg] [--no-retry]
//! ```
//!
//! With `--blocking` the writers are threads that use `driver::sync`. A deployment with TLS, or a
//! connection string with `mongodb+srv` or compressors, needs features of the driver: `cargo run
//! --release --features secure --example mabel`.

pub(crate) mod arguments;
mod audit;
mod breath;
mod breaths;
pub(crate) mod disasters;
mod failovers;
mod plot;
mod threads;
pub(crate) mod timeline;
pub(crate) mod writers;

use std::fmt;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use driver::options::ClientOptions;
use examples::failover::{self, BoxError, Mode};

use self::arguments::{Arguments, Recipe};
use self::audit::Audit;
use self::breaths::Breaths;
use self::timeline::Timeline;
use self::writers::Pace;

fn main() -> ExitCode {
    failover::main("mabel", async |parser| run(Arguments::read(parser)?).await)
}

/// The result of a run.
pub(crate) struct Summary {
    pub(crate) acknowledged: usize,
    pub(crate) audit: Audit,
    pub(crate) failovers: usize,
    pub(crate) longest_outage: Duration,
}

impl failover::Summary for Summary {
    /// Whether every breath was found exactly once.
    fn is_perfect(&self) -> bool {
        self.audit.lost == 0 && self.audit.duplicated == 0
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Audit { found, lost, duplicated } = self.audit;
        write!(
            f,
            "acknowledged={} found={found} lost={lost} duplicated={duplicated} failovers={} \
             longest_outage_ms={}",
            self.acknowledged,
            self.failovers,
            self.longest_outage.as_millis(),
        )
    }
}

/// The driver's error message. If it names a missing feature that `secure` enables, adds the
/// command.
fn with_remedy(said: impl fmt::Display) -> String {
    let said = said.to_string();
    let brought = ["dns", "tls", "snappy", "zlib", "zstd"];
    if brought.iter().any(|feature| said.contains(&format!("feature {feature:?}"))) {
        format!("{said}; run mabel by: cargo run --release --features secure --example mabel")
    } else {
        said
    }
}

/// Runs the whole example.
pub(crate) async fn run(arguments: Arguments) -> Result<Summary, BoxError> {
    let (uri, set) = failover::deployment(arguments.uri.as_deref()).await?;
    let mut options = ClientOptions::parse(&uri).await.map_err(with_remedy)?;
    if set.is_none() {
        let hosts: Vec<String> = options.hosts.iter().map(ToString::to_string).collect();
        println!("connecting to {}", hosts.join(", "));
    }
    for warning in options.warnings() {
        eprintln!("mabel: {}", with_remedy(warning));
    }
    if arguments.recipe == Recipe::TryOnce {
        // The driver itself would retry once.
        options.retry_writes = Some(false);
    }
    let timeline = Arc::new(Timeline::start());
    let marks = arguments.kill_marks(set.is_some());
    let pace = Arc::new(Pace::new(arguments.writes, &marks));
    let (breaths, watching) = match arguments.mode {
        Mode::Async => {
            let client = driver::Client::with_options(options).map_err(with_remedy)?;
            let watching = failovers::watch(client.clone(), timeline.clone());
            (Breaths::of_async(&client), watching)
        }
        Mode::Blocking => {
            let client = driver::sync::Client::with_options(options).map_err(with_remedy)?;
            let watching = failovers::watch(client.clone(), timeline.clone());
            (Breaths::of_blocking(&client), watching)
        }
    };
    breaths.reach().await?;
    let disasters =
        set.clone().map(|set| disasters::unleash(set, marks, timeline.clone(), pace.clone()));
    let written = timeline.clone();
    let progress = failover::show(arguments.writes, move || written.done());

    let written = breaths.record(&arguments, &timeline, &pace).await;
    timeline.end();
    progress.finish().await;
    let disasters = match disasters {
        Some(disasters) => disasters.await?,
        None => Ok(()),
    };
    let failovers = watching.finish().await;
    written?;
    disasters?;

    let audit = breaths.read_back(arguments.writes).await?;
    breaths.drop().await?;
    if let Some(file) = &arguments.plot {
        std::fs::write(file, plot::draw(&timeline, &failovers))
            .map_err(|e| format!("cannot write the plot to {}: {e}", file.display()))?;
        println!("plot written to {}", file.display());
    }
    Ok(Summary {
        acknowledged: timeline.acknowledged(),
        audit,
        failovers: failovers.len(),
        longest_outage: timeline.longest_outage(&failovers),
    })
}
