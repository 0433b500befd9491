//! Loom models of the races in `slots` (`RUSTFLAGS="--cfg loom" cargo test -p threadwatch --lib
//! --release`), and plain tests of the rest.

use std::sync::{
    Arc as StdArc,
    atomic::{AtomicUsize as StdAtomicUsize, Ordering::SeqCst},
};

use super::*;

/// Counts its drops. Each value must be dropped exactly once.
struct Tracked(StdArc<StdAtomicUsize>);

impl Drop for Tracked {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

fn counter() -> StdArc<StdAtomicUsize> {
    StdArc::new(StdAtomicUsize::new(0))
}

#[cfg(not(loom))]
mod alone {
    use super::*;

    #[test]
    fn dead_threads_slot_serves_the_next_thread() {
        let slots = Slots::new();
        let first = slots.claim();
        let second = slots.claim();
        assert_ne!(first, second);
        // SAFETY: this thread holds both slots, which live as long as the list. The same holds
        // below.
        unsafe {
            first.as_ref().fill(1);
            assert!(matches!(slots.vacate(first.as_ref()), Vacated::Value(1)));
            let third = slots.claim();
            assert_eq!(third, first);
            assert!(!third.as_ref().borrow());
            assert_eq!(third.as_ref().take(), None);
        }
    }

    #[test]
    fn borrowed_value_outlives_its_thread() {
        let dropped = counter();
        let slots = Slots::new();
        let slot = slots.claim();
        // SAFETY: this thread holds the slot, and acts as the dying thread.
        unsafe {
            let slot = slot.as_ref();
            slot.fill(Tracked(dropped.clone()));
            assert!(slot.borrow() && slot.borrow());
            assert!(matches!(slots.vacate(slot), Vacated::Borrowed));
            assert!(!slot.release());
            assert_eq!(slot.value().0.load(SeqCst), 0);
            assert!(slot.release());
            assert!(matches!(slots.vacate(slot), Vacated::Value(_)));
        }
        assert_eq!(dropped.load(SeqCst), 1);
        assert_eq!(slots.claim(), slot);
    }

    #[test]
    fn closing_goes_on_after_a_panic() {
        let dropped = counter();
        let slots = Slots::new();
        for _ in 0..3 {
            // SAFETY: claimed by this thread.
            unsafe { slots.claim().as_ref().fill(Tracked(dropped.clone())) };
        }
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            // SAFETY: nothing else runs on this list.
            unsafe { slots.close(|_value| panic!("the first value's destructor")) }
        }));
        assert!(panicked.is_err());
        assert_eq!(dropped.load(SeqCst), 1);
        drop(slots);
        assert_eq!(dropped.load(SeqCst), 3);
    }
}

#[cfg(loom)]
mod loom_models {
    use loom::{sync::Arc, thread};

    use super::*;

    /// A slot with a tracked value. A thread of the model acts as its holder.
    fn full(slots: &Slots<Tracked>, dropped: &StdArc<StdAtomicUsize>) -> usize {
        let slot = slots.claim();
        // SAFETY: claimed by this thread.
        unsafe { slot.as_ref().fill(Tracked(dropped.clone())) };
        slot.as_ptr() as usize
    }

    /// # Safety
    ///
    /// The calling thread holds `slot`, which belongs to `slots`.
    unsafe fn die(slots: &Slots<Tracked>, slot: usize) -> Option<Tracked> {
        // SAFETY: slots live as long as the list. The caller upholds the rest.
        match unsafe { slots.vacate(&*(slot as *const Slot<Tracked>)) } {
            Vacated::Value(value) => Some(value),
            Vacated::Nothing | Vacated::Borrowed => None,
        }
    }

    #[test]
    fn loom_death_against_owner_drop() {
        loom::model(|| {
            let dropped = counter();
            let slots = Arc::new(Slots::new());
            let slot = full(&slots, &dropped);
            let dying = thread::spawn({
                let slots = slots.clone();
                // SAFETY: this thread of the model is the holder.
                move || unsafe { die(&slots, slot) }.is_some()
            });
            let mut closed = 0;
            // SAFETY: only `vacate` runs concurrently.
            unsafe { slots.close(|_| closed += 1) };
            let reclaimed = dying.join().unwrap();
            assert_eq!(closed + usize::from(reclaimed), 1);
            assert_eq!(dropped.load(SeqCst), 1);
        });
    }

    #[test]
    fn loom_two_deaths_against_owner_drop_and_last_reference() {
        loom::model(|| {
            let dropped = counter();
            let slots = Arc::new(Slots::new());
            let dying: Vec<_> = (0..2)
                .map(|_| {
                    let slot = full(&slots, &dropped);
                    let slots = slots.clone();
                    // SAFETY: this thread of the model is the holder.
                    thread::spawn(move || drop(unsafe { die(&slots, slot) }))
                })
                .collect();
            // SAFETY: only `vacate` runs concurrently.
            unsafe { slots.close(drop) };
            // The last reference frees the list.
            drop(slots);
            for thread in dying {
                thread.join().unwrap();
            }
            assert_eq!(dropped.load(SeqCst), 2);
        });
    }

    #[test]
    fn loom_newcomer_against_death() {
        loom::model(|| {
            let (old, new) = (counter(), counter());
            let slots = Arc::new(Slots::new());
            let slot = full(&slots, &old);
            let newcomer = thread::spawn({
                let (slots, new) = (slots.clone(), new.clone());
                move || {
                    let slot = slots.claim();
                    // SAFETY: claimed by this thread.
                    unsafe {
                        assert!(!slot.as_ref().borrow(), "inherited a dead thread's value");
                        slot.as_ref().fill(Tracked(new));
                        assert!(slot.as_ref().borrow());
                        assert_eq!(slot.as_ref().value().0.load(SeqCst), 0);
                        assert!(!slot.as_ref().release());
                    }
                }
            });
            // SAFETY: the main thread of the model is the holder.
            assert!(unsafe { die(&slots, slot) }.is_some());
            newcomer.join().unwrap();
            assert_eq!((old.load(SeqCst), new.load(SeqCst)), (1, 0));
            assert_eq!(slots.full(), 1);
            drop(slots);
            assert_eq!(new.load(SeqCst), 1);
        });
    }

    #[test]
    fn loom_a_walk_over_a_list_that_grows() {
        loom::model(|| {
            let dropped = counter();
            let slots = Arc::new(Slots::new());
            full(&slots, &dropped);
            // The walker is the second thread: loom explores a load that races with an earlier
            // exchange, but not the reverse.
            let walker = thread::spawn({
                let slots = slots.clone();
                move || slots.full()
            });
            full(&slots, &dropped);
            assert!((1..=2).contains(&walker.join().unwrap()));
            assert_eq!(slots.full(), 2);
        });
    }

    #[test]
    fn loom_two_newcomers_never_share_a_slot() {
        loom::model(|| {
            let dropped = counter();
            let slots = Arc::new(Slots::new());
            let slot = full(&slots, &dropped);
            // One slot is free, and two threads want it.
            // SAFETY: the main thread of the model is the holder.
            drop(unsafe { die(&slots, slot) });
            let other = thread::spawn({
                let (slots, dropped) = (slots.clone(), dropped.clone());
                move || full(&slots, &dropped)
            });
            let mine = full(&slots, &dropped);
            assert_ne!(mine, other.join().unwrap());
            assert_eq!(slots.full(), 2);
            drop(slots);
            assert_eq!(dropped.load(SeqCst), 3);
        });
    }
}
