//! [`AsyncResult`]: a value that will be there once, for everyone.

#![allow(unsafe_code)]

use std::fmt;
use std::marker::PhantomData;

use crate::core::{
    AtomicUsize, End, Entry, Handed, List, Mutex, Operation, Ordering, UnsafeCell, Wait, Waiter, Wakes,
    const_fn, locked,
};
use crate::error::{AlreadySet, Timeout};

const UNSET: usize = 0;
const SET: usize = 1;

/// A value that is set once and read any number of times, by those who waited for it and those who come later.
///
/// Reading a value that is set costs one load. Waiting allocates nothing. For something that may fail let the value be
/// a `Result`, so that a failure does not leave those who wait for it waiting.
///
/// ```
/// use toro::{AlreadySet, AsyncResult};
///
/// static ANSWER: AsyncResult<u32> = AsyncResult::new();
///
/// let reader = std::thread::spawn(|| *ANSWER.get().wait());
/// ANSWER.set(42)?;
/// assert_eq!(reader.join().unwrap(), 42);
/// assert_eq!(ANSWER.set(43), Err(AlreadySet(43)));
/// # Ok::<(), AlreadySet<u32>>(())
/// ```
pub struct AsyncResult<T> {
    word: AtomicUsize,
    line: Mutex<List<()>>,
    /// Written under the lock while the word is `UNSET`; read by everyone, and never written again, once it is `SET`.
    value: UnsafeCell<Option<T>>,
}

// SAFETY: the value may be set by one thread and dropped by another.
unsafe impl<T: Send> Send for AsyncResult<T> {}
// SAFETY: as above, and many threads may read it at once.
unsafe impl<T: Send + Sync> Sync for AsyncResult<T> {}

/// Waits for the value of an [`AsyncResult`].
pub type GetResult<'a, T> = Wait<Waiter<Getting<'a, T>>>;

impl<T> AsyncResult<T> {
    const_fn! {
        /// A result that is not there yet.
        pub const fn new() -> Self {
            AsyncResult {
                word: AtomicUsize::new(UNSET),
                line: Mutex::new(List::new()),
                value: UnsafeCell::new(None),
            }
        }
    }

    /// Sets the value, and wakes all who wait for it.
    ///
    /// # Errors
    ///
    /// [`AlreadySet`], with the new value, if there is a value already.
    pub fn set(&self, value: T) -> Result<(), AlreadySet<T>> {
        {
            let _line = self.line.lock();
            if self.is_set() {
                return Err(AlreadySet(value));
            }
            // SAFETY: the word is `UNSET`, so nobody reads, and the lock is held, so nobody else writes.
            self.value.with_mut(|cell| unsafe { *cell = Some(value) });
            self.word.store(SET, Ordering::Release);
        }
        // Nobody joins the line any more: everyone in it has been waiting for this.
        locked(&self.line, |line, wakes| line.grant_while(wakes, |()| true));
        Ok(())
    }

    /// Whether there is a value.
    #[inline]
    pub fn is_set(&self) -> bool {
        self.word.load(Ordering::Acquire) == SET
    }

    /// The value, if it is there.
    #[inline]
    pub fn try_get(&self) -> Option<&T> {
        if !self.is_set() {
            return None;
        }
        // SAFETY: the word is `SET`.
        Some(unsafe { self.settled() })
    }

    /// # Safety
    /// The word has been seen to be `SET`, or the caller's wait was granted.
    #[inline]
    unsafe fn settled(&self) -> &T {
        // SAFETY: the value was written before the word was, and before anyone was granted; nobody writes any more.
        self.value.with(|cell| unsafe { (*cell).as_ref().unwrap_unchecked() })
    }

    /// Waits for the value.
    ///
    /// # Cancel safety
    ///
    /// Dropping the wait loses nothing: reading does not use the value up.
    #[inline]
    pub fn get(&self) -> GetResult<'_, T> {
        Wait::new(Waiter::new(self, Getting(PhantomData)))
    }

    /// How many waits are in line at this moment.
    pub fn waiting(&self) -> usize {
        self.line.lock().len()
    }

    /// The value, if it is there.
    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }

    /// The value, if it is there.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.value.get_mut().as_mut()
    }
}

impl<T> Default for AsyncResult<T> {
    fn default() -> Self {
        AsyncResult::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for AsyncResult<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncResult")
            .field("value", &self.try_get())
            .field("waiting", &self.waiting())
            .finish()
    }
}

/// The wait for a value.
pub struct Getting<'a, T>(PhantomData<&'a T>);

impl<'a, T> Operation for Getting<'a, T> {
    type Home = &'a AsyncResult<T>;
    type Primitive = AsyncResult<T>;
    type Shared = List<()>;
    type Slot = ();
    type Grant = ();
    type Output = &'a T;
    type Timed = Result<&'a T, Timeout>;

    fn shared(result: &AsyncResult<T>) -> &Mutex<List<()>> {
        &result.line
    }

    fn list(line: &mut List<()>, _: Handed) -> &mut List<()> {
        line
    }

    #[inline]
    fn attempt(&mut self, result: &AsyncResult<T>) -> Option<()> {
        result.is_set().then_some(())
    }

    fn enqueue(&mut self, result: &AsyncResult<T>, _: &mut List<()>, _: &mut Wakes) -> Entry<(), ()> {
        if result.is_set() { Entry::Ready(()) } else { Entry::Queue((), End::Back) }
    }

    fn granted(&mut self, _: &AsyncResult<T>, _: Option<()>) {}

    fn give_back(&mut self, _: &AsyncResult<T>, _: Option<()>) {}

    #[inline]
    fn finish(&mut self, result: &'a AsyncResult<T>, (): ()) -> &'a T {
        // SAFETY: the wait was granted, which happens only once the word is `SET`.
        unsafe { result.settled() }
    }

    fn in_time(value: &'a T) -> Self::Timed {
        Ok(value)
    }

    fn expired(&mut self, _: &'a AsyncResult<T>) -> Self::Timed {
        Err(Timeout)
    }
}
