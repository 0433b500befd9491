//! The highest cluster time seen: gossiped to every server, whichever server it came from.
//!
//! A cell of its own beside the picture of the deployment, so that a new time never republishes a topology. Only ever
//! higher times are stored, compared by their timestamp alone (specification "Driver Sessions", section "Gossipping the
//! cluster time"). Readers take one reference; a reply whose time is not news costs one atomic load.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::{ArcSwapOption, Guard};
use bson::{RawDocument, RawDocumentBuf, Timestamp};

use crate::wire::scan::elements;

/// A `$clusterTime` as a server sent it: a timestamp and its signature.
#[derive(Clone, Debug, PartialEq)]
pub struct ClusterTime {
    order: u64,
    document: Stored,
}

/// A small document. On a replica set each write brings a new time, so that storing one should cost as little as it can: those that servers send, of
/// 88 bytes, stay in place.
#[derive(Clone, Debug, PartialEq)]
enum Stored {
    Inline { len: u8, bytes: [u8; 120] },
    Allocated(RawDocumentBuf),
}

impl Stored {
    fn new(document: &RawDocument) -> Self {
        let found = document.as_bytes();
        let mut bytes = [0; 120];
        match (bytes.get_mut(..found.len()), u8::try_from(found.len())) {
            (Some(place), Ok(len)) => {
                place.copy_from_slice(found);
                Stored::Inline { len, bytes }
            }
            _ => Stored::Allocated(document.to_owned()),
        }
    }

    fn as_document(&self) -> &RawDocument {
        match self {
            Stored::Inline { len, bytes } => {
                RawDocument::from_bytes(&bytes[..usize::from(*len)]).expect("it was copied from a document")
            }
            Stored::Allocated(document) => document,
        }
    }
}

impl ClusterTime {
    /// Reads `{ clusterTime: <timestamp>, signature: … }`; none when there is no timestamp in it.
    pub(crate) fn parse(document: &RawDocument) -> Option<Self> {
        Some(ClusterTime { order: order(document)?, document: Stored::new(document) })
    }

    /// The time itself.
    pub fn time(&self) -> Timestamp {
        Timestamp { time: (self.order >> 32) as u32, increment: self.order as u32 }
    }

    /// The document as the server sent it, signature included.
    pub fn as_document(&self) -> &RawDocument {
        self.document.as_document()
    }

    /// The later of the two.
    pub(crate) fn later<'a>(a: Option<&'a Self>, b: Option<&'a Self>) -> Option<&'a Self> {
        match (a, b) {
            (Some(a), Some(b)) => Some(if a.order < b.order { b } else { a }),
            (a, b) => a.or(b),
        }
    }

    pub(crate) fn is_before(&self, other: &Self) -> bool {
        self.order < other.order
    }
}

/// Time and increment in one number that compares as they do.
fn order(document: &RawDocument) -> Option<u64> {
    let time =
        elements(document).map_while(|element| element.ok()).find(|element| element.key == b"clusterTime");
    let Timestamp { time, increment } = time?.timestamp()?;
    Some(u64::from(time) << 32 | u64::from(increment))
}

/// The cell of one client.
#[derive(Default)]
pub(crate) struct ClusterClock {
    highest: AtomicU64,
    cell: ArcSwapOption<ClusterTime>,
}

impl ClusterClock {
    /// The highest time seen so far.
    pub(crate) fn get(&self) -> Guard<Option<Arc<ClusterTime>>> {
        self.cell.load()
    }

    /// Takes note of a time that came in a reply.
    pub(crate) fn advance(&self, document: &RawDocument) {
        let Some(order) = order(document) else { return };
        if order <= self.highest.load(Ordering::Relaxed) {
            return;
        }
        let news = Arc::new(ClusterTime { order, document: Stored::new(document) });
        let mut current = self.cell.load();
        while current.as_ref().is_none_or(|current| current.order < order) {
            let found = self.cell.compare_and_swap(&*current, Some(Arc::clone(&news)));
            let stored = match (&*found, &*current) {
                (Some(found), Some(current)) => Arc::ptr_eq(found, current),
                (None, None) => true,
                _ => false,
            };
            if stored {
                break;
            }
            current = found;
        }
        // Only a hint that spares the work above: it may lag behind the cell, never run ahead of it.
        self.highest.fetch_max(order, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::*;

    fn at(time: u32, increment: u32) -> RawDocumentBuf {
        rawdoc! { "clusterTime": Timestamp { time, increment }, "signature": { "keyId": 0_i64 } }
    }

    #[test]
    fn only_a_later_time_is_stored() {
        let clock = ClusterClock::default();
        for (time, increment) in [(5, 1), (4, 9), (5, 0)] {
            clock.advance(&at(time, increment));
        }
        assert_eq!(clock.get().as_ref().unwrap().time(), Timestamp { time: 5, increment: 1 });
        clock.advance(&at(5, 2));
        assert_eq!(clock.get().as_ref().unwrap().time(), Timestamp { time: 5, increment: 2 });
        clock.advance(&rawdoc! { "clusterTime": "noon" });
        assert_eq!(clock.get().as_ref().unwrap().time(), Timestamp { time: 5, increment: 2 });
    }

    #[test]
    fn a_time_of_any_size_comes_back_as_it_was() {
        for size in [0, 20, 200, 1000] {
            let document =
                rawdoc! { "clusterTime": Timestamp { time: 1, increment: 2 }, "filling": "x".repeat(size) };
            assert_eq!(ClusterTime::parse(&document).unwrap().as_document(), &*document);
        }
    }

    #[test]
    fn the_highest_of_many_threads_wins_and_no_reader_sees_time_run_backwards() {
        let clock = ClusterClock::default();
        std::thread::scope(|scope| {
            for thread in 0..4_u32 {
                let clock = &clock;
                scope.spawn(move || {
                    let mut seen = 0;
                    for _ in 0..2_000 {
                        clock.advance(&at(fastrand::u32(1..1_000_000), thread));
                        let now = clock.get().as_ref().unwrap().order;
                        assert!(seen <= now);
                        seen = now;
                    }
                });
            }
            scope.spawn(|| clock.advance(&at(2_000_000, 7)));
        });
        assert_eq!(clock.get().as_ref().unwrap().time(), Timestamp { time: 2_000_000, increment: 7 });
    }
}
