//! The primitives of `toro`, the driver's pool and nest, and their peers, with one trait per kind.
//!
//! The traits return the futures of the crates themselves, because a wrapper would be measured too.
//! A type implements a trait only if it has the capability. Where the semantics differ, as in who
//! may overtake whom, [`lock::Order`] says so, and only equal orders are compared.

pub mod barrier;
pub mod condition;
pub mod event;
pub mod lock;
pub mod pool;
pub mod queue;
pub mod result;
pub mod rwlock;
pub mod semaphore;
pub mod snapshot_cell;

/// The measured packages.
pub const PACKAGES: [&str; 9] = [
    "toro",
    "tokio",
    "async-lock",
    "event-listener",
    "async-channel",
    "flume",
    "kanal",
    "crossfire",
    "asyncband",
];
