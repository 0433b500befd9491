//! Replaces `telemetry.rs` without the feature `opentelemetry`. There are no spans, and this
//! compiles to nothing.

use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::{Core, SessionState};
use crate::error::Result;
use crate::event::operation_id::OperationId;

pub(crate) struct Parent;

impl Parent {
    #[inline(always)]
    pub(crate) fn current() -> Self {
        Parent
    }
}

#[derive(Clone, Copy)]
#[expect(dead_code, reason = "only spans read it")]
pub(crate) struct Acts<'a> {
    pub(crate) operation: &'static str,
    pub(crate) db: &'a str,
    pub(crate) collection: Option<&'a str>,
}

pub(crate) struct OperationSpan;

impl OperationSpan {
    #[inline(always)]
    pub(crate) fn begin(_: &Core, _: Acts<'_>, _: Option<&SessionState>) -> Self {
        OperationSpan
    }

    #[inline(always)]
    pub(crate) fn begin_under(_: &Parent, _: &Core, _: Acts<'_>, _: Option<&SessionState>) -> Self {
        OperationSpan
    }
}

pin_project! {
    pub(crate) struct Spanned<F> {
        #[pin]
        future: F,
        id: OperationId,
    }
}

impl<F> Spanned<F> {
    #[inline(always)]
    pub(crate) fn new(_: OperationSpan, future: F) -> Self {
        Spanned { future, id: OperationId::new() }
    }
}

impl<F: Future<Output = Result<T>>, T> Future for Spanned<F> {
    type Output = Result<T>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        this.id.during(|| this.future.poll(cx))
    }
}

#[derive(Clone, Default)]
pub(crate) struct TransactionSpan;

impl TransactionSpan {
    #[inline(always)]
    pub(crate) fn begin(_: &Core) -> Self {
        TransactionSpan
    }
}
