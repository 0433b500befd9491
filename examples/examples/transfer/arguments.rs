//! The command line.

use super::BoxError;

const USAGE: &str = "\
usage: transfer [--uri URI] [--blocking] [--transfers N] [--workers K] [--accounts N] [--kills K]

  --uri URI      use this replica set; nothing is started and nothing is killed
  --blocking     transfer from threads, with the driver's blocking API
  --transfers N  transfers to make (default 5000)
  --workers K    tasks, or threads, that make them (default 8)
  --accounts N   accounts, at least 2 (default 20)
  --kills K      how often the primary is killed (default 10; not with --uri)";

/// The parsed command line.
#[derive(Clone, Debug)]
pub(crate) struct Arguments {
    pub(crate) uri: Option<String>,
    pub(crate) mode: Mode,
    pub(crate) transfers: u32,
    pub(crate) workers: u32,
    pub(crate) accounts: u32,
    pub(crate) kills: u32,
}

/// The driver's API that the workers use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Async,
    Blocking,
}

impl Default for Arguments {
    fn default() -> Self {
        Arguments {
            uri: None,
            mode: Mode::Async,
            transfers: 5000,
            workers: 8,
            accounts: 20,
            kills: 10,
        }
    }
}

impl Arguments {
    /// # Errors
    ///
    /// An argument is unknown or invalid.
    pub(crate) fn read(mut parser: lexopt::Parser) -> Result<Self, BoxError> {
        use lexopt::prelude::*;
        let mut arguments = Arguments::default();
        let mut kills = None;
        while let Some(argument) = parser.next()? {
            match argument {
                Long("uri") => arguments.uri = Some(parser.value()?.string()?),
                Long("blocking") => arguments.mode = Mode::Blocking,
                Long("transfers") => arguments.transfers = parser.value()?.parse()?,
                Long("workers") => arguments.workers = parser.value()?.parse()?,
                Long("accounts") => arguments.accounts = parser.value()?.parse()?,
                Long("kills") => kills = Some(parser.value()?.parse()?),
                Short('h') | Long("help") => {
                    println!("{USAGE}");
                    std::process::exit(0);
                }
                other => return Err(format!("{}\n{USAGE}", other.unexpected()).into()),
            }
        }
        arguments.kills = match (&arguments.uri, kills) {
            (None, kills) => {
                kills.unwrap_or(arguments.kills.min(arguments.transfers.saturating_sub(1)))
            }
            (Some(_), None | Some(0)) => 0,
            (Some(_), Some(kills)) => {
                return Err(format!(
                    "--kills {kills} does not work with --uri: this program only kills servers \
                     that it has started; leave one of them out"
                )
                .into());
            }
        };
        arguments.check()
    }

    fn check(self) -> Result<Self, BoxError> {
        if self.transfers == 0 || self.workers == 0 {
            return Err("--transfers and --workers must be at least 1".into());
        }
        if self.accounts < 2 {
            return Err(format!(
                "--accounts is {}, but a transfer needs two accounts",
                self.accounts
            )
            .into());
        }
        if self.kills >= self.transfers {
            return Err(format!(
                "--kills {} leaves no transfers in between: --transfers is {}",
                self.kills, self.transfers
            )
            .into());
        }
        Ok(self)
    }
}
