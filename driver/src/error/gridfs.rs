//! The errors of files in a GridFS bucket.

use std::fmt;

use bson::Bson;

use super::Error;

/// An error of a file in a GridFS bucket.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum GridFsErrorKind {
    /// The bucket has no such file.
    #[non_exhaustive]
    FileNotFound {
        /// The file that was asked for.
        identifier: GridFsFileIdentifier,
    },
    /// The bucket has files of that name, but fewer revisions.
    #[non_exhaustive]
    RevisionNotFound {
        /// The name of the file.
        filename: String,
        /// The revision that was asked for.
        revision: i32,
    },
    /// The files document is malformed.
    #[non_exhaustive]
    CorruptFile {
        /// The `_id` of the file.
        file_id: Bson,
        /// The fault.
        message: String,
    },
    /// A chunk of a file is missing.
    #[non_exhaustive]
    MissingChunk {
        /// The `_id` of the file.
        file_id: Bson,
        /// The number of the chunk, from 0 on.
        n: u32,
    },
    /// There is an extra chunk: one beyond the end of the file, or a second one with the same
    /// number.
    #[non_exhaustive]
    ExtraChunk {
        /// The `_id` of the file.
        file_id: Bson,
        /// The number of the chunk.
        n: u32,
    },
    /// A chunk has the wrong size.
    #[non_exhaustive]
    WrongSizeChunk {
        /// The `_id` of the file.
        file_id: Bson,
        /// The number of the chunk, from 0 on.
        n: u32,
        /// Its number of bytes.
        actual_size: usize,
        /// The correct number of bytes.
        expected_size: u32,
    },
    /// A chunk has no number, or no data.
    #[non_exhaustive]
    CorruptChunk {
        /// The `_id` of the file.
        file_id: Bson,
        /// The number of the chunk that was expected.
        n: u32,
        /// The fault.
        message: String,
    },
    /// A file has the wrong number of chunks. Exists for compatibility with the official crate;
    /// this driver returns `MissingChunk` or `ExtraChunk`.
    #[non_exhaustive]
    WrongNumberOfChunks {
        /// Its number of chunks.
        actual_number: u32,
        /// The correct number of chunks.
        expected_number: u32,
    },
    /// The upload has ended: it was closed or aborted, or it failed.
    UploadStreamClosed,
    /// The chunks of an aborted upload could not be removed.
    #[non_exhaustive]
    AbortError {
        /// The reason for the abort, unless the caller aborted the upload.
        original_error: Option<Error>,
        /// The error of the removal.
        delete_error: Error,
    },
    /// An upload was closed while bytes were being written. Exists for compatibility with the
    /// official crate; this driver writes the bytes first.
    WriteInProgress,
}

/// A file of a GridFS bucket, as the caller named it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum GridFsFileIdentifier {
    /// By its name, which several files may have.
    Filename(String),
    /// By its `_id`.
    Id(Bson),
}

impl fmt::Display for GridFsFileIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GridFsFileIdentifier::Filename(name) => write!(f, "{name:?}"),
            GridFsFileIdentifier::Id(id) => write!(f, "with _id {id}"),
        }
    }
}

impl fmt::Display for GridFsErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FileNotFound { identifier } => write!(f, "there is no file {identifier}"),
            Self::RevisionNotFound { filename, revision } => {
                write!(f, "the file {filename:?} has no revision {revision}")
            }
            Self::CorruptFile { file_id, message } => {
                write!(f, "the file with _id {file_id} is corrupt: {message}")
            }
            Self::MissingChunk { file_id, n } => {
                write!(f, "chunk {n} of the file with _id {file_id} is missing")
            }
            Self::ExtraChunk { file_id, n } => write!(
                f,
                "the file with _id {file_id} has a chunk {n} too many: beyond its end, or for the \
                 second time"
            ),
            Self::WrongSizeChunk { file_id, n, actual_size, expected_size } => write!(
                f,
                "chunk {n} of the file with _id {file_id} has {actual_size} bytes instead of \
                 {expected_size}"
            ),
            Self::CorruptChunk { file_id, n, message } => {
                write!(f, "chunk {n} of the file with _id {file_id} is corrupt: {message}")
            }
            Self::WrongNumberOfChunks { actual_number, expected_number } => {
                write!(f, "the file has {actual_number} chunks instead of {expected_number}")
            }
            Self::UploadStreamClosed => f.write_str(
                "the upload has ended: it was closed or aborted, or an earlier step failed; open \
                 another upload stream",
            ),
            Self::AbortError { original_error: None, delete_error } => {
                write!(f, "the chunks of the aborted upload were not removed: {delete_error}")
            }
            Self::AbortError { original_error: Some(original), delete_error } => write!(
                f,
                "{original}; and the chunks of the upload were not removed: {delete_error}"
            ),
            Self::WriteInProgress => f.write_str("bytes are still being written"),
        }
    }
}
