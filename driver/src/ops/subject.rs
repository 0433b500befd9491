//! What an operation is called and what it is done on: how its errors begin.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

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

/// Has the errors of `future` begin with `subject`.
pub(crate) fn told<F>(future: F, subject: Subject<'_>) -> Told<'_, F> {
    Told { future, subject }
}

impl<F: Future<Output = Result<T>>, T> Future for Told<'_, F> {
    type Output = Result<T>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        this.future.poll(cx).map_err(|error| error.during(this.subject))
    }
}
