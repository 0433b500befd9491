//! [`Condition`]: notifies the tasks and threads that wait at that moment.
//!
//! Each notification goes to a waiter that is in line when it is given. A notified waiter that
//! leaves before it noticed passes the notification to the next in line, unless all were notified.
//!
//! [`WaitOn`] releases a lock while it waits on a condition. It joins the line first and releases
//! the lock afterwards, so it misses no notification in between. It takes the lock again once it is
//! notified.

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

/// A condition variable: waits for a change of state, usually of a value behind a [`Lock`].
///
/// Unlike an [`Event`](crate::Event), a condition has no state: a notification reaches only those
/// who already wait. So check the state under a lock, and wait with
/// [`wait_on`](Condition::wait_on), which joins the line before it releases the lock.
///
/// # Examples
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
#[doc(alias("Notify", "Condvar"))]
pub struct Condition {
    /// Not zero while someone waits. Changes only under the lock.
    queued: AtomicUsize,
    line: Mutex<Line>,
}

/// The data behind the lock.
pub struct Line {
    waiters: List<Notice>,
    /// Numbers the waiters in order of arrival.
    arrivals: u64,
}

/// A waiter's number, and the notification that it got.
pub struct Notice {
    arrival: u64,
    addressee: Addressee,
}

/// To whom a notification is addressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Addressee {
    /// One waiter: it must not be lost.
    One,
    /// All waiters.
    All,
}

/// Waits for a notification.
pub type Notified<'a> = Wait<Waiter<Listening<&'a Condition, ()>>>;
/// Waits for a notification of a condition held by an `Arc`, and keeps it alive.
pub type NotifiedOwned = Wait<Waiter<Listening<Arc<Condition>, ()>>>;
/// Waits for a notification, and then for the lock that was released meanwhile.
pub type WaitOnLock<'a, G> = Wait<WaitOn<'a, G>>;

impl Condition {
    const_fn! {
        /// Creates a condition on which nobody waits.
        ///
        /// # Examples
        ///
        /// ```
        /// static CHANGED: toro::Condition = toro::Condition::new();
        ///
        /// assert_eq!(CHANGED.waiting(), 0);
        /// ```
        pub const fn new() -> Self {
            Condition {
                queued: AtomicUsize::new(0),
                line: Mutex::new(Line { waiters: List::new(), arrivals: 0 }),
            }
        }
    }

    /// Waits for a notification. The wait joins the line at its first poll.
    ///
    /// # Cancel safety
    ///
    /// Dropping the wait gives up the place in line. A notification for one waiter that had reached
    /// it goes to the next.
    ///
    /// # Examples
    ///
    /// ```
    /// use toro::Condition;
    ///
    /// let condition = Condition::new();
    /// std::thread::scope(|scope| {
    ///     let waiter = scope.spawn(|| condition.wait().wait());
    ///     while condition.notify(1) == 0 {
    ///         std::thread::yield_now(); // The thread does not wait yet.
    ///     }
    ///     waiter.join().unwrap();
    /// });
    /// ```
    #[doc(alias = "notified")]
    pub fn wait(&self) -> Notified<'_> {
        Wait::new(Waiter::new(self, Listening(PhantomData)))
    }

    /// Like [`wait`](Condition::wait), but keeps the condition alive, so the wait is `'static`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{sync::Arc, time::Duration};
    /// use toro::{Condition, Timeout};
    ///
    /// let condition = Arc::new(Condition::new());
    /// let wait = condition.wait_owned();
    /// assert_eq!(wait.wait_timeout(Duration::from_millis(1)), Err(Timeout));
    /// ```
    pub fn wait_owned(self: &Arc<Self>) -> NotifiedOwned {
        Wait::new(Waiter::new(Arc::clone(self), Listening(PhantomData)))
    }

    /// Releases a lock, waits for a notification, and takes the lock again.
    ///
    /// The wait joins the line before the lock is released, so it misses no notification by the
    /// next holder. There are no spurious wake-ups. But others may hold the lock between the
    /// notification and the return, so check the state again.
    ///
    /// # Errors
    ///
    /// A wait with a time limit can expire before the notification, or while it waits for the lock.
    /// Then the lock is not held.
    ///
    /// # Cancel safety
    ///
    /// Dropping the wait leaves the lock released, and no notification is lost. A wait that is
    /// dropped before its first poll releases the lock without waiting.
    ///
    /// # Examples
    ///
    /// ```
    /// use toro::{Condition, Lock};
    ///
    /// let (ready, changed) = (Lock::new(false), Condition::new());
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| {
    ///         *ready.acquire().wait() = true;
    ///         changed.notify_all();
    ///     });
    ///     let mut guard = ready.acquire().wait();
    ///     while !*guard {
    ///         guard = changed.wait_on(guard).wait();
    ///     }
    /// });
    /// ```
    pub fn wait_on<G: Relock>(&self, guard: G) -> WaitOnLock<'_, G> {
        Wait::new(WaitOn {
            condition: self,
            received: Received { condition: self, addressee: None },
            notified: Waiter::new(self, Listening(PhantomData)),
            guard: Some(guard),
            relock: None,
        })
    }

    /// Notifies the `count` oldest waiters, and returns how many it notified.
    ///
    /// Later waiters are not notified, and neither are waits that expired or were dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(toro::Condition::new().notify(1), 0); // Nobody waits.
    /// ```
    #[doc(alias("notify_one", "notify_n"))]
    pub fn notify(&self, count: usize) -> usize {
        self.notify_first(count, Addressee::One)
    }

    /// Notifies all current waiters, and returns how many there were.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(toro::Condition::new().notify_all(), 0); // Nobody waits.
    /// ```
    #[doc(alias("notify_waiters", "broadcast"))]
    pub fn notify_all(&self) -> usize {
        self.notify_first(usize::MAX, Addressee::All)
    }

    /// The number of waits in line at this moment.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(toro::Condition::new().waiting(), 0);
    /// ```
    pub fn waiting(&self) -> usize {
        self.line.lock().waiters.len()
    }

    fn notify_first(&self, count: usize, addressee: Addressee) -> usize {
        // A read-modify-write instead of a load: a waiter that joins after it sees everything done
        // before this notification.
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
                    notice.addressee = addressee;
                    notified += 1;
                }
                may
            });
            self.tidy(line);
            step
        });
        notified
    }

    /// Under the lock: clears the mark when the list is empty.
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

/// A wait for a notification, which returns an `A`.
pub struct Listening<H, A>(PhantomData<fn() -> (H, A)>);

/// The result of a wait for a notification.
pub trait Answer {
    fn of(addressee: Addressee) -> Self;
}

impl Answer for () {
    fn of(_: Addressee) {}
}

impl Answer for Addressee {
    fn of(addressee: Addressee) -> Addressee {
        addressee
    }
}

// SAFETY: each primitive has one such list, in its mutex. No slot is accessed through `shared`.
#[expect(unsafe_code, reason = "the rules in `core` rely on the implementation")]
unsafe impl<H: PrimitiveRef<Target = Condition>, A: Answer> Operation for Listening<H, A> {
    type PrimitiveRef = H;
    type Primitive = Condition;
    type Shared = Line;
    type Slot = Notice;
    type Grant = Addressee;
    type Output = A;
    type Timed = Result<A, Timeout>;

    fn shared(condition: &Condition) -> &Mutex<Line> {
        &condition.line
    }

    fn list(line: &mut Line, _: Handed) -> &mut List<Notice> {
        &mut line.waiters
    }

    fn granted(&mut self, _: &Condition, slot: Option<Notice>) -> Addressee {
        slot.map_or(Addressee::All, |notice| notice.addressee)
    }

    fn give_back(&mut self, condition: &Condition, slot: Option<Notice>) {
        if slot.is_some_and(|notice| notice.addressee == Addressee::One) {
            condition.notify(1);
        }
    }

    fn left(&mut self, condition: &Condition, line: &mut Line, _: Option<&Notice>) {
        condition.tidy(line);
    }

    fn finish(&mut self, _: H, addressee: Addressee) -> A {
        A::of(addressee)
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
    ) -> Entry<Addressee, Notice> {
        condition.queued.fetch_or(1, Ordering::AcqRel);
        let arrival = line.arrivals;
        line.arrivals += 1;
        Entry::Queue(Notice { arrival, addressee: Addressee::All }, End::Back)
    }
}

/// A guard that can be released and taken again: [`Guard`] and [`OwnedGuard`].
pub trait Relock: Sized + sealed::Sealed {
    #[doc(hidden)]
    type Acquire: Waiting<Output = Self, Timed = Result<Self, Timeout>>;
    /// Releases the lock. The returned wait takes it again.
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

/// A notification that its waiter has not acted upon. If the waiter fails to get the lock, the
/// notification goes to the next.
struct Received<'a> {
    condition: &'a Condition,
    addressee: Option<Addressee>,
}

impl Received<'_> {
    /// Keeps the notification: the waiter has got its lock.
    fn arrived(&mut self) {
        self.addressee = Some(Addressee::All);
    }

    fn pass_on(&mut self) {
        if self.addressee.replace(Addressee::All) == Some(Addressee::One) {
            self.condition.notify(1);
        }
    }
}

impl Drop for Received<'_> {
    fn drop(&mut self) {
        self.pass_on();
    }
}

pin_project! {
    /// A wait for a notification, and then for a lock.
    pub struct WaitOn<'a, G: Relock> {
        condition: &'a Condition,
        received: Received<'a>,
        #[pin]
        notified: Waiter<Listening<&'a Condition, Addressee>>,
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
        if this.received.addressee.is_none() {
            let addressee = this.notified.poll_wait(cx);
            if let Some(guard) = this.guard.take() {
                this.relock.set(Some(guard.relock()));
            }
            this.received.addressee = Some(ready!(addressee));
        }
        match this.relock.as_pin_mut() {
            Some(relock) => {
                let guard = ready!(relock.poll_wait(cx));
                this.received.arrived();
                Poll::Ready(guard)
            }
            None => unreachable!("the lock is released at the first poll"),
        }
    }

    fn expire(self: Pin<&mut Self>) -> Self::Timed {
        let this = self.project();
        if this.received.addressee.is_none() {
            this.received.addressee = Some(this.notified.expire()?);
        }
        match this.relock.as_pin_mut() {
            Some(relock) => {
                let outcome = relock.expire();
                match outcome {
                    Ok(_) => this.received.arrived(),
                    Err(Timeout) => this.received.pass_on(),
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
