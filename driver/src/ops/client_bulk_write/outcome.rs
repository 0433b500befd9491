//! The results of a client's bulk write so far (specification "Bulk Write", sections "Handling the
//! bulkWrite Server Response" and "Handling Errors").

use std::ops::Range;
use std::sync::Arc;

use bson::raw::RawBsonRef;
use bson::{Bson, RawDocument};

use crate::cursor::{GetMoreOptions, RawCursor};
use crate::decode;
use crate::error::{BulkWriteError, Error, ErrorKind, PartialBulkWriteResult, Result, WriteError};
use crate::exec::{Core, CursorTimeout, Reply, SessionState, Timeout, failure, malformed};
use crate::ops::bulk_write::is_unsent;
use crate::options::{CursorTimeoutMode, WriteModel};
use crate::results::{
    DeleteResult, InsertOneResult, SummaryBulkWriteResult, UpdateResult, VerboseBulkWriteResult,
};
use crate::wire::scan::whole;

/// The result type of a bulk write: the summary, or also the result of each write.
pub(super) trait Outcome: Default + Send + 'static {
    const VERBOSE: bool;

    fn summary(&mut self) -> &mut SummaryBulkWriteResult;

    /// Records a successful write.
    fn done(&mut self, index: usize, write: Write);

    fn partial(self) -> PartialBulkWriteResult;
}

/// The result of a single write.
pub(super) enum Write {
    Insert(InsertOneResult),
    Update(UpdateResult),
    Delete(DeleteResult),
}

impl Outcome for SummaryBulkWriteResult {
    const VERBOSE: bool = false;

    fn summary(&mut self) -> &mut SummaryBulkWriteResult {
        self
    }

    fn done(&mut self, _: usize, _: Write) {}

    fn partial(self) -> PartialBulkWriteResult {
        PartialBulkWriteResult::Summary(self)
    }
}

impl Outcome for VerboseBulkWriteResult {
    const VERBOSE: bool = true;

    fn summary(&mut self) -> &mut SummaryBulkWriteResult {
        &mut self.summary
    }

    fn done(&mut self, index: usize, write: Write) {
        match write {
            Write::Insert(result) => drop(self.insert_results.insert(index, result)),
            Write::Update(result) => drop(self.update_results.insert(index, result)),
            Write::Delete(result) => drop(self.delete_results.insert(index, result)),
        }
    }

    fn partial(self) -> PartialBulkWriteResult {
        PartialBulkWriteResult::Verbose(self)
    }
}

/// The results of the models so far.
pub(super) struct Progress<'a, R> {
    models: &'a [WriteModel],
    ordered: bool,
    result: R,
    /// Whether a write is known to have succeeded.
    succeeded: bool,
    refused: BulkWriteError,
    /// The models of the current command with a result.
    answered: Vec<usize>,
    /// The number of errors that its results must still contain.
    errors_left: i64,
    /// The labels, the host and the reply of the first command with an error.
    failure: Option<Error>,
}

impl<'a, R: Outcome> Progress<'a, R> {
    pub(super) fn new(models: &'a [WriteModel], ordered: bool) -> Self {
        Progress {
            models,
            ordered,
            result: R::default(),
            succeeded: false,
            refused: BulkWriteError::default(),
            answered: Vec::new(),
            errors_left: 0,
            failure: None,
        }
    }

    pub(super) fn has_write_errors(&self) -> bool {
        !self.refused.write_errors.is_empty()
    }

    /// Records the reply to the command with the models of `range`, and reads all its results.
    ///
    /// # Errors
    /// `InvalidResponse` if the reply or a result is malformed; those of `getMore`.
    #[expect(clippy::too_many_arguments, reason = "the state of one command")]
    pub(super) async fn note(
        &mut self,
        core: &Arc<Core>,
        reply: Reply<'_>,
        range: Range<usize>,
        ids: Vec<Option<Bson>>,
        comment: Option<Bson>,
        mut session: Option<&mut SessionState>,
        timeout: Timeout,
    ) -> Result<()> {
        let mode = CursorTimeoutMode::CursorLifetime;
        let host = reply.host().clone();
        self.note_numbers(&reply, range.len()).map_err(|error| error.at(&host))?;
        let options = GetMoreOptions {
            operation: "bulk_write",
            comment,
            timeout: CursorTimeout::of(mode, timeout, reply.deadline()),
            ..GetMoreOptions::default()
        };
        let mut results = RawCursor::open(core, reply, options)?;
        while results.advance_in(session.as_deref_mut()).await? {
            self.note_result(results.current(), &range, &ids).map_err(|error| error.at(&host))?;
        }
        Ok(())
    }

    fn note_numbers(&mut self, reply: &Reply<'_>, models: usize) -> Result<()> {
        let (header, document) = (reply.header(), reply.document());
        let summary = SummaryBulkWriteResult {
            inserted_count: number(document, "nInserted")?,
            matched_count: number(document, "nMatched")?,
            modified_count: number(document, "nModified")?,
            upserted_count: number(document, "nUpserted")?,
            deleted_count: number(document, "nDeleted")?,
        };
        let errors = number(document, "nErrors")?;
        let concern = failure::write_concern_error(header, document)?;
        if errors > 0 || concern.is_some() {
            self.failure.get_or_insert_with(|| {
                let kind = ErrorKind::BulkWrite(BulkWriteError::default());
                failure::labelled(Error::new(kind), header, document).at(reply.host())
            });
        }
        let total = self.result.summary();
        total.inserted_count += summary.inserted_count;
        total.matched_count += summary.matched_count;
        total.modified_count += summary.modified_count;
        total.upserted_count += summary.upserted_count;
        total.deleted_count += summary.deleted_count;
        self.refused.write_concern_errors.extend(concern);
        // For an ordered command, the index of its error gives the exact number.
        self.succeeded |= errors == 0 || (!self.ordered && errors < models as i64);
        self.errors_left = errors;
        self.answered.clear();
        Ok(())
    }

    fn note_result(
        &mut self,
        result: &RawDocument,
        range: &Range<usize>,
        ids: &[Option<Bson>],
    ) -> Result<()> {
        let at = usize::try_from(number(result, "idx")?).ok().filter(|at| *at < range.len());
        let Some(at) = at else {
            return Err(Error::invalid_response(format!(
                "one of its results has an index outside the {} models that were sent",
                range.len()
            )));
        };
        let index = range.start + at;
        self.answered.push(index);
        if number(result, "ok")? == 0 {
            let code = i32::try_from(number(result, "code")?).unwrap_or_default();
            let details = result.get_document("errInfo").ok();
            let error = WriteError {
                code,
                code_name: result.get_str("codeName").ok().map(str::to_owned),
                message: result.get_str("errmsg").unwrap_or_default().to_owned(),
                details: details.and_then(|details| decode::document(details).ok()),
            };
            self.errors_left -= 1;
            self.succeeded |= self.ordered && at > 0;
            self.refused.write_errors.insert(index, error);
            return Ok(());
        }
        if !R::VERBOSE {
            return Ok(());
        }
        let n = count(result, "n")?;
        let write = match &self.models[index] {
            WriteModel::InsertOne(_) => {
                let inserted_id = ids.get(at).cloned().flatten().unwrap_or_default();
                Write::Insert(InsertOneResult { inserted_id })
            }
            WriteModel::DeleteOne(_) | WriteModel::DeleteMany(_) => {
                Write::Delete(DeleteResult { deleted_count: n })
            }
            WriteModel::UpdateOne(_) | WriteModel::UpdateMany(_) | WriteModel::ReplaceOne(_) => {
                let upserted_id = upserted_id(result)?;
                // The server counts an upserted document as matched.
                let matched_count = if upserted_id.is_some() { 0 } else { n };
                let modified_count = count(result, "nModified")?;
                Write::Update(UpdateResult { matched_count, modified_count, upserted_id })
            }
        };
        self.result.done(index, write);
        Ok(())
    }

    /// All commands have a reply up to the model at `end`, or the last one refused a model of an
    /// ordered bulk write.
    pub(super) fn finish(mut self, end: usize) -> Result<R> {
        let Some(mut error) = self.failure.take() else { return Ok(self.result) };
        let refused = self.refused.write_errors.keys().max().filter(|_| self.ordered);
        let tried = refused.map_or(end, |last| last + 1);
        *error.kind_mut() = ErrorKind::BulkWrite(self.failed(Vec::new(), tried));
        Err(error)
    }

    /// The command with the models from `start` to `end` failed as a whole. The error keeps the
    /// results of the models.
    pub(super) fn stopped(self, error: Error, start: usize, end: usize) -> Error {
        let sent = if is_unsent(&error) { start } else { end };
        // If all models have the same result, the error itself is enough.
        if start == 0 && (sent == 0 || sent == self.models.len()) {
            return error;
        }
        let failed = self.failed((start..sent).collect(), sent);
        Error::interrupted(ErrorKind::BulkWrite(failed), error)
    }

    /// The command with the models from `start` to `end` has a reply, but not all its results could
    /// be read.
    pub(super) fn unread(mut self, error: Error, start: usize, end: usize) -> Error {
        let mut answered = std::mem::take(&mut self.answered);
        // An unordered reply may name them in any order.
        answered.sort_unstable();
        let is_in_doubt = |index: &usize| answered.binary_search(index).is_err();
        let unconfirmed = match self.errors_left {
            0 => Vec::new(),
            _ => (start..end).filter(is_in_doubt).collect(),
        };
        let failed = self.failed(unconfirmed, end);
        Error::interrupted(ErrorKind::BulkWrite(failed), error)
    }

    fn failed(self, unconfirmed: Vec<usize>, tried: usize) -> BulkWriteError {
        BulkWriteError {
            partial_result: self.succeeded.then(|| self.result.partial()),
            unconfirmed,
            unprocessed: (tried..self.models.len()).collect(),
            ..self.refused
        }
    }
}

/// The `_id` of the upserted document.
fn upserted_id(result: &RawDocument) -> Result<Option<Bson>> {
    let Some(upserted) = result.get("upserted").map_err(malformed)? else { return Ok(None) };
    let RawBsonRef::Document(upserted) = upserted else {
        return Err(Error::invalid_response(
            "the upserted of one of its results is not a document",
        ));
    };
    match upserted.get("_id").map_err(malformed)? {
        Some(id) => Ok(Some(decode::value(upserted.as_bytes(), id).map_err(malformed)?)),
        None => Err(Error::invalid_response("the upserted of one of its results has no _id")),
    }
}

/// An integer in any numeric BSON type.
fn number(document: &RawDocument, key: &str) -> Result<i64> {
    let number = match document.get(key).map_err(malformed)? {
        Some(RawBsonRef::Int32(n)) => Some(n.into()),
        Some(RawBsonRef::Int64(n)) => Some(n),
        Some(RawBsonRef::Double(n)) => whole(n),
        _ => None,
    };
    number.ok_or_else(|| Error::invalid_response(format!("it has no integer {key}")))
}

fn count(document: &RawDocument, key: &str) -> Result<u64> {
    Ok(u64::try_from(number(document, key)?).unwrap_or_default())
}
