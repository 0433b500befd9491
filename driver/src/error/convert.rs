//! Conversions for use with `?`.

use super::{Error, ErrorKind, GridFsErrorKind};

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

impl Error {
    /// The error of this crate inside an I/O error.
    fn inside_io(&self) -> Option<&Self> {
        match self.kind() {
            ErrorKind::Io { cause, .. } => cause.get_ref()?.downcast_ref(),
            _ => None,
        }
    }
}
