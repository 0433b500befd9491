//! A value that is set once and read any number of times.

use std::future::Future;

/// A cell with a value.
pub trait Settled: Send + Sync + 'static {
    /// The name of the crate.
    const NAME: &'static str;
    /// A cell that holds `value`.
    fn new_set(value: u64) -> Self;
    /// Waits for the value.
    fn wait(&self) -> impl Future + Send;
}

/// `toro::AsyncResult`.
pub struct Toro(toro::AsyncResult<u64>);

impl Settled for Toro {
    const NAME: &'static str = "toro";
    fn new_set(value: u64) -> Self {
        let result = toro::AsyncResult::new();
        assert!(result.set(value).is_ok(), "a new cell takes a value");
        Self(result)
    }
    #[inline]
    fn wait(&self) -> impl Future + Send {
        self.0.get()
    }
}

/// `tokio::sync::SetOnce`.
pub struct Tokio(tokio::sync::SetOnce<u64>);

impl Settled for Tokio {
    const NAME: &'static str = "tokio";
    fn new_set(value: u64) -> Self {
        Self(tokio::sync::SetOnce::new_with(Some(value)))
    }
    #[inline]
    fn wait(&self) -> impl Future + Send {
        self.0.wait()
    }
}

/// `async_lock::OnceCell`.
pub struct AsyncLock(async_lock::OnceCell<u64>);

impl Settled for AsyncLock {
    const NAME: &'static str = "async-lock";
    fn new_set(value: u64) -> Self {
        Self(async_lock::OnceCell::from(value))
    }
    #[inline]
    fn wait(&self) -> impl Future + Send {
        self.0.wait()
    }
}

/// `asyncband::completion`.
pub struct Asyncband(asyncband::completion::Completion<u64>);

impl Settled for Asyncband {
    const NAME: &'static str = "asyncband";
    fn new_set(value: u64) -> Self {
        let (completer, completion) = asyncband::completion::new();
        assert!(completer.complete(value).is_ok(), "the completion exists");
        Self(completion)
    }
    #[inline]
    fn wait(&self) -> impl Future + Send {
        self.0.wait()
    }
}
