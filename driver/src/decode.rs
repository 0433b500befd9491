//! Decodes documents of replies into the caller's types, directly from the received bytes.
//!
//! This is the frequent part of `bson`'s decoder in a single pass. Each element is read once. Field
//! names are compared as bytes. Unused fields are skipped by their length. Every visitor receives
//! the same values as from `bson`.
//!
//! The rest is left to `bson`. If [`Value`](value::Value) meets a type or a wrapper that it does
//! not decode, or any error, [`bson::deserialize_from_slice`] decodes the document again. Its
//! result or error counts. An error also gets the path of the field, which `bson` omits. So this
//! decoder may refuse anything, but what it accepts must be correct. There is one difference: it
//! accepts malformed bytes in unused values and field names, which `bson` refuses. A type that
//! accepts text, but requests neither text nor bytes, is decoded twice.
//!
//! The decoder and the decoded types recurse once per level of a document. Documents of more than
//! [`MAX_DEPTH`] levels are refused, here and before `bson` decodes, because they could exhaust the
//! stack. No server sends such documents.

mod access;
mod extended;
#[cfg(test)]
mod tests;
mod value;
mod whole;

use std::cell::Cell;

use bson::error::Error;
use bson::raw::{RawBsonRef, RawDocument};
use bson::{Bson, Document};
use serde::Deserialize;
use serde::de::Error as _;

pub(crate) use self::value::PLAIN;
use self::value::Value;
use crate::wire::i32_at;
use crate::wire::scan::{MAX_DEPTH, is_shallow};

/// Decodes the document in `bytes`.
///
/// # Errors
/// Those of [`bson::deserialize_from_slice`], with the path of the field as key, such as
/// `orders.0.price`. Also an error for a document nested too deeply.
#[inline]
pub(crate) fn from_slice<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> bson::error::Result<T> {
    match quickly(bytes) {
        Ok(decoded) => Ok(decoded),
        Err(left) => by_bson(bytes, left),
    }
}

/// Decodes a document of a reply into a [`Document`].
///
/// # Errors
/// The document is malformed or nested too deeply.
pub(crate) fn document(raw: &RawDocument) -> bson::error::Result<Document> {
    if let Some(document) = whole::document(raw.as_bytes(), 0) {
        return Ok(document);
    }
    shallow(raw.as_bytes())?;
    Document::try_from(raw)
}

/// Decodes a value of a reply. The value is a part of `document`.
///
/// # Errors
/// Those of [`document`].
pub(crate) fn value(document: &[u8], value: RawBsonRef<'_>) -> bson::error::Result<Bson> {
    shallow(document)?;
    Bson::try_from(value)
}

/// Checks that a recursive decoder can decode the document or array.
///
/// # Errors
/// It is nested too deeply.
pub(crate) fn shallow(document: &[u8]) -> bson::error::Result<()> {
    if is_shallow(document) {
        return Ok(());
    }
    Err(Error::custom(format!("a document has more than {MAX_DEPTH} levels of nesting")))
}

/// The decoder's position in the document.
#[derive(Clone, Copy)]
struct Level<'c> {
    /// Set when the document is left to `bson`. An error alone does not suffice, because the
    /// caller's type may swallow it.
    refused: &'c Cell<bool>,
    /// The number of documents and arrays around the position.
    depth: u32,
}

/// The reason for leaving a document to `bson`.
struct Left {
    /// The path of the field that does not fit its type, if that is the reason.
    misfit: Option<String>,
}

/// Decodes the document, unless it is left to `bson`.
#[inline]
fn quickly<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, Left> {
    let refused = Cell::new(false);
    if !is_framed(bytes) {
        return Err(Left { misfit: None });
    }
    let level = Level { refused: &refused, depth: 0 };
    match T::deserialize(Value::document(bytes, level)) {
        Ok(decoded) if !refused.get() => Ok(decoded),
        Err(error) if !refused.get() => Err(Left { misfit: error.key }),
        _ => Err(Left { misfit: None }),
    }
}

#[cold]
fn by_bson<'de, T: Deserialize<'de>>(bytes: &'de [u8], left: Left) -> bson::error::Result<T> {
    shallow(bytes)?;
    bson::deserialize_from_slice(bytes).map_err(|mut error: Error| {
        error.key = left.misfit.or(error.key);
        error
    })
}

/// Whether the bytes begin with their own length and end with a document's terminator.
fn is_framed(bytes: &[u8]) -> bool {
    let declared = i32_at(bytes, 0).and_then(|length| usize::try_from(length).ok());
    bytes.len() >= 5 && declared == Some(bytes.len()) && bytes.last() == Some(&0)
}
