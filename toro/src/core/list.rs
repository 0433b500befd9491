//! An intrusive, doubly linked list of waiters, oldest first.
//!
//! Nodes live inside the futures that wait; the list only points to them. Every operation is O(1)
//! and none allocates. A [`List`] always lies inside the [`Mutex`](super::Mutex) of its primitive,
//! so `&mut List` proves that the lock is held.
//!
//! The owner of a node knows whether the node ever joined a list. From then on the node is in one
//! of three states:
//!
//! | state     | linked | who may access inside and slot | what dropping the future must do |
//! |-----------|--------|--------------------------------|----------------------------------|
//! | `WAITING` | yes    | the holder of the lock         | unlink the node, under the lock  |
//! | `GRANTED` | no     | the owner, without the lock    | give the grant back              |
//! | `GONE`    | no     | the owner                      | nothing                          |
//!
//! A node enters and leaves `WAITING` under the lock. The change to `GRANTED` is a release store,
//! and it is the granting thread's last access. An owner that reads it (acquire) sees everything
//! written before, and may free the node at once.
//!
//! The code that unlinks a node also takes its waker; the owner takes the slot. Neither needs to be
//! dropped with the node. A wait that never queues does not even initialise them.

use std::cell::Cell;
use std::marker::PhantomPinned;
use std::mem::{self, MaybeUninit};
use std::ptr::NonNull;
use std::task::Waker;

use super::Wakes;
use super::operation::Step;
use super::sync::{AtomicU8, Ordering, UnsafeCell};

/// Linked in a list.
pub(super) const WAITING: u8 = 0;
/// Unlinked, with a grant.
pub(super) const GRANTED: u8 = 1;
/// Unlinked, without a grant.
pub(super) const GONE: u8 = 2;

/// The end of the list at which a waiter joins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// Behind all others.
    Back,
    /// Before all others: for a waiter that holds what the others wait for.
    Front,
}

/// One waiter's place in a [`List`]. `S` is what the primitive keeps for each waiter.
pub(super) struct Node<S> {
    /// A note that only the owner reads and writes.
    standing: Cell<Standing>,
    /// Like the two fields below, initialised when the node is pushed. A wait that never queues
    /// does not touch its node.
    state: UnsafeCell<MaybeUninit<AtomicU8>>,
    /// A separate field, so that a small slot takes no more space than it needs.
    slot: UnsafeCell<MaybeUninit<Option<S>>>,
    inside: UnsafeCell<MaybeUninit<Inside<S>>>,
    _pinned: PhantomPinned,
}

/// The owner's knowledge of its node. Only the owner reads it, so a wait that is ready at once
/// compiles to little code.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// The node was never linked, or it was unlinked and emptied.
    Outside,
    /// The node was linked. Its state says the rest.
    InLine,
}

struct Inside<S> {
    /// Meaningless in the first node, where nobody follows it: it may point to a node that was
    /// freed.
    previous: Option<NonNull<Node<S>>>,
    next: Option<NonNull<Node<S>>>,
    /// A no-op waker after a nudge, until the waiter is polled again.
    waker: Waker,
}

// SAFETY: the raw pointers are followed only under the lock of the list. The slot moves between
// threads, and the waker is `Send` and `Sync`.
unsafe impl<S: Send> Send for Node<S> {}
// SAFETY: a shared node gives access to inside and slot only to the holder of the lock or to its
// owner, and to the owner's note only to the owner.
unsafe impl<S: Send> Sync for Node<S> {}

impl<S> Node<S> {
    #[inline]
    pub(super) fn new() -> Self {
        let mut node = MaybeUninit::<Self>::uninit();
        let fields = node.as_mut_ptr();
        // Written through a pointer. A constant would be copied as a whole, with zeros where
        // nothing needs to be written.
        // SAFETY: the pointers lead to the fields. Loom's cells hold a record that must be
        // initialised.
        unsafe {
            (&raw mut (*fields).standing).write(Cell::new(Standing::Outside));
            #[cfg(loom)]
            (&raw mut (*fields).state).write(UnsafeCell::new(MaybeUninit::uninit()));
            #[cfg(loom)]
            (&raw mut (*fields).slot).write(UnsafeCell::new(MaybeUninit::uninit()));
            #[cfg(loom)]
            (&raw mut (*fields).inside).write(UnsafeCell::new(MaybeUninit::uninit()));
        }
        // SAFETY: the fields that were not written need no initialisation.
        unsafe { node.assume_init() }
    }

    #[inline]
    pub(super) fn standing(&self) -> Standing {
        self.standing.get()
    }

    #[inline]
    pub(super) fn stand(&self, standing: Standing) {
        self.standing.set(standing);
    }

    /// # Safety
    ///
    /// The node has been pushed once.
    #[inline]
    unsafe fn atomic(&self) -> &AtomicU8 {
        // SAFETY: pushing initialised it, and from then on it is only shared.
        self.state.with(|state| unsafe { (*state).assume_init_ref() })
    }

    /// # Safety
    ///
    /// The node has been pushed once.
    #[inline]
    pub(super) unsafe fn state(&self) -> u8 {
        // SAFETY: the caller upholds it.
        unsafe { self.atomic() }.load(Ordering::Acquire)
    }

    /// Accesses the slot.
    ///
    /// # Safety
    ///
    /// The node was pushed once. The caller holds the lock of the list in which the node is linked,
    /// or owns a node that is not linked. `f` does not access the slot of the same node.
    #[inline]
    unsafe fn slot<R>(&self, f: impl FnOnce(&mut Option<S>) -> R) -> R {
        // SAFETY: pushing initialised it, and by contract nobody else accesses it.
        self.slot.with_mut(|slot| f(unsafe { (*slot).assume_init_mut() }))
    }

    /// Accesses the inside.
    ///
    /// # Safety
    ///
    /// The node was pushed once. The caller holds the lock of the list in which the node is linked,
    /// or owns a node that is not linked. `f` does not access the inside of the same node.
    #[inline]
    unsafe fn inside<R>(&self, f: impl FnOnce(&mut Inside<S>) -> R) -> R {
        // SAFETY: pushing initialised it, and by contract nobody else accesses it.
        self.inside.with_mut(|inside| f(unsafe { (*inside).assume_init_mut() }))
    }

    /// Takes the slot of a node that has left its list.
    ///
    /// # Safety
    ///
    /// The caller is the owner. The node was pushed, and it is not linked any more.
    #[inline]
    pub(super) unsafe fn take_slot(&self) -> Option<S> {
        // SAFETY: only the owner accesses a node that is not linked.
        unsafe { self.slot(Option::take) }
    }

    /// Passes the slot of a linked node to `f`.
    ///
    /// # Safety
    ///
    /// The caller owns the node and holds the lock of the list in which the node is linked. `f`
    /// does not access the slot of the same node in another way.
    pub(super) unsafe fn ask<R>(&self, f: impl FnOnce(&mut S) -> R) -> Option<R> {
        // SAFETY: the lock is held.
        unsafe { self.slot(|slot| slot.as_mut().map(f)) }
    }

    /// Whether the stored waker would wake the same task.
    ///
    /// # Safety
    ///
    /// The caller holds the lock of the list in which the node is linked.
    pub(super) unsafe fn would_wake(&self, waker: &Waker) -> bool {
        // SAFETY: the lock is held.
        unsafe { self.inside(|inside| inside.waker.will_wake(waker)) }
    }

    /// Moves the waker out of a node that leaves its list. Nothing is written in its place, because
    /// nobody looks there any more.
    ///
    /// # Safety
    ///
    /// The caller holds the lock of the list in which the node is linked, or has just unlinked the
    /// node under that lock. It calls this once, and changes the state from `WAITING` before it
    /// releases the lock.
    #[inline]
    unsafe fn last_waker(&self) -> Waker {
        // SAFETY: the lock is held. The waker is not read again: every reader first checks, under
        // the lock, that the node is `WAITING`.
        unsafe { self.inside(|inside| std::ptr::read(&raw const inside.waker)) }
    }

    /// Replaces the waker and returns the old one, which the caller drops after the lock.
    ///
    /// # Safety
    ///
    /// The caller holds the lock of the list in which the node is linked.
    #[inline]
    pub(super) unsafe fn replace_waker(&self, waker: Waker) -> Waker {
        // SAFETY: the lock is held.
        unsafe { self.inside(|inside| mem::replace(&mut inside.waker, waker)) }
    }
}

/// Waiters in order of arrival.
pub struct List<S> {
    head: Option<NonNull<Node<S>>>,
    tail: Option<NonNull<Node<S>>>,
    len: usize,
}

// SAFETY: the list stands for its nodes, which any thread that holds the lock may access.
unsafe impl<S: Send> Send for List<S> {}

impl<S> List<S> {
    pub(crate) const fn new() -> Self {
        List { head: None, tail: None, len: 0 }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.head.is_none()
    }

    /// The slot of the oldest waiter.
    #[inline]
    pub(crate) fn front(&mut self) -> Option<&mut S> {
        let head = self.head?;
        // SAFETY: linked nodes are alive. `&mut self` shows that the lock is held, and keeps
        // everyone else out while the slot is borrowed.
        unsafe {
            let slot = head.as_ref().slot(|slot| slot.as_mut().map(NonNull::from));
            slot.map(|mut slot| slot.as_mut())
        }
    }

    /// Whether `node` is the oldest waiter.
    #[inline]
    pub(super) fn is_front(&self, node: &Node<S>) -> bool {
        self.head.is_some_and(|head| std::ptr::eq(head.as_ptr(), node))
    }

    /// Grants the oldest waiter: unlinks it and puts its waker into `wakes`, which must have room:
    /// the caller asks first. Without room this panics, and the waiter would never be woken.
    #[inline]
    pub(crate) fn grant_front(&mut self, wakes: &mut Wakes) -> bool {
        debug_assert!(!wakes.is_full(), "the batch has no room for the waker");
        let Some(waker) = self.grant_alone() else { return false };
        wakes.push(waker);
        true
    }

    /// Grants the oldest waiter and returns its waker, which the caller wakes after the lock.
    #[inline]
    pub(crate) fn grant_alone(&mut self) -> Option<Waker> {
        let head = self.head?;
        // SAFETY: linked nodes are alive until the lock is released or until they are granted,
        // below.
        let node = unsafe { head.as_ref() };
        // SAFETY: the node is the first in this list.
        unsafe { self.unlink_front(node) };
        // SAFETY: the lock is held, and the state is set below.
        let waker = unsafe { node.last_waker() };
        // SAFETY: the node was pushed. This is the last access.
        unsafe { node.atomic() }.store(GRANTED, Ordering::Release);
        Some(waker)
    }

    /// Grants the oldest waiters, one by one, as long as `may` returns true for their slot. `may`
    /// may also change the slot.
    ///
    /// All nodes are unlinked together, so each is visited once. If `may` panics, the rest stays
    /// linked. But the waiters granted before are not woken, so it must not.
    #[inline]
    pub(crate) fn grant_while(
        &mut self,
        wakes: &mut Wakes,
        mut may: impl FnMut(&mut S) -> bool,
    ) -> Step {
        let mut rest = Remaining { next: self.head, list: self };
        let mut step = Step::Again;
        let granted = wakes.fill(|| {
            let first = rest.next?;
            // SAFETY: linked nodes are alive until the lock is released or until they are granted,
            // below.
            let node = unsafe { first.as_ref() };
            // SAFETY: the lock is held.
            if !unsafe { node.slot(|slot| slot.as_mut().is_some_and(&mut may)) } {
                step = Step::Done;
                return None;
            }
            // SAFETY: the lock is held, and the state is set below.
            let (waker, after) = unsafe { (node.last_waker(), node.inside(|inside| inside.next)) };
            // SAFETY: the node was pushed. This is the last access; the list is relinked below,
            // under the same lock.
            unsafe { node.atomic() }.store(GRANTED, Ordering::Release);
            rest.next = after;
            Some(waker)
        });
        let next = rest.next;
        mem::forget(rest);
        self.len -= granted;
        self.head = next;
        let Some(first) = next else {
            self.tail = None;
            return Step::Done;
        };
        // Nobody reads this, but the write fetches the node into the cache while this batch is
        // woken.
        // SAFETY: the node is linked, and the lock is held.
        unsafe { first.as_ref().inside(|inside| inside.previous = None) };
        step
    }

    /// Wakes the oldest waiter without a grant: it keeps its place. Its waker goes to `wakes`,
    /// which must have room. The waiter is not woken again until it has been polled.
    #[inline]
    pub(crate) fn nudge_front(&mut self, wakes: &mut Wakes) {
        let Some(head) = self.head else { return };
        // SAFETY: linked nodes are alive, and the lock is held.
        let waker = unsafe { head.as_ref().replace_waker(Waker::noop().clone()) };
        // `will_wake` may have a false negative. Then the no-op waker is woken, which does nothing.
        if !waker.will_wake(Waker::noop()) {
            wakes.push(waker);
        }
    }

    /// Moves the oldest waiter to the end of another list.
    ///
    /// # Safety
    ///
    /// Both lists stay under the same lock. The owner of the node looks for it in the other list
    /// from now on: the slot says so through [`Operation::handed`](super::Operation::handed).
    pub(crate) unsafe fn move_front_to(&mut self, other: &mut List<S>) {
        let Some(head) = self.head else { return };
        // SAFETY: the node is linked here, alive and pinned. The lock of both lists is held, by
        // contract the same one.
        unsafe {
            self.unlink(head.as_ref());
            other.link(head, End::Back);
        }
    }

    /// Queues a node.
    ///
    /// # Safety
    ///
    /// The caller owns the node, which is pinned and was never pushed before. Before the node goes
    /// away, the owner unlinks it under the lock of this list. Until then the list stays under that
    /// lock.
    pub(super) unsafe fn push(&mut self, node: &Node<S>, waker: Waker, slot: S, end: End) {
        node.inside.with_mut(|inside| {
            let fresh = Inside { previous: None, next: None, waker };
            // SAFETY: only the owner, who is the caller, knows the node.
            unsafe { (*inside).write(fresh) };
        });
        node.slot.with_mut(|place| {
            // SAFETY: as above.
            unsafe { (*place).write(Some(slot)) };
        });
        node.state.with_mut(|state| {
            // SAFETY: as above.
            unsafe { (*state).write(AtomicU8::new(WAITING)) };
        });
        // From here on the owner's drop looks for the node in the list, even after a panic.
        node.stand(Standing::InLine);
        // SAFETY: the caller upholds it.
        unsafe { self.link(NonNull::from(node), end) };
    }

    /// # Safety
    ///
    /// As for [`push`](List::push), but the node was pushed once, and is not linked.
    unsafe fn link(&mut self, pointer: NonNull<Node<S>>, end: End) {
        let (previous, next) = match end {
            End::Back => (self.tail, None),
            End::Front => (None, self.head),
        };
        // SAFETY: the node is alive by contract, and its neighbours because they are linked. The
        // lock is held.
        unsafe {
            pointer.as_ref().inside(|inside| {
                inside.previous = previous;
                inside.next = next;
            });
            match previous {
                Some(previous) => previous.as_ref().inside(|inside| inside.next = Some(pointer)),
                None => self.head = Some(pointer),
            }
            match next {
                Some(next) => next.as_ref().inside(|inside| inside.previous = Some(pointer)),
                None => self.tail = Some(pointer),
            }
        }
        self.len += 1;
    }

    /// Unlinks a node at any position.
    ///
    /// # Safety
    ///
    /// The node is linked in this list.
    #[inline]
    unsafe fn unlink(&mut self, node: &Node<S>) {
        // SAFETY: the node and its neighbours are linked here, and the lock is held. Every node but
        // the first has its true predecessor.
        unsafe {
            if self.is_front(node) {
                self.unlink_front(node);
                return;
            }
            let (previous, next) = node.inside(|inside| (inside.previous, inside.next));
            debug_assert!(previous.is_some(), "only the first node has nobody before it");
            if let Some(previous) = previous {
                previous.as_ref().inside(|inside| inside.next = next);
            }
            match next {
                Some(next) => next.as_ref().inside(|inside| inside.previous = previous),
                None => self.tail = previous,
            }
        }
        self.len -= 1;
    }

    /// Unlinks the first node. The next node is not touched: it is most likely in the cache of
    /// another processor.
    ///
    /// # Safety
    ///
    /// The node is the first in this list.
    #[inline]
    unsafe fn unlink_front(&mut self, first: &Node<S>) {
        // SAFETY: the node is linked, and the lock is held.
        self.head = unsafe { first.inside(|inside| inside.next) };
        if self.head.is_none() {
            self.tail = None;
        }
        self.len -= 1;
    }

    /// Unlinks a waiter that leaves by itself. Returns its waker, which the caller drops after the
    /// lock, and its slot.
    ///
    /// # Safety
    ///
    /// The caller owns the node, which is linked in this list.
    pub(super) unsafe fn remove(&mut self, node: &Node<S>) -> (Waker, Option<S>) {
        // SAFETY: the node is linked here and the lock is held.
        unsafe {
            self.unlink(node);
            node.atomic().store(GONE, Ordering::Relaxed);
            (node.last_waker(), node.take_slot())
        }
    }
}

/// The rest of a list whose first nodes have been granted. Dropped by a panic, it relinks the list.
struct Remaining<'l, S> {
    list: &'l mut List<S>,
    /// The first node that has not been granted.
    next: Option<NonNull<Node<S>>>,
}

impl<S> Drop for Remaining<'_, S> {
    #[cold]
    fn drop(&mut self) {
        let (mut len, mut node) = (0, self.next);
        while let Some(linked) = node {
            len += 1;
            // SAFETY: the nodes that were not granted are still linked and alive, and the lock is
            // held.
            node = unsafe { linked.as_ref().inside(|inside| inside.next) };
        }
        self.list.head = self.next;
        self.list.len = len;
        if len == 0 {
            self.list.tail = None;
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::pin::Pin;

    use super::*;

    fn push(list: &mut List<u8>, name: u8, end: End) -> Pin<Box<Node<u8>>> {
        let node = Box::pin(Node::new());
        // SAFETY: the node is pinned and new. Each test unlinks it before dropping it, and only the
        // test has the list.
        unsafe { list.push(&node, Waker::noop().clone(), name, end) };
        node
    }

    fn leave(list: &mut List<u8>, node: Pin<Box<Node<u8>>>) {
        // SAFETY: the node is linked in this list.
        let (_, slot) = unsafe { list.remove(&node) };
        assert!(slot.is_some());
    }

    fn names(list: &List<u8>) -> Vec<u8> {
        let mut names = Vec::new();
        let mut next = list.head;
        while let Some(node) = next {
            // SAFETY: linked nodes are alive, and only the test has the list.
            unsafe { node.as_ref().slot(|slot| names.extend(*slot)) };
            // SAFETY: as above.
            next = unsafe { node.as_ref().inside(|inside| inside.next) };
        }
        assert_eq!(names.len(), list.len());
        names
    }

    /// The first node's stale pointer to a freed predecessor is never followed.
    #[test]
    fn nodes_leave_anywhere_after_the_first_was_freed() {
        let mut list = List::new();
        let mut wakes = Wakes::new();
        let [a, b, c, d] = [b'a', b'b', b'c', b'd'].map(|name| push(&mut list, name, End::Back));
        assert!(list.grant_front(&mut wakes));
        drop(a);
        assert_eq!(names(&list), *b"bcd");
        leave(&mut list, c);
        let e = push(&mut list, b'e', End::Front);
        assert_eq!(names(&list), *b"ebd");
        leave(&mut list, e);
        leave(&mut list, b);
        assert_eq!(names(&list), *b"d");
        let f = push(&mut list, b'f', End::Back);
        leave(&mut list, d);
        leave(&mut list, f);
        assert!(list.is_empty() && list.tail.is_none());
        wakes.finish();
    }

    #[test]
    fn granting_several_nodes_keeps_the_rest_in_order() {
        let mut list = List::new();
        let mut wakes = Wakes::new();
        let nodes = [1, 1, 2, 2].map(|name| push(&mut list, name, End::Back));
        assert_eq!(list.grant_while(&mut wakes, |name| *name == 1), Step::Done);
        let [a, b, c, d] = nodes;
        drop((a, b));
        assert_eq!(names(&list), [2, 2]);
        leave(&mut list, d);
        leave(&mut list, c);
        assert!(list.is_empty() && list.tail.is_none());
        wakes.finish();
    }

    /// The owner of a granted node may free it at once, also if granting the next one panics.
    #[test]
    fn panic_while_granting_unlinks_the_granted_nodes() {
        let mut list = List::new();
        let mut wakes = Wakes::new();
        let [a, b, c] = [1, 2, 3].map(|name| push(&mut list, name, End::Back));
        let granting = AssertUnwindSafe(|| {
            list.grant_while(&mut wakes, |name| if *name < 3 { true } else { panic!("on purpose") })
        });
        catch_unwind(granting).unwrap_err();
        drop((a, b));
        assert_eq!(names(&list), [3]);
        leave(&mut list, c);
        assert!(list.is_empty() && list.tail.is_none());
        wakes.finish();
    }
}
