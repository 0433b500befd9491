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
mod gridfs;
mod kind;
mod server;

use std::any::Any;
use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use bson::RawDocumentBuf;

pub use self::bulk_write::{BulkWriteError, PartialBulkWriteResult};
use self::codes::StateChange;
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

    /// The error of this crate inside an I/O error.
    fn inside_io(&self) -> Option<&Self> {
        match self.kind() {
            ErrorKind::Io { cause, .. } => cause.get_ref()?.downcast_ref(),
            _ => None,
        }
    }

    /// The error that ended an operation of several commands early, if one did.
    fn cause(&self) -> Option<&Self> {
        Some(self.ending()).filter(|cause| !std::ptr::eq(*cause, self))
    }

    /// The message without the host, for an error that names the host itself.
    pub(crate) fn without_host(&self) -> String {
        let text = self.to_string();
        match &self.inner.host {
            Some(host) => text.strip_suffix(&format!(" [{host}]")).unwrap_or(&text).to_owned(),
            None => text,
        }
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

    /// The delay that an overloaded server asks for before the first retry (`baseBackoffMS`).
    pub fn base_backoff(&self) -> Option<Duration> {
        let millis = self.server_response()?.get_i32("baseBackoffMS").ok()?;
        u64::try_from(millis).ok().filter(|millis| *millis > 0).map(Duration::from_millis)
    }

    /// The kind, for matching.
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// use driver::error::ErrorKind;
    ///
    /// # async fn example(monkeys: driver::Collection<Document>) {
    /// if let Err(error) = monkeys.insert_one(doc! { "_id": 1 }).await {
    ///     match error.kind() {
    ///         ErrorKind::Write(failure) => println!("refused: {failure:?}"),
    ///         ErrorKind::ServerSelection { .. } => println!("no server: {error}"),
    ///         _ => println!("{error}"),
    ///     }
    ///     // A program asks by method where it can.
    ///     if error.is_duplicate_key() {
    ///         println!("it is there already");
    ///     } else if error.is_timeout() || error.is_network() || error.is_state_change() {
    ///         println!("{:?} did not answer; try again", error.host());
    ///     } else if error.is_auth() {
    ///         println!("the user may not do this");
    ///     }
    ///     println!("{:?} {:?} {:?}", error.code(), error.code_name(), error.labels());
    ///     println!("{:?} {:?}", error.server_response(), error.base_backoff());
    /// }
    /// # }
    /// ```
    pub fn kind(&self) -> &ErrorKind {
        &self.inner.kind
    }

    pub(crate) fn kind_mut(&mut self) -> &mut ErrorKind {
        &mut self.inner.kind
    }

    /// The server of the failed operation, if one was selected.
    pub fn host(&self) -> Option<&ServerAddress> {
        self.inner.host.as_ref()
    }

    /// The server's error code: of the command or the authentication, or else of the first write
    /// error, or else of the write concern error.
    pub fn code(&self) -> Option<i32> {
        match self.kind() {
            ErrorKind::Command(e) => Some(e.code),
            ErrorKind::Write(WriteFailure::WriteError(e)) => Some(e.code),
            ErrorKind::Write(WriteFailure::WriteConcernError(e)) => Some(e.code),
            ErrorKind::InsertMany(e) => e
                .write_errors
                .first()
                .map(|e| e.code)
                .or_else(|| e.write_concern_error.as_ref().map(|e| e.code)),
            ErrorKind::BulkWrite(e) => match (e.first(), &e.write_concern_errors[..]) {
                (Some((_, first)), _) => Some(first.code),
                (None, [first, ..]) => Some(first.code),
                (None, []) => self.cause().and_then(Error::code),
            },
            ErrorKind::Authentication { .. } => self.server_response()?.get_i32("code").ok(),
            _ => None,
        }
    }

    /// The name of [`code`](Error::code), if the server sent one.
    pub fn code_name(&self) -> Option<&str> {
        let name = match self.kind() {
            ErrorKind::Command(e) => Some(e.code_name.as_str()),
            ErrorKind::Write(WriteFailure::WriteError(e)) => e.code_name.as_deref(),
            ErrorKind::Write(WriteFailure::WriteConcernError(e)) => Some(e.code_name.as_str()),
            ErrorKind::InsertMany(e) => match (&e.write_errors[..], &e.write_concern_error) {
                ([first, ..], _) => first.code_name.as_deref(),
                ([], Some(e)) => Some(e.code_name.as_str()),
                ([], None) => None,
            },
            ErrorKind::BulkWrite(e) => match (e.first(), &e.write_concern_errors[..]) {
                (Some((_, first)), _) => first.code_name.as_deref(),
                (None, [first, ..]) => Some(first.code_name.as_str()),
                (None, []) => self.cause().and_then(Error::code_name),
            },
            ErrorKind::Authentication { .. } => self.server_response()?.get_str("codeName").ok(),
            _ => None,
        };
        name.filter(|name| !name.is_empty())
    }

    /// The labels from the server and the driver, such as [`RETRYABLE_WRITE_ERROR`].
    pub fn labels(&self) -> &[String] {
        &self.inner.labels
    }

    /// Whether the error has this label.
    ///
    /// # Examples
    /// ```no_run
    /// use driver::error::TRANSIENT_TRANSACTION_ERROR;
    ///
    /// # fn example(error: driver::Error) {
    /// if error.has_label(TRANSIENT_TRANSACTION_ERROR) {
    ///     println!("the transaction may be tried again");
    /// }
    /// # }
    /// ```
    pub fn has_label(&self, label: &str) -> bool {
        self.inner.labels.iter().any(|l| l == label)
    }

    /// The same as [`has_label`](Error::has_label), with the name of the official crate.
    ///
    /// # Examples
    /// ```no_run
    /// # fn example(error: driver::Error) {
    /// if error.contains_label("RetryableWriteError") {
    ///     println!("a retry may succeed");
    /// }
    /// # }
    /// ```
    pub fn contains_label(&self, label: impl AsRef<str>) -> bool {
        self.has_label(label.as_ref())
    }

    /// The server's whole reply, if the error came in one.
    pub fn server_response(&self) -> Option<&RawDocumentBuf> {
        self.inner.response.as_ref()
    }

    /// Whether the write failed because a unique index, such as that of `_id`, already has the key.
    ///
    /// For `insert_many` and bulk writes: whether all write errors are duplicate keys, and no other
    /// error ended the operation early.
    pub fn is_duplicate_key(&self) -> bool {
        match self.kind() {
            ErrorKind::InsertMany(e) => {
                !e.write_errors.is_empty()
                    && std::ptr::eq(self.ending(), self)
                    && e.write_errors.iter().all(|e| codes::is_duplicate_key(e.code))
            }
            ErrorKind::BulkWrite(e) => {
                !e.write_errors.is_empty()
                    && std::ptr::eq(self.ending(), self)
                    && e.write_errors.values().all(|e| codes::is_duplicate_key(e.code))
            }
            _ => self.code().is_some_and(codes::is_duplicate_key),
        }
    }

    /// Whether a timeout expired: that of the operation, of server selection, of the wait queue or
    /// of a socket, or `maxTimeMS` on the server.
    pub fn is_timeout(&self) -> bool {
        let error = self.ending();
        match error.kind() {
            ErrorKind::Timeout { .. }
            | ErrorKind::WaitQueueTimeout { .. }
            | ErrorKind::ServerSelection { .. } => true,
            ErrorKind::Io { cause, .. } => cause.kind() == std::io::ErrorKind::TimedOut,
            _ => error.code() == Some(codes::MAX_TIME_MS_EXPIRED),
        }
    }

    /// Whether a socket failed or could not be opened. If server selection finds no reachable
    /// server, the error is `ServerSelection`: [`is_timeout`](Self::is_timeout) is true, and this
    /// is false.
    pub fn is_network(&self) -> bool {
        matches!(self.ending().kind(), ErrorKind::Io { .. })
    }

    /// Whether the server does not know the user or denies it the operation.
    pub fn is_auth(&self) -> bool {
        matches!(self.kind(), ErrorKind::Authentication { .. })
            || self.code().is_some_and(codes::is_refused_user)
    }

    /// Whether the server is not the primary, or is shutting down or recovering.
    pub fn is_state_change(&self) -> bool {
        self.state_change().is_some()
    }

    /// The change of state that this error reports. The errors of single writes do not count.
    pub(crate) fn state_change(&self) -> Option<StateChange> {
        let (code, message) = match self.ending().kind() {
            ErrorKind::Command(e) => (e.code, &e.message),
            ErrorKind::Write(WriteFailure::WriteConcernError(e)) => (e.code, &e.message),
            ErrorKind::InsertMany(e) => {
                e.write_concern_error.as_ref().map(|e| (e.code, &e.message))?
            }
            ErrorKind::BulkWrite(e) => {
                let mut concerns = e.write_concern_errors.iter();
                return concerns.find_map(|e| codes::state_change(e.code, &e.message));
            }
            _ => return None,
        };
        codes::state_change(code, message)
    }
}

/// Converts everything that converts into an [`ErrorKind`], for use with `?`: BSON errors, I/O
/// errors, and kinds that the program created.
impl<E> From<E> for Error
where
    ErrorKind: From<E>,
{
    fn from(cause: E) -> Self {
        let error = Error::new(cause.into());
        match error.inside_io() {
            Some(inside) => inside.clone(),
            None => error,
        }
    }
}

/// Wraps an error of this crate in an I/O error, for GridFS streams. `?` unwraps it again.
impl From<Error> for std::io::Error {
    fn from(error: Error) -> Self {
        let kind = match error.kind() {
            _ if error.is_timeout() => std::io::ErrorKind::TimedOut,
            ErrorKind::Io { cause, .. } => cause.kind(),
            ErrorKind::InvalidArgument { .. } => std::io::ErrorKind::InvalidInput,
            ErrorKind::GridFs(kind) => match kind {
                GridFsErrorKind::FileNotFound { .. } | GridFsErrorKind::RevisionNotFound { .. } => {
                    std::io::ErrorKind::NotFound
                }
                GridFsErrorKind::UploadStreamClosed
                | GridFsErrorKind::AbortError { .. }
                | GridFsErrorKind::WriteInProgress => std::io::ErrorKind::Other,
                _ => std::io::ErrorKind::InvalidData,
            },
            _ => std::io::ErrorKind::Other,
        };
        std::io::Error::new(kind, error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.inner.to_string();
        let cause = self.ending();
        // The message of a GridFS error contains it already.
        if !std::ptr::eq(cause, self) && !matches!(self.kind(), ErrorKind::GridFs(_)) {
            write!(text, "; then it ended: {}", cause.inner)?;
        }
        f.write_str(&text)?;
        match self.inner.host.as_ref().map(ServerAddress::to_string) {
            Some(host) if !text.contains(&host) => write!(f, " [{host}]"),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.doing {
            Some(doing) => write!(f, "{doing}: {}", self.kind),
            None => self.kind.fmt(f),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Error");
        debug.field("kind", &self.inner.kind);
        if let Some(doing) = &self.inner.doing {
            debug.field("operation", doing);
        }
        if let Some(host) = &self.inner.host {
            debug.field("host", &format_args!("{host}"));
        }
        if !self.inner.labels.is_empty() {
            debug.field("labels", &self.inner.labels);
        }
        debug.finish_non_exhaustive()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.inner.kind {
            ErrorKind::Io { cause, .. } => Some(&**cause),
            ErrorKind::BsonSerialization(cause)
            | ErrorKind::BsonDeserialization(cause)
            | ErrorKind::Bson(cause) => Some(cause),
            _ => self.inner.source.as_ref().map(|source| &**source as _),
        }
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

    #[test]
    fn only_duplicate_keys_are_recognised() {
        let with_code = |code| {
            let error = WriteError { code, ..WriteError::default() };
            Error::new(ErrorKind::Write(WriteFailure::WriteError(error)))
        };
        assert!(with_code(11000).is_duplicate_key());
        assert!(!with_code(112).is_duplicate_key());
    }

    #[test]
    fn message_names_the_host_once() {
        let host = ServerAddress::parse("mongo.example:27018").unwrap();
        let other = ServerAddress::parse("other.example").unwrap();
        let error = Error::invalid_response("short").at(&host).at(&other);
        assert_eq!(
            error.to_string(),
            "the server sent an invalid reply: short [mongo.example:27018]"
        );
        let error = Error::timeout("mongo.example:27018 is silent").at(&host);
        assert_eq!(error.to_string(), "timed out: mongo.example:27018 is silent");
    }

    #[test]
    fn message_begins_with_the_operation_and_its_namespace() {
        let error =
            Error::new(ErrorKind::Shutdown).during(&"document 3").during(&"insert_many on d.c");
        assert_eq!(error.to_string(), "insert_many on d.c: document 3: the client was shut down");
    }
}
