//! [`AsyncResult`]: a value that is set once.

#![allow(unsafe_code, reason = "the value is in an `UnsafeCell` until it is set")]

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

/// A value that is set once, and that any number of tasks and threads can wait for and read.
///
/// Reading a value that is set costs one load. Waiting allocates nothing. For a computation that
/// can fail, store a `Result`, so that a failure ends the waits as well.
///
/// # Examples
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
#[doc(alias("OnceCell", "oneshot", "OnceLock", "promise"))]
pub struct AsyncResult<T> {
    word: AtomicUsize,
    line: Mutex<List<()>>,
    /// Written once, under the lock, while the word is `UNSET`. Only read once it is `SET`.
    value: UnsafeCell<Option<T>>,
}

// SAFETY: one thread may set the value and another drop it.
unsafe impl<T: Send> Send for AsyncResult<T> {}
// SAFETY: as above, and many threads may read the value at once.
unsafe impl<T: Send + Sync> Sync for AsyncResult<T> {}

// Like the standard library's `OnceLock`: a value exists completely or not at all.
impl<T: UnwindSafe> UnwindSafe for AsyncResult<T> {}
impl<T: UnwindSafe + RefUnwindSafe> RefUnwindSafe for AsyncResult<T> {}

/// Waits for the value of an [`AsyncResult`].
pub type GetResult<'a, T> = Wait<Waiter<Getting<&'a AsyncResult<T>>>>;
/// Waits for the value of an [`AsyncResult`] held by an `Arc`, and keeps it alive.
pub type GetResultOwned<T> = Wait<Waiter<Getting<Arc<AsyncResult<T>>>>>;

impl<T> AsyncResult<T> {
    const_fn! {
        /// Creates a result without a value.
        ///
        /// # Examples
        ///
        /// ```
        /// static ANSWER: toro::AsyncResult<u32> = toro::AsyncResult::new();
        ///
        /// assert!(!ANSWER.is_set());
        /// ```
        pub const fn new() -> Self {
            AsyncResult {
                word: AtomicUsize::new(UNSET),
                line: Mutex::new(List::new()),
                value: UnsafeCell::new(None),
            }
        }
    }

    /// Sets the value, and wakes all waiters.
    ///
    /// # Errors
    ///
    /// [`AlreadySet`], with the new value, if there is a value already.
    ///
    /// # Examples
    ///
    /// ```
    /// let answer = toro::AsyncResult::new();
    /// assert_eq!(answer.set(1), Ok(()));
    /// assert_eq!(answer.set(2), Err(toro::AlreadySet(2)));
    /// ```
    pub fn set(&self, value: T) -> Result<(), AlreadySet<T>> {
        {
            let _line = self.line.lock();
            if self.is_set() {
                return Err(AlreadySet(value));
            }
            // SAFETY: nobody reads because the word is `UNSET`, and nobody else writes because the
            // lock is held.
            self.value.with_mut(|cell| unsafe { *cell = Some(value) });
            self.word.store(SET, Ordering::Release);
        }
        // Nobody joins the line any more, so all waiters in it are released.
        locked(&self.line, |line, wakes| line.grant_while(wakes, |()| true));
        Ok(())
    }

    /// Whether there is a value.
    ///
    /// # Examples
    ///
    /// ```
    /// let answer = toro::AsyncResult::new();
    /// answer.set(42)?;
    /// assert!(answer.is_set());
    /// # Ok::<(), toro::AlreadySet<u32>>(())
    /// ```
    #[doc(alias = "initialized")]
    #[inline]
    pub fn is_set(&self) -> bool {
        self.word.load(Ordering::Acquire) == SET
    }

    /// The value, if there is one.
    ///
    /// # Examples
    ///
    /// ```
    /// let answer = toro::AsyncResult::new();
    /// assert_eq!(answer.try_get(), None);
    /// answer.set(42)?;
    /// assert_eq!(answer.try_get(), Some(&42));
    /// # Ok::<(), toro::AlreadySet<u32>>(())
    /// ```
    #[inline]
    pub fn try_get(&self) -> Option<&T> {
        if !self.is_set() {
            return None;
        }
        // SAFETY: the word is `SET`.
        Some(unsafe { self.settled() })
    }

    /// Like [`try_get`](AsyncResult::try_get), but the reference keeps the result alive.
    ///
    /// # Examples
    ///
    /// ```
    /// let answer = std::sync::Arc::new(toro::AsyncResult::new());
    /// answer.set(42)?;
    /// let value = answer.try_get_owned().unwrap();
    /// drop(answer);
    /// assert_eq!(*value, 42);
    /// # Ok::<(), toro::AlreadySet<u32>>(())
    /// ```
    pub fn try_get_owned(self: &Arc<Self>) -> Option<OwnedValue<T>> {
        self.is_set().then(|| OwnedValue { result: Arc::clone(self) })
    }

    /// # Safety
    ///
    /// The caller has seen that the word is `SET`, or its wait was granted.
    #[inline]
    unsafe fn settled(&self) -> &T {
        // SAFETY: the value was written before the word, and before any grant. It is never written
        // again.
        self.value.with(|cell| unsafe { (*cell).as_ref().unwrap_unchecked() })
    }

    /// Waits for the value.
    ///
    /// # Cancel safety
    ///
    /// Dropping the wait loses nothing: reading does not consume the value.
    ///
    /// # Examples
    ///
    /// ```
    /// let answer = toro::AsyncResult::new();
    /// answer.set(42)?;
    /// assert_eq!(answer.get().wait(), &42);
    /// # Ok::<(), toro::AlreadySet<u32>>(())
    /// ```
    #[inline]
    pub fn get(&self) -> GetResult<'_, T> {
        Wait::new(Waiter::new(self, Getting(PhantomData)))
    }

    /// Like [`get`](AsyncResult::get), but the returned reference keeps the result alive and is
    /// `'static`.
    ///
    /// # Examples
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

    /// The number of waits in line at this moment.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(toro::AsyncResult::<u32>::new().waiting(), 0);
    /// ```
    pub fn waiting(&self) -> usize {
        self.line.lock().len()
    }

    /// Returns the value, if there is one.
    ///
    /// # Examples
    ///
    /// ```
    /// let answer = toro::AsyncResult::new();
    /// answer.set(42)?;
    /// assert_eq!(answer.into_inner(), Some(42));
    /// # Ok::<(), toro::AlreadySet<u32>>(())
    /// ```
    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }

    /// The value, if there is one. The exclusive borrow makes a lock unnecessary.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut answer = toro::AsyncResult::new();
    /// answer.set(42)?;
    /// *answer.get_mut().unwrap() += 1;
    /// assert_eq!(answer.into_inner(), Some(43));
    /// # Ok::<(), toro::AlreadySet<u32>>(())
    /// ```
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
    /// Its value is set.
    result: Arc<AsyncResult<T>>,
}

impl<T> Deref for OwnedValue<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: it was made when the word was `SET`, or after a grant.
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

/// A wait for the value of a result held as `H`.
pub struct Getting<H>(PhantomData<H>);

/// A reference to a result, and the reference to the value made from it.
pub trait Holder: PrimitiveRef<Target = AsyncResult<Self::Value>> {
    type Value;
    type Reference;

    /// # Safety
    ///
    /// The caller has seen that the word is `SET`, or its wait was granted.
    unsafe fn reference(self) -> Self::Reference;
}

impl<'a, T> Holder for &'a AsyncResult<T> {
    type Value = T;
    type Reference = &'a T;

    #[inline]
    unsafe fn reference(self) -> &'a T {
        // SAFETY: the caller upholds it.
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

// SAFETY: each primitive has one such list, in its mutex. No slot is accessed through `shared`.
unsafe impl<H: Holder> Operation for Getting<H> {
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

    /// The value was set, but the batch of this waiter has not come yet.
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
        // SAFETY: `attempt`, `enqueue` and `retry` grant only if the word is `SET`, and others
        // grant after they have set it.
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
