//! Replaces `operation_id.rs` without the feature `tracing`. There are no messages, and this
//! compiles to nothing.

/// The id of one operation.
#[derive(Debug)]
pub(crate) struct OperationId;

impl OperationId {
    #[inline(always)]
    pub(crate) const fn new() -> Self {
        OperationId
    }

    #[inline(always)]
    pub(crate) fn during<T>(&mut self, poll: impl FnOnce() -> T) -> T {
        poll()
    }
}
