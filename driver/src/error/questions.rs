//! The questions that a program asks an error.

use std::time::Duration;

use bson::RawDocumentBuf;

use super::codes::{self, StateChange};
use super::{Error, ErrorKind, WriteFailure};
use crate::types::ServerAddress;

impl Error {
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

    /// The labels from the server and the driver, such as
    /// [`RETRYABLE_WRITE_ERROR`](super::RETRYABLE_WRITE_ERROR).
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

    /// The delay that an overloaded server asks for before the first retry (`baseBackoffMS`).
    pub fn base_backoff(&self) -> Option<Duration> {
        let millis = self.server_response()?.get_i32("baseBackoffMS").ok()?;
        u64::try_from(millis).ok().filter(|millis| *millis > 0).map(Duration::from_millis)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::WriteError;

    #[test]
    fn only_duplicate_keys_are_recognised() {
        let with_code = |code| {
            let error = WriteError { code, ..WriteError::default() };
            Error::new(ErrorKind::Write(WriteFailure::WriteError(error)))
        };
        assert!(with_code(11000).is_duplicate_key());
        assert!(!with_code(112).is_duplicate_key());
    }
}
