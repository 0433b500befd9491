//! A batch of wakers, collected under a lock and woken after it is released.
//!
//! The batch has room for [`Wakes::ROOM`] wakers and never allocates; whoever has more to wake
//! releases the lock, wakes the batch and comes back. A waker is foreign code: it may re-enter the
//! primitive, and it may panic. A panic does not stop the wakers after it. The first one is raised
//! again when the batch is finished, unless that would lose what the one who woke them has just
//! got.

use std::any::Any;
use std::mem::{self, ManuallyDrop, MaybeUninit};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::task::Waker;

pub struct Wakes {
    /// `wakers[next..len]` are initialised and owned by the batch; while they are being woken, see
    /// [`Unwoken`].
    wakers: [MaybeUninit<Waker>; Wakes::ROOM],
    next: usize,
    len: usize,
    /// Taken by [`finish`](Wakes::finish), so that an empty batch has nothing to drop.
    panic: ManuallyDrop<Option<Box<dyn Any + Send>>>,
}

/// Wakes one waiter, as a batch of one would: a panic is raised, unless this thread is already
/// panicking.
#[inline]
pub(crate) fn wake_alone(waker: Waker) {
    if !std::thread::panicking() {
        return waker.wake();
    }
    let mut wakes = Wakes::new();
    wakes.push(waker);
    wakes.finish();
}

/// Runs foreign code for one who has got something that a raised panic would lose. The panic hook
/// has reported it.
#[inline]
fn quietly(foreign: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(foreign)) {
        bury(panic);
    }
}

/// Drops what a panic left. That is foreign code once more, and what its own panic leaves is not
/// looked at.
#[cold]
fn bury(panic: Box<dyn Any + Send>) {
    if let Err(worse) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        mem::forget(worse);
    }
}

/// Drops items one by one, also those behind one whose own drop panics. Then the first panic is
/// raised again, unless this thread is already panicking.
pub(crate) fn drop_each<T>(mut next: impl FnMut() -> Option<T>) {
    let mut first = None;
    while let Err(panic) = catch_unwind(AssertUnwindSafe(|| while next().is_some() {})) {
        match first {
            None => first = Some(panic),
            Some(_) => bury(panic),
        }
    }
    match first {
        Some(panic) if !std::thread::panicking() => resume_unwind(panic),
        Some(panic) => bury(panic),
        None => {}
    }
}

/// Wakes one waiter, and lets go of a panic.
#[inline]
pub(crate) fn wake_alone_quietly(waker: Waker) {
    quietly(|| waker.wake());
}

/// A waker that may be of no use any more: then it is dropped, and a panic of that let go of.
pub(crate) struct Spare(pub(crate) Option<Waker>);

impl Drop for Spare {
    #[inline]
    fn drop(&mut self) {
        if let Some(waker) = self.0.take() {
            quietly(|| drop(waker));
        }
    }
}

impl Wakes {
    pub(crate) const ROOM: usize = 32;

    #[inline]
    pub(crate) const fn new() -> Self {
        Wakes {
            wakers: [const { MaybeUninit::uninit() }; Wakes::ROOM],
            next: 0,
            len: 0,
            panic: ManuallyDrop::new(None),
        }
    }

    #[inline]
    pub(crate) const fn is_full(&self) -> bool {
        self.len == Wakes::ROOM
    }

    /// Adds a waker. The batch must not be full.
    #[inline]
    pub(crate) fn push(&mut self, waker: Waker) {
        self.wakers[self.len].write(waker);
        self.len += 1;
    }

    /// Adds wakers as long as there is room and `next` has one more, and tells how many.
    ///
    /// The length is written once: what `next` does to a waiter is seen by its owner, so nothing
    /// could be kept in a register across it otherwise.
    #[inline]
    pub(crate) fn fill(&mut self, mut next: impl FnMut() -> Option<Waker>) -> usize {
        let mut added = 0;
        for place in self.wakers.iter_mut().skip(self.len) {
            let Some(waker) = next() else { break };
            place.write(waker);
            added += 1;
        }
        self.len += added;
        added
    }

    /// Wakes everything collected and empties the batch; a panic is kept for
    /// [`finish`](Wakes::finish).
    #[inline]
    pub(crate) fn wake(&mut self) {
        if self.len != 0 {
            self.wake_some();
        }
    }

    /// Wakes what is left, then raises the first panic of a waker again, unless this thread is
    /// already panicking.
    #[inline]
    pub(crate) fn finish(&mut self) {
        self.wake();
        if self.panic.is_some() {
            self.raise();
        }
    }

    /// Wakes what is left, and lets go of panics: for one whose own result would be lost if they
    /// were raised. The panic hook has reported them.
    #[inline]
    pub(crate) fn finish_quietly(&mut self) {
        self.wake();
        if let Some(panic) = self.panic.take() {
            bury(panic);
        }
    }

    fn wake_some(&mut self) {
        while self.next < self.len {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.wake_until_panic())) {
                match &*self.panic {
                    None => *self.panic = Some(panic),
                    Some(_) => bury(panic),
                }
            }
        }
        self.next = 0;
        self.len = 0;
    }

    fn wake_until_panic(&mut self) {
        let mut unwoken = Unwoken {
            wakers: &self.wakers[self.next..self.len],
            len: self.len,
            next: &mut self.next,
        };
        while let Some((first, others)) = unwoken.wakers.split_first() {
            unwoken.wakers = others;
            // SAFETY: those not woken yet are initialised, and this one is not among them any more,
            // so it is read once, even if waking it panics.
            let waker = unsafe { first.assume_init_read() };
            waker.wake();
        }
    }

    #[cold]
    fn raise(&mut self) {
        match self.panic.take() {
            Some(panic) if !std::thread::panicking() => resume_unwind(panic),
            Some(panic) => bury(panic),
            None => {}
        }
    }
}

/// What is left of a batch that is being woken. How far it came is written down when it ends, by a
/// panic too, and not after each waker, so that the compiler may keep it in registers.
struct Unwoken<'a> {
    /// Initialised, and owned by the batch.
    wakers: &'a [MaybeUninit<Waker>],
    len: usize,
    next: &'a mut usize,
}

impl Drop for Unwoken<'_> {
    #[inline]
    fn drop(&mut self) {
        *self.next = self.len - self.wakers.len();
    }
}

impl Drop for Wakes {
    #[inline]
    fn drop(&mut self) {
        // There are wakers inside only when the code that collected them panicked: the waiters were
        // granted all the same, so they must hear of it.
        self.wake();
    }
}
