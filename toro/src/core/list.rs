//! An intrusive, doubly linked list of waiters, oldest first.
//!
//! Nodes live inside the futures that wait; the list only points at them. All operations are O(1)
//! and none allocates. A [`List`] is always kept inside the [`Mutex`](super::Mutex) of its
//! primitive, and `&mut List` is the proof that the lock is held.
//!
//! A node's owner knows whether it ever joined a list. From then on the node is in one of three
//! states:
//!
//! | state     | linked | who may touch inside and slot | what dropping the future must do |
//! |-----------|--------|-------------------------------|----------------------------------|
//! | `WAITING` | yes    | whoever holds the lock        | unlink it, under the lock        |
//! | `GRANTED` | no     | the owner, without the lock   | give the grant back              |
//! | `GONE`    | no     | the owner                     | nothing                          |
//!
//! `WAITING` is entered and left under the lock. The step to `GRANTED` is a release store and the
//! very last touch by the granting thread: an owner that sees it (acquire) sees everything written
//! before, and may free the node at once. Whatever takes a node out of the list takes its waker
//! too; its slot is taken by the owner. So neither inside nor slot, which a wait that never queues
//! does not even initialise, has anything to drop.

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
/// Unlinked, with what was waited for.
pub(super) const GRANTED: u8 = 1;
/// Unlinked, without.
pub(super) const GONE: u8 = 2;

/// The end of the list at which a waiter joins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// Behind everyone.
    Back,
    /// Before everyone: for a waiter that holds what all the others wait for.
    Front,
}

/// One waiter's place in a [`List`]. `S` is what the primitive keeps for each waiter.
pub(super) struct Node<S> {
    /// The owner's own note.
    standing: Cell<Standing>,
    /// Initialised, as the two below, when the node is pushed: a wait that never queues does not
    /// touch its node.
    state: UnsafeCell<MaybeUninit<AtomicU8>>,
    /// By itself, so that a small one takes up no more than it needs.
    slot: UnsafeCell<MaybeUninit<Option<S>>>,
    inside: UnsafeCell<MaybeUninit<Inside<S>>>,
    _pinned: PhantomPinned,
}

/// What the owner knows of its node. Nobody else looks at it, so that a wait which is ready at once
/// compiles to just that.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// The node was never linked, or is not any more and was emptied.
    Outside,
    /// The node was linked; its state tells the rest.
    InLine,
}

struct Inside<S> {
    /// Meaningless in the first of the list, where nobody follows it: it may lead to a node that
    /// has left.
    previous: Option<NonNull<Node<S>>>,
    next: Option<NonNull<Node<S>>>,
    /// One that does nothing once the waiter was nudged, until it is polled again.
    waker: Waker,
}

// SAFETY: the raw pointers are only followed under the lock of the list; the slot moves between
// threads, and the waker is `Send` and `Sync`.
unsafe impl<S: Send> Send for Node<S> {}
// SAFETY: a shared node offers access to its inside and slot only to the holder of the lock, or to
// its owner, and to the owner's note to the owner alone.
unsafe impl<S: Send> Sync for Node<S> {}

impl<S> Node<S> {
    #[inline]
    pub(super) fn new() -> Self {
        let mut node = MaybeUninit::<Self>::uninit();
        let fields = node.as_mut_ptr();
        // Written through a pointer: as one constant the node would be copied with zeros where
        // nothing need be written. SAFETY: the pointers lead to the places of the fields.
        // Loom's cells keep a record that has to be initialised.
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
    /// The node has been pushed once.
    #[inline]
    unsafe fn atomic(&self) -> &AtomicU8 {
        // SAFETY: pushing has initialised it, and it is only ever shared from then on.
        self.state.with(|state| unsafe { (*state).assume_init_ref() })
    }

    /// # Safety
    /// The node has been pushed once.
    #[inline]
    pub(super) unsafe fn state(&self) -> u8 {
        // SAFETY: passed on to the caller.
        unsafe { self.atomic() }.load(Ordering::Acquire)
    }

    /// Looks into the slot.
    ///
    /// # Safety
    /// The node has been pushed once. The caller holds the lock of the list it is linked in, or is
    /// the owner of a node that is not linked; and `f` does not look into the slot of the same
    /// node again.
    #[inline]
    unsafe fn slot<R>(&self, f: impl FnOnce(&mut Option<S>) -> R) -> R {
        // SAFETY: pushing has initialised it, and by contract nobody else is there.
        self.slot.with_mut(|slot| f(unsafe { (*slot).assume_init_mut() }))
    }

    /// Looks inside.
    ///
    /// # Safety
    /// The node has been pushed once. The caller holds the lock of the list it is linked in, or is
    /// the owner of a node that is not linked; and `f` does not look inside the same node
    /// again.
    #[inline]
    unsafe fn inside<R>(&self, f: impl FnOnce(&mut Inside<S>) -> R) -> R {
        // SAFETY: pushing has initialised it, and by contract nobody else is inside.
        self.inside.with_mut(|inside| f(unsafe { (*inside).assume_init_mut() }))
    }

    /// Takes the slot of a node that has left its list.
    ///
    /// # Safety
    /// The caller is the owner, and the node was pushed and is not linked any more.
    #[inline]
    pub(super) unsafe fn take_slot(&self) -> Option<S> {
        // SAFETY: a node that is not linked is its owner's alone.
        unsafe { self.slot(Option::take) }
    }

    /// What the operation says about the slot of a linked node.
    ///
    /// # Safety
    /// The caller owns the node and holds the lock of the list in which it is linked. `f` does not
    /// look into the slot of the same node by another way.
    pub(super) unsafe fn ask<R>(&self, f: impl FnOnce(&mut S) -> R) -> Option<R> {
        // SAFETY: the lock is held.
        unsafe { self.slot(|slot| slot.as_mut().map(f)) }
    }

    /// Whether the waker kept here would wake the same task.
    ///
    /// # Safety
    /// The caller holds the lock of the list in which the node is linked.
    pub(super) unsafe fn would_wake(&self, waker: &Waker) -> bool {
        // SAFETY: the lock is held.
        unsafe { self.inside(|inside| inside.waker.will_wake(waker)) }
    }

    /// Moves the waker out of a node that leaves its list. Nobody looks for one there any more, so
    /// nothing is written.
    ///
    /// # Safety
    /// The caller holds the lock of the list in which the node is linked, or has just unlinked it
    /// under that lock; it calls this once, and sets the state to something else than `WAITING`
    /// before it releases the lock.
    #[inline]
    unsafe fn last_waker(&self) -> Waker {
        // SAFETY: the lock is held. The waker is not read again: whoever looks for one sees first,
        // under the lock, that the node is `WAITING`.
        unsafe { self.inside(|inside| std::ptr::read(&raw const inside.waker)) }
    }

    /// Replaces the waker and returns the old one, to be dropped after the lock.
    ///
    /// # Safety
    /// The caller holds the lock of the list in which the node is linked.
    #[inline]
    pub(super) unsafe fn replace_waker(&self, waker: Waker) -> Waker {
        // SAFETY: the lock is held.
        unsafe { self.inside(|inside| mem::replace(&mut inside.waker, waker)) }
    }
}

/// Waiters in the order in which they came.
pub struct List<S> {
    head: Option<NonNull<Node<S>>>,
    tail: Option<NonNull<Node<S>>>,
    len: usize,
}

// SAFETY: the list is its nodes, which may be reached from any thread that holds the lock.
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
        // SAFETY: linked nodes are alive, and `&mut self` shows that the lock is held and keeps
        // everyone else out as long as the slot is borrowed.
        unsafe {
            let slot = head.as_ref().slot(|slot| slot.as_mut().map(NonNull::from));
            slot.map(|mut slot| slot.as_mut())
        }
    }

    /// Whether this is the oldest waiter.
    #[inline]
    pub(super) fn is_front(&self, node: &Node<S>) -> bool {
        self.head.is_some_and(|head| std::ptr::eq(head.as_ptr(), node))
    }

    /// Grants the oldest waiter: unlinks it, and leaves its waker in `wakes`, which must have room.
    #[inline]
    pub(crate) fn grant_front(&mut self, wakes: &mut Wakes) -> bool {
        let Some(waker) = self.grant_alone() else { return false };
        wakes.push(waker);
        true
    }

    /// Grants the oldest waiter, and returns its waker, to be woken after the lock.
    #[inline]
    pub(crate) fn grant_alone(&mut self) -> Option<Waker> {
        let head = self.head?;
        // SAFETY: linked nodes are alive until the lock is released, or until they are granted,
        // below.
        let node = unsafe { head.as_ref() };
        // SAFETY: the node is the first in this list.
        unsafe { self.unlink_front(node) };
        // SAFETY: the lock is held, and the state is set below.
        let waker = unsafe { node.last_waker() };
        // SAFETY: the node was pushed. This is the last touch.
        unsafe { node.atomic() }.store(GRANTED, Ordering::Release);
        Some(waker)
    }

    /// Grants the oldest waiters, one by one, as long as `may` agrees to what it sees in the slot,
    /// and may change there.
    ///
    /// All are taken out at once, so that each node is visited once. `may` must not panic: the
    /// nodes before would be granted and still linked.
    #[inline]
    pub(crate) fn grant_while(
        &mut self,
        wakes: &mut Wakes,
        mut may: impl FnMut(&mut S) -> bool,
    ) -> Step {
        let mut next = self.head;
        let mut step = Step::Again;
        let granted = wakes.fill(|| {
            let first = next?;
            // SAFETY: linked nodes are alive until the lock is released, or until they are granted,
            // below.
            let node = unsafe { first.as_ref() };
            // SAFETY: the lock is held.
            if !unsafe { node.slot(|slot| slot.as_mut().is_some_and(&mut may)) } {
                step = Step::Done;
                return None;
            }
            // SAFETY: the lock is held, and the state is set below.
            let (waker, after) = unsafe { (node.last_waker(), node.inside(|inside| inside.next)) };
            // SAFETY: the node was pushed. This is the last touch; its neighbours are set right
            // below, under the same lock.
            unsafe { node.atomic() }.store(GRANTED, Ordering::Release);
            next = after;
            Some(waker)
        });
        self.len -= granted;
        self.head = next;
        let Some(first) = next else {
            self.tail = None;
            return Step::Done;
        };
        // Nobody looks there, but writing it fetches the node while this batch is being woken.
        // SAFETY: the node is linked, and the lock is held.
        unsafe { first.as_ref().inside(|inside| inside.previous = None) };
        step
    }

    /// Wakes the oldest waiter without granting it anything: it keeps its place. Its waker goes to
    /// `wakes`, which must have room; until it has been polled it is not woken again.
    #[inline]
    pub(crate) fn nudge_front(&mut self, wakes: &mut Wakes) {
        let Some(head) = self.head else { return };
        // SAFETY: linked nodes are alive, and the lock is held.
        let waker = unsafe { head.as_ref().replace_waker(Waker::noop().clone()) };
        // It may fail to see that the waker is the one put there, which then is woken, and does
        // nothing.
        if !waker.will_wake(Waker::noop()) {
            wakes.push(waker);
        }
    }

    /// Moves the oldest waiter to the end of another list under the same lock.
    pub(crate) fn move_front_to(&mut self, other: &mut List<S>) {
        let Some(head) = self.head else { return };
        // SAFETY: the node is linked here, alive and pinned; both lists are under the lock that is
        // held.
        unsafe {
            self.unlink(head.as_ref());
            other.link(head, End::Back);
        }
    }

    /// Queues a node.
    ///
    /// # Safety
    /// The caller owns the node, which is pinned and was never pushed before. The owner unlinks it,
    /// under the lock of this list, before it goes away; until then the list stays under that
    /// lock.
    pub(super) unsafe fn push(&mut self, node: &Node<S>, waker: Waker, slot: S, end: End) {
        node.inside.with_mut(|inside| {
            let fresh = Inside { previous: None, next: None, waker };
            // SAFETY: only the owner, who calls, knows the node.
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
        // From here on the owner's drop looks for the node in line, whatever panics meanwhile.
        node.stand(Standing::InLine);
        // SAFETY: passed on to the caller.
        unsafe { self.link(NonNull::from(node), end) };
    }

    /// # Safety
    /// As for [`push`](List::push), but the node was pushed once, and is not linked.
    unsafe fn link(&mut self, pointer: NonNull<Node<S>>, end: End) {
        let (previous, next) = match end {
            End::Back => (self.tail, None),
            End::Front => (None, self.head),
        };
        // SAFETY: the node is alive by contract, its neighbours because they are linked; the lock
        // is held.
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

    /// Takes a node out, wherever it is.
    ///
    /// # Safety
    /// The node is linked in this list.
    #[inline]
    unsafe fn unlink(&mut self, node: &Node<S>) {
        // SAFETY: the node is linked here and the lock is held; so are its neighbours, and for them
        // too. Every node but the first has its true predecessor.
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

    /// Takes the first node out. Its follower is not touched: it is most likely in the cache of
    /// another processor.
    ///
    /// # Safety
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

    /// Takes a waiter out that leaves of its own accord, and returns its waker, to be dropped after
    /// the lock, and its slot.
    ///
    /// # Safety
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

#[cfg(all(test, not(loom)))]
mod tests {
    use std::pin::Pin;

    use super::*;

    fn push(list: &mut List<u8>, name: u8, end: End) -> Pin<Box<Node<u8>>> {
        let node = Box::pin(Node::new());
        // SAFETY: the node is pinned and fresh; each test takes it out before it drops it, and
        // nobody else has the list.
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
            // SAFETY: linked nodes are alive, and nobody else has the list.
            unsafe { node.as_ref().slot(|slot| names.extend(*slot)) };
            // SAFETY: as above.
            next = unsafe { node.as_ref().inside(|inside| inside.next) };
        }
        assert_eq!(names.len(), list.len());
        names
    }

    /// What the first one keeps of a neighbour that was freed is never followed.
    #[test]
    fn nodes_leave_from_everywhere_after_the_first_was_granted_and_freed() {
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
    fn those_that_are_let_go_together_leave_the_rest_in_order() {
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
}
