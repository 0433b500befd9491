//! [`Handoff`]: a monitor whose waiters are handed what they wait for.
//!
//! State and waiters are under one lock, so that looking and queueing are one step, and so are
//! changing the state and handing values on. A value lies in the node of its waiter from the moment
//! it is handed over; nothing is allocated. A call can hand over more values than there is room for
//! wakers in a batch: the waiters beyond it are moved, with their values, to a second list under
//! the same lock, and woken batch by batch after it is released. Whichever of them looks before its
//! turn simply finds its value.

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

/// A short lock around a state, and a line of waiters who are handed values directly.
///
/// This is what a pool is made of: whoever returns something either hands it to the oldest waiter
/// or puts it back into the state, and whoever wants something either takes it from the state or
/// queues; each in one step.
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
pub struct Handoff<S, T> {
    shared: Mutex<Shared<S, T>>,
}

/// What the lock guards.
pub struct Shared<S, T> {
    state: S,
    waiting: List<Value<T>>,
    /// Waiters that have their value but were not woken yet.
    handed: List<Value<T>>,
}

/// What was handed to a waiter, once it was.
pub struct Value<T>(Option<T>);

/// What a newcomer does, decided under the lock of a [`Handoff`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Take<T> {
    /// It has what it came for, and does not wait.
    Ready(T),
    /// It queues behind all who wait.
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
/// Waits to be handed a value, and keeps the counted [`Handoff`] alive.
pub type HandoffWaitOwned<S, T, F> = Wait<Waiter<Handing<Arc<Handoff<S, T>>, F>>>;

impl<T> Waiters<'_, T> {
    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Hands a value to the oldest waiter, who is woken after the lock is released.
    ///
    /// # Errors
    ///
    /// Gives the value back if nobody waits.
    pub fn hand_off(&mut self, value: T) -> Result<(), T> {
        let Some(place) = self.waiting.front() else { return Err(value) };
        *place = Value(Some(value));
        match self.wakes.is_full() {
            true => self.waiting.move_front_to(self.handed),
            false => {
                self.waiting.grant_front(self.wakes);
            }
        }
        Ok(())
    }

    /// Hands a value to everyone who waits now, and returns how many that were.
    pub fn hand_off_all(&mut self, mut value: impl FnMut() -> T) -> usize {
        let count = self.len();
        for _ in 0..count {
            // Under the lock nobody leaves: there are `count` waiters.
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
        /// A monitor around `state`.
        pub const fn new(state: S) -> Self {
            Handoff { shared: Mutex::new(Shared { state, waiting: List::new(), handed: List::new() }) }
        }
    }

    /// Runs `f` under the lock, where it may change the state and hand values to the oldest
    /// waiters. The waiters are woken after the lock is released.
    ///
    /// `f` must be short. It must not block, and not use this `Handoff` again, which it would wait
    /// for forever. If it panics the lock is released, and what it has handed over stays handed
    /// over.
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

    /// Runs `f` under the lock, where it may change the state, and is told how many wait; it hands
    /// nothing over.
    ///
    /// The short way for what concerns nobody who waits, where half of the cost of
    /// [`with`](Handoff::with) is to be ready to wake. Whoever takes from the state here, or
    /// puts back into it, while others wait, passes them over: look at the number first, and
    /// where it is not zero go the way of [`wait`](Handoff::wait) or `with`.
    ///
    /// ```
    /// let pool = toro::Handoff::<_, &str>::new(vec!["a"]);
    /// let item = pool.with_state(|idle, waiting| if waiting == 0 { idle.pop() } else { None });
    /// assert_eq!(item, Some("a"));
    /// ```
    ///
    /// `f` follows the rules of `with`. If it panics the lock is released.
    #[inline]
    pub fn with_state<R>(&self, f: impl FnOnce(&mut S, usize) -> R) -> R {
        let mut shared = self.shared.lock();
        let Shared { state, waiting, .. } = &mut *shared;
        f(state, waiting.len())
    }

    /// Takes what one came for, or waits for it to be handed over.
    ///
    /// `take` runs under the lock at the first poll, with the same rules as for
    /// [`with`](Handoff::with), and decides: it may take from the state, or
    /// [queue](Take::Queue). It is asked whether or not others wait; so as not to overtake them
    /// it looks at [`Waiters::is_empty`] first, and to refuse when too many wait, at
    /// [`Waiters::len`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the wait gives up the place in line. A value that had been handed over is dropped
    /// with it, not under the lock: let the value's own `Drop` bring it back.
    #[inline]
    pub fn wait<F>(&self, take: F) -> HandoffWait<'_, S, T, F>
    where
        F: FnOnce(&mut S, &mut Waiters<'_, T>) -> Take<T>,
    {
        Wait::new(Waiter::new(self, Handing { take: Some(take), primitive_ref: PhantomData }))
    }

    /// As [`wait`](Handoff::wait), keeping the counted monitor alive.
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
    /// Runs the caller's code under the lock. A panic is carried out of it, so that values already
    /// handed over are delivered first.
    fn run<R>(
        &mut self,
        wakes: &mut Wakes,
        f: impl FnOnce(&mut S, &mut Waiters<'_, T>) -> R,
    ) -> Result<R, Panic> {
        let Shared { state, waiting, handed } = self;
        catch_unwind(AssertUnwindSafe(|| f(state, &mut Waiters { waiting, handed, wakes })))
    }

    /// Grants those who have their value, as far as the batch goes.
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

/// The wait for a value of a [`Handoff`] held through `H`.
pub struct Handing<H, F> {
    take: Option<F>,
    primitive_ref: PhantomData<fn() -> H>,
}

impl<S, T, H: PrimitiveRef<Target = Handoff<S, T>>, F> Operation for Handing<H, F> {
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
        // Asked once: the operation joins the line at most once.
        let Some(take) = self.take.take() else { return Entry::Queue(Value(None), End::Back) };
        match shared.run(wakes, take) {
            Ok(Take::Ready(value)) => Entry::Ready(Ok(value)),
            Ok(Take::Queue) => Entry::Queue(Value(None), End::Back),
            Err(panic) => Entry::Ready(Err(panic)),
        }
    }
}
