//! The error type: the failed action, its server, the reason and the remedy.

use std::{error, fmt, io};

/// The result of fallible operations in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// The kind of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There is no usable `mongod`, and none could be installed.
    NoMongod,
    /// A downloaded or cached file does not have the expected hash.
    WrongHash,
    /// A server process could not start, or ended while starting.
    Start,
    /// A condition on the server was not met in time.
    Timeout,
    /// The server is not running: it was killed or stopped.
    NotRunning,
    /// The server replied with an error; see [`Error::code`].
    Command,
    /// Invalid argument, such as an unknown member or a malformed version.
    Argument,
    /// An error of the operating system.
    Io,
}

/// The error of a testbed operation. Its text ends with the remedy if one is known.
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

    /// An error of the operating system during `what`.
    pub(crate) fn io(what: impl Into<String>, source: io::Error) -> Error {
        Error { source: Some(source), ..Error::new(ErrorKind::Io, what) }
    }

    pub(crate) fn command(message: impl Into<String>, code: Option<i32>) -> Error {
        Error { code, ..Error::new(ErrorKind::Command, message) }
    }

    /// There is no usable server. All these errors have the same remedy.
    pub(crate) fn no_mongod(why: impl fmt::Display) -> Error {
        Error::new(ErrorKind::NoMongod, with_remedy(why))
    }

    /// The same error with a remark at its end.
    pub(crate) fn and(mut self, remark: &str) -> Error {
        self.remark = format!("\n{remark}");
        self
    }

    /// A copy of the error for another caller.
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

    /// The kind of the error.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The server's error code, if it replied with one.
    pub fn code(&self) -> Option<i32> {
        self.code
    }
}

/// Appends the general remedy to `why`.
pub(crate) fn with_remedy(why: impl fmt::Display) -> String {
    format!("{why}; to use your own server, set TESTBED_MONGOD=/path/to/mongod")
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

// `unwrap` shows the `Debug` format, so this format is the readable one.
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
