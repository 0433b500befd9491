//! A server that has too much to do, and what that does to a program.
//!
//! A server under heavy load refuses work instead of slowing down without end (specification
//! "Client Backpressure"). It does not even begin with a command that it refuses, so any command
//! may be sent again. Its error carries two labels:
//! [`SYSTEM_OVERLOADED_ERROR`](crate::error::SYSTEM_OVERLOADED_ERROR) says why, and
//! [`RETRYABLE_ERROR`](crate::error::RETRYABLE_ERROR) says that it may be sent again.
//!
//! # What the client does
//!
//! It waits, and sends the command again: at most `maxAdaptiveRetries` times, twice by default.
//! That holds for *every* command, also for those that are never sent again after a lost
//! connection: `update_many`, `delete_many`, `create_collection`, `getMore`, `run_command`.
//!
//! The wait is random, so that not all clients come back at once: up to 200 ms before the first
//! retry, up to 400 ms before the second, twice as long for each that follows, and never longer
//! than 10 seconds. A server may name another base than 100 ms; see
//! [`Error::base_backoff`](crate::error::Error::base_backoff).
//!
//! | command | is sent again if |
//! |---|---|
//! | reads, and `getMore` | `retryReads` is on, as it is by default |
//! | writes, also `$out` and `$merge`, and changes of indexes and collections | `retryWrites` is on, as it is by default |
//! | `run_command`, `run_cursor_command` | both are on: the client does not look into the command |
//! | `commit_transaction`, `abort_transaction` | always |
//! | unacknowledged writes (`w: 0`) | never: no error comes back |
//!
//! With `enableOverloadRetargeting` the next attempt goes to another server that suits the read
//! preference, if there is one. It is off by default: with
//! [`PrimaryPreferred`](crate::options::ReadPreference::PrimaryPreferred) it would read from
//! secondaries more often. In a sharded cluster, the next attempt always goes to another router.
//!
//! A connection that breaks while it is being opened looks like overload, and counts as such. It
//! does not clear the pool: other connections to the server go on.
//!
//! # What a program sees
//!
//! - **Operations take longer.** Three attempts wait 0.3 seconds on average, and 0.6 at most. A
//!   [`timeout`](crate#when-nobody-waits-any-more) bounds the waits as well: an attempt that could
//!   not begin in time is left out.
//! - **Errors that outlast the retries.** The last error of the server is returned. Ask it by
//!   [`has_label`](crate::error::Error::has_label).
//! - **Fewer retries with a `timeout`.** After other errors, an operation with a timeout is sent
//!   again until the time is up. Once one attempt has met an overloaded server, all its retries
//!   together are limited to `maxAdaptiveRetries`.
//! - **Events.** Each attempt has its own `CommandStartedEvent` and end.
//!
//! # What a program should do
//!
//! Do less. A program that repeats what failed adds load at the worst moment, and its retries
//! multiply with those of the client: three attempts of its own are nine commands. Check loops that
//! were written before the client retried by itself. Where a retry of the whole task makes sense,
//! give the server seconds, not milliseconds:
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use driver::Collection;
//! use driver::bson::{Document, doc};
//! use driver::error::SYSTEM_OVERLOADED_ERROR;
//!
//! # async fn example(orders: &Collection<Document>) -> driver::Result<()> {
//! let archive = || async { orders.update_many(doc! {}, doc! { "$set": { "old": true } }).await };
//! match archive().await {
//!     Err(error) if error.has_label(SYSTEM_OVERLOADED_ERROR) => {
//!         let pause = error.base_backoff().unwrap_or(Duration::from_secs(1));
//!         tokio::time::sleep(pause.max(Duration::from_secs(5))).await;
//!         archive().await?;
//!     }
//!     ended => drop(ended?),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Work that can wait is better off without retries at all: `maxAdaptiveRetries=0` leaves the
//! capacity of the server to the programs that cannot. Work that cannot wait may set more than two.
//!
//! Clients that do not know these rules meet the same errors, and pass them on at once. Where
//! programs share an overloaded deployment, update all of them.
