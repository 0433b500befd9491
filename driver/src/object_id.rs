//! Generates ObjectIds (specification "BSON ObjectID").
//!
//! An ObjectId is the time in seconds, five random bytes per process, and a counter. A forked child
//! generates its own random bytes, so its ids differ from those of its parent and siblings. The
//! generator of the crate `bson` keeps the random bytes of the parent.
//!
//! There is no lock, because a child would inherit a lock held by a thread that it does not have.
//! One atomic holds the random bytes together with their fork generation.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{SystemTime, UNIX_EPOCH};

use bson::oid::ObjectId;
use threadwatch::ForkGeneration;

/// The number of random bits in [`PROCESS`]: five bytes.
const RANDOM_BITS: u32 = 40;
const RANDOM: u64 = (1 << RANDOM_BITS) - 1;

/// The random bytes, below the fork generation of their process. Zero until the first id.
static PROCESS: AtomicU64 = AtomicU64::new(0);
/// The counter is the low three bytes. Each process starts at a random value.
static COUNTER: AtomicU32 = AtomicU32::new(0);

/// Generates an ObjectId like the `_id`s of the driver: unique in the deployment, also after
/// `fork`.
///
/// `bson::oid::ObjectId::new()` gives a forked child the same ids as its parent. A program that
/// forks should use this function for its `_id`s.
///
/// # Examples
/// ```
/// let id = driver::new_object_id();
/// assert_ne!(id, driver::new_object_id());
/// ```
pub fn new_object_id() -> ObjectId {
    ObjectIds::new(1).get(0)
}

/// Several ids generated together. Has the size of one id.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ObjectIds {
    seconds: u32,
    random: u64,
    first: u32,
    count: u32,
}

impl ObjectIds {
    /// Generates `count` ids.
    #[inline]
    pub(crate) fn new(count: u32) -> Self {
        let random = random_of_process();
        let first = COUNTER.fetch_add(count, Relaxed);
        // The field is an unsigned `u32`. A time before 1970 counts as 1970.
        let seconds =
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as u32);
        ObjectIds { seconds, random, first, count }
    }

    /// The id at `index`.
    #[inline]
    pub(crate) fn get(self, index: u32) -> ObjectId {
        let random = self.random.to_be_bytes();
        let counter = self.first.wrapping_add(index).to_be_bytes();
        ObjectId::from_parts(
            self.seconds,
            [random[3], random[4], random[5], random[6], random[7]],
            [counter[1], counter[2], counter[3]],
        )
    }

    /// All of them.
    pub(crate) fn iter(self) -> impl Iterator<Item = ObjectId> {
        (0..self.count).map(move |index| self.get(index))
    }
}

/// The five random bytes of this process.
#[inline]
fn random_of_process() -> u64 {
    // A generation repeats after 2^24 nested forks.
    let generation = ForkGeneration::current().get() << RANDOM_BITS;
    let process = PROCESS.load(Relaxed);
    if process & !RANDOM == generation && process != 0 {
        process & RANDOM
    } else {
        draw(generation, process)
    }
}

/// Generates the random bytes of this process. Concurrent threads agree on one value.
#[cold]
fn draw(generation: u64, before: u64) -> u64 {
    let process = generation | (random() & RANDOM);
    // Adds instead of storing, because another thread may count already.
    COUNTER.fetch_add(random() as u32, Relaxed);
    match PROCESS.compare_exchange(before, process, Relaxed, Relaxed) {
        Ok(_) => process & RANDOM,
        Err(of_another_thread) => of_another_thread & RANDOM,
    }
}

fn random() -> u64 {
    let mut bytes = [0; 8];
    match getrandom::fill(&mut bytes) {
        Ok(()) => u64::from_ne_bytes(bytes),
        // Without a source of randomness, the process id distinguishes parent and child.
        Err(_) => {
            fastrand::u64(..) ^ u64::from(std::process::id()).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::thread;

    use super::*;

    #[test]
    fn ids_of_all_threads_are_distinct() {
        const IDS: usize = 10_000;
        let made: Vec<Vec<[u8; 12]>> = thread::scope(|scope| {
            let makers = [(); 4].map(|()| {
                scope.spawn(|| (0..IDS).map(|_| new_object_id().bytes()).collect::<Vec<_>>())
            });
            makers.into_iter().map(|maker| maker.join().unwrap()).collect()
        });
        let ids: HashSet<[u8; 12]> = made.iter().flatten().copied().collect();
        assert_eq!(ids.len(), 4 * IDS);
        let processes: HashSet<&[u8]> = ids.iter().map(|id| &id[4..9]).collect();
        assert_eq!(processes.len(), 1);
    }

    #[test]
    fn ids_generated_together_are_unique() {
        let together = ObjectIds::new(5);
        let ids: HashSet<ObjectId> = together.iter().collect();
        assert!(ids.len() == 5 && ids.contains(&together.get(3)));
        assert!((0..10).all(|_| !ids.contains(&new_object_id())));
        let wrapping = ObjectIds { first: u32::MAX - 1, ..together };
        assert_eq!(wrapping.iter().collect::<HashSet<_>>().len(), 5);
    }

    #[test]
    fn id_carries_the_current_time() {
        let before = bson::DateTime::now();
        let made = new_object_id().timestamp();
        let difference = before.timestamp_millis() - made.timestamp_millis();
        assert!((-60_000..60_000).contains(&difference), "{difference} ms");
    }
}
