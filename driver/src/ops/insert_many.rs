//! `insert`, of many documents, in as many commands as the server's limits ask for.

use std::borrow::Borrow;
use std::marker::PhantomData;

use bson::Bson;
use bson::raw::cstr;
use serde::Serialize;

use super::fields::Fields;
use super::macros::{ends, options};
use crate::collection::Collection;
use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind, InsertManyError, Result};
use crate::exec::{self, Meta, Operation, Reply, Retry, Scope, failure};
use crate::face::Face;
use crate::options::WriteConcern;
use crate::pool::ConnectionDescription;
use crate::results::InsertManyResult;
use crate::session::{ClientSession, SessionState};
use crate::wire::{DocWriter, MessageWriter};

/// Inserts many documents. Made by [`Collection::insert_many`].
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct InsertMany<'a, T, D, F: Face> {
    pub(crate) collection: &'a Collection<T, F>,
    pub(crate) documents: Vec<D>,
    pub(crate) options: Option<Box<InsertManyOptions>>,
    pub(crate) session: Option<&'a mut SessionState>,
}

options! {
    /// The options of [`Collection::insert_many`].
    InsertManyOptions and InsertManyOptionsBuilder of ['a, T, D, F: Face] InsertMany<'a, T, D, F> {
        /// Whether the collection's schema rules are left out of account.
        bypass_document_validation: bool,
        /// Whether the first document that is refused ends the operation, as it does by default; else all are tried.
        ordered: bool,
        /// How firmly each command must be done before it is acknowledged.
        write_concern: WriteConcern,
        /// Shown with the operation in the server's logs and profiles.
        comment: Bson as impl Into<Bson>,
    }
}

impl<'a, T, D, F: Face> InsertMany<'a, T, D, F> {
    /// Runs the operation in `session`.
    pub fn session(mut self, session: impl Into<&'a mut ClientSession<F>>) -> Self {
        self.session = Some(session.into().state());
        self
    }
}

impl<'a, T: Serialize + Send + Sync, D: Borrow<T> + Send + Sync, F: Face> InsertMany<'a, T, D, F> {
    async fn execute(mut self) -> Result<InsertManyResult> {
        if self.documents.is_empty() {
            return Err(Error::invalid_argument("there are no documents; give it at least one"));
        }
        let place = self.collection.place();
        let options = self.options.as_deref();
        let ordered = options.and_then(|o| o.ordered).unwrap_or(true);
        let mut progress = Progress { ids: Vec::with_capacity(self.documents.len()), ..Progress::default() };
        // One for all commands.
        let deadline = Deadline::after_option(place.core.options.timeout());
        let mut next = 0;
        while next < self.documents.len() {
            let write_concern = options.and_then(|o| o.write_concern.as_ref());
            let scope = Scope { deadline, ..place.write(write_concern, self.session.as_deref_mut()) };
            let mut command = Command {
                collection: &place.name,
                documents: &self.documents,
                next,
                end: None,
                ids: &mut progress.ids,
                ordered,
                options,
                kind: PhantomData,
            };
            let sent = exec::execute(&place.core, &mut command, scope).await;
            let end = command.end.unwrap_or(next);
            let reply = match sent {
                Ok(reply) => reply,
                Err(error) => return Err(progress.stopped(next, error)),
            };
            if !reply.outline().is_success() && progress.note(&reply, next) && ordered {
                break;
            }
            next = end;
        }
        progress.finish(ordered)
    }
}

ends! { impl [T: Serialize + Send + Sync + 'a, D: Borrow<T> + Send + Sync + 'a] InsertMany<'a, T, D> -> InsertManyResult, "insert_many" on collection }

/// What has become of the documents so far.
#[derive(Default)]
struct Progress {
    /// Of all documents that were written into a command.
    ids: Vec<Bson>,
    /// What the server refused.
    refused: InsertManyError,
    /// The labels, the host and the reply of the first command of which something was refused.
    failure: Option<Error>,
}

impl Progress {
    /// Takes note of what the reply complains of; the command's first document is document `first` of all. Tells whether
    /// documents were refused.
    fn note(&mut self, reply: &Reply<'_>, first: usize) -> bool {
        let (outline, document) = (reply.outline(), reply.document());
        self.failure.get_or_insert_with(|| {
            let kind = ErrorKind::InsertMany(InsertManyError::default());
            failure::labelled(Error::new(kind), outline, document).at(reply.host())
        });
        if let Some(error) = failure::write_concern_error(outline, document) {
            self.refused.write_concern_error = Some(error);
        }
        let before = self.refused.write_errors.len();
        self.refused.write_errors.extend(failure::write_errors(outline, document).into_iter().map(
            |mut error| {
                error.index += first;
                error
            },
        ));
        self.refused.write_errors.len() > before
    }

    /// All commands were answered, or the last of them refused a document of an ordered insert.
    fn finish(mut self, ordered: bool) -> Result<InsertManyResult> {
        let sent = match self.refused.write_errors.first() {
            Some(first) if ordered => first.index,
            _ => self.ids.len(),
        };
        let Some(mut error) = self.failure.take() else {
            return Ok(InsertManyResult { inserted_ids: self.ids.into_iter().enumerate().collect() });
        };
        *error.kind_mut() = ErrorKind::InsertMany(self.with_inserted(sent));
        Err(error)
    }

    /// A command failed as a whole: what became of the `sent` documents before it is kept in the error.
    fn stopped(self, sent: usize, error: Error) -> Error {
        if sent == 0 {
            return error;
        }
        Error::interrupted(ErrorKind::InsertMany(self.with_inserted(sent)), error)
    }

    /// What was refused, and the `_id`s of those of the first `sent` documents that were not.
    fn with_inserted(mut self, sent: usize) -> InsertManyError {
        let mut refused: Vec<usize> = self.refused.write_errors.iter().map(|error| error.index).collect();
        refused.sort_unstable();
        let ids = self.ids.into_iter().enumerate().take(sent);
        self.refused.inserted_ids = ids.filter(|(index, _)| refused.binary_search(index).is_err()).collect();
        self.refused
    }
}

struct Command<'a, T, D> {
    collection: &'a str,
    documents: &'a [D],
    /// The first document of this command.
    next: usize,
    /// The first document of the next command, once this one has been written.
    end: Option<usize>,
    ids: &'a mut Vec<Bson>,
    ordered: bool,
    options: Option<&'a InsertManyOptions>,
    kind: PhantomData<fn() -> T>,
}

impl<T: Serialize + Send + Sync, D: Borrow<T> + Send + Sync> Operation for Command<'_, T, D> {
    fn meta(&self) -> &'static Meta {
        &Meta { name: "insert", retry: Retry::Write }
    }

    fn body(&mut self, body: &mut DocWriter<'_>, _server: &ConnectionDescription) -> Result<()> {
        body.str(cstr!("insert"), self.collection);
        body.bool(cstr!("ordered"), self.ordered);
        if let Some(options) = self.options {
            body.maybe_bool(cstr!("bypassDocumentValidation"), options.bypass_document_validation);
            body.maybe_comment(options.comment.as_ref())?;
        }
        Ok(())
    }

    fn documents(&mut self, message: &mut MessageWriter<'_>, server: &ConnectionDescription) -> Result<()> {
        let mut sequence = message.sequence(cstr!("documents"));
        // A batch that is sent again has the same documents: the server knows them by their positions.
        let most = server.max_write_batch_size.max(1);
        let end = self.end.unwrap_or(self.documents.len().min(self.next + most));
        for index in self.next..end {
            let document = self.documents[index].borrow();
            let known = self.ids.get(index);
            let id = super::insert::append(&mut sequence, document, known, server.max_bson_object_size)
                .map_err(|error| error.context(format_args!("document {index}")))?;
            if self.end.is_none()
                && index > self.next
                && sequence.message_len() > server.max_message_size_bytes
            {
                sequence.take_back();
                self.end = Some(index);
                return Ok(());
            }
            if index == self.ids.len() {
                self.ids.push(id);
            }
        }
        self.end = Some(end);
        Ok(())
    }
}
