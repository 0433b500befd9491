//! Drains the connection of a dropped operation: sends the rest of the request and receives the
//! reply in the background, within a time limit.
//!
//! A connection of the pool is then checked in. A connection of a request returns to its request.
//! The next operation of the request waits for it, so that the operations of a request stay in
//! order on one connection. If the drain fails, the connection is closed.
//!
//! If the reply opens a cursor, nobody will use it, so it is killed at once on the same connection.
//! This `killCursors` has no command events, because it belongs to no operation.

use std::time::Duration;

use bson::raw::cstr;
use bson::{RawBsonRef, RawDocument};

use super::connection::Connection;
use super::held::PooledConnection;
use super::pins::Turn;
use super::shared::Shared;
use crate::deadline::Deadline;
use crate::error::Result;
use crate::wire::kill_cursors;

/// The time limit of a drain: one second, plus one for each megabyte of the message, because its
/// bytes may still be in transit.
const DRAIN_TIME: Duration = Duration::from_secs(1);
const DRAIN_TIME_PER_BYTE: Duration = Duration::from_micros(1);
/// The maximum size of a drained reply.
const DRAIN_BYTES: usize = 16 * 1024 * 1024;

/// The time limit of a drain after a message of this size.
fn limit(message: usize) -> Duration {
    DRAIN_TIME + DRAIN_TIME_PER_BYTE * u32::try_from(message).unwrap_or(u32::MAX)
}

impl PooledConnection {
    /// Makes the connection idle in the background and returns it: to the request that gave its
    /// `turn` to the drain, or else to the pool. Until then it counts as in use.
    pub(super) fn drain_in_background(self, turn: Option<Turn>) {
        let pool = self.pool();
        // If the runtime shuts down and drops it, the connection is closed.
        let mut draining = Draining { connection: Some(self), turn };
        let runtime = pool.runtime().clone();
        runtime.detach(async move { draining.run(&pool).await });
    }
}

/// A connection being drained. If it is dropped early, the connection is closed and the turn ends.
struct Draining {
    connection: Option<PooledConnection>,
    turn: Option<Turn>,
}

impl Draining {
    async fn run(&mut self, pool: &Shared) {
        let Some(connection) = &mut self.connection else { return };
        let deadline = Deadline::after(limit(connection.request_len()));
        let drained = async {
            connection.drain(pool.runtime(), deadline, DRAIN_BYTES).await?;
            end_cursor(connection, pool).await
        };
        if drained.await.is_err() || !connection.is_idle() {
            return;
        }
        match (self.connection.take(), &mut self.turn) {
            (Some(mut connection), Some(turn)) => {
                connection.reset();
                **turn = Some(connection);
            }
            // Dropping the connection checks it in.
            (connection, _) => drop(connection),
        }
    }
}

impl Drop for Draining {
    fn drop(&mut self) {
        if let Some(mut connection) = self.connection.take() {
            connection.condemn();
        }
    }
}

/// Kills the cursor that the last reply has opened, if there is one.
async fn end_cursor(connection: &mut Connection, pool: &Shared) -> Result<()> {
    let Some((cursor, database, collection)) = connection.reply().ok().and_then(opened_cursor)
    else {
        return Ok(());
    };
    let mut message = connection.begin();
    let mut body = message.body();
    kill_cursors::write(&mut body, &collection, &[cursor]);
    body.str(cstr!("$db"), &database);
    pool.establisher().write_server_api(&mut body);
    drop(body);
    connection.round_trip(pool.runtime(), Deadline::after(DRAIN_TIME)).await
}

/// The id, database and collection of the cursor that a reply opens. The cursor of a later batch
/// may have an owner, so it is not returned.
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

#[cfg(test)]
mod tests {
    use bson::{doc, serialize_to_raw_document_buf};

    use super::*;

    #[test]
    fn opened_cursor_finds_only_newly_opened_cursors() {
        let batch = || vec![doc! { "_id": 1 }];
        for (cursor, opened) in [
            (
                doc! { "firstBatch": batch(), "id": 7_i64, "ns": "zoo.monkeys" },
                Some((7, "zoo", "monkeys")),
            ),
            (
                doc! { "id": 7, "ns": "zoo.old.monkeys", "firstBatch": [] },
                Some((7, "zoo", "old.monkeys")),
            ),
            (
                doc! { "id": 7_i64, "ns": "zoo.$cmd.aggregate", "firstBatch": [] },
                Some((7, "zoo", "$cmd.aggregate")),
            ),
            (doc! { "firstBatch": batch(), "id": 0_i64, "ns": "zoo.monkeys" }, None),
            (doc! { "nextBatch": batch(), "id": 7_i64, "ns": "zoo.monkeys" }, None),
            (doc! { "firstBatch": batch(), "id": "7", "ns": "zoo.monkeys" }, None),
            (doc! { "firstBatch": batch(), "id": 7_i64 }, None),
        ] {
            let reply =
                serialize_to_raw_document_buf(&doc! { "cursor": cursor.clone(), "ok": 1 }).unwrap();
            let opened = opened
                .map(|(id, database, collection)| (id, database.to_owned(), collection.to_owned()));
            assert_eq!(opened_cursor(&reply), opened, "{cursor}");
        }
        let failed = serialize_to_raw_document_buf(&doc! { "ok": 0, "code": 11601 }).unwrap();
        assert_eq!(opened_cursor(&failed), None);
    }
}
