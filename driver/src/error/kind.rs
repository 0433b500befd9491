//! The kinds of errors, and their messages.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::error::{BulkWriteError, CommandError, GridFsErrorKind, InsertManyError, WriteFailure};

/// The kind of an error.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An unusable argument, option or connection string.
    #[non_exhaustive]
    InvalidArgument {
        /// The culprit and the remedy.
        message: String,
    },
    /// Authentication failed: the server refused the credential, or its signature was wrong.
    #[non_exhaustive]
    Authentication {
        /// The refused part.
        message: String,
    },
    /// A value cannot be serialized to BSON.
    BsonSerialization(bson::error::Error),
    /// BSON cannot be deserialized to the requested type.
    BsonDeserialization(bson::error::Error),
    /// An error of [`bson`] in the program's own code, converted by `?`. The driver itself returns
    /// the two kinds above.
    Bson(bson::error::Error),
    /// Some documents of an `insert_many` were not inserted.
    InsertMany(InsertManyError),
    /// Some models of a bulk write were not applied.
    BulkWrite(BulkWriteError),
    /// The server replied to a command with an error.
    Command(CommandError),
    /// A single write failed, or its write concern failed.
    Write(WriteFailure),
    /// A GridFS file is missing or corrupt, or an operation on it is invalid.
    GridFs(GridFsErrorKind),
    /// The pool was cleared while the operation waited for a connection, because its server failed.
    #[non_exhaustive]
    ConnectionPoolCleared {
        /// The pool and the reason.
        message: String,
    },
    /// No connection became available within `waitQueueTimeoutMS`. That option does not limit the
    /// opening of a connection; `connectTimeoutMS` does.
    #[non_exhaustive]
    WaitQueueTimeout {
        /// The state of the pool.
        message: String,
    },
    /// The wait queue is full: `waitQueueMultiple` limits the number of waiting operations.
    #[non_exhaustive]
    WaitQueueFull {
        /// The state of the pool.
        message: String,
    },
    /// No suitable server was found within `serverSelectionTimeoutMS`.
    #[non_exhaustive]
    ServerSelection {
        /// The criteria and the servers.
        message: String,
    },
    /// The timeout of the operation expired.
    #[non_exhaustive]
    Timeout {
        /// The reason for the wait.
        message: String,
    },
    /// A socket could not be opened, or failed.
    #[non_exhaustive]
    Io {
        /// The failed action.
        message: String,
        /// The error of the operating system.
        cause: Arc<std::io::Error>,
    },
    /// A host name, SRV or TXT record could not be resolved.
    #[non_exhaustive]
    DnsResolve {
        /// The name and the resolver's error.
        message: String,
    },
    /// A reply is malformed.
    #[non_exhaustive]
    InvalidResponse {
        /// The fault of the reply.
        message: String,
    },
    /// The TLS options are unusable, or the peer's certificate was refused.
    #[non_exhaustive]
    Tls {
        /// The option, or the fault of the certificate.
        message: String,
    },
    /// A server is too old or too new for this driver, or lacks a feature.
    #[non_exhaustive]
    IncompatibleServer {
        /// The server or the feature.
        message: String,
    },
    /// The deployment does not support sessions. Exists for compatibility with the official crate;
    /// this driver returns `IncompatibleServer`.
    SessionsNotSupported,
    /// The state of the transaction does not allow the operation. Exists for compatibility with the
    /// official crate; this driver returns `InvalidArgument`.
    #[non_exhaustive]
    Transaction {
        /// The operation, and the state of the transaction.
        message: String,
    },
    /// An event of a change stream has no resume token, so the stream cannot continue.
    MissingResumeToken,
    /// A bug in the driver. Exists for compatibility with the official crate; this driver never
    /// returns it.
    #[non_exhaustive]
    Internal {
        /// The fault.
        message: String,
    },
    /// An error of the program; see [`Error::custom`](crate::error::Error::custom).
    Custom(Arc<dyn Any + Send + Sync>),
    /// The client was shut down.
    Shutdown,
    /// The tokio runtime of the client has ended, and with it the client's monitors and
    /// connections. The result of a write in flight is unknown. Create a client in each runtime,
    /// such as in each `#[tokio::test]`, or use [`sync::Client`](crate::sync::Client), which needs
    /// no runtime.
    RuntimeEnded,
}

impl std::error::Error for ErrorKind {}

impl From<bson::error::Error> for ErrorKind {
    fn from(cause: bson::error::Error) -> Self {
        ErrorKind::Bson(cause)
    }
}

impl From<std::io::Error> for ErrorKind {
    fn from(cause: std::io::Error) -> Self {
        ErrorKind::Io { message: "I/O failed".into(), cause: Arc::new(cause) }
    }
}

impl From<std::io::ErrorKind> for ErrorKind {
    fn from(cause: std::io::ErrorKind) -> Self {
        std::io::Error::from(cause).into()
    }
}

/// Accepts infallible conversions where a fallible one is allowed.
impl From<std::convert::Infallible> for ErrorKind {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ErrorKind::InvalidArgument { message } => write!(f, "invalid argument: {message}"),
            ErrorKind::Authentication { message } => write!(f, "authentication failed: {message}"),
            ErrorKind::BsonSerialization(e) => write!(f, "cannot write the value as BSON: {e}"),
            ErrorKind::BsonDeserialization(e) => {
                write!(f, "cannot read the BSON as the requested type: {e}")
            }
            ErrorKind::Bson(e) => e.fmt(f),
            ErrorKind::InsertMany(e) => e.fmt(f),
            ErrorKind::BulkWrite(e) => e.fmt(f),
            ErrorKind::Command(e) => e.fmt(f),
            ErrorKind::Write(e) => e.fmt(f),
            ErrorKind::GridFs(kind) => kind.fmt(f),
            ErrorKind::ConnectionPoolCleared { message }
            | ErrorKind::WaitQueueTimeout { message }
            | ErrorKind::WaitQueueFull { message }
            | ErrorKind::IncompatibleServer { message } => f.write_str(message),
            ErrorKind::ServerSelection { message } => write!(f, "server selection: {message}"),
            ErrorKind::Timeout { message } => write!(f, "timed out: {message}"),
            ErrorKind::Io { message, cause } => write!(f, "{message}: {cause}"),
            ErrorKind::DnsResolve { message } => write!(f, "DNS: {message}"),
            ErrorKind::InvalidResponse { message } => {
                write!(f, "the server sent an invalid reply: {message}")
            }
            ErrorKind::Tls { message } => write!(f, "TLS: {message}"),
            ErrorKind::SessionsNotSupported => {
                f.write_str("the deployment does not support sessions")
            }
            ErrorKind::Transaction { message } => write!(f, "transaction: {message}"),
            ErrorKind::MissingResumeToken => {
                f.write_str("the change stream cannot be resumed: an event had no resume token")
            }
            ErrorKind::Internal { message } => write!(f, "bug in the driver: {message}"),
            ErrorKind::Custom(own) => match own.downcast_ref::<String>() {
                Some(own) => f.write_str(own),
                None => f.write_str("a custom error of the program"),
            },
            ErrorKind::Shutdown => f.write_str("the client was shut down"),
            ErrorKind::RuntimeEnded => f.write_str(
                "the tokio runtime of the client has ended, and its connections with it; create a \
                 client in each runtime, or use driver::sync::Client, which needs none",
            ),
        }
    }
}
