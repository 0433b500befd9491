//! Programs that use the three crates, one file each under `examples/`. Their logic is here, so
//! that tests can use it too.

pub mod arguments;
pub mod caching_proxy;
pub mod failover;
pub mod graceful_shutdown;
pub mod http;
pub mod producer_consumer;
pub mod rendezvous;
pub mod ruby_pool;
pub mod spider;
pub mod virtual_time;

/// Compiles the examples of the README, and runs those that need no server.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}
