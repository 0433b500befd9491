//! The command line.

use std::path::{Path, PathBuf};

use examples::failover::{self, BoxError, Mode};

const USAGE: &str = "\
usage: mabel [--uri URI] [--blocking] [--writes N] [--writers K] [--kills K]
             [--plot FILE.svg] [--no-retry]

  --uri URI        write to this replica set; nothing is started and nothing is killed
  --blocking       write from threads, with the driver's blocking API
  --writes N       breaths to record (default 3000)
  --writers K      tasks, or threads, that record them (default 8)
  --kills K        how often the primary is killed (default 2; not with --uri)
  --plot FILE.svg  draw the writes per 100 ms over time
  --no-retry       try every write once, to show what goes wrong without retries

A URI with TLS, mongodb+srv:// or compressors needs features of the driver:
  cargo run --release --features secure --example mabel -- --uri URI";

/// The parsed command line.
#[derive(Clone, Debug)]
pub(crate) struct Arguments {
    pub(crate) uri: Option<String>,
    pub(crate) writes: u32,
    pub(crate) writers: u32,
    pub(crate) kills: u32,
    pub(crate) plot: Option<PathBuf>,
    pub(crate) recipe: Recipe,
    pub(crate) mode: Mode,
}

/// The reaction of a writer to an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recipe {
    /// Retries with the same id until the write is known to be recorded.
    Retry,
    /// Tries once.
    TryOnce,
}

impl Default for Arguments {
    fn default() -> Self {
        let (recipe, mode) = (Recipe::Retry, Mode::Async);
        Arguments { uri: None, writes: 3000, writers: 8, kills: 2, plot: None, recipe, mode }
    }
}

impl Arguments {
    /// # Errors
    ///
    /// An argument is unknown or invalid, or could not take effect in the end.
    pub(crate) fn read(parser: lexopt::Parser) -> Result<Self, BoxError> {
        use lexopt::prelude::*;
        let mut arguments = Arguments::default();
        let shared = failover::read(parser, USAGE, |name, parser| {
            match name {
                "writes" => arguments.writes = parser.value()?.parse()?,
                "writers" => arguments.writers = parser.value()?.parse()?,
                "plot" => arguments.plot = Some(parser.value()?.into()),
                "no-retry" => arguments.recipe = Recipe::TryOnce,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        arguments.kills = shared.kills(arguments.kills, arguments.writes, "writes")?;
        (arguments.uri, arguments.mode) = (shared.uri, shared.mode);
        arguments.check()
    }

    fn check(self) -> Result<Self, BoxError> {
        if self.writers == 0 {
            return Err("--writers must be at least 1".into());
        }
        if let Some(file) = &self.plot {
            // Checked now, not only after all the work.
            let folder =
                file.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
            if !folder.is_dir() {
                return Err(format!(
                    "--plot {}: there is no folder {}; make it first",
                    file.display(),
                    folder.display()
                )
                .into());
            }
            if file.is_dir() {
                return Err(
                    format!("--plot {} is a folder; name a file in it", file.display()).into()
                );
            }
        }
        Ok(self)
    }

    /// The number of acknowledged writes after which the primary is killed. It divides the writes
    /// into equal parts.
    pub(crate) fn kill_marks(&self, own_set: bool) -> Vec<u32> {
        let kills = if own_set { self.kills } else { 0 };
        let mark = |kill: u32| u64::from(self.writes) * u64::from(kill) / u64::from(kills + 1);
        (1..=kills).map(|kill| mark(kill) as u32).collect()
    }
}
