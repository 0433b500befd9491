//! [`AsyncResult`]: a value that will be there once, for everyone.

#![allow(unsafe_code)]

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

use crate::core::{
    AtomicUsize, End, Entry, Handed, List, Mutex, Operation, Ordering, Position, PrimitiveRef,
    Start, UnsafeCell, Wait, Waiter, Wakes, const_fn, locked,
};
use crate::error::{AlreadySet, Timeout};

const UNSET: usize = 0;
const SET: usize = 1;

/// A value that is set once and read any number of times, by those who waited for it and those who
/// come later.
///
/// Reading a value that is set costs one load. Waiting allocates nothing. For something that may
/// fail let the value be a `Result`, so that a failure does not leave those who wait for it
/// waiting.
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
    /// Written under the lock while the word is `UNSET`; read by everyone, and never written
    /// again, once it is `SET`.
    value: UnsafeCell<Option<T>>,
}

// SAFETY: the value may be set by one thread and dropped by another.
unsafe impl<T: Send> Send for AsyncResult<T> {}
// SAFETY: as above, and many threads may read it at once.
unsafe impl<T: Send + Sync> Sync for AsyncResult<T> {}

// As the standard library's `OnceLock`: a value is there as a whole or not at all, and who sees it
// sees what it is.
impl<T: UnwindSafe> UnwindSafe for AsyncResult<T> {}
impl<T: UnwindSafe + RefUnwindSafe> RefUnwindSafe for AsyncResult<T> {}

/// Waits for the value of an [`AsyncResult`].
pub type GetResult<'a, T> = Wait<Waiter<Getting<&'a AsyncResult<T>>>>;
/// Waits for the value of a counted [`AsyncResult`], and keeps it alive.
pub type GetResultOwned<T> = Wait<Waiter<Getting<Arc<AsyncResult<T>>>>>;

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
            // SAFETY: the word is `UNSET`, so nobody reads, and the lock is held, so nobody else
            // writes.
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

    /// As [`try_get`](AsyncResult::try_get), with a reference that keeps the result alive.
    pub fn try_get_owned(self: &Arc<Self>) -> Option<OwnedValue<T>> {
        self.is_set().then(|| OwnedValue { result: Arc::clone(self) })
    }

    /// # Safety
    /// The word has been seen to be `SET`, or the caller's wait was granted.
    #[inline]
    unsafe fn settled(&self) -> &T {
        // SAFETY: the value was written before the word was, and before anyone was granted; nobody
        // writes any more.
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

    /// As [`get`](AsyncResult::get), with a reference to the value that keeps the result alive and
    /// can be sent anywhere.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use toro::AsyncResult;
    ///
    /// let (answer, reader) = {
    ///     let answer = Arc::new(AsyncResult::new());
    ///     let value = answer.get_owned();
    ///     (answer, std::thread::spawn(|| value.wait()))
    /// };
    /// answer.set(String::from("42"))?;
    /// drop(answer);
    /// assert_eq!(*reader.join().unwrap(), "42");
    /// # Ok::<(), toro::AlreadySet<String>>(())
    /// ```
    #[inline]
    pub fn get_owned(self: &Arc<Self>) -> GetResultOwned<T> {
        Wait::new(Waiter::new(Arc::clone(self), Getting(PhantomData)))
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

/// A reference to the value of an [`AsyncResult`] that keeps the result alive.
pub struct OwnedValue<T> {
    /// It is set.
    result: Arc<AsyncResult<T>>,
}

impl<T> Deref for OwnedValue<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: it was made when the word was `SET`, or the wait was granted.
        unsafe { self.result.settled() }
    }
}

impl<T> Clone for OwnedValue<T> {
    fn clone(&self) -> Self {
        OwnedValue { result: Arc::clone(&self.result) }
    }
}

impl<T: fmt::Debug> fmt::Debug for OwnedValue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// The wait for the value of a result held through `H`.
pub struct Getting<H>(PhantomData<H>);

/// What holds a result, and the reference to its value made of it.
pub trait Holder: PrimitiveRef<Target = AsyncResult<Self::Value>> {
    type Value;
    type Reference;

    /// # Safety
    /// The word has been seen to be `SET`, or the caller's wait was granted.
    unsafe fn reference(self) -> Self::Reference;
}

impl<'a, T> Holder for &'a AsyncResult<T> {
    type Value = T;
    type Reference = &'a T;

    #[inline]
    unsafe fn reference(self) -> &'a T {
        // SAFETY: passed on to the caller.
        unsafe { self.settled() }
    }
}

impl<T> Holder for Arc<AsyncResult<T>> {
    type Value = T;
    type Reference = OwnedValue<T>;

    #[inline]
    unsafe fn reference(self) -> OwnedValue<T> {
        OwnedValue { result: self }
    }
}

impl<H: Holder> Operation for Getting<H> {
    type PrimitiveRef = H;
    type Primitive = AsyncResult<H::Value>;
    type Shared = List<()>;
    type Slot = ();
    type Grant = ();
    type Output = H::Reference;
    type Timed = Result<H::Reference, Timeout>;

    fn shared(result: &AsyncResult<H::Value>) -> &Mutex<List<()>> {
        &result.line
    }

    fn list(line: &mut List<()>, _: Handed) -> &mut List<()> {
        line
    }

    /// It was set, and the batch of this waiter has not come yet.
    fn retry(
        &mut self,
        result: &AsyncResult<H::Value>,
        _: &mut List<()>,
        (): &mut (),
        _: Position,
    ) -> bool {
        result.is_set()
    }

    fn granted(&mut self, _: &AsyncResult<H::Value>, _: Option<()>) {}

    fn give_back(&mut self, _: &AsyncResult<H::Value>, _: Option<()>) {}

    #[inline]
    fn finish(&mut self, result: H, (): ()) -> H::Reference {
        // SAFETY: the wait was granted, which happens only once the word is `SET`.
        unsafe { result.reference() }
    }

    fn in_time(value: H::Reference) -> Self::Timed {
        Ok(value)
    }

    fn expired(&mut self, _: H) -> Self::Timed {
        Err(Timeout)
    }
}

impl<H: Holder> Start for Getting<H> {
    #[inline]
    fn attempt(&mut self, result: &AsyncResult<H::Value>) -> Option<()> {
        result.is_set().then_some(())
    }

    fn enqueue(
        &mut self,
        result: &AsyncResult<H::Value>,
        _: &mut List<()>,
        _: &mut Wakes,
    ) -> Entry<(), ()> {
        if result.is_set() { Entry::Ready(()) } else { Entry::Queue((), End::Back) }
    }
}
