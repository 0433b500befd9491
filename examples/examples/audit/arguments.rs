//! The command line.

use examples::failover::{self, BoxError, Mode};

const USAGE: &str = "\
usage: audit [--uri URI] [--blocking] [--events N] [--kills K] [--restarts K]

  --uri URI     use this replica set; nothing is started and no server is killed
  --blocking    write and mirror from threads, with the driver's blocking API
  --events N    changes to make and to mirror (default 3000)
  --kills K     how often the primary is killed (default 10; not with --uri)
  --restarts K  how often the mirroring process is killed and started again (default 5)";

/// The parsed command line.
#[derive(Clone, Debug)]
pub(crate) struct Arguments {
    pub(crate) uri: Option<String>,
    pub(crate) mode: Mode,
    pub(crate) events: u32,
    pub(crate) kills: u32,
    pub(crate) restarts: u32,
    /// The command line of the mirroring process. Not an option.
    pub(crate) process: Vec<String>,
}

impl Default for Arguments {
    fn default() -> Self {
        Arguments {
            uri: None,
            mode: Mode::Async,
            events: 3000,
            kills: 10,
            restarts: 5,
            process: Vec::new(),
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
                "events" => arguments.events = parser.value()?.parse()?,
                "restarts" => arguments.restarts = parser.value()?.parse()?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        arguments.kills = shared.kills(arguments.kills, arguments.events, "events")?;
        (arguments.uri, arguments.mode) = (shared.uri, shared.mode);
        Ok(arguments)
    }
}
