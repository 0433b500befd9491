//! [`Handoff`]: a monitor that hands values directly to its waiters.
//!
//! One lock guards the state and the waiters. So checking the state and queueing are one step, and
//! so are changing the state and handing over values. A value lies in the node of its waiter from
//! the moment it is handed over, and nothing is allocated.
//!
//! A call can hand over more values than one batch of wakers holds. The remaining waiters move,
//! with their values, to a second list under the same lock, and are woken batch by batch after it
//! is released. A waiter that is polled before its batch finds its value there.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use crate::core::{
    End, Entry, Handed, List, Mutex, Operation, PrimitiveRef, Start, Step, Wait, Waiter, Wakes,
    const_fn, locked_quietly,
};
use crate::error::Timeout;

/// A short lock around a state, with waiters who are handed values directly.
///
/// Pools are built on this. A caller that returns an object hands it to the oldest waiter, or puts
/// it back into the state. A caller that wants an object takes it from the state, or queues. Each
/// is one step.
///
/// # Examples
///
/// ```
/// use toro::{Handoff, Take};
///
/// let pool = Handoff::new(vec!["a"]);
/// let take = |idle: &mut Vec<_>, waiters: &mut toro::Waiters<'_, _>| match idle.pop() {
///     // Nobody waits longer: take it.
///     Some(item) if waiters.is_empty() => Take::Ready(item),
///     Some(item) => { idle.push(item); Take::Queue }
///     None => Take::Queue,
/// };
/// let check_in = |item| pool.with(|idle, waiters| {
///     if let Err(item) = waiters.hand_off(item) {
///         idle.push(item);
///     }
/// });
///
/// let item = pool.wait(take).wait();
/// std::thread::scope(|scope| {
///     let waiter = scope.spawn(|| pool.wait(take).wait());
///     check_in(item);
///     assert_eq!(waiter.join().unwrap(), "a");
/// });
/// ```
#[doc(alias("Pool", "Monitor"))]
pub struct Handoff<S, T> {
    shared: Mutex<Shared<S, T>>,
}

/// The data behind the lock.
pub struct Shared<S, T> {
    state: S,
    waiting: List<Value<T>>,
    /// Waiters that have their value but were not woken yet.
    handed: List<Value<T>>,
}

/// The value handed to a waiter, or `None` before that.
pub struct Value<T>(Option<T>);

/// The decision of a new waiter, made under the lock of a [`Handoff`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Take<T> {
    /// It has its value, and does not wait.
    Ready(T),
    /// It queues behind all waiters.
    Queue,
}

/// The waiters of a [`Handoff`], oldest first, while its lock is held.
pub struct Waiters<'a, T> {
    waiting: &'a mut List<Value<T>>,
    handed: &'a mut List<Value<T>>,
    wakes: &'a mut Wakes,
}

/// Waits to be handed a value.
pub type HandoffWait<'a, S, T, F> = Wait<Waiter<Handing<&'a Handoff<S, T>, F>>>;
/// Waits to be handed a value, and keeps a [`Handoff`] held by an `Arc` alive.
pub type HandoffWaitOwned<S, T, F> = Wait<Waiter<Handing<Arc<Handoff<S, T>>, F>>>;

impl<T> Waiters<'_, T> {
    /// The number of waiters.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = toro::Handoff::<(), u8>::new(());
    /// assert_eq!(pool.with(|(), waiters| waiters.len()), 0);
    /// ```
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nobody waits.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = toro::Handoff::<(), u8>::new(());
    /// assert!(pool.with(|(), waiters| waiters.is_empty()));
    /// ```
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Hands a value to the oldest waiter, who is woken after the lock is released.
    ///
    /// # Errors
    ///
    /// Returns the value if nobody waits.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = toro::Handoff::new(Vec::new());
    /// pool.with(|idle, waiters| {
    ///     if let Err(item) = waiters.hand_off("item") {
    ///         idle.push(item);
    ///     }
    /// });
    /// assert_eq!(pool.with_state(|idle, _| idle.len()), 1);
    /// ```
    pub fn hand_off(&mut self, value: T) -> Result<(), T> {
        let Some(place) = self.waiting.front() else { return Err(value) };
        *place = Value(Some(value));
        if self.wakes.is_full() {
            #[expect(unsafe_code, reason = "the lists are two parts of one line")]
            // SAFETY: both lists lie in the same mutex, and the slot has its value.
            unsafe {
                self.waiting.move_front_to(self.handed);
            }
        } else {
            self.waiting.grant_front(self.wakes);
        }
        Ok(())
    }

    /// Hands a value to every current waiter, and returns how many there were.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = toro::Handoff::<(), Result<u8, &str>>::new(());
    /// // Tells all waiters that nothing more comes.
    /// let count = pool.with(|(), waiters| waiters.hand_off_all(|| Err("closed")));
    /// assert_eq!(count, 0);
    /// ```
    pub fn hand_off_all(&mut self, mut value: impl FnMut() -> T) -> usize {
        let count = self.len();
        for _ in 0..count {
            // Nobody leaves while the lock is held, so there are `count` waiters.
            let _ = self.hand_off(value());
        }
        count
    }
}

impl<T> fmt::Debug for Waiters<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiters").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl<S, T> Handoff<S, T> {
    const_fn! {
        /// Creates a monitor around `state`.
        ///
        /// # Examples
        ///
        /// ```
        /// static IDLE: toro::Handoff<Vec<u8>, u8> = toro::Handoff::new(Vec::new());
        ///
        /// assert_eq!(IDLE.with_state(|idle, _| idle.pop()), None);
        /// ```
        pub const fn new(state: S) -> Self {
            Handoff {
                shared: Mutex::new(Shared { state, waiting: List::new(), handed: List::new() }),
            }
        }
    }

    /// Runs `f` under the lock. `f` may change the state and hand values to the oldest waiters, who
    /// are woken after the lock is released.
    ///
    /// `f` must be short. It must not block. It must not use the same `Handoff`, because it would
    /// wait for itself. If it panics, the lock is released, and values that it handed over stay
    /// handed over.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = toro::Handoff::<_, &str>::new(vec!["a"]);
    /// let (idle, waiting) = pool.with(|idle, waiters| (idle.len(), waiters.len()));
    /// assert_eq!((idle, waiting), (1, 0));
    /// ```
    pub fn with<R>(&self, f: impl FnOnce(&mut S, &mut Waiters<'_, T>) -> R) -> R {
        let mut wakes = Wakes::new();
        let mut shared = self.shared.lock();
        let result = shared.run(&mut wakes, f);
        let step = shared.deliver(&mut wakes);
        drop(shared);
        // Quietly: the result may hold what was taken from the state.
        wakes.finish_quietly();
        if step == Step::Again {
            locked_quietly(&self.shared, |shared, wakes| shared.deliver(wakes));
        }
        result.unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// Runs `f` under the lock. `f` may change the state, and gets the number of waiters. It hands
    /// nothing over.
    ///
    /// This costs half as much as [`with`](Handoff::with), because it prepares no wake-ups. But if
    /// others wait, a caller that takes from the state or puts something back here passes them
    /// over. So check the number first, and use [`wait`](Handoff::wait) or `with` if it is not
    /// zero.
    ///
    /// `f` follows the rules of `with`. If it panics, the lock is released.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = toro::Handoff::<_, &str>::new(vec!["a"]);
    /// let item = pool.with_state(|idle, waiting| if waiting == 0 { idle.pop() } else { None });
    /// assert_eq!(item, Some("a"));
    /// ```
    #[inline]
    pub fn with_state<R>(&self, f: impl FnOnce(&mut S, usize) -> R) -> R {
        let mut shared = self.shared.lock();
        let Shared { state, waiting, .. } = &mut *shared;
        f(state, waiting.len())
    }

    /// Takes a value, or waits for one to be handed over.
    ///
    /// `take` runs under the lock at the first poll, with the same rules as for
    /// [`with`](Handoff::with). It decides whether to take from the state or to
    /// [queue](Take::Queue). It is also called when others wait. To keep the order, check
    /// [`Waiters::is_empty`] first. To refuse when too many wait, check [`Waiters::len`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the wait gives up the place in line. A value that had been handed over is dropped
    /// with it, not under the lock. Let the value's own `Drop` return it to the pool.
    ///
    /// # Examples
    ///
    /// ```
    /// use toro::{Handoff, Take};
    ///
    /// let pool = Handoff::new(vec!["a"]);
    /// let item = pool.wait(|idle, waiters| match idle.pop() {
    ///     Some(item) if waiters.is_empty() => Take::Ready(item),
    ///     Some(item) => { idle.push(item); Take::Queue }
    ///     None => Take::Queue,
    /// });
    /// assert_eq!(item.wait(), "a");
    /// ```
    #[inline]
    pub fn wait<F>(&self, take: F) -> HandoffWait<'_, S, T, F>
    where
        F: FnOnce(&mut S, &mut Waiters<'_, T>) -> Take<T>,
    {
        Wait::new(Waiter::new(self, Handing { take: Some(take), primitive_ref: PhantomData }))
    }

    /// Like [`wait`](Handoff::wait), but keeps the monitor alive.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use toro::{Handoff, Take};
    ///
    /// let pool = Arc::new(Handoff::new(vec!["a"]));
    /// let wait = pool.wait_owned(|idle: &mut Vec<&str>, _: &mut toro::Waiters<'_, _>| {
    ///     idle.pop().map_or(Take::Queue, Take::Ready)
    /// });
    /// assert_eq!(std::thread::spawn(|| wait.wait()).join().unwrap(), "a");
    /// ```
    #[inline]
    pub fn wait_owned<F>(self: &Arc<Self>, take: F) -> HandoffWaitOwned<S, T, F>
    where
        F: FnOnce(&mut S, &mut Waiters<'_, T>) -> Take<T>,
    {
        Wait::new(Waiter::new(
            Arc::clone(self),
            Handing { take: Some(take), primitive_ref: PhantomData },
        ))
    }
}

impl<S, T> Shared<S, T> {
    /// Runs the caller's code under the lock. Returns its panic as an error, so that values already
    /// handed over are delivered first.
    fn run<R>(
        &mut self,
        wakes: &mut Wakes,
        f: impl FnOnce(&mut S, &mut Waiters<'_, T>) -> R,
    ) -> Result<R, Panic> {
        let Shared { state, waiting, handed } = self;
        catch_unwind(AssertUnwindSafe(|| f(state, &mut Waiters { waiting, handed, wakes })))
    }

    /// Grants the waiters that have their value, until the batch is full.
    fn deliver(&mut self, wakes: &mut Wakes) -> Step {
        self.handed.grant_while(wakes, |_| true)
    }
}

impl<S: Default, T> Default for Handoff<S, T> {
    fn default() -> Self {
        Handoff::new(S::default())
    }
}

impl<S, T> fmt::Debug for Handoff<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = self.shared.lock().waiting.len();
        f.debug_struct("Handoff").field("waiting", &waiting).finish_non_exhaustive()
    }
}

type Panic = Box<dyn Any + Send>;

/// A wait for a value of a [`Handoff`] held as `H`.
pub struct Handing<H, F> {
    take: Option<F>,
    primitive_ref: PhantomData<fn() -> H>,
}

// SAFETY: both lists lie in the one mutex. A node moves to the second list when its slot gets a
// value, and a waiter joins without one.
#[expect(unsafe_code, reason = "the rules in `core` rely on the implementation")]
unsafe impl<S, T, H: PrimitiveRef<Target = Handoff<S, T>>, F> Operation for Handing<H, F> {
    type PrimitiveRef = H;
    type Primitive = Handoff<S, T>;
    type Shared = Shared<S, T>;
    type Slot = Value<T>;
    type Grant = Result<T, Panic>;
    type Output = T;
    type Timed = Result<T, Timeout>;

    fn shared(handoff: &Handoff<S, T>) -> &Mutex<Shared<S, T>> {
        &handoff.shared
    }

    fn list(shared: &mut Shared<S, T>, handed: Handed) -> &mut List<Value<T>> {
        match handed {
            Handed::No => &mut shared.waiting,
            Handed::Yes => &mut shared.handed,
        }
    }

    fn handed(slot: &Value<T>) -> Handed {
        if slot.0.is_some() { Handed::Yes } else { Handed::No }
    }

    fn granted(&mut self, _: &Handoff<S, T>, slot: Option<Value<T>>) -> Self::Grant {
        match slot {
            Some(Value(Some(value))) => Ok(value),
            _ => Err(Box::new("a waiter was granted without a value")),
        }
    }

    fn give_back(&mut self, _: &Handoff<S, T>, slot: Option<Value<T>>) {
        drop(slot);
    }

    fn serve(_: &Handoff<S, T>, shared: &mut Shared<S, T>, wakes: &mut Wakes) -> Step {
        shared.deliver(wakes)
    }

    #[inline]
    fn finish(&mut self, _: H, grant: Self::Grant) -> T {
        grant.unwrap_or_else(|panic| resume_unwind(panic))
    }

    #[inline]
    fn in_time(value: T) -> Self::Timed {
        Ok(value)
    }

    fn expired(&mut self, _: H) -> Self::Timed {
        Err(Timeout)
    }
}

impl<S, T, H, F> Start for Handing<H, F>
where
    H: PrimitiveRef<Target = Handoff<S, T>>,
    F: FnOnce(&mut S, &mut Waiters<'_, T>) -> Take<T>,
{
    fn enqueue(
        &mut self,
        _: &Handoff<S, T>,
        shared: &mut Shared<S, T>,
        wakes: &mut Wakes,
    ) -> Entry<Self::Grant, Value<T>> {
        let Some(take) = self.take.take() else {
            // Not reached: a wait asks to join the line once.
            return Entry::Ready(Err(Box::new("a wait joined the line twice")));
        };
        match shared.run(wakes, take) {
            Ok(Take::Ready(value)) => Entry::Ready(Ok(value)),
            Ok(Take::Queue) => Entry::Queue(Value(None), End::Back),
            Err(panic) => Entry::Ready(Err(panic)),
        }
    }
}
