//! The one error of the crate: what was being done, to whom, what went wrong, and what to do about
//! it.

use std::{error, fmt, io};

/// The result of everything in this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// What kind of thing went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No usable `mongod` was found, and none could be installed.
    NoMongod,
    /// A file that was downloaded or cached is not the file that was asked for.
    WrongHash,
    /// A server process could not be started, or ended while it started.
    Start,
    /// The server did not do in time what was waited for.
    Timeout,
    /// The server is not running: it was killed or stopped.
    NotRunning,
    /// The server answered a command with an error; [`Error::code`] has its code.
    Command,
    /// An argument makes no sense: an unknown member, a malformed version.
    Argument,
    /// The operating system refused something.
    Io,
}

/// Why a testbed operation failed. Its text ends with the remedy where one is known.
pub struct Error {
    kind: ErrorKind,
    message: String,
    code: Option<i32>,
    source: Option<io::Error>,
    remark: String,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error { kind, message: message.into(), code: None, source: None, remark: String::new() }
    }

    pub(crate) fn argument(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Argument, message)
    }

    /// An error of the operating system while doing `what`.
    pub(crate) fn io(what: impl Into<String>, source: io::Error) -> Error {
        Error { source: Some(source), ..Error::new(ErrorKind::Io, what) }
    }

    pub(crate) fn command(message: impl Into<String>, code: Option<i32>) -> Error {
        Error { code, ..Error::new(ErrorKind::Command, message) }
    }

    /// No server can be had; the remedy is the same whatever the reason.
    pub(crate) fn no_mongod(why: impl fmt::Display) -> Error {
        Error::new(ErrorKind::NoMongod, with_remedy(why))
    }

    /// The same error with a remark at its end.
    pub(crate) fn and(mut self, remark: &str) -> Error {
        self.remark = format!("\n{remark}");
        self
    }

    /// The same error for somebody else who asks.
    pub(crate) fn again(&self) -> Error {
        let source =
            self.source.as_ref().map(|source| io::Error::new(source.kind(), source.to_string()));
        Error {
            kind: self.kind,
            message: self.message.clone(),
            code: self.code,
            source,
            remark: self.remark.clone(),
        }
    }

    /// What kind of thing went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The server's error code, if the server answered with an error.
    pub fn code(&self) -> Option<i32> {
        self.code
    }
}

/// Adds to `why` the way out that always exists.
pub(crate) fn with_remedy(why: impl fmt::Display) -> String {
    format!("{why}; or have your own server: set TESTBED_MONGOD=/path/to/mongod")
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(source) = &self.source {
            write!(f, ": {source}")?;
        }
        f.write_str(&self.remark)
    }
}

// A test that unwraps an error shows its `Debug` form, so that form is the readable one.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.kind)
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}
