//! [`Ring`] and [`Stack`]: growing stores that copy each item once in and once out.
//!
//! They wrap the standard library's collections, with `MaybeUninit` elements. `push` first makes a
//! place ready and then copies the item into it. Between two method calls every place holds an
//! item.

use std::collections::VecDeque;
use std::mem::MaybeUninit;

use super::PendingItem;
use super::wakes::drop_each;

/// First in, first out.
pub(crate) struct Ring<T>(VecDeque<MaybeUninit<T>>);

/// Last in, first out.
pub(crate) struct Stack<T>(Vec<MaybeUninit<T>>);

macro_rules! store {
    ($store:ident, $new:expr, $push:ident, $last:ident, $pop:ident, $unpush:ident) => {
        impl<T> $store<T> {
            pub(crate) const fn new() -> Self {
                $store($new)
            }

            #[inline]
            pub(crate) fn len(&self) -> usize {
                self.0.len()
            }

            /// Moves the item, if it is still there, into the store.
            #[inline]
            pub(crate) fn push(&mut self, pending: &mut PendingItem<T>) {
                if self.0.is_empty() {
                    // Makes a ring start at its first place again, which was in use a moment ago
                    // and is in the processor's cache. `VecDeque::clear` does so today, though it
                    // does not promise to.
                    self.0.clear();
                }
                self.0.$push(MaybeUninit::uninit());
                let filled = self.0.$last().is_some_and(|place| pending.unpack_into(place));
                if !filled {
                    self.0.$unpush();
                }
            }

            #[inline]
            pub(crate) fn pop(&mut self) -> Option<T> {
                // SAFETY: every place holds an item, and this one has just left the store.
                self.0.$pop().map(|place| unsafe { place.assume_init() })
            }
        }

        impl<T> Drop for $store<T> {
            fn drop(&mut self) {
                if std::mem::needs_drop::<T>() {
                    drop_each(|| self.pop());
                }
            }
        }
    };
}

store!(Ring, VecDeque::new(), push_back, back_mut, pop_front, pop_back);
store!(Stack, Vec::new(), push, last_mut, pop, pop);

#[cfg(all(test, not(loom)))]
mod tests {
    use std::rc::Rc;

    use super::{PendingItem, Ring, Stack};

    #[test]
    fn items_leave_in_order_and_are_dropped_once() {
        let item = Rc::new(());
        let (mut ring, mut stack) = (Ring::new(), Stack::new());
        for number in 0..5 {
            ring.push(&mut PendingItem::new((number, Rc::clone(&item))));
            stack.push(&mut PendingItem::new((number, Rc::clone(&item))));
        }
        assert_eq!((ring.len(), stack.len(), Rc::strong_count(&item)), (5, 5, 11));
        assert_eq!(
            (ring.pop().map(|(number, _)| number), stack.pop().map(|(number, _)| number)),
            (Some(0), Some(4))
        );
        assert_eq!(Rc::strong_count(&item), 9);
        drop((ring, stack));
        assert_eq!(Rc::strong_count(&item), 1);
    }

    #[test]
    fn empty_pending_item_leaves_nothing_behind() {
        let item = Rc::new(());
        let mut ring = Ring::new();
        let mut pending = PendingItem::new(Rc::clone(&item));
        assert!(pending.take().is_some());
        ring.push(&mut pending);
        assert!(ring.pop().is_none());
        drop(pending);
        drop(PendingItem::new(Rc::clone(&item)));
        assert_eq!(Rc::strong_count(&item), 1);
    }
}
