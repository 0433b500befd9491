//! The options of all programs.

use super::BoxError;

/// The driver's API that a program uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Tasks, and `driver`.
    Async,
    /// Threads, and `driver::sync`.
    Blocking,
}

/// The values of the options `--uri`, `--blocking` and `--kills`.
#[derive(Clone, Debug)]
pub struct Shared {
    /// The deployment. Without one, the program starts its own.
    pub uri: Option<String>,
    /// The API.
    pub mode: Mode,
    kills: Option<u32>,
}

/// Reads a command line. `own` reads the value of an option that only this program has. It returns
/// false for an unknown option. `--help` prints `usage` and ends the process.
///
/// # Errors
///
/// An option is unknown or has an invalid value.
pub fn read(
    mut parser: lexopt::Parser,
    usage: &str,
    mut own: impl FnMut(&str, &mut lexopt::Parser) -> Result<bool, BoxError>,
) -> Result<Shared, BoxError> {
    use lexopt::prelude::*;
    let mut shared = Shared { uri: None, mode: Mode::Async, kills: None };
    while let Some(argument) = parser.next()? {
        let name = match argument {
            Long(name) => name.to_owned(),
            Short('h') => "help".to_owned(),
            other => return Err(format!("{}\n{usage}", other.unexpected()).into()),
        };
        match name.as_str() {
            "uri" => shared.uri = Some(parser.value()?.string()?),
            "blocking" => shared.mode = Mode::Blocking,
            "kills" => shared.kills = Some(parser.value()?.parse()?),
            "help" => {
                println!("{usage}");
                std::process::exit(0);
            }
            name if own(name, &mut parser)? => {}
            name => return Err(format!("invalid option '--{name}'\n{usage}").into()),
        }
    }
    Ok(shared)
}

impl Shared {
    /// The number of times that the primary is killed: that of the command line, or else `default`.
    /// There is at most one kill between two of the `total` units of work, which the option
    /// `--{unit}` sets. A program never kills a server that it has not started.
    ///
    /// # Errors
    ///
    /// There is no work, or there is too little for the number of kills.
    pub fn kills(&self, default: u32, total: u32, unit: &str) -> Result<u32, BoxError> {
        let Some(last) = total.checked_sub(1) else {
            return Err(format!("--{unit} must be at least 1").into());
        };
        match (&self.uri, self.kills) {
            (None, None) => Ok(default.min(last)),
            (None, Some(kills)) if kills > last => {
                Err(format!("--kills {kills} leaves no {unit} in between: --{unit} is {total}")
                    .into())
            }
            (None, Some(kills)) => Ok(kills),
            (Some(_), None | Some(0)) => Ok(0),
            (Some(_), Some(kills)) => Err(format!(
                "--kills {kills} does not work with --uri: this program only kills servers that \
                 it has started; leave one of them out"
            )
            .into()),
        }
    }
}
