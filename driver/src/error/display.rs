//! The message of an error, and its source.

use std::fmt::{self, Write as _};

use super::{Error, ErrorKind, Inner};
use crate::types::ServerAddress;

impl Error {
    /// The message without the host, for an error that names the host itself.
    pub(crate) fn without_host(&self) -> String {
        let text = self.to_string();
        match &self.inner.host {
            Some(host) => text.strip_suffix(&format!(" [{host}]")).unwrap_or(&text).to_owned(),
            None => text,
        }
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
