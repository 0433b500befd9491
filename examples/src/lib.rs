//! Programs that show the three crates at work, one file each under `examples/`.

/// The examples of the README compile, and run where they need no server.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}
