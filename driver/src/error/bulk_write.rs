//! The failure of a bulk write, and its partial result.

use std::collections::HashMap;
use std::fmt;

use super::server::{WriteConcernError, WriteError, coded};
use crate::results::{BulkWriteResult, SummaryBulkWriteResult, VerboseBulkWriteResult};

/// The failures of a bulk write, and its partial result.
///
/// Each model is in one of these places: in `write_errors`, in `unconfirmed`, in `unprocessed`, or
/// it was done. An error that ended the whole bulk write early is the
/// [`source`](std::error::Error::source) of the [`Error`](crate::Error).
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct BulkWriteError {
    /// The models that the server refused, by their position.
    pub write_errors: HashMap<usize, WriteError>,
    /// The write concerns that were not met, of one command each.
    pub write_concern_errors: Vec<WriteConcernError>,
    /// The result of the successful writes. None if no write is known to have succeeded.
    pub partial_result: Option<PartialBulkWriteResult>,
    /// The positions of models that were sent, and of which it is not known whether they were
    /// done: the connection broke, or the server gave up in the middle of the command.
    pub unconfirmed: Vec<usize>,
    /// The positions of models that were not tried.
    pub unprocessed: Vec<usize>,
}

/// The result of the writes that succeeded, in a bulk write that failed.
#[derive(Clone, Debug, PartialEq)]
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
    /// The write error of the model that comes first among those that were refused.
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
