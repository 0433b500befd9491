//! Each primitive of `toro` and of its peers behind one trait a kind.
//!
//! The traits return the very futures of the crates: a wrapper around a future would be measured
//! with it. A trait is only implemented for a type that has the capability; where the semantics
//! differ in a way that matters, such as who may overtake whom, [`lock::Order`] says so and unlike
//! is never compared with unlike.

pub mod barrier;
pub mod board;
pub mod condition;
pub mod event;
pub mod lock;
pub mod pool;
pub mod queue;
pub mod result;
pub mod rwlock;
pub mod semaphore;

/// The packages that are measured.
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
