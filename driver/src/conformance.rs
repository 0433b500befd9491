//! Internals for the conformance tests and the benchmarks. Not part of the public API: anything
//! here can change at any time.

pub mod decode;
#[cfg(feature = "dns")]
pub mod dns;
pub mod fuzz;
pub mod nest;
pub mod pool;
pub mod selection;
pub mod topology;

use bson::Document;

use crate::collection::Collection;
use crate::error::{Error, Result};
use crate::mode::Mode;
pub use crate::ops::count::{CommandCountOptions, CommandCountOptionsBuilder, Count};
use crate::options::WriteConcern;
use crate::session::ClientSession;

/// Counts the documents that match `filter` with the deprecated command `count`.
pub fn count<T, F: Mode>(collection: &Collection<T, F>, filter: Document) -> Count<'_, T, F> {
    Count { collection, filter, options: None, session: None }
}

/// An error about invalid input.
pub fn invalid(why: impl std::fmt::Display) -> Error {
    Error::invalid_argument(why.to_string())
}

/// Checks a write concern as every operation does.
///
/// # Errors
/// `InvalidArgument` if its parts contradict each other.
pub fn validate_write_concern(write_concern: &WriteConcern) -> Result<()> {
    write_concern.validate()
}

/// Whether the server session of `session` is marked dirty, so that it does not return to the pool.
pub fn is_dirty<F: Mode>(session: &mut ClientSession<F>) -> bool {
    session.state().server().is_some_and(|session| session.is_dirty())
}
