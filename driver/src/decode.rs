//! Documents of replies, decoded into the caller's types straight from the bytes that came.
//!
//! The hot half of `bson`'s own decoder, written for one pass: an element is looked at once, keys that the fields of a struct are compared with
//! stay bytes, and fields that nobody asked for are stepped over by their length. Every visitor is given what `bson` would have given it.
//!
//! What is rare is left to `bson`. Where [`Value`](value::Value) meets a type or a wrapper that it does not decode, or anything at all goes wrong, the
//! document is decoded once more, by [`bson::deserialize_from_slice`]; its result stands, and so does its error. So this decoder may refuse
//! what it likes, and must only never be wrong about what it takes. One thing it takes that `bson` refuses: damage inside a value,
//! or in the name of a field, that nobody asked for.
//!
//! A decoder is called once more for each level of a document, and so is every type that it decodes into. No server sends documents of more than
//! [`MAX_DEPTH`] levels; what claims to be one is refused, here and before `bson` is asked, instead of exhausting the stack.

mod access;
mod extended;
#[cfg(test)]
mod tests;
mod value;

use std::cell::Cell;

use bson::error::Error;
use bson::raw::{RawBsonRef, RawDocument};
use bson::{Bson, Document};
use serde::Deserialize;
use serde::de::Error as _;

use self::value::Value;
use crate::wire::i32_at;
use crate::wire::scan::{MAX_DEPTH, is_shallow};

/// Decodes the document that `bytes` are.
///
/// # Errors
/// Those of [`bson::deserialize_from_slice`], and one for a document that is nested too deep.
#[inline]
pub(crate) fn from_slice<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> bson::error::Result<T> {
    match quickly(bytes) {
        Some(decoded) => Ok(decoded),
        None => by_bson(bytes),
    }
}

/// A document of a reply, as one that can be changed.
///
/// # Errors
/// It is damaged, or nested too deep.
pub(crate) fn document(raw: &RawDocument) -> bson::error::Result<Document> {
    shallow(raw.as_bytes())?;
    Document::try_from(raw)
}

/// A value of a reply, which stands in `document`.
///
/// # Errors
/// As of [`document`].
pub(crate) fn value(document: &[u8], value: RawBsonRef<'_>) -> bson::error::Result<Bson> {
    shallow(document)?;
    Bson::try_from(value)
}

/// That a document or an array is nested no deeper than what calls itself for each level can bear.
///
/// # Errors
/// It is.
pub(crate) fn shallow(document: &[u8]) -> bson::error::Result<()> {
    match is_shallow(document) {
        true => Ok(()),
        false => Err(Error::custom(format!("a document is nested more than {MAX_DEPTH} levels deep"))),
    }
}

/// Where in the document the decoder is.
#[derive(Clone, Copy)]
struct Level<'c> {
    /// Set once something was met that is left to `bson`. An error alone would not do: a caller's type may swallow it.
    refused: &'c Cell<bool>,
    /// How many documents and arrays it is in.
    depth: u32,
}

/// Decodes the document, unless it is left to `bson`.
#[inline]
fn quickly<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Option<T> {
    let refused = Cell::new(false);
    if !is_framed(bytes) {
        return None;
    }
    let level = Level { refused: &refused, depth: 0 };
    let decoded = T::deserialize(Value::document(bytes, level)).ok()?;
    (!refused.get()).then_some(decoded)
}

#[cold]
fn by_bson<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> bson::error::Result<T> {
    shallow(bytes)?;
    bson::deserialize_from_slice(bytes)
}

/// Whether the bytes begin with their own length, and end with the terminator of a document.
fn is_framed(bytes: &[u8]) -> bool {
    let told = i32_at(bytes, 0).and_then(|length| usize::try_from(length).ok());
    bytes.len() >= 5 && told == Some(bytes.len()) && bytes.last() == Some(&0)
}
