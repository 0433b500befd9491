//! Overloaded servers, and how a program should react.
//!
//! A server under heavy load refuses commands instead of slowing down further (specification
//! "Client Backpressure"). It refuses a command before it starts it, so any command may be retried.
//! The error has two labels: [`SYSTEM_OVERLOADED_ERROR`](crate::error::SYSTEM_OVERLOADED_ERROR)
//! gives the reason, and [`RETRYABLE_ERROR`](crate::error::RETRYABLE_ERROR) allows the retry.
//!
//! # What the client does
//!
//! The client waits and sends the command again, at most `maxAdaptiveRetries` times (2 by default).
//! This applies to *every* command, also to those that are never retried after a network error:
//! `update_many`, `delete_many`, `create_collection`, `getMore`, `run_command`.
//!
//! The wait is random, so that clients do not retry all at once. It is at most 200 ms before the
//! first retry and 400 ms before the second. The limit doubles with each retry, up to 10 seconds. A
//! server can change the base of 100 ms; see
//! [`Error::base_backoff`](crate::error::Error::base_backoff).
//!
//! | command | is retried if |
//! |---|---|
//! | reads, and `getMore` | `retryReads` is on (the default) |
//! | writes, `$out` and `$merge`, commands on indexes and collections | `retryWrites` is on (the default) |
//! | `run_command`, `run_cursor_command` | both are on, because the client does not inspect the command |
//! | `commit_transaction`, `abort_transaction` | always |
//! | unacknowledged writes (`w: 0`) | never: the server reports no error |
//!
//! With `enableOverloadRetargeting` the next attempt goes to another server that matches the read
//! preference, if there is one. The option is off by default, because with
//! [`PrimaryPreferred`](crate::options::ReadPreference::PrimaryPreferred) it causes more reads from
//! secondaries. In a sharded cluster, the next attempt always prefers another mongos.
//!
//! A connection that breaks while it is being opened is treated as a sign of overload. It does not
//! clear the pool, so other connections to the server stay in use.
//!
//! # What a program sees
//!
//! - **Operations take longer.** The two waits take 0.3 seconds together on average, and 0.6 at
//!   most. A [`timeout`](crate#cancellation-and-timeouts) bounds the waits too: the client makes no
//!   attempt that cannot start in time.
//! - **Errors after the last retry.** The operation returns the last error of the server. Check it
//!   with [`has_label`](crate::error::Error::has_label).
//! - **Fewer retries with a `timeout`.** After other errors, an operation with a timeout is retried
//!   until the timeout expires. Once one of its attempts met an overloaded server,
//!   `maxAdaptiveRetries` limits all its retries together.
//! - **Events.** Each attempt has its own `CommandStartedEvent` and its own event for the result.
//!
//! # What a program should do
//!
//! Reduce the load. A program that retries adds load at the worst moment, and its retries multiply
//! with those of the client: three attempts of the program are nine commands. Check retry loops
//! that were written for clients without retries. If the program must retry, it should wait for
//! seconds, not milliseconds:
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
//! Programs whose work can wait should not retry: `maxAdaptiveRetries=0` leaves the capacity of the
//! server to urgent work. Programs with urgent work may allow more than two retries.
//!
//! Clients that do not follow this specification return these errors at once. If several programs
//! share an overloaded deployment, update the client of each.
