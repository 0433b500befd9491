//! The state of the deployment, its monitors, and the selection of a server for an operation.
//!
//! | question | file |
//! |---|---|
//! | what does a `hello` reply say? | `handshake/hello.rs` |
//! | what is known of one server? of all? | `description/server.rs`, `description/topology.rs` |
//! | what does news about a server change? | `update.rs` |
//! | what follows from a change? | `transition.rs` |
//! | which servers suit an operation? | `selection.rs` |
//! | what does an operation's error tell about its server? | `failure.rs` |
//! | what if the error comes before the news? | `stale_primary_recheck.rs` |
//! | what if a primary is replaced and falls silent? | `stale_primary.rs` |
//! | who is told what happened? | `publisher.rs` |
//! | who asks the servers, and when? | `monitor.rs`, `rtt_monitor.rs`, `checks.rs` |
//! | who asks the name service again? | `srv_polling.rs` |
//! | who holds it all together? | `deployment.rs`, `snapshot.rs`, over `nest.rs` |
//!
//! The first six are pure: news and time come in as arguments, a new description goes out.

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
pub(crate) use self::selection::Criteria;
pub(crate) use self::server::{Selected, Server};
