//! Reads everything back.

use driver::bson::doc;
use driver::options::ReadConcern;
use driver::{Collection, Result};
use futures_util::TryStreamExt;

use crate::breath::Breath;

/// What was found in the end.
pub(crate) struct Audit {
    /// Documents.
    pub(crate) found: u64,
    /// Breaths that were taken and are not there.
    pub(crate) lost: u64,
    /// Documents too many.
    pub(crate) duplicated: u64,
}

/// Counts every breath from 0 to `writes`, reading from the primary what a majority has.
pub(crate) async fn read_back(breaths: &Collection<Breath>, writes: u32) -> Result<Audit> {
    let mut times = vec![0_u64; writes as usize];
    let mut found = 0;
    let mut all = breaths.find(doc! {}).read_concern(ReadConcern::majority()).await?;
    while let Some(breath) = all.try_next().await? {
        found += 1;
        if let Some(times) = times.get_mut(breath.number as usize) {
            *times += 1;
        }
    }
    let lost = times.iter().filter(|times| **times == 0).count() as u64;
    let duplicated = times.iter().map(|times| times.saturating_sub(1)).sum();
    Ok(Audit { found, lost, duplicated })
}
