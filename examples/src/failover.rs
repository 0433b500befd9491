//! The common parts of `mabel`, `transfer` and `audit`. Each of them works while the primary of a
//! replica set is killed, and counts at the end.
//!
//! | question | file |
//! |---|---|
//! | Which options do all of them have? | `failover/arguments.rs` |
//! | How is the work divided by the kills? | `failover/work.rs` |
//! | How long does a worker retry? | `failover/patience.rs` |
//! | How does the progress bar run? | `failover/progress.rs` |

mod arguments;
mod patience;
mod progress;
mod work;

use std::fmt::Display;
use std::process::ExitCode;
use std::sync::Arc;

use testbed::ReplicaSet;

pub use self::arguments::{Mode, Shared, read};
pub use self::patience::Patience;
pub use self::progress::{Progress, show};
pub use self::work::{Work, strike, unleash};

/// Any error of a program.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The last line of a program.
pub trait Summary: Display {
    /// Whether the run has lost nothing and repeated nothing.
    fn is_perfect(&self) -> bool;
}

/// Runs a program and prints its summary. The exit status is 0 if the summary is perfect, 1 if it
/// is not, and 2 after an error.
pub fn main<S: Summary>(
    name: &str,
    run: impl AsyncFnOnce(lexopt::Parser) -> Result<S, BoxError>,
) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let ended = runtime.map_err(BoxError::from);
    match ended.and_then(|runtime| runtime.block_on(run(lexopt::Parser::from_env()))) {
        Ok(summary) => {
            println!("{summary}");
            if summary.is_perfect() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::from(2)
        }
    }
}

/// The deployment that a program uses. Without a `uri`, the program starts a replica set of three
/// members, which is returned too.
///
/// # Errors
///
/// The set cannot be started.
pub async fn deployment(uri: Option<&str>) -> Result<(String, Option<Arc<ReplicaSet>>), BoxError> {
    if let Some(uri) = uri {
        return Ok((uri.to_owned(), None));
    }
    println!("starting a replica set of three members");
    let set = tokio::task::spawn_blocking(|| ReplicaSet::start(3)).await??;
    Ok((set.uri(), Some(Arc::new(set))))
}
