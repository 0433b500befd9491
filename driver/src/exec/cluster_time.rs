//! The highest cluster time from any server, which the client sends to all servers.
//!
//! It is in a cell separate from the snapshot of the deployment, so that a new time does not
//! replace the snapshot. Only higher times are stored; the order is that of the timestamps
//! (specification "Driver Sessions", section "Gossipping the cluster time"). On a replica set every
//! operation reads the time and every write increases it, so both are cheap: readers write to no
//! shared memory, a store consists of a few plain stores, and neither allocates ([`cell`]). A reply
//! without a higher time costs one atomic load.

mod cell;

use std::sync::{Mutex, OnceLock, PoisonError};

use bson::{RawDocument, RawDocumentBuf, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use self::cell::Cell;
use crate::wire::scan::elements;

/// The maximum size of a time in the cell. Servers send 88 bytes.
const ROOM: usize = 120;

/// The words of a time: order, length and bytes.
const WORDS: usize = 2 + ROOM / 8;

/// A `$clusterTime` from a server: a timestamp and its signature.
#[derive(Clone, Debug)]
pub struct ClusterTime {
    order: u64,
    document: Stored,
}

/// A small document, stored inline if it fits.
#[derive(Clone, Debug, PartialEq)]
enum Stored {
    Inline { len: u8, bytes: [u8; ROOM] },
    Allocated(RawDocumentBuf),
}

impl Stored {
    fn new(document: &RawDocument) -> Self {
        let found = document.as_bytes();
        let mut bytes = [0; ROOM];
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
            Stored::Inline { len, bytes } => RawDocument::from_bytes(&bytes[..usize::from(*len)])
                .expect("it was copied from a document"),
            Stored::Allocated(document) => document,
        }
    }
}

impl ClusterTime {
    /// Reads `{ clusterTime: <timestamp>, signature: … }`; `None` without a timestamp.
    pub(crate) fn parse(document: &RawDocument) -> Option<Self> {
        Some(ClusterTime { order: order(document)?, document: Stored::new(document) })
    }

    /// The words for the cell; `None` if they do not fit.
    fn to_words(&self) -> Option<[u64; WORDS]> {
        let Stored::Inline { len, bytes } = &self.document else { return None };
        let mut words = [0; WORDS];
        words[0] = self.order;
        words[1] = u64::from(*len);
        for (word, bytes) in words[2..].iter_mut().zip(bytes.as_chunks().0) {
            *word = u64::from_ne_bytes(*bytes);
        }
        Some(words)
    }

    fn of_words(words: [u64; WORDS]) -> Self {
        let mut bytes = [0; ROOM];
        for (bytes, word) in bytes.as_chunks_mut().0.iter_mut().zip(&words[2..]) {
            *bytes = word.to_ne_bytes();
        }
        ClusterTime { order: words[0], document: Stored::Inline { len: words[1] as u8, bytes } }
    }

    /// The timestamp.
    ///
    /// # Examples
    /// ```no_run
    /// # fn example(session: &driver::ClientSession) {
    /// if let Some(cluster_time) = session.cluster_time() {
    ///     println!("{:?}, signed as {:?}", cluster_time.time(), cluster_time.as_document());
    /// }
    /// # }
    /// ```
    pub fn time(&self) -> Timestamp {
        Timestamp { time: (self.order >> 32) as u32, increment: self.order as u32 }
    }

    /// The document from the server, with its signature.
    pub fn as_document(&self) -> &RawDocument {
        self.document.as_document()
    }

    /// The later one.
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

/// Time and increment as one number in the same order.
fn order(document: &RawDocument) -> Option<u64> {
    let time = elements(document)
        .map_while(|element| element.ok())
        .find(|element| element.key == b"clusterTime");
    let Timestamp { time, increment } = time?.timestamp()?;
    Some(u64::from(time) << 32 | u64::from(increment))
}

/// The later one is the greater one. Signatures do not count.
impl PartialEq for ClusterTime {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for ClusterTime {}

impl PartialOrd for ClusterTime {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ClusterTime {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order.cmp(&other.order)
    }
}

/// In the form of the server: `{ clusterTime: <timestamp>, signature: … }`.
impl Serialize for ClusterTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_document().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ClusterTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let document = RawDocumentBuf::deserialize(deserializer)?;
        ClusterTime::parse(&document)
            .ok_or_else(|| serde::de::Error::custom("a cluster time has a timestamp clusterTime"))
    }
}

/// The cluster clock of one client.
#[derive(Default)]
pub(crate) struct ClusterClock {
    cell: Cell<WORDS>,
    /// The highest time that is too large for the cell. Current servers send none.
    large: OnceLock<Mutex<Option<ClusterTime>>>,
}

impl ClusterClock {
    /// The highest time so far.
    #[inline]
    pub(crate) fn get(&self) -> Option<ClusterTime> {
        let time = self.cell.load().map(ClusterTime::of_words);
        match self.large.get() {
            None => time,
            Some(large) => {
                let large = large.lock().unwrap_or_else(PoisonError::into_inner);
                ClusterTime::later(time.as_ref(), large.as_ref()).cloned()
            }
        }
    }

    /// Records the time of a reply.
    pub(crate) fn advance(&self, document: &RawDocument) {
        let Some(order) = order(document).filter(|order| *order > self.cell.order()) else {
            return;
        };
        let time = ClusterTime { order, document: Stored::new(document) };
        match time.to_words() {
            Some(words) => self.cell.raise(&words),
            None => {
                let mut large = self
                    .large
                    .get_or_init(Mutex::default)
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                if large.as_ref().is_none_or(|large| large.is_before(&time)) {
                    *large = Some(time);
                }
            }
        }
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
    fn times_of_any_size_round_trip() {
        for size in [0, 20, 200, 1000] {
            let time = Timestamp { time: 1, increment: 2 };
            let document = rawdoc! { "clusterTime": time, "filling": "x".repeat(size) };
            assert_eq!(ClusterTime::parse(&document).unwrap().as_document(), &*document);
        }
    }

    #[test]
    fn times_of_all_sizes_are_compared_with_each_other() {
        let large = |time| {
            rawdoc! { "clusterTime": Timestamp { time, increment: 0 }, "filling": "x".repeat(200) }
        };
        let clock = ClusterClock::default();
        for (document, highest) in [
            (large(2), 2),
            (at(1, 0), 2),
            (at(3, 0), 3),
            (large(3), 3),
            (large(5), 5),
            (at(4, 9), 5),
            (at(6, 0), 6),
        ] {
            clock.advance(&document);
            assert_eq!(clock.get().unwrap().time().time, highest);
        }
        assert_eq!(clock.get().unwrap().as_document(), &*at(6, 0));
    }

    #[test]
    fn highest_time_wins_and_readers_never_see_time_go_back() {
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
        assert_eq!(
            clock.get().as_ref().unwrap().time(),
            Timestamp { time: 2_000_000, increment: 7 }
        );
    }
}
