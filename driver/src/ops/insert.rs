//! The common part of `insert_one` and `insert_many`: encoding a document.

use bson::{Bson, Document, RawDocument};
use serde::Serialize;

use crate::decode;
use crate::error::{Error, Result};
use crate::object_id::new_object_id;
use crate::wire::SequenceWriter;

/// Appends `document` to `sequence` and returns its `_id`. A document without `_id` gets one as its
/// first field.
///
/// `known` is the `_id` of an earlier encoding. A retry must send the same one.
pub(super) fn append<T: Serialize + ?Sized>(
    sequence: &mut SequenceWriter<'_>,
    document: &T,
    known: Option<&Bson>,
    limit: usize,
) -> Result<Bson> {
    sequence.serialize(document)?;
    give_id(sequence, known, limit)
}

/// Like [`append`], for a `Document`.
pub(super) fn append_document(
    sequence: &mut SequenceWriter<'_>,
    document: &Document,
    known: Option<&Bson>,
    limit: usize,
) -> Result<Bson> {
    sequence.document(document)?;
    give_id(sequence, known, limit)
}

/// The `_id` of the last document of `sequence`, which gets one if it has none.
fn give_id(sequence: &mut SequenceWriter<'_>, known: Option<&Bson>, limit: usize) -> Result<Bson> {
    let id = match own_id(sequence.last())? {
        Some(id) => id,
        None => {
            let id = match known {
                Some(Bson::ObjectId(id)) => *id,
                _ => new_object_id(),
            };
            sequence.prepend_id(id);
            Bson::ObjectId(id)
        }
    };
    check_size(&id, sequence.last().len(), limit)?;
    Ok(id)
}

/// Refuses a document that exceeds the server's limit.
///
/// # Errors
/// `InvalidArgument`.
pub(super) fn check_size(id: &Bson, size: usize, limit: usize) -> Result<()> {
    if size <= limit {
        return Ok(());
    }
    Err(Error::invalid_argument(format!(
        "the document with _id {id} has {size} bytes, more than the {limit} that the server \
         accepts (maxBsonObjectSize); split it"
    )))
}

/// The `_id` of a document that was just encoded.
pub(super) fn own_id(document: &[u8]) -> Result<Option<Bson>> {
    let document = RawDocument::from_bytes(document).map_err(Error::serialization)?;
    for element in document.iter_elements() {
        let element = element.map_err(Error::serialization)?;
        if element.key().as_str() == "_id" {
            let value = element.value().map_err(Error::serialization)?;
            return decode::value(document.as_bytes(), value)
                .map(Some)
                .map_err(Error::serialization);
        }
    }
    Ok(None)
}
