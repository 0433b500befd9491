//! Saving a connection whose reply nobody waits for any more: the pool reads it in the background, within a bound.
//!
//! Where the reply says that the server has opened a cursor, nobody will ever ask that one for more: it is ended at once, on
//! the same connection. Listeners for commands are not told of that: it belongs to no operation, and the pool knows of none.

use std::sync::Arc;
use std::time::Duration;

use bson::raw::cstr;
use bson::{RawBsonRef, RawDocument};

use super::connection::Connection;
use super::shared::Shared;
use crate::deadline::Deadline;
use crate::error::Result;
use crate::rt::{Runtime, block_on};

/// How long, and how much, the pool reads on to save a connection whose reply nobody waits for any more.
const DRAIN_TIME: Duration = Duration::from_secs(1);
const DRAIN_BYTES: usize = 16 * 1024 * 1024;

impl Shared {
    /// Reads in the background what a connection is owed, and puts it back. It counts as in use until then.
    pub(super) fn drain(self: Arc<Self>, connection: Box<Connection>) {
        let runtime = self.runtime().clone();
        let blocking = connection.is_blocking();
        // Dropped with a runtime that shuts down, it closes its connection.
        let mut draining = Draining { inner: Some((connection, self)) };
        let work = {
            let runtime = runtime.clone();
            async move { draining.run(&runtime).await }
        };
        if blocking {
            runtime.detach_blocking(move || block_on(work));
        } else {
            runtime.spawn(work);
        }
    }
}

/// A connection whose reply is read in the background. Dropped before the end, it is closed.
struct Draining {
    inner: Option<(Box<Connection>, Arc<Shared>)>,
}

impl Draining {
    async fn run(&mut self, runtime: &Runtime) {
        let Some((connection, pool)) = &mut self.inner else { return };
        let deadline = Deadline::after(DRAIN_TIME);
        let read = async {
            connection.drain(runtime, deadline, DRAIN_BYTES).await?;
            end_cursor(connection, pool).await
        };
        if read.await.is_ok()
            && connection.is_idle()
            && let Some((connection, pool)) = self.inner.take()
        {
            pool.put_back(connection);
        }
    }
}

/// Ends the cursor that the reply which was read last has opened, if it has opened one.
async fn end_cursor(connection: &mut Connection, pool: &Shared) -> Result<()> {
    let Some((cursor, database, collection)) = connection.reply().ok().and_then(opened_cursor) else {
        return Ok(());
    };
    let mut message = connection.begin();
    let mut body = message.body();
    body.str(cstr!("killCursors"), &collection);
    body.array(cstr!("cursors")).i64(cursor);
    body.str(cstr!("$db"), &database);
    pool.establisher().write_server_api(&mut body);
    drop(body);
    connection.round_trip(pool.runtime(), Deadline::after(DRAIN_TIME)).await
}

/// The number, database and collection of the cursor that a reply has opened. A later batch is not meant: somebody may hold its cursor
/// still.
fn opened_cursor(reply: &RawDocument) -> Option<(i64, String, String)> {
    let cursor = reply.get_document("cursor").ok()?;
    cursor.get_array("firstBatch").ok()?;
    let id = match cursor.get("id").ok()?? {
        RawBsonRef::Int64(id) => id,
        RawBsonRef::Int32(id) => id.into(),
        _ => return None,
    };
    let (database, collection) = cursor.get_str("ns").ok()?.split_once('.')?;
    (id != 0).then(|| (id, database.to_owned(), collection.to_owned()))
}

impl Drop for Draining {
    fn drop(&mut self) {
        if let Some((connection, pool)) = self.inner.take() {
            pool.discard(connection);
        }
    }
}

#[cfg(test)]
mod tests {
    use bson::{doc, serialize_to_raw_document_buf};

    use super::*;

    #[test]
    fn only_a_cursor_that_a_reply_opens_and_leaves_open_is_meant() {
        let batch = || vec![doc! { "_id": 1 }];
        for (cursor, opened) in [
            (doc! { "firstBatch": batch(), "id": 7_i64, "ns": "zoo.monkeys" }, Some((7, "zoo", "monkeys"))),
            (doc! { "id": 7, "ns": "zoo.old.monkeys", "firstBatch": [] }, Some((7, "zoo", "old.monkeys"))),
            (
                doc! { "id": 7_i64, "ns": "zoo.$cmd.aggregate", "firstBatch": [] },
                Some((7, "zoo", "$cmd.aggregate")),
            ),
            (doc! { "firstBatch": batch(), "id": 0_i64, "ns": "zoo.monkeys" }, None),
            (doc! { "nextBatch": batch(), "id": 7_i64, "ns": "zoo.monkeys" }, None),
            (doc! { "firstBatch": batch(), "id": "7", "ns": "zoo.monkeys" }, None),
            (doc! { "firstBatch": batch(), "id": 7_i64 }, None),
        ] {
            let reply = serialize_to_raw_document_buf(&doc! { "cursor": cursor.clone(), "ok": 1 }).unwrap();
            let opened =
                opened.map(|(id, database, collection)| (id, database.to_owned(), collection.to_owned()));
            assert_eq!(opened_cursor(&reply), opened, "{cursor}");
        }
        let failed = serialize_to_raw_document_buf(&doc! { "ok": 0, "code": 11601 }).unwrap();
        assert_eq!(opened_cursor(&failed), None);
    }
}
