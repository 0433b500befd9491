//! What an operation is called and what it is done on: how its errors begin.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::Boxed;
use crate::error::Result;

/// An operation's name, and what it is done on: a collection, or a database.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) operation: &'static str,
    pub(crate) db: &'a str,
    pub(crate) collection: Option<&'a str>,
}

impl fmt::Display for Subject<'_> {
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
    pub(crate) struct Told<'a, F> {
        #[pin]
        future: F,
        subject: Subject<'a>,
    }
}

impl<'a, F> Told<'a, F> {
    #[inline(always)]
    pub(super) fn new(future: F, subject: Subject<'a>) -> Self {
        Told { future, subject }
    }
}

/// Has the errors of the future that `make` makes begin with `subject`.
///
/// It is made in the place where it stays. `Box::pin` would be given one that was made on the stack, and copy all of it, most of
/// which is room for what comes later.
#[inline(always)]
pub(crate) fn told<'a, T, F>(make: impl FnOnce() -> F, subject: Subject<'a>) -> Boxed<'a, Result<T>>
where
    F: Future<Output = Result<T>> + Send + 'a,
{
    let place = Box::<Told<'a, F>>::new_uninit();
    let told = Box::write(place, Told { future: make(), subject });
    Box::into_pin(told)
}

impl<F: Future<Output = Result<T>>, T> Future for Told<'_, F> {
    type Output = Result<T>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        this.future.poll(cx).map_err(|error| error.during(this.subject))
    }
}
