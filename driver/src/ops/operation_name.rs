//! What an operation is called and what it is done on: how its errors begin.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::Boxed;
use crate::error::Result;

/// An operation's name, and what it is done on: a collection, or a database.
#[derive(Clone, Copy)]
pub(crate) struct OperationName<'a> {
    pub(crate) operation: &'static str,
    pub(crate) db: &'a str,
    pub(crate) collection: Option<&'a str>,
}

impl fmt::Display for OperationName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.operation, self.db)?;
        match self.collection {
            Some(collection) => write!(f, ".{collection}"),
            None => Ok(()),
        }
    }
}

pin_project! {
    /// A future whose errors say what it was doing. An `async` block around it would hold it twice.
    pub(crate) struct WithContext<'a, F> {
        #[pin]
        future: F,
        operation_name: OperationName<'a>,
    }
}

impl<'a, F> WithContext<'a, F> {
    #[inline(always)]
    pub(super) fn new(future: F, operation_name: OperationName<'a>) -> Self {
        WithContext { future, operation_name }
    }
}

/// Has the errors of the future that `make` makes begin with `operation_name`.
///
/// It is made in the place where it stays. `Box::pin` would be given one that was made on the
/// stack, and copy all of it, most of which is room for what comes later.
#[inline(always)]
pub(crate) fn with_context<'a, T, F>(
    make: impl FnOnce() -> F,
    operation_name: OperationName<'a>,
) -> Boxed<'a, Result<T>>
where
    F: Future<Output = Result<T>> + Send + 'a,
{
    let place = Box::<WithContext<'a, F>>::new_uninit();
    let with_context = Box::write(place, WithContext { future: make(), operation_name });
    Box::into_pin(with_context)
}

impl<F: Future<Output = Result<T>>, T> Future for WithContext<'_, F> {
    type Output = Result<T>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        this.future.poll(cx).map_err(|error| error.during(this.operation_name))
    }
}
