//! [`Hope`]: whether it is worth a moment's waiting before standing in line.
//!
//! A task that stands in line costs a wake-up and a switch of tasks, some hundreds of nanoseconds. Where the
//! other side is at work on another processor right now, what is waited for comes sooner than that: then it pays to look again
//! a few times first. Whether it does is learned: after a few disappointments in a row only one wait in many
//! tries it again. Who looks in vain has not arrived yet: it overtakes nobody, and stands in line with those who come then.

use std::hint::spin_loop;

use crate::core::{AtomicUsize, Ordering, const_fn};

/// How often to look: less than a microsecond in all. A model has no use for looking at the same state again.
const LOOKS: usize = if cfg!(loom) { 0 } else { 40 };
/// How many disappointments in a row it takes to give up hope.
const PATIENCE: usize = 4;
/// Without hope, one wait in so many tries.
const RARELY: usize = 256;

pub(crate) struct Hope {
    /// Waits since what was hoped for last came. A hint: concurrent counts may be lost.
    disappointments: AtomicUsize,
}

impl Hope {
    const_fn! {
        pub(super) const fn new() -> Self {
            Hope { disappointments: AtomicUsize::new(0) }
        }
    }

    /// Attempts it as often as there seems to be a chance, for a moment.
    #[inline]
    pub(super) fn linger<R>(
        &self,
        chance: impl Fn() -> bool,
        mut attempt: impl FnMut() -> Option<R>,
    ) -> Option<R> {
        let disappointments = self.disappointments.load(Ordering::Relaxed);
        if disappointments < PATIENCE || disappointments.is_multiple_of(RARELY) {
            for _ in 0..LOOKS {
                spin_loop();
                if chance()
                    && let Some(result) = attempt()
                {
                    self.disappointments.store(0, Ordering::Relaxed);
                    return Some(result);
                }
            }
        }
        self.disappointments.store(disappointments.wrapping_add(1), Ordering::Relaxed);
        None
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::{Hope, PATIENCE, RARELY};

    #[test]
    fn hope_is_lost_but_not_for_ever() {
        let hope = Hope::new();
        let mut looked = 0;
        let mut wait = |comes: bool| {
            let mut looks = 0;
            let came = hope.linger(|| true, || (looks += 1, comes.then_some(())).1);
            looked += usize::from(looks > 0);
            came.is_some()
        };
        (0..RARELY).for_each(|_| assert!(!wait(false)));
        assert!(wait(true), "the {RARELY}th wait tries again");
        assert!(wait(true), "and what came gives new hope");
        assert_eq!(looked, PATIENCE + 2);
    }
}
