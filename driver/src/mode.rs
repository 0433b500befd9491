//! The markers of the async and the blocking API.
//!
//! Every handle (`Client`, `Database`, `Collection`, `Cursor`) and every operation has one of two
//! marker types. [`Async`] operations are awaited. [`Blocking`] operations end with `.run()`, which
//! polls the same code on the calling thread. The markers exist at compile time only. They prevent
//! mixing the two.

/// Marks handles whose operations are awaited.
#[derive(Clone, Copy, Debug)]
pub enum Async {}

/// Marks handles whose operations block the calling thread.
#[derive(Clone, Copy, Debug)]
pub enum Blocking {}

/// One of the two APIs: [`Async`] or [`Blocking`].
///
/// This trait is sealed.
pub trait Mode: sealed::Sealed + Send + Sync + Unpin + 'static {}

impl Mode for Async {}
impl Mode for Blocking {}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Async {}
    impl Sealed for super::Blocking {}
}
