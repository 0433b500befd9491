//! Programs that show the three crates at work, one file each under `examples/`. What they do is
//! here, so that tests can drive it too.

pub mod arguments;
pub mod caching_proxy;
pub mod graceful_shutdown;
pub mod http;
pub mod producer_consumer;
pub mod rendezvous;
pub mod ruby_pool;
pub mod spider;
pub mod virtual_time;

/// The examples of the README compile, and run where they need no server.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}
