//! [`Condition`]: news for those who wait now, and for nobody else.
//!
//! Each notification is spent on a waiter that is in line when it is given. A waiter that was
//! notified and leaves without having noticed passes its notification on to the next in line,
//! unless everyone had been notified.
//!
//! [`WaitOn`] waits on a condition without holding a lock meanwhile: it joins the line first and
//! releases the lock after, so that nothing said in between is missed, and takes the lock again
//! once it is notified.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::core::{
    AtomicUsize, End, Entry, Handed, List, Mutex, Operation, Ordering, PrimitiveRef, Start, Wait,
    Waiter, Waiting, Wakes, const_fn, locked, sealed,
};
use crate::error::Timeout;
use crate::lock::{self, Guard, Lock, OwnedGuard};
use crate::permits;

/// A place to wait for news that concern whatever its users agree on, mostly the value of a
/// [`Lock`].
///
/// Unlike an [`Event`](crate::Event) it has no state: who is not waiting when it is notified hears
/// nothing. So the state is looked at under a lock, and [`wait_on`](Condition::wait_on) joins the
/// line before it lets go of that.
///
/// ```
/// use toro::{Condition, Lock};
///
/// let (balance, changed) = (Lock::new(0), Condition::new());
/// std::thread::scope(|scope| {
///     scope.spawn(|| {
///         let mut guard = balance.acquire().wait();
///         while *guard < 10 {
///             guard = changed.wait_on(guard).wait();
///         }
///         *guard -= 10;
///     });
///     *balance.acquire().wait() += 10;
///     changed.notify_all();
/// });
/// assert_eq!(balance.into_inner(), 0);
/// ```
pub struct Condition {
    /// Not zero while someone waits; changes only under the lock.
    queued: AtomicUsize,
    line: Mutex<Line>,
}

/// What the lock guards.
pub struct Line {
    waiters: List<Notice>,
    /// Numbers the waiters in order of arrival.
    arrivals: u64,
}

/// A waiter's number, and what it has been told.
pub struct Notice {
    arrival: u64,
    told: Told,
}

/// To whom a notification was addressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Told {
    /// To one waiter: it must not be lost.
    One,
    /// To everyone.
    All,
}

/// Waits for a notification.
pub type Notified<'a> = Wait<Waiter<Listening<&'a Condition, ()>>>;
/// Waits for a notification of a counted condition, and keeps it alive.
pub type NotifiedOwned = Wait<Waiter<Listening<Arc<Condition>, ()>>>;
/// Waits for a notification, and then for the lock that was held before.
pub type WaitOnLock<'a, G> = Wait<WaitOn<'a, G>>;

impl Condition {
    const_fn! {
        /// A condition on which nobody waits.
        pub const fn new() -> Self {
            Condition {
                queued: AtomicUsize::new(0),
                line: Mutex::new(Line { waiters: List::new(), arrivals: 0 }),
            }
        }
    }

    /// Waits for a notification, from the first poll on.
    ///
    /// # Cancel safety
    ///
    /// Dropping the wait gives up the place in line. A notification to one waiter that had reached
    /// it goes to the next.
    pub fn wait(&self) -> Notified<'_> {
        Wait::new(Waiter::new(self, Listening(PhantomData)))
    }

    /// As [`wait`](Condition::wait), keeping the condition alive.
    pub fn wait_owned(self: &Arc<Self>) -> NotifiedOwned {
        Wait::new(Waiter::new(Arc::clone(self), Listening(PhantomData)))
    }

    /// Releases a lock, waits for a notification, and takes the lock again. It joins the line
    /// before the lock is released, so that no notification given by the next holder is missed.
    ///
    /// There are no spurious wake-ups; but others may hold the lock between the notification and
    /// its return, so what was waited for must be looked at again.
    ///
    /// # Errors
    ///
    /// If the wait is given an end it can expire, before it was notified or while it waits for the
    /// lock. Then the lock is not held.
    ///
    /// # Cancel safety
    ///
    /// Dropping the wait leaves the lock released; no notification is lost. Dropped before its
    /// first poll it releases the lock and has not waited.
    pub fn wait_on<G: Relock>(&self, guard: G) -> WaitOnLock<'_, G> {
        Wait::new(WaitOn {
            condition: self,
            heard: Heard { condition: self, told: None },
            notified: Waiter::new(self, Listening(PhantomData)),
            guard: Some(guard),
            relock: None,
        })
    }

    /// Notifies the `count` waiters that have waited longest, and returns how many there were.
    /// Those who come later are not notified, and neither are waits that have expired or were
    /// dropped.
    pub fn notify(&self, count: usize) -> usize {
        self.tell(count, Told::One)
    }

    /// Notifies everyone who waits now, and returns how many there were.
    pub fn notify_all(&self) -> usize {
        self.tell(usize::MAX, Told::All)
    }

    /// How many waits are in line at this moment.
    pub fn waiting(&self) -> usize {
        self.line.lock().waiters.len()
    }

    fn tell(&self, count: usize, told: Told) -> usize {
        // A read-modify-write, not a load: whoever joins after it sees what was done before this
        // notification.
        if self.queued.fetch_add(0, Ordering::AcqRel) == 0 {
            return 0;
        }
        let mut end = None;
        let mut notified = 0;
        locked(&self.line, |line, wakes| {
            let end = *end.get_or_insert(line.arrivals);
            let step = line.waiters.grant_while(wakes, |notice| {
                let may = notified < count && notice.arrival < end;
                if may {
                    notice.told = told;
                    notified += 1;
                }
                may
            });
            self.tidy(line);
            step
        });
        notified
    }

    /// Under the lock: nobody is queued when the list is empty.
    fn tidy(&self, line: &Line) {
        if line.waiters.is_empty() {
            self.queued.store(0, Ordering::Release);
        }
    }
}

impl Default for Condition {
    fn default() -> Self {
        Condition::new()
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condition").field("waiting", &self.waiting()).finish()
    }
}

/// The wait for a notification, which returns an `A`.
pub struct Listening<H, A>(PhantomData<fn() -> (H, A)>);

/// What a wait for a notification returns.
pub trait Answer {
    fn of(told: Told) -> Self;
}

impl Answer for () {
    fn of(_: Told) {}
}

impl Answer for Told {
    fn of(told: Told) -> Told {
        told
    }
}

impl<H: PrimitiveRef<Target = Condition>, A: Answer> Operation for Listening<H, A> {
    type PrimitiveRef = H;
    type Primitive = Condition;
    type Shared = Line;
    type Slot = Notice;
    type Grant = Told;
    type Output = A;
    type Timed = Result<A, Timeout>;

    fn shared(condition: &Condition) -> &Mutex<Line> {
        &condition.line
    }

    fn list(line: &mut Line, _: Handed) -> &mut List<Notice> {
        &mut line.waiters
    }

    fn granted(&mut self, _: &Condition, slot: Option<Notice>) -> Told {
        slot.map_or(Told::All, |notice| notice.told)
    }

    fn give_back(&mut self, condition: &Condition, slot: Option<Notice>) {
        if slot.is_some_and(|notice| notice.told == Told::One) {
            condition.notify(1);
        }
    }

    fn left(&mut self, condition: &Condition, line: &mut Line, _: Option<&Notice>) {
        condition.tidy(line);
    }

    fn finish(&mut self, _: H, told: Told) -> A {
        A::of(told)
    }

    fn in_time(output: A) -> Self::Timed {
        Ok(output)
    }

    fn expired(&mut self, _: H) -> Self::Timed {
        Err(Timeout)
    }
}

impl<H: PrimitiveRef<Target = Condition>, A: Answer> Start for Listening<H, A> {
    fn enqueue(
        &mut self,
        condition: &Condition,
        line: &mut Line,
        _: &mut Wakes,
    ) -> Entry<Told, Notice> {
        condition.queued.fetch_or(1, Ordering::AcqRel);
        let arrival = line.arrivals;
        line.arrivals += 1;
        Entry::Queue(Notice { arrival, told: Told::All }, End::Back)
    }
}

/// A guard that can be released and taken again: those of [`Lock`].
pub trait Relock: Sized + sealed::Sealed {
    #[doc(hidden)]
    type Acquire: Waiting<Output = Self, Timed = Result<Self, Timeout>>;
    /// Releases the lock, and waits for it from the first poll on.
    #[doc(hidden)]
    fn relock(self) -> Self::Acquire;
}

impl<T: ?Sized> sealed::Sealed for Guard<'_, T> {}
impl<T: ?Sized> sealed::Sealed for OwnedGuard<T> {}

impl<'a, T: ?Sized> Relock for Guard<'a, T> {
    type Acquire = Waiter<permits::Acquire<lock::Held<&'a Lock<T>>>>;

    fn relock(self) -> Self::Acquire {
        Waiter::new(Guard::lock(&self), permits::Acquire::new(1))
    }
}

impl<T: ?Sized> Relock for OwnedGuard<T> {
    type Acquire = Waiter<permits::Acquire<lock::Held<Arc<Lock<T>>>>>;

    fn relock(self) -> Self::Acquire {
        Waiter::new(Arc::clone(OwnedGuard::lock(&self)), permits::Acquire::new(1))
    }
}

/// What a waiter has been told and not yet acted upon: lost on the way to the lock, it goes to the
/// next.
struct Heard<'a> {
    condition: &'a Condition,
    told: Option<Told>,
}

impl Heard<'_> {
    /// From here on nothing is owed to others.
    fn arrived(&mut self) {
        self.told = Some(Told::All);
    }

    fn pass_on(&mut self) {
        if self.told.replace(Told::All) == Some(Told::One) {
            self.condition.notify(1);
        }
    }
}

impl Drop for Heard<'_> {
    fn drop(&mut self) {
        self.pass_on();
    }
}

pin_project! {
    /// The wait for a notification, and then for a lock.
    pub struct WaitOn<'a, G: Relock> {
        condition: &'a Condition,
        heard: Heard<'a>,
        #[pin]
        notified: Waiter<Listening<&'a Condition, Told>>,
        // Held until the first poll has joined the line.
        guard: Option<G>,
        #[pin]
        relock: Option<G::Acquire>,
    }
}

impl<G: Relock> sealed::Sealed for WaitOn<'_, G> {}

impl<G: Relock> Waiting for WaitOn<'_, G> {
    type Output = G;
    type Timed = Result<G, Timeout>;

    fn poll_wait(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<G> {
        let mut this = self.project();
        if this.heard.told.is_none() {
            let told = this.notified.poll_wait(cx);
            if let Some(guard) = this.guard.take() {
                this.relock.set(Some(guard.relock()));
            }
            this.heard.told = Some(ready!(told));
        }
        match this.relock.as_pin_mut() {
            Some(relock) => {
                let guard = ready!(relock.poll_wait(cx));
                this.heard.arrived();
                Poll::Ready(guard)
            }
            None => unreachable!("the lock is released at the first poll"),
        }
    }

    fn expire(self: Pin<&mut Self>) -> Self::Timed {
        let this = self.project();
        if this.heard.told.is_none() {
            this.heard.told = Some(this.notified.expire()?);
        }
        match this.relock.as_pin_mut() {
            Some(relock) => {
                let outcome = relock.expire();
                match outcome {
                    Ok(_) => this.heard.arrived(),
                    Err(Timeout) => this.heard.pass_on(),
                }
                outcome
            }
            None => Err(Timeout),
        }
    }

    fn in_time(guard: G) -> Self::Timed {
        Ok(guard)
    }
}
