//! The decoder of replies, over the bytes of one document.

use bson::Document;
use bson::error::Result;
use bson::raw::RawDocument;
use serde::Deserialize;

use crate::decode;

/// A document as `run_command` and cursors over `Document` return it.
///
/// # Errors
/// The bytes are no valid document.
pub fn document(bytes: &[u8]) -> Result<Document> {
    decode::document(RawDocument::from_bytes(bytes)?)
}

/// A document as cursors over the caller's own type return it.
///
/// # Errors
/// The bytes are no valid document, or none of that type.
pub fn typed<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T> {
    decode::from_slice(bytes)
}
