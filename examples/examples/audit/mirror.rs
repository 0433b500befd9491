//! The handling of an event by the mirror, on either API.

use driver::bson::{Document, doc};
use driver::change_stream::{ChangeStreamEvent, OperationType};

use super::collections::Entry;

/// The maximum number of changes in one transaction.
pub(crate) const MOST: usize = 100;

/// A change of the mirror.
pub(crate) struct Change {
    pub(crate) entry: Entry,
    /// The changed document.
    pub(crate) filter: Document,
    pub(crate) kind: Kind,
}

pub(crate) enum Kind {
    Put(Document),
    Update(Document),
    Delete,
}

/// The end of a transaction that was not committed.
#[derive(Debug)]
pub(crate) enum MirrorError {
    /// Another process has moved the position.
    Moved,
    Driver(driver::Error),
}

impl From<driver::Error> for MirrorError {
    fn from(error: driver::Error) -> Self {
        MirrorError::Driver(error)
    }
}

impl Change {
    /// The change that an event reports. `None` for a kind that the writer does not make.
    pub(crate) fn of(event: ChangeStreamEvent<Document>) -> Option<Self> {
        let filter = event.document_key?;
        let (operation, kind) = match event.operation_type {
            OperationType::Insert => ("insert", Kind::Put(event.full_document?)),
            OperationType::Replace => ("replace", Kind::Put(event.full_document?)),
            OperationType::Delete => ("delete", Kind::Delete),
            OperationType::Update => {
                let update = event.update_description?;
                let removed = update.removed_fields.into_iter().map(|field| (field, "".into()));
                let mut change = doc! {};
                if !update.updated_fields.is_empty() {
                    change.insert("$set", update.updated_fields);
                }
                let removed: Document = removed.collect();
                if !removed.is_empty() {
                    change.insert("$unset", removed);
                }
                ("update", Kind::Update(change))
            }
            _ => return None,
        };
        let entry = Entry { key: filter.get_i32("_id").ok()?, operation: operation.to_owned() };
        Some(Change { entry, filter, kind })
    }
}
