//! The id that the log messages of one operation share (specification "Server Selection", section
//! "Logging").
//!
//! An operation has an [`OperationId`], which is the current one while the operation's future is
//! polled. The first message gives it its number. All commands of an operation share the id, also
//! those of retries and of further batches of a bulk write.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

/// The number of an id that no message has used yet.
const UNUSED: u64 = 0;

thread_local! {
    /// The number of the current operation; `None` outside of operations.
    static CURRENT: Cell<Option<u64>> = const { Cell::new(None) };
}

/// The id of one operation.
#[derive(Debug)]
pub(crate) struct OperationId(u64);

impl OperationId {
    /// An id without a number.
    pub(crate) const fn new() -> Self {
        OperationId(UNUSED)
    }

    /// Calls `poll` while this id is the current one.
    #[inline]
    pub(crate) fn during<T>(&mut self, poll: impl FnOnce() -> T) -> T {
        let outer = CURRENT.replace(Some(self.0));
        let _restores = Restores { own: self, outer };
        poll()
    }
}

/// Makes the outer id the current one again, also if the poll panics.
struct Restores<'a> {
    own: &'a mut OperationId,
    outer: Option<u64>,
}

impl Drop for Restores<'_> {
    #[inline]
    fn drop(&mut self) {
        self.own.0 = CURRENT.replace(self.outer).unwrap_or(UNUSED);
    }
}

/// The id of the current operation, if there is one.
pub(crate) fn current() -> Option<u64> {
    static NEXT: AtomicU64 = AtomicU64::new(UNUSED + 1);
    let number = match CURRENT.get()? {
        UNUSED => NEXT.fetch_add(1, Ordering::Relaxed),
        number => number,
    };
    CURRENT.set(Some(number));
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operation_keeps_its_id_between_polls() {
        let (mut one, mut other) = (OperationId::new(), OperationId::new());
        let first = one.during(current);
        assert!(first.is_some());
        let nested = one.during(|| (other.during(current), current()));
        assert!(nested.0.is_some() && nested.0 != first, "{nested:?}");
        assert_eq!(nested.1, first);
        assert_eq!((one.during(current), current()), (first, None));
    }

    #[test]
    fn panic_in_an_operation_restores_the_outer_id() {
        let poll = || OperationId::new().during(|| panic!("in the operation"));
        assert!(std::panic::catch_unwind(poll).is_err());
        assert_eq!(current(), None);
    }
}
