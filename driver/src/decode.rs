//! Documents of replies, decoded into the caller's types straight from the bytes that came.
//!
//! The hot half of `bson`'s own decoder, written for one pass: an element is looked at once, keys that the fields of a struct are compared with
//! stay bytes, and fields that nobody asked for are stepped over by their length. Every visitor is given what `bson` would have given it.
//!
//! What is rare is left to `bson`. Where [`Value`](value::Value) meets a type or a wrapper that it does not decode, or anything at all goes wrong, the
//! document is decoded once more, by [`bson::deserialize_from_slice`]; its result stands, and so does its error. So this decoder may refuse
//! what it likes, and must only never be wrong about what it takes. One thing it takes that `bson` refuses: damage inside a value,
//! or in the name of a field, that nobody asked for.

mod access;
mod extended;
#[cfg(test)]
mod tests;
mod value;

use std::cell::Cell;

use serde::Deserialize;

use self::value::Value;
use crate::wire::i32_at;

/// Decodes the document that `bytes` are.
///
/// # Errors
/// Those of [`bson::deserialize_from_slice`].
#[inline]
pub(crate) fn from_slice<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> bson::error::Result<T> {
    match quickly(bytes) {
        Some(decoded) => Ok(decoded),
        None => by_bson(bytes),
    }
}

/// Decodes the document, unless it is left to `bson`.
#[inline]
fn quickly<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Option<T> {
    let refused = Cell::new(false);
    if !is_framed(bytes) {
        return None;
    }
    let decoded = T::deserialize(Value::document(bytes, &refused)).ok()?;
    (!refused.get()).then_some(decoded)
}

#[cold]
fn by_bson<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> bson::error::Result<T> {
    bson::deserialize_from_slice(bytes)
}

/// Whether the bytes begin with their own length, and end with the terminator of a document.
fn is_framed(bytes: &[u8]) -> bool {
    let told = i32_at(bytes, 0).and_then(|length| usize::try_from(length).ok());
    bytes.len() >= 5 && told == Some(bytes.len()) && bytes.last() == Some(&0)
}
