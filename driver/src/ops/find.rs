//! `find`: returns a cursor over the matching documents.

use super::FindOneOptions;
use super::batches::Batches;
use super::command::OpensCursor;
use super::prelude::*;
use super::session::{ExplicitSession, ImplicitSession, Session};
use crate::cursor::{Cursor, GetMoreOptions, RawCursor, SessionCursor};
use crate::options::{CursorTimeoutMode, CursorType};
use crate::session::ClientSession;

/// Finds documents. Returned by [`Collection::find`].
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct Find<'a, T, F: Mode, S = ImplicitSession> {
    collection: &'a Collection<T, F>,
    filter: Document,
    options: Option<Box<FindOptions>>,
    session: S,
}

options! {
    /// The options of [`Collection::find`].
    FindOptions, FindOptionsBuilder for ['a, T, F: Mode, S] Find<'a, T, F, S> {
        /// Allows the server to use disk space for a sort that exceeds its memory limit.
        allow_disk_use: bool = "allowDiskUse",
        /// Allows a sharded cluster to omit unreachable shards.
        allow_partial_results: bool = "allowPartialResults",
        /// The number of documents in a batch. Default: 101 in the first batch, then up to 16 MiB.
        batch_size: u32 = (fn write_batch_size),
        /// A comment, shown in the server's logs and profiles.
        comment: Bson as impl Into<Bson> = "comment",
        /// The rules for comparing strings.
        collation: Collation = "collation",
        /// Whether the cursor stays open at the end of the result. Default: no.
        cursor_type: CursorType = (fn write_cursor_type),
        /// The index to use.
        hint: Hint = "hint",
        /// The maximum number of documents; 0 means all. A negative limit requests a single batch.
        limit: i64 = (fn write_limit),
        /// The upper bound, exclusive, of the keys of the index in `hint`.
        max: Document = "max",
        /// The time that the server waits for new documents at the end of a
        /// [`CursorType::TailableAwait`] cursor.
        max_await_time: Duration,
        /// The maximum number of documents or keys to examine. MongoDB 4.2 removed it, so all
        /// supported servers refuse it. It exists because the official crate has it.
        max_scan: u64 = "maxScan",
        /// The time limit of this command on the server.
        max_time: Duration,
        /// The lower bound, inclusive, of the keys of the index in `hint`.
        min: Document = "min",
        /// Keeps an idle cursor open on the server without a time limit.
        no_cursor_timeout: bool = "noCursorTimeout",
        /// Fetches the next batch while the current one is read. The fetch uses a separate
        /// connection. Default: false. Has no effect on tailable-await cursors, and in requests of
        /// blocking clients.
        prefetch: bool,
        /// The fields to return.
        projection: Document = "projection",
        /// The read concern.
        read_concern: ReadConcern,
        /// Returns only the fields of the used index.
        return_key: bool = "returnKey",
        /// The selection criteria for the server.
        selection_criteria: SelectionCriteria,
        /// Adds the server's record id as `$recordId`.
        show_record_id: bool = "showRecordId",
        /// The number of documents to skip.
        skip: u64 = "skip",
        /// The sort order.
        sort: Document = "sort",
        /// Whether the timeout bounds the command and all steps of the cursor together, or each of
        /// them separately. Default: together; separately for tailable cursors.
        timeout_mode: CursorTimeoutMode,
        /// Variables that expressions can refer to as `$$name`.
        let_vars: Document = "let",
        /// Operates on the raw buckets of a time series collection. For internal use by MongoDB;
        /// may change. Needs MongoDB 8.2.
        raw_data: bool,
    }
}

/// The same options, for `find`.
impl From<FindOneOptions> for FindOptions {
    fn from(options: FindOneOptions) -> Self {
        FindOptions {
            allow_partial_results: options.allow_partial_results,
            collation: options.collation,
            comment: options.comment,
            hint: options.hint,
            max: options.max,
            max_scan: options.max_scan,
            max_time: options.max_time,
            min: options.min,
            projection: options.projection,
            raw_data: options.raw_data,
            read_concern: options.read_concern,
            return_key: options.return_key,
            selection_criteria: options.selection_criteria,
            show_record_id: options.show_record_id,
            skip: options.skip,
            sort: options.sort,
            let_vars: options.let_vars,
            timeout: options.timeout,
            ..FindOptions::default()
        }
    }
}

impl<'a, T, F: Mode> Find<'a, T, F> {
    pub(crate) fn new(collection: &'a Collection<T, F>, filter: Document) -> Self {
        Find { collection, filter, options: None, session: ImplicitSession }
    }

    /// Runs the operation in `session`. The cursor must be read in the same session.
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// # async fn example(client: driver::Client) -> driver::Result<()> {
    /// let monkeys = client.database("zoo").collection::<Document>("monkeys");
    /// let mut session = client.start_session().await?;
    /// let mut cursor = monkeys.find(doc! {}).session(&mut session).await?;
    /// while let Some(monkey) = cursor.try_next(&mut session).await? {
    ///     println!("{monkey}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn session(
        self,
        session: impl Into<&'a mut ClientSession<F>>,
    ) -> Find<'a, T, F, ExplicitSession<'a>> {
        let Find { collection, filter, options, session: ImplicitSession } = self;
        Find { collection, filter, options, session: ExplicitSession::new(session.into().state()) }
    }
}

impl<'a, T, F: Mode, S> Find<'a, T, F, S> {
    /// Returns whole raw batches instead of documents.
    ///
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// # async fn example(monkeys: driver::Collection<Document>) -> driver::Result<()> {
    /// let mut cursor = monkeys.find(doc! {}).batch().await?;
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

operation! { @parts [T: 'a, F: Mode, S: Session<'a>] Find<'a, T, F, S>, 'a, collection }
operation! { [T: 'a,] Find<'a, T; F, ImplicitSession> -> Cursor<T; F>, RawBatchCursor<F> }
operation! {
    [T: 'a,] Find<'a, T; F, ExplicitSession<'a>>
    -> SessionCursor<T; F>, SessionRawBatchCursor<F>
}

impl<'a, T: 'a, F: Mode, S: Session<'a>> Command<'a> for Find<'a, T, F, S> {
    type Output = S::Cursor<T, F>;

    fn meta(&self) -> &'static Meta {
        const { &Meta::read("find", "find") }
    }

    fn body(&mut self, body: &mut DocWriter<'_>, _server: &ConnectionDescription) -> Result<()> {
        body.str(cstr!("find"), self.collection.name());
        body.document(cstr!("filter"), &self.filter)
    }

    fn decode(self, reply: Reply<'a>) -> Result<Self::Output> {
        self.open(reply).map(S::cursor)
    }
}

impl<'a, T: 'a, F: Mode, S: Session<'a>> OpensCursor<'a> for Find<'a, T, F, S> {
    type Mode = F;
    type Session = S;

    fn open(self, reply: Reply<'a>) -> Result<RawCursor> {
        let timeout = self.on().cursor_timeout(self.options(), &reply);
        let options = self.options.unwrap_or_default();
        let awaits = options.settings().awaits();
        let get_more_options = GetMoreOptions {
            awaits,
            prefetch: options.prefetch.unwrap_or_default(),
            exhaust: options.cursor_type == Some(CursorType::Exhaust),
            operation: "find",
            batch_size: options.batch_size,
            left: options.limit.map(i64::unsigned_abs).filter(|limit| *limit != 0),
            max_await_time: options.max_await_time.filter(|_| awaits),
            comment: options.comment,
            timeout,
        };
        RawCursor::open(self.collection.on().core, reply, get_more_options)
    }
}

fn write_limit(options: &FindOptions, body: &mut DocWriter<'_>) -> Result<()> {
    let Some(limit) = options.limit.filter(|limit| *limit != 0) else { return Ok(()) };
    super::fields::Field::write(&limit.unsigned_abs(), cstr!("limit"), body)?;
    if limit < 0 {
        body.bool(cstr!("singleBatch"), true);
    }
    Ok(())
}

/// A batch size equal to the limit would leave an exhausted cursor open, so this requests one more.
fn write_batch_size(options: &FindOptions, body: &mut DocWriter<'_>) -> Result<()> {
    if let Some(size) = options.batch_size.map(i64::from) {
        let is_limit =
            options.limit.is_some_and(|limit| limit.unsigned_abs() == size.unsigned_abs());
        body.i64(cstr!("batchSize"), if is_limit && size != 0 { size + 1 } else { size });
    }
    Ok(())
}

fn write_cursor_type(options: &FindOptions, body: &mut DocWriter<'_>) -> Result<()> {
    if let Some(CursorType::Tailable | CursorType::TailableAwait) = options.cursor_type {
        body.bool(cstr!("tailable"), true);
    }
    if let Some(CursorType::TailableAwait) = options.cursor_type {
        body.bool(cstr!("awaitData"), true);
    }
    Ok(())
}
