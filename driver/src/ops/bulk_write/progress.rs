//! The results of a bulk write so far.

use bson::Bson;

use super::models::Kind;
use crate::error::{
    BulkWriteError, Error, ErrorKind, IndexedWriteError, NO_WRITES_PERFORMED,
    PartialBulkWriteResult, Result, WriteError,
};
use crate::exec::{Reply, failure};
use crate::ops::update;
use crate::results::BulkWriteResult;

/// The results of the models so far.
pub(super) struct Progress {
    ordered: bool,
    result: BulkWriteResult,
    /// The number of successful models.
    succeeded: usize,
    /// The number of attempted models, in their order.
    tried: usize,
    refused: BulkWriteError,
    /// The labels, the host and the reply of the first command with an error.
    failure: Option<Error>,
}

impl Progress {
    pub(super) fn new(ordered: bool) -> Self {
        Progress {
            ordered,
            result: BulkWriteResult::default(),
            succeeded: 0,
            tried: 0,
            refused: BulkWriteError::default(),
            failure: None,
        }
    }

    pub(super) fn has_write_errors(&self) -> bool {
        !self.refused.write_errors.is_empty()
    }

    /// Records the reply to a command with these `models`. `ids` are those of an `insert`.
    ///
    /// # Errors
    /// `InvalidResponse` if the reply is malformed. Nothing is recorded then.
    pub(super) fn note(
        &mut self,
        kind: Kind,
        reply: &Reply<'_>,
        models: &[usize],
        ids: Vec<Bson>,
    ) -> Result<()> {
        let (header, document) = (reply.header(), reply.document());
        let note = || {
            let errors = failure::write_errors(header, document, models.len())?;
            let concern = failure::write_concern_error(header, document)?;
            let upserted = update::upserted_ids(reply, models.len())?;
            Ok((errors, concern, upserted, reply.n()?))
        };
        let (errors, concern, upserted, n) = note().map_err(|e: Error| e.at(reply.host()))?;
        if !header.is_success() {
            self.failure.get_or_insert_with(|| {
                let kind = ErrorKind::BulkWrite(BulkWriteError::default());
                failure::labelled(Error::new(kind), header, document).at(reply.host())
            });
        }
        let mut refused: Vec<usize> = errors.iter().map(|error| error.index).collect();
        refused.sort_unstable();
        // An ordered command ends at the first refused model.
        let tried = match refused.first() {
            Some(first) if self.ordered => first + 1,
            _ => models.len(),
        };
        match kind {
            Kind::Insert => {
                self.result.inserted_count += n;
                self.result.inserted_ids.reserve(tried);
                let done = ids.into_iter().take(tried).enumerate();
                let done = done.filter(|(at, _)| refused.binary_search(at).is_err());
                self.result.inserted_ids.extend(done.map(|(at, id)| (models[at], id)));
            }
            Kind::Update => {
                // The server counts upserted documents as matched.
                self.result.matched_count += n.saturating_sub(upserted.len() as u64);
                self.result.modified_count += header.n_modified();
                self.result.upserted_count += upserted.len() as u64;
                let upserted = upserted.into_iter().map(|(at, id)| (models[at], id));
                self.result.upserted_ids.extend(upserted);
            }
            Kind::Delete => self.result.deleted_count += n,
        }
        self.tried += tried;
        self.succeeded += tried.saturating_sub(refused.len());
        self.refused.write_concern_errors.extend(concern);
        self.refused.write_errors.extend(errors.into_iter().map(|error| {
            let IndexedWriteError { index, code, code_name, message, details } = error;
            (models[index], WriteError { code, code_name, message, details })
        }));
        Ok(())
    }

    /// All commands have a reply, or the last one refused a model of an ordered bulk write.
    pub(super) fn finish(mut self, order: &[usize]) -> Result<BulkWriteResult> {
        let Some(mut error) = self.failure.take() else { return Ok(self.result) };
        let tried = self.tried;
        *error.kind_mut() = ErrorKind::BulkWrite(self.into_error(&[], &order[tried..]));
        Err(error)
    }

    /// The command with the models from `start` to `end` of the `order` failed as a whole. The
    /// error keeps the results of the models.
    pub(super) fn stopped(self, error: Error, order: &[usize], start: usize, end: usize) -> Error {
        let sent = if is_unsent(&error) { start } else { end };
        // If all models have the same result, the error itself is enough.
        if start == 0 && (sent == 0 || sent == order.len()) {
            return error;
        }
        let failed = self.into_error(&order[start..sent], &order[sent..]);
        Error::interrupted(ErrorKind::BulkWrite(failed), error)
    }

    /// The error of the bulk write, with the results so far.
    fn into_error(self, unconfirmed: &[usize], unprocessed: &[usize]) -> BulkWriteError {
        let sorted = |models: &[usize]| {
            let mut models = models.to_vec();
            models.sort_unstable();
            models
        };
        let result = Some(PartialBulkWriteResult::Collection(self.result));
        BulkWriteError {
            partial_result: result.filter(|_| self.succeeded > 0),
            unconfirmed: sorted(unconfirmed),
            unprocessed: sorted(unprocessed),
            ..self.refused
        }
    }
}

/// Whether the command of `error` was not sent, or the server reports that it had no effect.
pub(in crate::ops) fn is_unsent(error: &Error) -> bool {
    error.has_label(NO_WRITES_PERFORMED)
        || matches!(
            error.kind(),
            ErrorKind::InvalidArgument { .. }
                | ErrorKind::BsonSerialization(_)
                | ErrorKind::ServerSelection { .. }
                | ErrorKind::WaitQueueTimeout { .. }
                | ErrorKind::WaitQueueFull { .. }
                | ErrorKind::IncompatibleServer { .. }
                | ErrorKind::Shutdown
        )
}
