//! `find`, with a cursor over what it finds.

use std::time::Duration;

use bson::raw::cstr;
use bson::{Bson, Document};

use super::fields::Fields;
use super::macros::{ends, options};
use crate::collection::{Collection, Place};
use crate::cursor::{Cursor, Feed, Follow, SessionCursor};
use crate::error::Result;
use crate::exec::{self, Meta, Operation, Retry};
use crate::face::Face;
use crate::options::{Collation, CursorType, Hint, ReadConcern, SelectionCriteria};
use crate::pool::ConnectionDescription;
use crate::session::{ClientSession, SessionState};
use crate::wire::DocWriter;

/// Finds documents. Made by [`Collection::find`].
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct Find<'a, T, F: Face> {
    pub(crate) collection: &'a Collection<T, F>,
    pub(crate) filter: Document,
    pub(crate) options: Option<Box<FindOptions>>,
}

options! {
    /// The options of [`Collection::find`].
    FindOptions and FindOptionsBuilder of ['a, T, F: Face] Find<'a, T, F> {
        /// Whether the server may use its disk for a sort that memory has no room for.
        allow_disk_use: bool,
        /// Whether a sharded cluster may leave out shards that cannot be reached.
        allow_partial_results: bool,
        /// How many documents the server sends at a time; default 101 in the first batch, then 16 MiB.
        batch_size: u32,
        /// Shown with the operation in the server's logs and profiles.
        comment: Bson as impl Into<Bson>,
        /// How strings are compared.
        collation: Collation,
        /// Whether the cursor ends with its result.
        cursor_type: CursorType,
        /// The index to use.
        hint: Hint,
        /// At most how many documents; 0: all. Of a negative number the absolute value, in one batch.
        limit: i64,
        /// The upper bound, exclusive, of the keys of the index in `hint`.
        max: Document,
        /// How long the server waits for documents at the end of a [`CursorType::TailableAwait`] cursor.
        max_await_time: Duration,
        /// How many documents or keys to look at, on servers before 4.2.
        max_scan: u64,
        /// How long the server may work on this command.
        max_time: Duration,
        /// The lower bound, inclusive, of the keys of the index in `hint`.
        min: Document,
        /// Whether the server keeps the cursor although nobody asks for more.
        no_cursor_timeout: bool,
        /// Which fields are returned.
        projection: Document,
        /// How sure the read must be that what it returns will last.
        read_concern: ReadConcern,
        /// Whether only the fields of the used index are returned.
        return_key: bool,
        /// Which servers may answer.
        selection_criteria: SelectionCriteria,
        /// Whether the server's record id is returned as `$recordId`.
        show_record_id: bool,
        /// How many documents are left out at the beginning.
        skip: u64,
        /// The order.
        sort: Document,
        /// Values that expressions can refer to as `$$name`.
        let_vars: Document,
    }
}

impl<'a, T, F: Face> Find<'a, T, F> {
    /// Runs the operation in `session`, under which the cursor must then be read.
    pub fn session(self, session: impl Into<&'a mut ClientSession<F>>) -> FindInSession<'a, T, F> {
        FindInSession { find: self, session: session.into().state() }
    }

    async fn execute(self) -> Result<Cursor<T, F>> {
        let feed = feed(self.collection.place(), &self.filter, self.options.as_deref(), None).await?;
        Ok(Cursor::new(feed))
    }
}

ends! { impl [T: 'a] Find<'a, T> -> Cursor<T, F>, "find" on collection }

/// Finds documents within a session. Made by [`Find::session`].
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct FindInSession<'a, T, F: Face> {
    find: Find<'a, T, F>,
    session: &'a mut SessionState,
}

impl<T, F: Face> FindInSession<'_, T, F> {
    async fn execute(self) -> Result<SessionCursor<T, F>> {
        let Find { collection, filter, options } = self.find;
        let feed = feed(collection.place(), &filter, options.as_deref(), Some(self.session)).await?;
        Ok(SessionCursor::new(feed))
    }
}

ends! { impl [T: 'a] FindInSession<'a, T> -> SessionCursor<T, F>, "find" on find.collection }

/// Sends the command and holds on to its cursor.
async fn feed(
    place: &Place,
    filter: &Document,
    options: Option<&FindOptions>,
    session: Option<&mut SessionState>,
) -> Result<Feed> {
    let scope = place.read(
        options.and_then(|o| o.selection_criteria.as_ref()),
        options.and_then(|o| o.read_concern.as_ref()),
        session,
    );
    let reply =
        exec::execute(&place.core, &mut Command { collection: &place.name, filter, options }, scope).await?;
    Feed::open(&place.core, reply, follow(options))
}

/// How further batches are asked for.
fn follow(options: Option<&FindOptions>) -> Follow {
    let Some(options) = options else { return Follow::default() };
    let awaits = options.cursor_type == Some(CursorType::TailableAwait);
    Follow {
        batch_size: options.batch_size,
        max_await_time: options.max_await_time.filter(|_| awaits),
        comment: options.comment.clone(),
    }
}

struct Command<'a> {
    collection: &'a str,
    filter: &'a Document,
    options: Option<&'a FindOptions>,
}

impl Operation for Command<'_> {
    fn meta(&self) -> &'static Meta {
        &Meta { name: "find", retry: Retry::Read }
    }

    fn body(&mut self, body: &mut DocWriter<'_>, _server: &ConnectionDescription) -> Result<()> {
        body.str(cstr!("find"), self.collection);
        body.serialize(cstr!("filter"), self.filter)?;
        let Some(o) = self.options else { return Ok(()) };
        body.maybe_doc(cstr!("sort"), o.sort.as_ref())?;
        body.maybe_doc(cstr!("projection"), o.projection.as_ref())?;
        body.maybe_value(cstr!("hint"), o.hint.as_ref())?;
        body.maybe_u64(cstr!("skip"), o.skip)?;
        let limit = o.limit.map(i64::unsigned_abs).filter(|limit| *limit != 0);
        body.maybe_u64(cstr!("limit"), limit)?;
        // A batch that holds exactly the limit would leave a cursor open that has nothing more to give.
        let batch = o.batch_size.map(|size| match limit {
            Some(limit) if limit == u64::from(size) => i64::from(size) + 1,
            _ => i64::from(size),
        });
        body.maybe_i64(cstr!("batchSize"), batch);
        body.maybe_bool(cstr!("singleBatch"), o.limit.filter(|limit| *limit < 0).map(|_| true));
        body.maybe_comment(o.comment.as_ref())?;
        body.maybe_u64(cstr!("maxScan"), o.max_scan)?;
        body.maybe_millis(cstr!("maxTimeMS"), o.max_time)?;
        body.maybe_doc(cstr!("max"), o.max.as_ref())?;
        body.maybe_doc(cstr!("min"), o.min.as_ref())?;
        body.maybe_bool(cstr!("returnKey"), o.return_key);
        body.maybe_bool(cstr!("showRecordId"), o.show_record_id);
        if let Some(CursorType::Tailable | CursorType::TailableAwait) = o.cursor_type {
            body.bool(cstr!("tailable"), true);
        }
        if let Some(CursorType::TailableAwait) = o.cursor_type {
            body.bool(cstr!("awaitData"), true);
        }
        body.maybe_bool(cstr!("noCursorTimeout"), o.no_cursor_timeout);
        body.maybe_bool(cstr!("allowPartialResults"), o.allow_partial_results);
        body.maybe_bool(cstr!("allowDiskUse"), o.allow_disk_use);
        body.maybe_value(cstr!("collation"), o.collation.as_ref())?;
        body.maybe_doc(cstr!("let"), o.let_vars.as_ref())
    }
}
