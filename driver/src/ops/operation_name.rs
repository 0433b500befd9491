//! The operation name and namespace at the start of errors.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::Boxed;
use crate::error::Result;
use crate::exec::telemetry::{Acts, OperationSpan, Spanned};

/// The name of an operation and its namespace: a collection or a database.
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

impl<'a> From<OperationName<'a>> for Acts<'a> {
    fn from(name: OperationName<'a>) -> Self {
        let OperationName { operation, db, collection } = name;
        Acts { operation, db, collection }
    }
}

pin_project! {
    /// A future in the span of its operation. Its errors begin with the operation. An `async` block
    /// would store the inner future twice.
    pub(crate) struct WithContext<'a, F> {
        #[pin]
        future: Spanned<F>,
        operation_name: OperationName<'a>,
    }
}

impl<'a, F> WithContext<'a, F> {
    #[inline(always)]
    pub(super) fn new(span: OperationSpan, future: F, operation_name: OperationName<'a>) -> Self {
        WithContext { future: Spanned::new(span, future), operation_name }
    }
}

/// Prefixes the errors of the future from `make` with `operation_name`.
///
/// Creates the future in its final place. `Box::pin` would create it on the stack and copy it,
/// although most of it is uninitialized.
#[inline(always)]
pub(crate) fn with_context<'a, T, F>(
    span: OperationSpan,
    make: impl FnOnce() -> F,
    operation_name: OperationName<'a>,
) -> Boxed<'a, Result<T>>
where
    F: Future<Output = Result<T>> + Send + 'a,
{
    let place = Box::<WithContext<'a, F>>::new_uninit();
    let with_context = Box::write(place, WithContext::new(span, make(), operation_name));
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
