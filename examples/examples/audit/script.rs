//! The writes, in order. Each causes one event.

use driver::bson::{Document, doc};
use examples::failover::BoxError;

use super::collections::Entry;

/// One write.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    number: u32,
    key: i32,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Insert,
    Update,
    Replace,
    Delete,
}

/// A write to be sent.
pub(crate) enum Write {
    Insert(Document),
    Update(Document, Document),
    Replace(Document, Document),
    Delete(Document),
}

impl Step {
    /// The steps alternate between two kinds of documents: one is inserted, updated, replaced and
    /// deleted, the other stays after it was replaced.
    pub(crate) fn of(number: u32) -> Self {
        const KINDS: [(i32, Kind); 7] = [
            (0, Kind::Insert),
            (0, Kind::Update),
            (0, Kind::Replace),
            (0, Kind::Delete),
            (1, Kind::Insert),
            (1, Kind::Update),
            (1, Kind::Replace),
        ];
        let (pair, within) = (number / 7, number % 7);
        let (second, kind) = KINDS[within as usize];
        Step { number, key: pair as i32 * 2 + second, kind }
    }

    /// The write. A repeated one finds no document to change, or is refused for a duplicate key.
    pub(crate) fn write(&self) -> Write {
        let Step { number, key, kind } = self;
        match kind {
            Kind::Insert => Write::Insert(doc! { "_id": key, "step": 0, "new": true }),
            Kind::Update => Write::Update(
                doc! { "_id": key, "step": 0 },
                doc! { "$set": { "step": 1, "seen.in": number }, "$unset": { "new": "" } },
            ),
            Kind::Replace => {
                Write::Replace(doc! { "_id": key, "step": 1 }, doc! { "step": 2, "in": number })
            }
            Kind::Delete => Write::Delete(doc! { "_id": key }),
        }
    }

    /// The entry of the journal that this step must cause, once.
    pub(crate) fn entry(&self) -> Entry {
        let operation = match self.kind {
            Kind::Insert => "insert",
            Kind::Update => "update",
            Kind::Replace => "replace",
            Kind::Delete => "delete",
        };
        Entry { key: self.key, operation: operation.to_owned() }
    }

    /// Judges an attempt. Returns the error if another attempt may help, and `None` if the write is
    /// done. A failed attempt may have done it.
    ///
    /// # Errors
    ///
    /// The first attempt has not found its document.
    pub(crate) fn after(
        &self,
        tried: driver::Result<bool>,
        is_first: bool,
    ) -> Result<Option<driver::Error>, BoxError> {
        match tried {
            Ok(false) if is_first => Err(format!("{self:?} found no document").into()),
            Ok(_) => Ok(None),
            Err(error) if !is_first && error.is_duplicate_key() => Ok(None),
            Err(error) => Ok(Some(error)),
        }
    }
}
