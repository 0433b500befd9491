//! The errors of servers: of a command, a write or a write concern.

use std::collections::HashMap;
use std::fmt;

use bson::{Bson, Document};
use serde::{Deserialize, Serialize};

/// The server answered a command with `ok: 0`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct CommandError {
    /// The code of the error; 0 when the server sent none.
    pub code: i32,
    /// The name of the code; empty when the server sent none.
    pub code_name: String,
    /// The server's message, or a note that it sent none.
    #[serde(rename = "errmsg", alias = "message")]
    pub message: String,
}

/// The server refused a write.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct WriteError {
    /// The code of the error.
    pub code: i32,
    /// The name of the code, where the server sent one.
    pub code_name: Option<String>,
    /// The server's message.
    #[serde(rename = "errmsg", alias = "message")]
    pub message: String,
    /// Details from the server, such as the schema rule that the document violates.
    #[serde(rename = "errInfo", skip_serializing_if = "Option::is_none")]
    pub details: Option<Document>,
}

impl From<IndexedWriteError> for WriteError {
    fn from(error: IndexedWriteError) -> Self {
        let IndexedWriteError { index: _, code, code_name, message, details } = error;
        WriteError { code, code_name, message, details }
    }
}

/// The server refused one of several writes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct IndexedWriteError {
    /// The position of the document in the list.
    pub index: usize,
    /// The code of the error.
    pub code: i32,
    /// The name of the code, where the server sent one.
    pub code_name: Option<String>,
    /// The server's message.
    #[serde(rename = "errmsg", alias = "message")]
    pub message: String,
    /// Details from the server, such as the schema rule that the document violates.
    #[serde(rename = "errInfo", skip_serializing_if = "Option::is_none")]
    pub details: Option<Document>,
}

/// The write was applied, but its write concern failed: it was not replicated or journaled as
/// requested.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct WriteConcernError {
    /// The code of the error.
    pub code: i32,
    /// The name of the code; empty when the server sent none.
    pub code_name: String,
    /// The server's message.
    #[serde(rename = "errmsg", alias = "message")]
    pub message: String,
    /// Details from the server, such as the write concern that was not satisfied.
    #[serde(rename = "errInfo", skip_serializing_if = "Option::is_none")]
    pub details: Option<Document>,
}

/// The failure of a single write.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum WriteFailure {
    /// It was not applied.
    WriteError(WriteError),
    /// It was applied, but its write concern failed.
    WriteConcernError(WriteConcernError),
}

/// The failures of an `insert_many`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct InsertManyError {
    /// One entry for each refused document.
    pub write_errors: Vec<IndexedWriteError>,
    /// The write concern error, if any.
    pub write_concern_error: Option<WriteConcernError>,
    /// The `_id`s of the inserted documents, by their position.
    #[serde(skip)]
    pub inserted_ids: HashMap<usize, Bson>,
}

pub(super) fn coded(
    f: &mut fmt::Formatter<'_>,
    what: &str,
    code: i32,
    name: &str,
    message: &str,
) -> fmt::Result {
    match name {
        "" => write!(f, "{what} (code {code}): {message}"),
        name => write!(f, "{what} ({name}, code {code}): {message}"),
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        coded(f, "the server refused the command", self.code, &self.code_name, &self.message)
    }
}

impl fmt::Display for WriteFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WriteFailure::WriteError(e) => coded(
                f,
                "write error",
                e.code,
                e.code_name.as_deref().unwrap_or_default(),
                &e.message,
            ),
            WriteFailure::WriteConcernError(e) => {
                coded(f, "write concern not met", e.code, &e.code_name, &e.message)
            }
        }
    }
}

impl fmt::Display for InsertManyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} inserted, {} refused", self.inserted_ids.len(), self.write_errors.len())?;
        if let Some(first) = self.write_errors.first() {
            write!(f, "; the first, document {}: ", first.index)?;
            coded(
                f,
                "write error",
                first.code,
                first.code_name.as_deref().unwrap_or_default(),
                &first.message,
            )?;
        }
        if let Some(e) = &self.write_concern_error {
            f.write_str("; ")?;
            coded(f, "write concern not met", e.code, &e.code_name, &e.message)?;
        }
        Ok(())
    }
}
