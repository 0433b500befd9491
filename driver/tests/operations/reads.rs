//! Reads cursors on either API.

use std::sync::atomic::{AtomicU32, Ordering};

use driver::change_stream::{ChangeStream, SessionChangeStream};
use driver::collection::Collection;
use driver::cursor::{Cursor, RawBatch, RawBatchCursor, SessionCursor, SessionRawBatchCursor};
use driver::session::ClientSession;
use driver::{Async, Blocking, Result};
use serde::de::DeserializeOwned;

use crate::api::{Api, block_on};

/// The steps of cursors, with and without sessions.
pub(crate) trait Reads: Api {
    fn session<T: Send + Sync>(of: &Collection<T, Self>) -> ClientSession<Self>;
    fn next_of<T: DeserializeOwned>(cursor: &mut Cursor<T, Self>) -> Option<Result<T>>;
    fn try_next<T: DeserializeOwned>(cursor: &mut Cursor<T, Self>) -> Result<Option<T>>;
    fn try_collect<T: DeserializeOwned>(cursor: Cursor<T, Self>) -> Result<Vec<T>>;
    fn next_in<T: DeserializeOwned>(
        cursor: &mut SessionCursor<T, Self>,
        session: &mut ClientSession<Self>,
    ) -> Option<Result<T>>;
    fn try_next_in<T: DeserializeOwned>(
        cursor: &mut SessionCursor<T, Self>,
        session: &mut ClientSession<Self>,
    ) -> Result<Option<T>>;
    fn try_collect_in<T: DeserializeOwned>(
        cursor: SessionCursor<T, Self>,
        session: &mut ClientSession<Self>,
    ) -> Result<Vec<T>>;
    fn try_next_batch(cursor: &mut RawBatchCursor<Self>) -> Result<Option<RawBatch>>;
    fn next_batch_in(
        cursor: &mut SessionRawBatchCursor<Self>,
        session: &mut ClientSession<Self>,
    ) -> Option<Result<RawBatch>>;
    fn try_next_event<T: DeserializeOwned>(stream: &mut ChangeStream<T, Self>)
    -> Result<Option<T>>;
    fn next_event_if_any<T: DeserializeOwned>(
        stream: &mut ChangeStream<T, Self>,
    ) -> Result<Option<T>>;
    fn next_event_in<T: DeserializeOwned>(
        stream: &mut SessionChangeStream<T, Self>,
        session: &mut ClientSession<Self>,
    ) -> Result<Option<T>>;
    fn next_event_if_any_in<T: DeserializeOwned>(
        stream: &mut SessionChangeStream<T, Self>,
        session: &mut ClientSession<Self>,
    ) -> Result<Option<T>>;

    /// A name that no other test uses.
    fn name() -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        format!("reads_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl Reads for Async {
    fn session<T: Send + Sync>(of: &Collection<T, Self>) -> ClientSession<Self> {
        block_on(of.client().start_session().into_future()).unwrap()
    }

    fn next_of<T: DeserializeOwned>(cursor: &mut Cursor<T, Self>) -> Option<Result<T>> {
        block_on(cursor.next())
    }

    fn try_next<T: DeserializeOwned>(cursor: &mut Cursor<T, Self>) -> Result<Option<T>> {
        block_on(cursor.try_next())
    }

    fn try_collect<T: DeserializeOwned>(cursor: Cursor<T, Self>) -> Result<Vec<T>> {
        block_on(cursor.try_collect())
    }

    fn next_in<T: DeserializeOwned>(
        cursor: &mut SessionCursor<T, Self>,
        session: &mut ClientSession<Self>,
    ) -> Option<Result<T>> {
        block_on(cursor.next(session))
    }

    fn try_next_in<T: DeserializeOwned>(
        cursor: &mut SessionCursor<T, Self>,
        session: &mut ClientSession<Self>,
    ) -> Result<Option<T>> {
        block_on(cursor.try_next(session))
    }

    fn try_collect_in<T: DeserializeOwned>(
        cursor: SessionCursor<T, Self>,
        session: &mut ClientSession<Self>,
    ) -> Result<Vec<T>> {
        block_on(cursor.try_collect(session))
    }

    fn try_next_batch(cursor: &mut RawBatchCursor<Self>) -> Result<Option<RawBatch>> {
        block_on(cursor.try_next())
    }

    fn next_batch_in(
        cursor: &mut SessionRawBatchCursor<Self>,
        session: &mut ClientSession<Self>,
    ) -> Option<Result<RawBatch>> {
        block_on(cursor.next(session))
    }

    fn try_next_event<T: DeserializeOwned>(
        stream: &mut ChangeStream<T, Self>,
    ) -> Result<Option<T>> {
        block_on(stream.try_next())
    }

    fn next_event_if_any<T: DeserializeOwned>(
        stream: &mut ChangeStream<T, Self>,
    ) -> Result<Option<T>> {
        block_on(stream.next_if_any())
    }

    fn next_event_in<T: DeserializeOwned>(
        stream: &mut SessionChangeStream<T, Self>,
        session: &mut ClientSession<Self>,
    ) -> Result<Option<T>> {
        block_on(stream.next(session))
    }

    fn next_event_if_any_in<T: DeserializeOwned>(
        stream: &mut SessionChangeStream<T, Self>,
        session: &mut ClientSession<Self>,
    ) -> Result<Option<T>> {
        block_on(stream.next_if_any(session))
    }
}

impl Reads for Blocking {
    fn session<T: Send + Sync>(of: &Collection<T, Self>) -> ClientSession<Self> {
        of.client().start_session().run().unwrap()
    }

    fn next_of<T: DeserializeOwned>(cursor: &mut Cursor<T, Self>) -> Option<Result<T>> {
        cursor.next()
    }

    fn try_next<T: DeserializeOwned>(cursor: &mut Cursor<T, Self>) -> Result<Option<T>> {
        cursor.try_next()
    }

    fn try_collect<T: DeserializeOwned>(cursor: Cursor<T, Self>) -> Result<Vec<T>> {
        cursor.try_collect()
    }

    fn next_in<T: DeserializeOwned>(
        cursor: &mut SessionCursor<T, Self>,
        session: &mut ClientSession<Self>,
    ) -> Option<Result<T>> {
        cursor.next(session)
    }

    fn try_next_in<T: DeserializeOwned>(
        cursor: &mut SessionCursor<T, Self>,
        session: &mut ClientSession<Self>,
    ) -> Result<Option<T>> {
        cursor.try_next(session)
    }

    fn try_collect_in<T: DeserializeOwned>(
        cursor: SessionCursor<T, Self>,
        session: &mut ClientSession<Self>,
    ) -> Result<Vec<T>> {
        cursor.try_collect(session)
    }

    fn try_next_batch(cursor: &mut RawBatchCursor<Self>) -> Result<Option<RawBatch>> {
        cursor.try_next()
    }

    fn next_batch_in(
        cursor: &mut SessionRawBatchCursor<Self>,
        session: &mut ClientSession<Self>,
    ) -> Option<Result<RawBatch>> {
        cursor.next(session)
    }

    fn try_next_event<T: DeserializeOwned>(
        stream: &mut ChangeStream<T, Self>,
    ) -> Result<Option<T>> {
        stream.try_next()
    }

    fn next_event_if_any<T: DeserializeOwned>(
        stream: &mut ChangeStream<T, Self>,
    ) -> Result<Option<T>> {
        stream.next_if_any()
    }

    fn next_event_in<T: DeserializeOwned>(
        stream: &mut SessionChangeStream<T, Self>,
        session: &mut ClientSession<Self>,
    ) -> Result<Option<T>> {
        stream.next(session)
    }

    fn next_event_if_any_in<T: DeserializeOwned>(
        stream: &mut SessionChangeStream<T, Self>,
        session: &mut ClientSession<Self>,
    ) -> Result<Option<T>> {
        stream.next_if_any(session)
    }
}
