//! The algorithm of the semaphore. `Semaphore`, `BoundedSemaphore`, `Lock` and `RwLock` are built
//! on it.
//!
//! One word holds everything that an uncontended operation needs:
//!
//! | bits | field | meaning |
//! | --- | --- | --- |
//! | 0 | QUEUED | someone waits; changes only under the lock of the line |
//! | 1 | CLOSED | no more permits are given out |
//! | 2 | NUDGED | the oldest waiter was woken to take permits itself, and has not been polled yet |
//! | 8..24 | budget | newcomers that may overtake the oldest waiter; zero while nobody waits |
//! | 24..64 | count | free permits; negative after a `resize` below the number held |
//!
//! While nobody waits, acquiring is one compare-and-swap and releasing is one addition. Once QUEUED
//! is set, newcomers queue too, and a release hands its permits to the oldest waiter under the
//! lock. So the line is strictly first in, first out. Permits that are too few for the oldest
//! waiter stay in the word, so a waiter that gives up has nothing to undo.
//!
//! A barging semaphore differs only in the budget of each new oldest waiter. While the budget
//! lasts, a release only *nudges* the oldest waiter, and a newcomer that finds a permit may take it
//! for one unit of the budget. Releases that find NUDGED set do not take the lock. When the budget
//! is spent, the next release hands its permits over directly.
//!
//! No wake-up is lost between an addition without the lock and a waiter that queues, because both
//! are read-modify-writes of the same word. If the addition comes first, the waiter's
//! compare-and-swap of QUEUED sees the permits and takes them. If it comes second, it sees QUEUED
//! and serves the line under the lock.

mod acquire;

pub(crate) use acquire::{Acquire, PermitUse};

use crate::core::{
    AtomicU64, End, Entry, List, Mutex, Ordering, Position, Step, Wakes, const_fn, locked, served,
    wake_alone,
};

const QUEUED: u64 = 1;
const CLOSED: u64 = 1 << 1;
const NUDGED: u64 = 1 << 2;
const BUDGET_SHIFT: u32 = 8;
const BUDGET_ONE: u64 = 1 << BUDGET_SHIFT;
const BUDGET: u64 = 0xffff << BUDGET_SHIFT;
const COUNT_SHIFT: u32 = 24;

/// The bits of the word that are set only while someone waits.
const LINE: u64 = QUEUED | NUDGED | BUDGET;

#[inline]
const fn count(word: u64) -> i64 {
    word as i64 >> COUNT_SHIFT
}

#[inline]
const fn counted(permits: u32) -> u64 {
    (permits as u64) << COUNT_SHIFT
}

/// Why permits were not available at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    NoPermits,
    Closed,
}

/// The content of a waiter's slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Need {
    /// It waits for this many permits, or was granted them.
    Permits(u32),
    /// It will get none.
    Closed,
}

/// The data behind the lock.
pub struct Line {
    waiters: List<Need>,
    /// All permits, free or held.
    total: u32,
}

pub struct Permits {
    word: AtomicU64,
    /// The budget of each new oldest waiter, shifted to its bits.
    fresh_budget: u64,
    line: Mutex<Line>,
}

impl Permits {
    const_fn! {
        pub(crate) const fn new(permits: u32, barging: u16) -> Self {
            Permits {
                word: AtomicU64::new(counted(permits)),
                fresh_budget: (barging as u64) << BUDGET_SHIFT,
                line: Mutex::new(Line { waiters: List::new(), total: permits }),
            }
        }
    }

    /// The number of free permits. Negative after a `resize` below the number held.
    pub(crate) fn count(&self) -> i64 {
        count(self.word.load(Ordering::Relaxed))
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.word.load(Ordering::Relaxed) & CLOSED != 0
    }

    pub(crate) fn waiting(&self) -> usize {
        match self.word.load(Ordering::Relaxed) & QUEUED {
            0 => 0,
            _ => self.line.lock().waiters.len(),
        }
    }

    pub(crate) fn total(&self) -> u32 {
        self.line.lock().total
    }

    /// Takes the one permit of a lock.
    #[inline]
    pub(crate) fn try_acquire_only(&self) -> Result<(), Refusal> {
        // A load first leaves the cache line alone when there is nothing to take.
        let word = self.word.load(Ordering::Relaxed);
        if word == counted(1)
            && self.word.compare_exchange(word, 0, Ordering::Acquire, Ordering::Relaxed).is_ok()
        {
            return Ok(());
        }
        self.try_acquire_from(word, 1)
    }

    #[inline]
    pub(crate) fn try_acquire(&self, permits: u32) -> Result<(), Refusal> {
        self.try_acquire_from(self.word.load(Ordering::Relaxed), permits)
    }

    #[inline]
    fn try_acquire_from(&self, mut word: u64, permits: u32) -> Result<(), Refusal> {
        loop {
            if word & CLOSED != 0 {
                return Err(Refusal::Closed);
            }
            let overtaking = match word & QUEUED {
                0 => 0,
                // Taking no permits overtakes nobody.
                _ if permits == 0 => return Ok(()),
                _ if word & BUDGET != 0 => BUDGET_ONE,
                _ => return Err(Refusal::NoPermits),
            };
            if count(word) < i64::from(permits) {
                // After a `resize` the count may be negative.
                return if permits == 0 { Ok(()) } else { Err(Refusal::NoPermits) };
            }
            let taken = word.wrapping_sub(counted(permits)) - overtaking;
            match self.word.compare_exchange_weak(word, taken, Ordering::Acquire, Ordering::Relaxed)
            {
                Ok(_) => return Ok(()),
                Err(actual) => word = actual,
            }
        }
    }

    /// Returns permits, and serves the line if there is one.
    #[inline]
    pub(crate) fn release(&self, permits: u32) {
        if self.word.load(Ordering::Relaxed) & (QUEUED | BUDGET) == QUEUED {
            return self.hand_over(permits);
        }
        let word = self.word.fetch_add(counted(permits), Ordering::Release);
        if word & QUEUED != 0 {
            self.release_to_line(word);
        }
    }

    /// Releases while someone waits and overtaking is not allowed. The oldest waiter usually wants
    /// just what is released. Then it gets that directly, without a change of the word.
    #[cold]
    fn hand_over(&self, permits: u32) {
        let mut line = self.line.lock();
        let word = self.word.load(Ordering::Relaxed);
        // With a debt the permits are kept back, and after closing none are given out.
        let direct = word & (BUDGET | CLOSED) == 0 && count(word) >= 0;
        let mut granted = None;
        if direct && line.waiters.front() == Some(&mut Need::Permits(permits)) {
            granted = line.waiters.grant_alone();
            self.renew_budget(word);
        } else {
            self.word.fetch_add(counted(permits), Ordering::Release);
        }
        if !self.is_served(&mut line) {
            return served(&self.line, line, granted, |line, wakes| self.serve(line, wakes));
        }
        drop(line);
        if let Some(waker) = granted {
            wake_alone(waker);
        }
    }

    /// Under the lock: the oldest waiter has just been granted. The next one gets a new budget. If
    /// a waiter had been nudged, it was the one granted.
    #[inline]
    fn renew_budget(&self, word: u64) {
        if self.is_barging() {
            // While the budget is zero, both change only under the lock.
            if word & NUDGED != 0 {
                self.word.fetch_and(!NUDGED, Ordering::Relaxed);
            }
            self.word.fetch_or(self.fresh_budget, Ordering::Relaxed);
        }
    }

    #[cold]
    fn release_to_line(&self, word: u64) {
        // A nudged waiter will read the word under the lock, unless it is time to hand over.
        if word & NUDGED != 0 && word & BUDGET != 0 {
            return;
        }
        self.serve_line();
    }

    fn serve_line(&self) {
        locked(&self.line, |line, wakes| self.serve(line, wakes));
    }

    /// Adds permits. Returns `false` and changes nothing if there would be too many.
    pub(crate) fn add(&self, permits: u32) -> bool {
        {
            let mut line = self.line.lock();
            let Some(total) = line.total.checked_add(permits) else { return false };
            line.total = total;
        }
        self.release(permits);
        true
    }

    /// Removes permits that the caller holds and will not release. A debt from `resize` is paid
    /// first.
    pub(crate) fn forget(&self, permits: u32) {
        {
            let mut line = self.line.lock();
            let mut word = self.word.load(Ordering::Relaxed);
            let kept_back = loop {
                // At most `permits`, so the conversion does not fail.
                let owed =
                    u32::try_from((-count(word)).clamp(0, permits.into())).unwrap_or(permits);
                let paid = word.wrapping_add(counted(owed));
                match self.word.compare_exchange_weak(
                    word,
                    paid,
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                ) {
                    Ok(_) => break owed,
                    Err(actual) => word = actual,
                }
            };
            // The total counts held and free permits. It is never less than what the caller holds
            // beyond the debt.
            line.total = line.total.saturating_sub(permits - kept_back);
        }
        self.serve_line();
    }

    /// Releases forgotten permits, up to a total of `bound`. Returns `false` and changes nothing
    /// beyond it.
    pub(crate) fn restore(&self, permits: u32, bound: u32) -> bool {
        {
            let mut line = self.line.lock();
            match line.total.checked_add(permits) {
                Some(total) if total <= bound => line.total = total,
                _ => return false,
            }
        }
        self.release(permits);
        true
    }

    /// Sets the total number of permits. Held permits stay held. The missing ones are kept back as
    /// they are released.
    pub(crate) fn resize(&self, total: u32) {
        {
            let mut line = self.line.lock();
            let (old, new) = (i64::from(line.total), i64::from(total));
            line.total = total;
            let change = ((new - old) << COUNT_SHIFT) as u64;
            self.word.fetch_add(change, Ordering::Relaxed);
        }
        self.serve_line();
    }

    pub(crate) fn close(&self) {
        self.word.fetch_or(CLOSED, Ordering::Relaxed);
        self.serve_line();
    }

    /// Under the lock: takes the permits if they have become free, or else joins the line.
    fn enqueue(&self, permits: u32, end: End) -> Entry<Result<(), Refusal>, Need> {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let taken = match end {
                End::Back => self.try_acquire_from(word, permits),
                End::Front => self.try_acquire_before_all(permits),
            };
            match taken {
                Err(Refusal::NoPermits) => {}
                decided => return Entry::Ready(decided),
            }
            word = self.word.load(Ordering::Relaxed);
            if word & QUEUED != 0 && end == End::Back {
                // The bit changes only under the lock. So every later release sees it and serves
                // the line.
                return Entry::Queue(Need::Permits(permits), end);
            }
            // `taken` may be outdated by now. The exchange below succeeds only on the current word,
            // and only if that word has nothing to take.
            if word & CLOSED != 0 || self.could_take(word, permits, end) {
                continue;
            }
            let queued = match word & QUEUED {
                0 => word | QUEUED | self.fresh_budget,
                _ => word,
            };
            match self.word.compare_exchange(word, queued, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Entry::Queue(Need::Permits(permits), end),
                Err(actual) => word = actual,
            }
        }
    }

    fn could_take(&self, word: u64, permits: u32, end: End) -> bool {
        let may = end == End::Front || word & QUEUED == 0 || word & BUDGET != 0;
        may && count(word) >= i64::from(permits)
    }

    /// Takes permits although others wait: for a caller that holds what they wait for.
    pub(crate) fn try_acquire_before_all(&self, permits: u32) -> Result<(), Refusal> {
        let mut word = self.word.load(Ordering::Relaxed);
        while count(word) >= i64::from(permits) {
            let taken = word.wrapping_sub(counted(permits));
            match self.word.compare_exchange_weak(word, taken, Ordering::Acquire, Ordering::Relaxed)
            {
                Ok(_) => return Ok(()),
                Err(actual) => word = actual,
            }
        }
        Err(Refusal::NoPermits)
    }

    /// Under the lock: a queued waiter tries for itself. Only the oldest may take permits, and that
    /// resets the budget. But every waiter sees that the permits are closed, even if its batch has
    /// not come yet.
    fn retry(&self, need: &mut Need, position: Position) -> bool {
        let mut word = self.word.load(Ordering::Relaxed);
        if word & CLOSED != 0 {
            *need = Need::Closed;
            return true;
        }
        let Need::Permits(permits) = *need else { return true };
        if position != Position::Front {
            return false;
        }
        loop {
            let takes = word & CLOSED == 0 && count(word) >= i64::from(permits);
            let next = if takes {
                (word.wrapping_sub(counted(permits)) & !(NUDGED | BUDGET)) | self.fresh_budget
            } else {
                // From now on a release must nudge again.
                word & !NUDGED
            };
            match self.word.compare_exchange_weak(word, next, Ordering::Acquire, Ordering::Relaxed)
            {
                Ok(_) => return takes,
                Err(actual) => word = actual,
            }
        }
    }

    /// Under the lock: a waiter has left. If it had been nudged, another must be nudged.
    #[inline]
    fn left(&self) {
        // Set and cleared only under the lock.
        if self.word.load(Ordering::Relaxed) & NUDGED != 0 {
            self.word.fetch_and(!NUDGED, Ordering::Relaxed);
        }
    }

    /// Whether newcomers may overtake.
    #[inline]
    fn is_barging(&self) -> bool {
        self.fresh_budget != 0
    }

    /// Under the lock: whether the oldest waiter must keep waiting.
    #[inline]
    fn is_served(&self, line: &mut Line) -> bool {
        let word = self.word.load(Ordering::Relaxed);
        match line.waiters.front() {
            Some(Need::Permits(permits)) => word & CLOSED == 0 && count(word) < i64::from(*permits),
            _ => false,
        }
    }

    /// Under the lock: hands permits to the oldest waiters while there are enough.
    fn serve(&self, line: &mut Line, wakes: &mut Wakes) -> Step {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let Some(need) = line.waiters.front() else {
                if word & LINE != 0 {
                    self.word.fetch_and(!LINE, Ordering::Relaxed);
                }
                return Step::Done;
            };
            if wakes.is_full() {
                return Step::Again;
            }
            if word & CLOSED != 0 {
                *need = Need::Closed;
                line.waiters.grant_front(wakes);
                continue;
            }
            let Need::Permits(permits) = *need else { return Step::Done };
            if count(word) < i64::from(permits) {
                return Step::Done;
            }
            let by_hand = word & BUDGET == 0;
            let next = if by_hand {
                (word.wrapping_sub(counted(permits)) & !NUDGED) | self.fresh_budget
            } else if word & NUDGED != 0 {
                return Step::Done;
            } else {
                word | NUDGED
            };
            match self.word.compare_exchange(word, next, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) if by_hand => {
                    line.waiters.grant_front(wakes);
                    word = next;
                }
                Ok(_) => {
                    line.waiters.nudge_front(wakes);
                    return Step::Done;
                }
                Err(actual) => word = actual,
            }
        }
    }
}
