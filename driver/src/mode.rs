//! The two APIs of the client.
//!
//! Every handle (`Client`, `Database`, `Collection`, `Cursor`) and every operation carries one of
//! two markers. [`Async`] operations are awaited; [`Blocking`] ones are ended by `.run()`, which
//! polls the very same code on the calling thread. The markers exist only at compile time, so that
//! an operation of one API cannot be ended in the way of the other.

/// Marks handles whose operations are awaited.
#[derive(Clone, Copy, Debug)]
pub enum Async {}

/// Marks handles whose operations block the calling thread.
#[derive(Clone, Copy, Debug)]
pub enum Blocking {}

/// One of the two APIs: [`Async`] or [`Blocking`].
///
/// Sealed: there is no third.
pub trait Mode: sealed::Sealed + Send + Sync + Unpin + 'static {}

impl Mode for Async {}
impl Mode for Blocking {}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Async {}
    impl Sealed for super::Blocking {}
}
