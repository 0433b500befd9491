//! `aggregate`, with a cursor over what comes out.

use std::marker::PhantomData;

use super::prelude::*;
use super::session::{ExplicitSession, ImplicitSession, Session};
use crate::cursor::{Cursor, GetMoreOptions, RawCursor, SessionCursor};
use crate::exec::{RequestContext, Setting, Target};
use crate::session::ClientSession;

/// Runs a pipeline over a collection of `T`, from which `U` come out. Made by
/// [`Collection::aggregate`].
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct Aggregate<'a, T, U, F: Mode, S = ImplicitSession> {
    collection: &'a Collection<T, F>,
    pipeline: Vec<Document>,
    options: Option<Box<AggregateOptions>>,
    session: S,
    out: PhantomData<fn() -> U>,
}

options! {
    /// The options of [`Collection::aggregate`].
    AggregateOptions, AggregateOptionsBuilder for ['a, T, U, F: Mode, S] Aggregate<'a, T, U, F, S> {
        /// Allows the server to use its disk for stages that do not fit into memory.
        allow_disk_use: bool = "allowDiskUse",
        /// The number of documents in a batch.
        batch_size: u32,
        /// Skips document validation in the collection that a last stage writes.
        bypass_document_validation: bool = "bypassDocumentValidation",
        /// The rules for comparing strings.
        collation: Collation = "collation",
        /// A comment, shown in the server's logs and profiles.
        comment: Bson as impl Into<Bson> = "comment",
        /// The index to use.
        hint: Hint = "hint",
        /// How long the server waits for new documents before it answers a request for more.
        max_await_time: Duration,
        /// The time limit of the server's work on this command.
        max_time: Duration,
        /// The read concern.
        read_concern: ReadConcern,
        /// The servers that may answer. A pipeline that writes goes to the primary where a server is older than 5.0.
        selection_criteria: SelectionCriteria,
        /// The write concern of a last stage that writes.
        write_concern: WriteConcern,
        /// Variables that expressions can refer to as `$$name`.
        let_vars: Document = "let",
    }
}

impl<'a, T, U, F: Mode> Aggregate<'a, T, U, F> {
    pub(crate) fn new(collection: &'a Collection<T, F>, pipeline: Vec<Document>) -> Self {
        Aggregate {
            collection,
            pipeline,
            options: None,
            session: ImplicitSession,
            out: PhantomData,
        }
    }

    /// Runs the operation in `session`, in which the cursor must then be read.
    pub fn session(
        self,
        session: impl Into<&'a mut ClientSession<F>>,
    ) -> Aggregate<'a, T, U, F, ExplicitSession<'a>> {
        let Aggregate { collection, pipeline, options, session: ImplicitSession, out } = self;
        let session = ExplicitSession::new(session.into().state());
        Aggregate { collection, pipeline, options, session, out }
    }
}

impl<'a, T, U, F: Mode, S> Aggregate<'a, T, U, F, S> {
    /// Decodes the documents that come out as `V`.
    pub fn with_type<V>(self) -> Aggregate<'a, T, V, F, S> {
        let Aggregate { collection, pipeline, options, session, out: _ } = self;
        Aggregate { collection, pipeline, options, session, out: PhantomData }
    }

    /// Whether the last stage writes into a collection.
    fn writes(&self) -> bool {
        let last = self.pipeline.last().and_then(|stage| stage.keys().next());
        last.is_some_and(|stage| stage == "$out" || stage == "$merge")
    }
}

operation! { @parts [T: 'a, U: 'a, F: Mode, S: Session<'a>] Aggregate<'a, T, U, F, S>, 'a, collection }
operation! { [T: 'a, U: 'a,] Aggregate<'a, T, U; F, ImplicitSession> -> Cursor<U; F> }
operation! { [T: 'a, U: 'a,] Aggregate<'a, T, U; F, ExplicitSession<'a>> -> SessionCursor<U; F> }

impl<'a, T: 'a, U: 'a, F: Mode, S: Session<'a>> Command<'a> for Aggregate<'a, T, U, F, S> {
    type Output = S::Cursor<U, F>;

    fn meta(&self) -> &'static Meta {
        if self.writes() {
            const { &Meta { retry: crate::exec::Retry::Never, ..Meta::read("aggregate", "aggregate") } }
        } else {
            const { &Meta::read("aggregate", "aggregate") }
        }
    }

    fn context<'s>(&'s self, usual: RequestContext<'s>) -> RequestContext<'s> {
        if !self.writes() {
            return usual;
        }
        let on = self.collection.on();
        let own = self.options.as_ref().and_then(|options| options.write_concern.as_ref());
        let target = match usual.target {
            Target::Readable(criteria) => Target::WritingAggregate(criteria),
            other => other,
        };
        RequestContext {
            target,
            write_concern: Setting::of(own, on.concerns.write_concern.as_ref()),
            ..usual
        }
    }

    fn body(&mut self, body: &mut DocWriter<'_>, _server: &ConnectionDescription) -> Result<()> {
        body.str(cstr!("aggregate"), self.collection.name());
        let mut stages = body.array(cstr!("pipeline"));
        self.pipeline.iter().try_for_each(|stage| stages.serialize(stage))?;
        drop(stages);
        let mut cursor = body.nested(cstr!("cursor"));
        // A pipeline that writes has no result; a batch size of zero would keep it from running at
        // all.
        let size = self.options.as_ref().and_then(|options| options.batch_size);
        if let Some(size) = size.filter(|size| *size != 0 || !self.writes()) {
            cursor.i64(cstr!("batchSize"), size.into());
        }
        Ok(())
    }

    fn decode(self, reply: Reply<'a>) -> Result<Self::Output> {
        let timeout = self.on().timeout(self.options());
        let options = self.options.unwrap_or_default();
        let get_more_options = GetMoreOptions {
            awaits: options.max_await_time.is_some(),
            operation: "aggregate",
            batch_size: options.batch_size,
            left: None,
            max_await_time: options.max_await_time,
            comment: options.comment,
            timeout,
        };
        RawCursor::open(self.collection.on().core, reply, get_more_options).map(S::cursor)
    }
}
