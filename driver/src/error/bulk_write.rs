//! Errors of bulk writes, with their partial results.

use std::collections::HashMap;
use std::fmt;

use serde::Serialize;

use super::server::{WriteConcernError, WriteError, coded};
use crate::results::{BulkWriteResult, SummaryBulkWriteResult, VerboseBulkWriteResult};

/// The failures of a bulk write, and its partial result.
///
/// A model is in `write_errors`, in `unconfirmed` or in `unprocessed`; otherwise it was applied. If
/// an error ended the bulk write early, it is the [`source`](std::error::Error::source) of the
/// [`Error`](crate::Error).
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct BulkWriteError {
    /// The write errors of refused models, by the position of the model.
    pub write_errors: HashMap<usize, WriteError>,
    /// The write concern errors, at most one per command.
    pub write_concern_errors: Vec<WriteConcernError>,
    /// The result of the successful writes. None if no write is known to have succeeded.
    pub partial_result: Option<PartialBulkWriteResult>,
    /// The positions of models that were sent, but may or may not be applied: the connection broke,
    /// or the server failed in the middle of the command.
    pub unconfirmed: Vec<usize>,
    /// The positions of models that were not tried.
    pub unprocessed: Vec<usize>,
}

/// The result of the successful writes of a failed bulk write.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum PartialBulkWriteResult {
    /// Of a collection.
    Collection(BulkWriteResult),
    /// Of a client.
    Summary(SummaryBulkWriteResult),
    /// Of a client, with the result of each write.
    Verbose(VerboseBulkWriteResult),
}

impl BulkWriteError {
    /// The first write error by position.
    pub(super) fn first(&self) -> Option<(usize, &WriteError)> {
        let first = self.write_errors.iter().min_by_key(|(index, _)| **index)?;
        Some((*first.0, first.1))
    }
}

impl fmt::Display for BulkWriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} writes refused", self.write_errors.len())?;
        for (models, what) in
            [(&self.unconfirmed, "sent but not confirmed"), (&self.unprocessed, "not tried")]
        {
            if !models.is_empty() {
                write!(f, ", {} {what}", models.len())?;
            }
        }
        if let Some((index, first)) = self.first() {
            write!(f, "; the first refused, model {index}: ")?;
            let name = first.code_name.as_deref().unwrap_or_default();
            coded(f, "write error", first.code, name, &first.message)?;
        }
        for e in &self.write_concern_errors {
            f.write_str("; ")?;
            coded(f, "write concern not met", e.code, &e.code_name, &e.message)?;
        }
        Ok(())
    }
}
