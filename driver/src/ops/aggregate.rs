//! `aggregate` on a collection or a database: returns a cursor over the results.

use std::marker::PhantomData;

use super::batches::Batches;
use super::command::{On, OpensCursor};
use super::prelude::*;
use super::session::{ExplicitSession, ImplicitSession, Session};
use crate::cursor::{Cursor, GetMoreOptions, RawCursor, SessionCursor};
use crate::exec::{Access, RequestContext, Setting, Target};
use crate::options::CursorTimeoutMode;
use crate::session::ClientSession;

/// Runs a pipeline with results of type `T`. Returned by [`Collection::aggregate`] and
/// [`Database::aggregate`](crate::database::Database::aggregate).
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct Aggregate<'a, T, F: Mode, S = ImplicitSession> {
    /// A collection, or a database.
    on: On<'a>,
    pipeline: Vec<Document>,
    options: Option<Box<AggregateOptions>>,
    session: S,
    out: PhantomData<fn(F) -> T>,
}

options! {
    /// The options of [`Collection::aggregate`] and
    /// [`Database::aggregate`](crate::database::Database::aggregate).
    AggregateOptions, AggregateOptionsBuilder for ['a, T, F: Mode, S] Aggregate<'a, T, F, S> {
        /// Allows the server to use disk space for stages that exceed its memory limit.
        allow_disk_use: bool = "allowDiskUse",
        /// The number of documents in a batch.
        batch_size: u32,
        /// Skips document validation for a stage that writes.
        bypass_document_validation: bool = "bypassDocumentValidation",
        /// The rules for comparing strings.
        collation: Collation = "collation",
        /// A comment, shown in the server's logs and profiles.
        comment: Bson as impl Into<Bson> = "comment",
        /// The index to use.
        hint: Hint = "hint",
        /// The time that the server waits for new documents before it replies to a `getMore`.
        max_await_time: Duration,
        /// The time limit of this command on the server.
        max_time: Duration,
        /// Fetches the next batch while the current one is read. The fetch uses a separate
        /// connection. Default: false. Has no effect on tailable-await cursors, and in requests of
        /// blocking clients.
        prefetch: bool,
        /// The read concern.
        read_concern: ReadConcern,
        /// The selection criteria for the server. A pipeline that writes uses the primary if any
        /// server is older than 5.0.
        selection_criteria: SelectionCriteria,
        /// Whether the timeout bounds the command and all steps of the cursor together, or each of
        /// them separately. Default: together; separately if `max_await_time` is set.
        timeout_mode: CursorTimeoutMode,
        /// The write concern of a stage that writes.
        write_concern: WriteConcern,
        /// Variables that expressions can refer to as `$$name`.
        let_vars: Document = "let",
        /// Operates on the raw buckets of a time series collection. For internal use by MongoDB;
        /// may change. Needs MongoDB 8.2.
        raw_data: bool,
    }
}

impl<'a, T, F: Mode> Aggregate<'a, T, F> {
    pub(crate) fn new(on: On<'a>, pipeline: Vec<Document>) -> Self {
        Aggregate { on, pipeline, options: None, session: ImplicitSession, out: PhantomData }
    }

    /// Runs the operation in `session`. The cursor must be read in the same session.
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// # async fn example(client: driver::Client) -> driver::Result<()> {
    /// let monkeys = client.database("zoo").collection::<Document>("monkeys");
    /// let mut session = client.start_session().await?;
    /// let pipeline = [doc! { "$match": { "swims": true } }];
    /// let mut cursor = monkeys.aggregate(pipeline).session(&mut session).await?;
    /// while let Some(monkey) = cursor.try_next(&mut session).await? {
    ///     println!("{monkey}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn session(
        self,
        session: impl Into<&'a mut ClientSession<F>>,
    ) -> Aggregate<'a, T, F, ExplicitSession<'a>> {
        let Aggregate { on, pipeline, options, session: ImplicitSession, out } = self;
        let session = ExplicitSession::new(session.into().state());
        Aggregate { on, pipeline, options, session, out }
    }
}

impl<'a, T, F: Mode, S> Aggregate<'a, T, F, S> {
    /// Decodes the results as `U`.
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// use serde::Deserialize;
    ///
    /// #[derive(Deserialize)]
    /// struct Count {
    ///     swimmers: i32,
    /// }
    ///
    /// # async fn example(monkeys: driver::Collection<Document>) -> driver::Result<()> {
    /// let pipeline = [doc! { "$match": { "swims": true } }, doc! { "$count": "swimmers" }];
    /// let counted = monkeys.aggregate(pipeline).with_type::<Count>().await?.try_next().await?;
    /// println!("{}", counted.map_or(0, |count| count.swimmers));
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_type<U>(self) -> Aggregate<'a, U, F, S> {
        let Aggregate { on, pipeline, options, session, out: _ } = self;
        Aggregate { on, pipeline, options, session, out: PhantomData }
    }

    /// Whether the last stage writes into a collection.
    fn writes(&self) -> bool {
        let last = self.pipeline.last().and_then(|stage| stage.keys().next());
        last.is_some_and(|stage| stage == "$out" || stage == "$merge")
    }
}

impl<'a, T, F: Mode, S> Aggregate<'a, T, F, S> {
    /// Returns whole raw batches instead of documents.
    ///
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// # async fn example(monkeys: driver::Collection<Document>) -> driver::Result<()> {
    /// let mut cursor = monkeys.aggregate([doc! { "$sample": { "size": 100 } }]).batch().await?;
    /// while let Some(batch) = cursor.try_next().await? {
    ///     for monkey in batch.doc_slices()? {
    ///         println!("{:?}", monkey?);
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn batch(self) -> Batches<Self> {
        Batches(self)
    }
}

operation! { @parts [T: 'a, F: Mode, S: Session<'a>] Aggregate<'a, T, F, S>, 'a, on }
operation! { [T: 'a,] Aggregate<'a, T; F, ImplicitSession> -> Cursor<T; F>, RawBatchCursor<F> }
operation! {
    [T: 'a,] Aggregate<'a, T; F, ExplicitSession<'a>>
    -> SessionCursor<T; F>, SessionRawBatchCursor<F>
}

impl<'a, T: 'a, F: Mode, S: Session<'a>> Command<'a> for Aggregate<'a, T, F, S> {
    type Output = S::Cursor<T, F>;

    fn meta(&self) -> &'static Meta {
        if self.writes() {
            const { &Meta { access: Access::Read, ..Meta::write_once("aggregate", "aggregate") } }
        } else {
            const { &Meta::read("aggregate", "aggregate") }
        }
    }

    fn check(&self, _session: Option<&SessionState>) -> Result<()> {
        if self.on.collection.is_none() && self.pipeline.is_empty() {
            return Err(Error::invalid_argument(
                "the pipeline has no stages; on a database, the first stage must produce \
                 documents, such as $currentOp or $documents",
            ));
        }
        let mode = self.options.as_ref().and_then(|options| options.timeout_mode);
        if mode == Some(CursorTimeoutMode::Iteration) && self.writes() {
            return Err(Error::invalid_argument(
                "timeout_mode is Iteration, but a pipeline that ends with $out or $merge has no \
                 results; omit it, or set CursorLifetime",
            ));
        }
        Ok(())
    }

    fn context<'s>(&'s self, usual: RequestContext<'s>) -> RequestContext<'s> {
        if !self.writes() {
            return usual;
        }
        let own = self.options.as_ref().and_then(|options| options.write_concern.as_ref());
        let target = match usual.target {
            Target::Readable(criteria) => Target::WritingAggregate(criteria),
            other => other,
        };
        RequestContext {
            target,
            write_concern: Setting::of(own, self.on.concerns.write_concern.as_ref()),
            ..usual
        }
    }

    fn body(&mut self, body: &mut DocWriter<'_>, _server: &ConnectionDescription) -> Result<()> {
        match self.on.collection {
            Some(name) => body.str(cstr!("aggregate"), name),
            // On a database, the pipeline begins with a stage that produces documents.
            None => body.i32(cstr!("aggregate"), 1),
        }
        let mut stages = body.array(cstr!("pipeline"));
        self.pipeline.iter().try_for_each(|stage| stages.document(stage))?;
        drop(stages);
        let mut cursor = body.nested(cstr!("cursor"));
        // A pipeline that writes has no results, but a batch size of zero would keep the server
        // from running it.
        let size = self.options.as_ref().and_then(|options| options.batch_size);
        if let Some(size) = size.filter(|size| *size != 0 || !self.writes()) {
            cursor.i64(cstr!("batchSize"), size.into());
        }
        Ok(())
    }

    fn decode(self, reply: Reply<'a>) -> Result<Self::Output> {
        self.open(reply).map(S::cursor)
    }
}

impl<'a, T: 'a, F: Mode, S: Session<'a>> OpensCursor<'a> for Aggregate<'a, T, F, S> {
    type Mode = F;
    type Session = S;

    fn open(self, reply: Reply<'a>) -> Result<RawCursor> {
        let timeout = self.on().cursor_timeout(self.options(), &reply);
        let options = self.options.unwrap_or_default();
        let get_more_options = GetMoreOptions {
            awaits: options.max_await_time.is_some(),
            prefetch: options.prefetch.unwrap_or_default(),
            exhaust: false,
            operation: "aggregate",
            batch_size: options.batch_size,
            left: None,
            max_await_time: options.max_await_time,
            comment: options.comment,
            timeout,
        };
        RawCursor::open(self.on.core, reply, get_more_options)
    }
}
