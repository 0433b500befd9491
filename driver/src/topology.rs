//! The state of the deployment, its monitors, and the selection of a server for an operation.
//!
//! | question | file |
//! |---|---|
//! | what does a `hello` reply say? | `handshake/hello.rs` |
//! | what is known of one server? of all? | `description/server.rs`, `description/topology.rs` |
//! | how does a check of a server change the description? | `update.rs` |
//! | what are the consequences of a change? | `transition.rs` |
//! | which servers suit an operation? | `selection.rs` |
//! | what does an operation's error change about its server? | `failure.rs` |
//! | which of the suitable servers gets it? | `snapshot.rs` (`select`) |
//! | what if an operation meets a deposed primary first? | `stale_primary_recheck.rs` |
//! | what if a deposed primary hangs? | `stale_primary.rs` |
//! | who delivers the events? | `publisher.rs` |
//! | who checks the servers, and when? | `monitor.rs`, `rtt_monitor.rs`, `checks.rs` |
//! | who polls the SRV records? | `srv_polling.rs` |
//! | who owns the state? | `deployment.rs`, `snapshot.rs`, with `nest.rs` |
//!
//! The files of the first six questions contain pure functions: replies, errors and the time are
//! arguments, and the results are values.

mod checks;
#[cfg(feature = "conformance")]
pub(crate) mod conformance;
mod deployment;
mod either;
mod failure;
mod monitor;
mod publisher;
mod round_trips;
mod rtt_monitor;
mod selection;
mod server;
mod snapshot;
#[cfg(feature = "dns")]
mod srv_polling;
mod stale_primary;
mod stale_primary_recheck;
mod transition;
mod update;
mod wait;

#[cfg(test)]
mod tests;

pub(crate) use self::deployment::Deployment;
pub(crate) use self::selection::{Criteria, PRIMARY};
pub(crate) use self::server::{Selected, Server};
