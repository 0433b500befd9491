//! The command line.

use examples::failover::{self, BoxError, Mode};

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
    pub(crate) fn read(parser: lexopt::Parser) -> Result<Self, BoxError> {
        use lexopt::prelude::*;
        let mut arguments = Arguments::default();
        let shared = failover::read(parser, USAGE, |name, parser| {
            match name {
                "transfers" => arguments.transfers = parser.value()?.parse()?,
                "workers" => arguments.workers = parser.value()?.parse()?,
                "accounts" => arguments.accounts = parser.value()?.parse()?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        arguments.kills = shared.kills(arguments.kills, arguments.transfers, "transfers")?;
        (arguments.uri, arguments.mode) = (shared.uri, shared.mode);
        arguments.check()
    }

    fn check(self) -> Result<Self, BoxError> {
        if self.workers == 0 {
            return Err("--workers must be at least 1".into());
        }
        if self.accounts < 2 {
            return Err(format!(
                "--accounts is {}, but a transfer needs two accounts",
                self.accounts
            )
            .into());
        }
        Ok(self)
    }
}
