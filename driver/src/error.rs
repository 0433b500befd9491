//! The error type of the driver.
//!
//! An [`Error`] has the size of a pointer. Its `Display` names the operation, the server and the
//! remedy. [`ErrorKind`] is for matching. Methods answer the most frequent questions:
//! [`is_duplicate_key`](Error::is_duplicate_key), [`is_timeout`](Error::is_timeout),
//! [`code`](Error::code), [`has_label`](Error::has_label), [`host`](Error::host).
//!
//! # Errors of every operation
//!
//! Every operation that needs a server can end with these errors. The section "Errors" of a method
//! lists only the others, or the most frequent.
//!
//! | kind | cause |
//! |---|---|
//! | [`InvalidArgument`](ErrorKind::InvalidArgument) | an argument or option is unusable, or the options contradict each other |
//! | [`BsonSerialization`](ErrorKind::BsonSerialization), [`BsonDeserialization`](ErrorKind::BsonDeserialization) | a value has no BSON form, or a reply does not fit the requested type |
//! | [`ServerSelection`](ErrorKind::ServerSelection) | no suitable server was found in time |
//! | [`WaitQueueTimeout`](ErrorKind::WaitQueueTimeout), [`WaitQueueFull`](ErrorKind::WaitQueueFull), [`ConnectionPoolCleared`](ErrorKind::ConnectionPoolCleared) | the pool had no connection |
//! | [`Io`](ErrorKind::Io), [`Tls`](ErrorKind::Tls), [`Authentication`](ErrorKind::Authentication) | a connection could not be opened, or broke |
//! | [`Timeout`](ErrorKind::Timeout) | the timeout of the operation expired |
//! | [`Command`](ErrorKind::Command), [`Write`](ErrorKind::Write) | the server refused the command or the write, or its write concern failed |
//! | [`IncompatibleServer`](ErrorKind::IncompatibleServer) | the server does not support the operation or one of its options |
//! | [`InvalidResponse`](ErrorKind::InvalidResponse) | the reply is malformed |
//! | [`Shutdown`](ErrorKind::Shutdown), [`RuntimeEnded`](ErrorKind::RuntimeEnded) | the client was shut down, or its tokio runtime has ended |

mod bulk_write;
pub(crate) mod codes;
mod convert;
mod display;
mod gridfs;
mod kind;
mod questions;
mod server;

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use bson::RawDocumentBuf;

pub use self::bulk_write::{BulkWriteError, PartialBulkWriteResult};
pub use self::gridfs::{GridFsErrorKind, GridFsFileIdentifier};
pub use self::kind::ErrorKind;
pub use self::server::{
    CommandError, IndexedWriteError, InsertManyError, WriteConcernError, WriteError, WriteFailure,
};
use crate::types::ServerAddress;

/// The result of fallible functions of the driver.
pub type Result<T> = std::result::Result<T, Error>;

/// The label of errors after which a write can be retried once (specification "Retryable Writes").
pub const RETRYABLE_WRITE_ERROR: &str = "RetryableWriteError";
/// The label of errors after which a whole transaction can be retried.
pub const TRANSIENT_TRANSACTION_ERROR: &str = "TransientTransactionError";
/// The label of errors after which a commit can be retried.
pub const UNKNOWN_TRANSACTION_COMMIT_RESULT: &str = "UnknownTransactionCommitResult";
/// The label of errors of an overloaded server.
pub const SYSTEM_OVERLOADED_ERROR: &str = "SystemOverloadedError";
/// The label of errors after which the same operation can be retried.
pub const RETRYABLE_ERROR: &str = "RetryableError";
/// The label of errors after which a change stream resumes.
pub const RESUMABLE_CHANGE_STREAM_ERROR: &str = "ResumableChangeStreamError";
/// The label of errors without an effect on the server.
pub const NO_WRITES_PERFORMED: &str = "NoWritesPerformed";

/// An error of the client or of the server.
#[derive(Clone)]
pub struct Error {
    inner: Box<Inner>,
}

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    /// The operation and its namespace.
    doing: Option<Box<str>>,
    labels: Vec<String>,
    host: Option<ServerAddress>,
    response: Option<RawDocumentBuf>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind) -> Self {
        Error {
            inner: Box::new(Inner {
                kind,
                doing: None,
                labels: Vec::new(),
                host: None,
                response: None,
                source: None,
            }),
        }
    }

    pub(crate) fn invalid_argument(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidArgument { message: message.into() })
    }

    pub(crate) fn invalid_response(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidResponse { message: message.into() })
    }

    pub(crate) fn authentication(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Authentication { message: message.into() })
    }

    pub(crate) fn timeout(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Timeout { message: message.into() })
    }

    pub(crate) fn io(message: impl Into<String>, cause: impl Into<Arc<std::io::Error>>) -> Self {
        Self::new(ErrorKind::Io { message: message.into(), cause: cause.into() })
    }

    pub(crate) fn serialization(cause: bson::error::Error) -> Self {
        Self::new(ErrorKind::BsonSerialization(cause))
    }

    pub(crate) fn deserialization(cause: bson::error::Error) -> Self {
        Self::new(ErrorKind::BsonDeserialization(cause))
    }

    pub(crate) fn gridfs(kind: GridFsErrorKind) -> Self {
        Self::new(ErrorKind::GridFs(kind))
    }

    pub(crate) fn at(mut self, host: &ServerAddress) -> Self {
        self.inner.host.get_or_insert_with(|| host.clone());
        self
    }

    /// Prefixes the error with the operation and its namespace.
    pub(crate) fn during(mut self, operation: &dyn fmt::Display) -> Self {
        let doing = match &self.inner.doing {
            Some(part) => format!("{operation}: {part}"),
            None => operation.to_string(),
        };
        self.inner.doing = Some(doing.into());
        self
    }

    /// The error of an operation that `cause` ended early. `kind` may have a partial result. The
    /// source is `cause`; labels, host and response are those of `cause`.
    pub(crate) fn interrupted(kind: ErrorKind, cause: Error) -> Self {
        let mut error = Error::new(kind);
        error.inner.labels.clone_from(&cause.inner.labels);
        error.inner.host.clone_from(&cause.inner.host);
        error.inner.response.clone_from(&cause.inner.response);
        error.with_source(cause)
    }

    /// Prefixes an error about an argument with the part of the argument.
    pub(crate) fn context(mut self, what: fmt::Arguments<'_>) -> Self {
        match &mut self.inner.kind {
            ErrorKind::InvalidArgument { message } => *message = format!("{what}: {message}"),
            ErrorKind::BsonSerialization(_) => return self.during(&what),
            _ => {}
        }
        self
    }

    /// The error that ended an operation of several commands early; otherwise the error itself.
    fn ending(&self) -> &Self {
        match (&self.inner.kind, &self.inner.source) {
            (ErrorKind::InsertMany(_) | ErrorKind::BulkWrite(_), Some(source)) => {
                source.downcast_ref().unwrap_or(self)
            }
            (ErrorKind::GridFs(GridFsErrorKind::AbortError { delete_error, .. }), _) => {
                delete_error.ending()
            }
            _ => self,
        }
    }

    /// The error that ended an operation of several commands early, if one did.
    fn cause(&self) -> Option<&Self> {
        Some(self.ending()).filter(|cause| !std::ptr::eq(*cause, self))
    }

    pub(crate) fn with_source(
        mut self,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        self.inner.source = Some(Arc::new(source));
        self
    }

    pub(crate) fn with_response(mut self, response: RawDocumentBuf) -> Self {
        self.inner.response = Some(response);
        self
    }

    pub(crate) fn add_label(&mut self, label: impl Into<String>) {
        let label = label.into();
        if !self.has_label(&label) {
            self.inner.labels.push(label);
        }
    }

    /// Wraps an error of the program, for functions that return this crate's [`Result`], such as
    /// the callback of a transaction. [`get_custom`](Error::get_custom) returns it.
    ///
    /// ```
    /// use driver::error::Error;
    ///
    /// let error = Error::custom("out of stock".to_owned());
    /// assert_eq!(error.get_custom::<String>().map(String::as_str), Some("out of stock"));
    /// assert_eq!(error.to_string(), "out of stock");
    /// ```
    pub fn custom(own: impl Any + Send + Sync) -> Self {
        Error::new(ErrorKind::Custom(Arc::new(own)))
    }

    /// The error inside [`custom`](Error::custom), if it is an `E`.
    ///
    /// # Examples
    /// ```
    /// use driver::Error;
    ///
    /// #[derive(Debug)]
    /// struct SoldOut(u32);
    ///
    /// let error = Error::custom(SoldOut(7));
    /// assert_eq!(error.get_custom::<SoldOut>().map(|sold_out| sold_out.0), Some(7));
    /// assert!(error.get_custom::<String>().is_none());
    /// ```
    pub fn get_custom<E: Any>(&self) -> Option<&E> {
        match self.kind() {
            ErrorKind::Custom(own) => own.downcast_ref(),
            _ => None,
        }
    }

    pub(crate) fn kind_mut(&mut self) -> &mut ErrorKind {
        &mut self.inner.kind
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_pointer_wide() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
        assert_eq!(size_of::<Result<()>>(), size_of::<usize>());
    }
}
