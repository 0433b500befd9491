//! The comparison at the end.

use std::collections::HashMap;

use driver::Async;
use driver::bson::{Document, doc};

use super::collections::{Collections, Entry};
use super::script::Step;

/// The result of the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// The number of entries in the journal.
    pub(crate) mirrored: u64,
    /// Writes without an entry.
    pub(crate) lost: u64,
    /// Surplus entries.
    pub(crate) duplicated: u64,
    /// Whether both collections have the same documents.
    pub(crate) is_equal: bool,
}

impl Verdict {
    /// The verdict on a journal of `events` writes.
    pub(crate) fn of(
        events: u32,
        journal: impl IntoIterator<Item = Entry>,
        is_equal: bool,
    ) -> Self {
        let mut tally: HashMap<Entry, (u64, u64)> = HashMap::new();
        (0..events).for_each(|number| tally.entry(Step::of(number).entry()).or_default().0 += 1);
        journal.into_iter().for_each(|entry| tally.entry(entry).or_default().1 += 1);
        let sum = |of: fn(&(u64, u64)) -> u64| tally.values().map(of).sum();
        Verdict {
            mirrored: sum(|(_, found)| *found),
            lost: sum(|(expected, found)| expected.saturating_sub(*found)),
            duplicated: sum(|(expected, found)| found.saturating_sub(*expected)),
            is_equal,
        }
    }
}

/// Reads the journal and both collections back. Reads from the primary with read concern majority.
pub(crate) async fn read(collections: &Collections<Async>, events: u32) -> driver::Result<Verdict> {
    let journal: Vec<Entry> = collections.journal.find(doc! {}).await?.try_collect().await?;
    let [source, mirror] = [&collections.source, &collections.mirror];
    let by_id = doc! { "_id": 1 };
    let source: Vec<Document> =
        source.find(doc! {}).sort(by_id.clone()).await?.try_collect().await?;
    let mirror: Vec<Document> = mirror.find(doc! {}).sort(by_id).await?.try_collect().await?;
    if source != mirror {
        println!("the collections differ: {} and {} documents", source.len(), mirror.len());
        let differs = |(ours, theirs): &(&Document, &Document)| ours != theirs;
        if let Some((ours, theirs)) = source.iter().zip(&mirror).find(differs) {
            println!("the first difference: {ours} and {theirs}");
        }
    }
    Ok(Verdict::of(events, journal, source == mirror))
}
