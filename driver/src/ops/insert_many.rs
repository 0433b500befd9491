//! `insert` of many documents, in as many commands as the server's limits require.

use std::borrow::Borrow;
use std::marker::PhantomData;

use serde::Serialize;

use super::batch::Batch;
use super::command::Execute;
use super::operation_name::OperationName;
use super::prelude::*;
use crate::error::{ErrorKind, InsertManyError};
use crate::exec::{self, Complaints, Operation, RequestContext, Setting, Target, failure};
use crate::results::InsertManyResult;

/// Inserts many documents. Returned by [`Collection::insert_many`].
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct InsertMany<'a, T, D, F: Mode> {
    pub(crate) collection: &'a Collection<T, F>,
    pub(crate) documents: Vec<D>,
    pub(crate) options: Option<Box<InsertManyOptions>>,
    pub(crate) session: Option<&'a mut SessionState>,
}

options! {
    /// The options of [`Collection::insert_many`].
    InsertManyOptions, InsertManyOptionsBuilder for ['a, T, D, F: Mode] InsertMany<'a, T, D, F> {
        /// Skips document validation.
        bypass_document_validation: bool = "bypassDocumentValidation",
        /// Ends the operation at the first refused document. Default: true. Otherwise all documents
        /// are attempted.
        ordered: bool,
        /// The write concern of each command.
        write_concern: WriteConcern,
        /// A comment, shown in the server's logs and profiles.
        comment: Bson as impl Into<Bson> = "comment",
        /// Operates on the raw buckets of a time series collection. For internal use by MongoDB;
        /// may change. Needs MongoDB 8.2.
        raw_data: bool,
    }
}

operation! {
    [T: Serialize + Send + Sync + 'a, D: Borrow<T> + Send + Sync + 'a,]
    InsertMany<'a, T, D; F> -> InsertManyResult, on collection
}

impl<'a, T: Serialize + Send + Sync + 'a, D: Borrow<T> + Send + Sync + 'a, F: Mode> Execute<'a>
    for InsertMany<'a, T, D, F>
{
    type Output = InsertManyResult;

    fn operation_name(&self) -> OperationName<'a> {
        self.on().operation_name("insert_many")
    }

    async fn execute(mut self) -> Result<InsertManyResult> {
        if self.documents.is_empty() {
            return Err(Error::invalid_argument("there are no documents; give at least one"));
        }
        let on = self.on();
        let mut session = self.take_session();
        // All commands share one deadline.
        let deadline = on.deadline(self.options(), session.as_deref())?;
        let options = self.options.as_deref();
        let ordered = options.and_then(|o| o.ordered).unwrap_or(true);
        let mut progress =
            Progress { ids: Vec::with_capacity(self.documents.len()), ..Progress::default() };
        let write_concern = Setting::of(
            options.and_then(|o| o.write_concern.as_ref()),
            on.concerns.write_concern.as_ref(),
        );
        let mut next = 0;
        while next < self.documents.len() {
            let mut command = InsertBatch {
                collection: self.collection.name(),
                context: RequestContext {
                    write_concern,
                    ..RequestContext::bare(on.db, Target::Writable)
                },
                documents: &self.documents,
                batch: Batch::starting_at(next),
                ids: &mut progress.ids,
                ordered,
                options,
                kind: PhantomData::<fn() -> T>,
            };
            let sent =
                exec::execute(on.core, &mut command, session.as_deref_mut().into(), deadline).await;
            let end = command.batch.end();
            let reply = match sent {
                Ok(reply) => reply,
                Err(error) => return Err(progress.stopped(next, error)),
            };
            if !reply.header().is_success() && progress.note(&reply, next, end - next)? && ordered {
                break;
            }
            next = end;
        }
        progress.finish(ordered)
    }
}

/// The results so far.
#[derive(Default)]
struct Progress {
    /// The ids of all encoded documents.
    ids: Vec<Bson>,
    /// The refused documents.
    refused: InsertManyError,
    /// The labels, the host and the reply of the first command with an error.
    failure: Option<Error>,
}

impl Progress {
    /// Records the errors of a reply. The command's first document has the index `first`. Returns
    /// whether documents were refused.
    ///
    /// # Errors
    /// `InvalidResponse` if the errors are malformed.
    fn note(&mut self, reply: &Reply<'_>, first: usize, count: usize) -> Result<bool> {
        let (header, document) = (reply.header(), reply.document());
        self.failure.get_or_insert_with(|| {
            let kind = ErrorKind::InsertMany(InsertManyError::default());
            failure::labelled(Error::new(kind), header, document).at(reply.host())
        });
        if let Some(error) = failure::write_concern_error(header, document)? {
            self.refused.write_concern_error = Some(error);
        }
        let before = self.refused.write_errors.len();
        self.refused.write_errors.extend(
            failure::write_errors(header, document, count)?.into_iter().map(|mut error| {
                error.index += first;
                error
            }),
        );
        Ok(self.refused.write_errors.len() > before)
    }

    /// All commands have a reply, or the last one refused a document of an ordered insert.
    fn finish(mut self, ordered: bool) -> Result<InsertManyResult> {
        let sent = match self.refused.write_errors.first() {
            Some(first) if ordered => first.index,
            _ => self.ids.len(),
        };
        let Some(mut error) = self.failure.take() else {
            return Ok(InsertManyResult {
                inserted_ids: self.ids.into_iter().enumerate().collect(),
            });
        };
        *error.kind_mut() = ErrorKind::InsertMany(self.with_inserted(sent));
        Err(error)
    }

    /// A command failed as a whole. The error keeps the results of the `sent` documents before it.
    fn stopped(self, sent: usize, error: Error) -> Error {
        if sent == 0 {
            return error;
        }
        Error::interrupted(ErrorKind::InsertMany(self.with_inserted(sent)), error)
    }

    /// The refused documents, and the `_id`s of the others among the first `sent` documents.
    fn with_inserted(mut self, sent: usize) -> InsertManyError {
        let mut refused: Vec<usize> =
            self.refused.write_errors.iter().map(|error| error.index).collect();
        refused.sort_unstable();
        let ids = self.ids.into_iter().enumerate().take(sent);
        self.refused.inserted_ids =
            ids.filter(|(index, _)| refused.binary_search(index).is_err()).collect();
        self.refused
    }
}

/// One `insert` with as many documents as fit.
struct InsertBatch<'a, T, D> {
    collection: &'a str,
    context: RequestContext<'a>,
    documents: &'a [D],
    batch: Batch,
    ids: &'a mut Vec<Bson>,
    ordered: bool,
    options: Option<&'a InsertManyOptions>,
    kind: PhantomData<fn() -> T>,
}

impl<T: Serialize + Send + Sync, D: Borrow<T> + Send + Sync> Operation for InsertBatch<'_, T, D> {
    fn meta(&self) -> &'static Meta {
        const META: &Meta =
            &Meta { complaints: Complaints::Collected, ..Meta::write("insert_many", "insert") };
        META
    }

    fn context(&self) -> RequestContext<'_> {
        self.context
    }

    fn statements(&self) -> usize {
        self.batch.len()
    }

    fn body(&mut self, body: &mut DocWriter<'_>, server: &ConnectionDescription) -> Result<()> {
        body.str(cstr!("insert"), self.collection);
        body.bool(cstr!("ordered"), self.ordered);
        self.options.map_or(Ok(()), |options| options.encode_for(server, body))
    }

    fn documents(
        &mut self,
        message: &mut MessageWriter<'_>,
        server: &ConnectionDescription,
    ) -> Result<()> {
        let sequence = message.sequence(cstr!("documents"));
        self.batch.fill(sequence, self.documents.len(), server, |sequence, index| {
            let known = self.ids.get(index);
            let document = self.documents[index].borrow();
            let id = super::insert::append(sequence, document, known, server.max_bson_object_size)
                .map_err(|error| error.context(format_args!("document {index}")))?;
            if index == self.ids.len() {
                self.ids.push(id);
            }
            Ok(0)
        })
    }
}
