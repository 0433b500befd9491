//! [`Event`]: a flag to wait for.
//!
//! One word says whether the event is set and whether anyone waits. While nobody waits, setting and
//! clearing are one atomic operation each, and reading is one load. While someone waits, setting
//! happens under the lock. It wakes the waiters of the generations that have ended. So a task that
//! comes after a `clear` waits for the next `set`, however long the waking takes.

use std::fmt;
use std::marker::PhantomData;
use std::mem;
use std::num::NonZeroU32;
use std::sync::Arc;

use crate::core::{
    AtomicUsize, End, Entry, Handed, List, Mutex, Operation, Ordering, Position, PrimitiveRef,
    Start, Wait, Waiter, Wakes, const_fn, locked,
};
use crate::error::Timeout;

const SET: usize = 1;
/// Someone waits. Changes only under the lock.
const QUEUED: usize = 2;

/// A flag to wait for: all pass while it is set, all wait while it is clear.
///
/// Waiting for an event that is set costs one load. Waiting allocates nothing.
///
/// # Examples
///
/// ```
/// use toro::Event;
///
/// static READY: Event = Event::new();
///
/// let waiter = std::thread::spawn(|| READY.wait().wait());
/// READY.set();
/// waiter.join().unwrap();
/// assert!(READY.is_set());
/// ```
#[doc(alias("Notify", "ManualResetEvent", "Latch"))]
pub struct Event {
    word: AtomicUsize,
    line: Mutex<Line>,
}

/// The data behind the lock.
pub struct Line {
    waiters: List<Generation>,
    /// Counts the calls of `set` that found a waiter. Wraps around.
    generation: Generation,
}

/// Names the `set` that a waiter waits for, as a count that wraps around. Waiters of a generation
/// other than the current one have been released.
///
/// A waiter that stayed in line while the count wraps around would be taken for one of the current
/// generation. That cannot happen, because each `set` first releases the oldest waiters.
type Generation = NonZeroU32;

fn after(generation: Generation) -> Generation {
    generation.checked_add(1).unwrap_or(Generation::MIN)
}

/// Waits for an event.
pub type EventWait<'a> = Wait<Waiter<Happens<&'a Event>>>;
/// Waits for an event held by an `Arc`, and keeps it alive.
pub type EventWaitOwned = Wait<Waiter<Happens<Arc<Event>>>>;

impl Event {
    const_fn! {
        /// Creates an event that is not set.
        ///
        /// # Examples
        ///
        /// ```
        /// static READY: toro::Event = toro::Event::new();
        ///
        /// assert!(!READY.is_set());
        /// ```
        pub const fn new() -> Self {
            Event {
                word: AtomicUsize::new(0),
                line: Mutex::new(Line { waiters: List::new(), generation: Generation::MIN }),
            }
        }
    }

    /// Whether the event is set.
    ///
    /// # Examples
    ///
    /// ```
    /// let event = toro::Event::new();
    /// event.set();
    /// assert!(event.is_set());
    /// ```
    #[inline]
    pub fn is_set(&self) -> bool {
        self.word.load(Ordering::Acquire) & SET != 0
    }

    /// Sets the event and wakes all current waiters. While it is set, nobody waits.
    ///
    /// All current waiters pass, even if the event is cleared immediately. Tasks that come after
    /// that wait again.
    ///
    /// # Examples
    ///
    /// ```
    /// let event = toro::Event::new();
    /// event.set();
    /// event.wait().wait(); // Returns immediately.
    /// ```
    #[inline]
    #[doc(alias = "notify_waiters")]
    pub fn set(&self) {
        let mut word = self.word.load(Ordering::Relaxed);
        while word & QUEUED == 0 {
            // Written even if the event is set already: threads that see it set then also see what
            // happened before this call.
            match self.word.compare_exchange_weak(
                word,
                word | SET,
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(actual) => word = actual,
            }
        }
        self.set_and_wake();
    }

    #[cold]
    fn set_and_wake(&self) {
        let mut begun = false;
        locked(&self.line, |line, wakes| {
            if !mem::replace(&mut begun, true) {
                self.word.fetch_or(SET, Ordering::Release);
                line.generation = after(line.generation);
            }
            // Read again for each batch: another `set` may have begun in between.
            let present = line.generation;
            let step = line.waiters.grant_while(wakes, |generation| *generation != present);
            self.tidy(line);
            step
        });
    }

    /// Clears the event. From now on tasks wait for the next [`set`](Event::set).
    ///
    /// # Examples
    ///
    /// ```
    /// let event = toro::Event::new();
    /// event.set();
    /// event.clear();
    /// assert!(!event.is_set());
    /// ```
    #[inline]
    #[doc(alias = "reset")]
    pub fn clear(&self) {
        self.word.fetch_and(!SET, Ordering::AcqRel);
    }

    /// Waits until the event is set.
    ///
    /// # Cancel safety
    ///
    /// Dropping the wait loses nothing: waiting does not consume the event.
    ///
    /// # Examples
    ///
    /// ```
    /// let event = toro::Event::new();
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| event.wait().wait());
    ///     event.set();
    /// });
    /// ```
    #[inline]
    #[doc(alias("notified", "listen"))]
    pub fn wait(&self) -> EventWait<'_> {
        Wait::new(Waiter::new(self, Happens(PhantomData)))
    }

    /// Like [`wait`](Event::wait), but keeps the event alive, so the wait is `'static`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// let event = Arc::new(toro::Event::new());
    /// let wait = event.wait_owned();
    /// let waiter = std::thread::spawn(|| wait.wait());
    /// event.set();
    /// waiter.join().unwrap();
    /// ```
    #[inline]
    pub fn wait_owned(self: &Arc<Self>) -> EventWaitOwned {
        Wait::new(Waiter::new(Arc::clone(self), Happens(PhantomData)))
    }

    /// The number of waits in line at this moment.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(toro::Event::new().waiting(), 0);
    /// ```
    pub fn waiting(&self) -> usize {
        match self.word.load(Ordering::Relaxed) & QUEUED {
            0 => 0,
            _ => self.line.lock().waiters.len(),
        }
    }

    /// Under the lock: clears the mark when the list is empty.
    fn tidy(&self, line: &Line) {
        if line.waiters.is_empty() {
            self.word.fetch_and(!QUEUED, Ordering::Relaxed);
        }
    }
}

impl Default for Event {
    fn default() -> Self {
        Event::new()
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("set", &self.is_set())
            .field("waiting", &self.waiting())
            .finish()
    }
}

/// A wait for an event held as `H`.
pub struct Happens<H>(PhantomData<fn() -> H>);

// SAFETY: each primitive has one such list, in its mutex. No slot is accessed through `shared`.
#[expect(unsafe_code, reason = "the rules in `core` rely on the implementation")]
unsafe impl<H: PrimitiveRef<Target = Event>> Operation for Happens<H> {
    type PrimitiveRef = H;
    type Primitive = Event;
    type Shared = Line;
    type Slot = Generation;
    type Grant = ();
    type Output = ();
    type Timed = Result<(), Timeout>;

    fn shared(event: &Event) -> &Mutex<Line> {
        &event.line
    }

    fn list(line: &mut Line, _: Handed) -> &mut List<Generation> {
        &mut line.waiters
    }

    /// The event was set, but the batch of this waiter has not come yet. The thread that set it
    /// will tidy up.
    fn retry(
        &mut self,
        _: &Event,
        line: &mut Line,
        generation: &mut Generation,
        _: Position,
    ) -> bool {
        *generation != line.generation
    }

    fn granted(&mut self, _: &Event, _: Option<Generation>) {}

    fn give_back(&mut self, _: &Event, _: Option<Generation>) {}

    fn left(&mut self, event: &Event, line: &mut Line, _: Option<&Generation>) {
        event.tidy(line);
    }

    fn is_served(_: &Event, _: &mut Line, _: Position) -> bool {
        true
    }

    #[inline]
    fn finish(&mut self, _: H, (): ()) {}

    fn in_time((): ()) -> Self::Timed {
        Ok(())
    }

    fn expired(&mut self, _: H) -> Self::Timed {
        Err(Timeout)
    }
}

impl<H: PrimitiveRef<Target = Event>> Start for Happens<H> {
    #[inline]
    fn attempt(&mut self, event: &Event) -> Option<()> {
        event.is_set().then_some(())
    }

    fn enqueue(&mut self, event: &Event, line: &mut Line, _: &mut Wakes) -> Entry<(), Generation> {
        // Acquire: if the event is set, this thread must see what happened before.
        if event.word.fetch_or(QUEUED, Ordering::Acquire) & SET != 0 {
            event.tidy(line);
            return Entry::Ready(());
        }
        Entry::Queue(line.generation, End::Back)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::future::Future;
    use std::pin::{Pin, pin};
    use std::sync::Mutex;
    use std::task::{Context, Poll, Wake, Waker};

    use super::*;

    fn poll(wait: Pin<&mut EventWaitOwned>, waker: &Waker) -> Poll<()> {
        wait.poll(&mut Context::from_waker(waker))
    }

    /// Clears the event when it is woken, and waits for it again; then sets it, clears it, and
    /// waits once more.
    struct Meddler {
        event: Arc<Event>,
        waits: Mutex<[Pin<Box<EventWaitOwned>>; 2]>,
    }

    impl Meddler {
        fn poll(&self, wait: usize) -> Poll<()> {
            poll(self.waits.lock().unwrap()[wait].as_mut(), Waker::noop())
        }
    }

    impl Wake for Meddler {
        fn wake(self: Arc<Self>) {
            self.event.clear();
            assert!(self.poll(0).is_pending());
            self.event.set();
            self.event.clear();
            assert!(self.poll(1).is_pending());
        }
    }

    /// Forty are more than one batch: between two batches one comes whom another `set` lets go, and
    /// one whom nobody does.
    fn set_with_newcomers(event: &Arc<Event>, generation: Generation) {
        event.line.lock().generation = generation;
        let waits = Mutex::new([0, 1].map(|_| Box::pin(event.wait_owned())));
        let meddler = Arc::new(Meddler { event: event.clone(), waits });
        let mut first = pin!(event.wait_owned());
        assert!(poll(first.as_mut(), &meddler.clone().into()).is_pending());
        let mut others: Vec<_> = (1..40).map(|_| Box::pin(event.wait_owned())).collect();
        for other in &mut others {
            assert!(poll(other.as_mut(), Waker::noop()).is_pending());
        }
        event.set();
        assert!(poll(first, Waker::noop()).is_ready());
        for other in &mut others {
            assert!(poll(other.as_mut(), Waker::noop()).is_ready());
        }
        assert!(meddler.poll(0).is_ready());
        assert!(meddler.poll(1).is_pending());
        assert_eq!(event.waiting(), 1);
        event.set();
        assert!(meddler.poll(1).is_ready());
    }

    #[test]
    fn set_releases_its_waiters_and_no_newcomer() {
        let event = Arc::new(Event::new());
        set_with_newcomers(&event, Generation::MIN);
        assert_eq!(event.line.lock().generation.get(), 4);
    }

    #[test]
    fn generations_wrap_around() {
        let event = Arc::new(Event::new());
        set_with_newcomers(&event, Generation::MAX);
        assert_eq!(event.line.lock().generation.get(), 3);
    }
}
