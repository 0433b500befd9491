//! Shared parts of the operations that create or list items.

use super::prelude::*;
use crate::cursor::RawCursor;

/// Marks an operation that creates one item. Its result is that of the item.
#[derive(Debug)]
pub struct Single;

/// Marks an operation that creates several items. Its result has one entry per item.
#[derive(Debug)]
pub struct Multiple;

/// Marks an operation that lists items with all their properties.
#[derive(Debug)]
pub struct ListSpecifications;

/// Marks an operation that lists only names.
#[derive(Debug)]
pub struct ListNames;

/// Reads the cursor to its end, and returns the names of the items.
///
/// # Errors
/// `InvalidResponse` if an item has no name. Also the errors of the cursor.
pub(super) async fn names(
    mut cursor: RawCursor,
    mut session: Option<&mut SessionState>,
) -> Result<Vec<String>> {
    let mut names = Vec::new();
    while cursor.advance_in(session.as_deref_mut()).await? {
        let name = cursor.current().get_str("name");
        let name = name.map_err(|_| Error::invalid_response("a document in it has no name"))?;
        names.push(name.to_owned());
    }
    Ok(names)
}

/// Writes `cursor: { batchSize }`. Commands that open a cursor need it even if it is empty.
pub(super) fn write_cursor(batch_size: Option<u32>, body: &mut DocWriter<'_>) {
    let mut cursor = body.nested(cstr!("cursor"));
    if let Some(size) = batch_size {
        cursor.i64(cstr!("batchSize"), size.into());
    }
}
