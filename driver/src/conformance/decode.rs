//! The decoder of replies, for the bytes of one document.

use bson::Document;
use bson::error::Result;
use bson::raw::RawDocument;
use serde::Deserialize;

use crate::decode;

/// Decodes a document as `run_command` and cursors over `Document` do.
///
/// # Errors
/// The bytes are not a valid document.
pub fn document(bytes: &[u8]) -> Result<Document> {
    decode::document(RawDocument::from_bytes(bytes)?)
}

/// Decodes a document as cursors over a caller's type do.
///
/// # Errors
/// The bytes are not a valid document, or do not fit the type.
pub fn typed<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T> {
    decode::from_slice(bytes)
}
