//! The indexes of a bucket (specification "GridFS", section "Indexes").

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use bson::{Bson, Document, doc};
use threadwatch::ForkGeneration;
use toro::Lock;

use super::{Bucket, remaining};
use crate::collection::Collection;
use crate::deadline::Deadline;
use crate::error::{Error, Result};
use crate::mode::Mode;
use crate::ops::Operation;
use crate::options::{IndexModel, IndexOptions, ReadPreference, SelectionCriteria};

/// Whether the indexes of a bucket are known to exist.
#[derive(Default)]
pub(super) struct Indexes {
    known: AtomicBool,
    /// The turn of this process.
    turn: ArcSwap<Turn>,
}

/// Held by the upload that creates the indexes. Other uploads wait for it.
struct Turn {
    lock: Lock<()>,
    /// The process that uses it. In a forked child, nobody would release an inherited lock.
    born: ForkGeneration,
}

impl Default for Turn {
    fn default() -> Self {
        Turn { lock: Lock::new(()), born: ForkGeneration::current() }
    }
}

impl Indexes {
    /// The indexes are about to be dropped. They are forgotten now, and again when the guard is
    /// dropped, because an upload may find them in between.
    pub(super) fn forget(&self) -> Forgetting<'_> {
        self.known.store(false, Ordering::Release);
        Forgetting(self)
    }

    fn turn(&self) -> Arc<Turn> {
        loop {
            let turn = self.turn.load_full();
            if turn.born.is_current() {
                return turn;
            }
            self.turn.compare_and_swap(&turn, Arc::default());
        }
    }
}

/// Forgets the indexes when it is dropped. So an error or a dropped future forgets them too.
#[must_use = "it is held until the indexes are dropped"]
pub(super) struct Forgetting<'a>(&'a Indexes);

impl Drop for Forgetting<'_> {
    fn drop(&mut self) {
        self.0.known.store(false, Ordering::Release);
    }
}

/// Creates the missing indexes of `bucket` before its first write, if it has no files yet.
///
/// # Errors
/// Those of the commands. The next upload tries again.
///
/// Cancel safety: the next upload tries again.
pub(super) async fn ensure<F: Mode>(bucket: &Bucket<F>, deadline: Deadline) -> Result<()> {
    let indexes = &bucket.indexes;
    if indexes.known.load(Ordering::Acquire) {
        return Ok(());
    }
    let runtime = &bucket.on().core.runtime;
    let turn = indexes.turn();
    let acquired = runtime.timeout(deadline, turn.lock.acquire()).await;
    let _guard = acquired.map_err(|_| {
        Error::timeout("another upload of the bucket was creating its indexes at the deadline")
    })?;
    if indexes.known.load(Ordering::Acquire) {
        return Ok(());
    }
    let any = bucket.files.clone_with_type::<Document>();
    let any = any
        .find_one(doc! {})
        .projection(doc! { "_id": 1 })
        .selection_criteria(SelectionCriteria::ReadPreference(ReadPreference::Primary))
        .optional(remaining(deadline)?, |find, left| find.timeout(left))
        .perform()
        .await?;
    if any.is_none() {
        let by_name = doc! { "filename": 1, "uploadDate": 1 };
        create(&bucket.files, by_name, None, deadline).await?;
        let unique = IndexOptions::builder().unique(true).build();
        create(&bucket.chunks, doc! { "files_id": 1, "n": 1 }, Some(unique), deadline).await?;
    }
    indexes.known.store(true, Ordering::Release);
    Ok(())
}

/// Creates the index with these `keys`, unless it exists.
async fn create<T: Send + Sync, F: Mode>(
    collection: &Collection<T, F>,
    keys: Document,
    options: Option<IndexOptions>,
    deadline: Deadline,
) -> Result<()> {
    let indexes = collection
        .list_indexes()
        .optional(remaining(deadline)?, |list, left| list.timeout(left))
        .perform()
        .await?;
    let indexes: Vec<IndexModel> = indexes.into_raw().collect(None).await?;
    if indexes.iter().any(|index| are_equal(&index.keys, &keys)) {
        return Ok(());
    }
    let index = IndexModel::builder().keys(keys).options(options).build();
    collection
        .create_index(index)
        .optional(remaining(deadline)?, |create, left| create.timeout(left))
        .perform()
        .await?;
    Ok(())
}

/// Whether both have the same fields with the same numbers, of any numeric type.
fn are_equal(keys: &Document, wanted: &Document) -> bool {
    let number = |value: &Bson| match value {
        Bson::Int32(n) => Some(f64::from(*n)),
        Bson::Int64(n) => Some(*n as f64),
        Bson::Double(n) => Some(*n),
        _ => None,
    };
    keys.len() == wanted.len()
        && keys.iter().zip(wanted).all(|((key, value), (wanted_key, wanted))| {
            key == wanted_key && number(value).is_some() && number(value) == number(wanted)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_compared_by_value_and_order() {
        let wanted = doc! { "filename": 1, "uploadDate": 1 };
        assert!(are_equal(&doc! { "filename": 1.0, "uploadDate": 1_i64 }, &wanted));
        for other in [
            doc! { "uploadDate": 1, "filename": 1 },
            doc! { "filename": 1, "uploadDate": -1 },
            doc! { "filename": 1 },
            doc! { "filename": "text", "uploadDate": 1 },
        ] {
            assert!(!are_equal(&other, &wanted), "{other}");
        }
    }
}
