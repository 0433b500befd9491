//! A batch of wakers, collected under a lock and woken after it is released.
//!
//! The batch has room for [`Wakes::ROOM`] wakers and never allocates. A caller with more to wake
//! releases the lock, wakes the batch and comes back. A waker is user code: it may re-enter the
//! primitive, and it may panic. A panic does not stop the wakers after it. The first panic resumes
//! when the batch is finished, unless that would lose what the caller has just got.

use std::any::Any;
use std::mem::{self, ManuallyDrop, MaybeUninit};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::task::Waker;

pub struct Wakes {
    /// `wakers[next..len]` are initialised and owned by the batch. While they are being woken, see
    /// [`Unwoken`].
    wakers: [MaybeUninit<Waker>; Wakes::ROOM],
    next: usize,
    len: usize,
    /// [`finish`](Wakes::finish) takes it, so an empty batch has nothing to drop.
    panic: ManuallyDrop<Option<Box<dyn Any + Send>>>,
}

/// Wakes one waiter, as a batch of one would: a panic is raised, unless this thread already panics.
#[inline]
pub(crate) fn wake_alone(waker: Waker) {
    if !std::thread::panicking() {
        return waker.wake();
    }
    let mut wakes = Wakes::new();
    wakes.push(waker);
    wakes.finish();
}

/// Runs user code for a caller that holds something which a raised panic would lose. The panic hook
/// has reported the panic.
#[inline]
fn quietly(foreign: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(foreign)) {
        bury(panic);
    }
}

/// Drops the payload of a panic. That runs user code again, which may panic, and so may the drop of
/// the second payload. A third one is leaked.
#[cold]
fn bury(panic: Box<dyn Any + Send>) {
    let drop_it = |payload| catch_unwind(AssertUnwindSafe(|| drop(payload))).err();
    mem::forget(drop_it(panic).and_then(drop_it));
}

/// Drops items one by one, and continues after an item whose drop panics. Then resumes the first
/// panic, unless this thread already panics.
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

/// Wakes one waiter, and swallows a panic.
#[inline]
pub(crate) fn wake_alone_quietly(waker: Waker) {
    quietly(|| waker.wake());
}

/// A waker that may have become useless. Dropping it swallows a panic.
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

    /// Adds wakers while there is room and `next` returns one. Returns how many it added.
    ///
    /// The length is written once. `next` makes changes that a waiter's owner sees, so the compiler
    /// could otherwise keep nothing in a register across it.
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

    /// Wakes everything collected and empties the batch. A panic is kept for
    /// [`finish`](Wakes::finish).
    #[inline]
    pub(crate) fn wake(&mut self) {
        if self.len != 0 {
            self.wake_some();
        }
    }

    /// Wakes the rest, then resumes the first panic of a waker, unless this thread already panics.
    #[inline]
    pub(crate) fn finish(&mut self) {
        self.wake();
        if self.panic.is_some() {
            self.raise();
        }
    }

    /// Wakes the rest and swallows panics, for a caller that would lose its own result. The panic
    /// hook has reported them.
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
            // SAFETY: the wakers in `unwoken.wakers` are initialised. This one was just taken out
            // of the slice, so it is read once, even if waking it panics.
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

/// The rest of a batch that is being woken. The position is written back once, at the end or on a
/// panic, so the compiler may keep it in registers.
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
        // The batch holds wakers here only if the code that collected them panicked. Their waiters
        // were granted, so they must be woken.
        self.wake();
    }
}
