//! Reads all documents back.

use driver::bson::doc;
use driver::options::ReadConcern;
use driver::{Collection, Result};

use super::breath::Breath;

/// The result of the audit.
pub(crate) struct Audit {
    /// The number of documents.
    pub(crate) found: u64,
    /// Acknowledged breaths that were not found.
    pub(crate) lost: u64,
    /// Surplus documents.
    pub(crate) duplicated: u64,
}

/// The number of times each breath was found.
pub(crate) struct Tally {
    times: Vec<u64>,
    found: u64,
}

impl Tally {
    pub(crate) fn of(writes: u32) -> Self {
        Tally { times: vec![0; writes as usize], found: 0 }
    }

    pub(crate) fn count(&mut self, breath: &Breath) {
        self.found += 1;
        if let Some(times) = self.times.get_mut(breath.number as usize) {
            *times += 1;
        }
    }

    pub(crate) fn audit(self) -> Audit {
        let lost = self.times.iter().filter(|times| **times == 0).count() as u64;
        let duplicated = self.times.iter().map(|times| times.saturating_sub(1)).sum();
        Audit { found: self.found, lost, duplicated }
    }
}

/// Counts every breath from 0 to `writes`. Reads from the primary with read concern majority.
pub(crate) async fn read_back(breaths: &Collection<Breath>, writes: u32) -> Result<Audit> {
    let mut tally = Tally::of(writes);
    let mut all = breaths.find(doc! {}).read_concern(ReadConcern::majority()).await?;
    while let Some(breath) = all.try_next().await? {
        tally.count(&breath);
    }
    Ok(tally.audit())
}
