//! Documents of replies, decoded into the caller's types straight from the bytes that came.
//!
//! The hot half of `bson`'s own decoder, written for one pass: an element is looked at once, keys
//! that the fields of a struct are compared with stay bytes, and fields that nobody asked for are
//! stepped over by their length. Every visitor is given what `bson` would have given it.
//!
//! What is rare is left to `bson`. Where [`Value`](value::Value) meets a type or a wrapper that it
//! does not decode, or anything at all goes wrong, the document is decoded once more, by
//! [`bson::deserialize_from_slice`]; its result stands, and so does its error, to which is added
//! what `bson` leaves out: the way to the field that does not fit. So this decoder may refuse what
//! it likes, and must only never be wrong about what it takes. One thing it takes that `bson`
//! refuses: damage inside a value, or in the name of a field, that nobody asked for. And text whose
//! type asks for it neither as text nor as bytes, but takes only text, is looked at twice.
//!
//! A decoder is called once more for each level of a document, and so is every type that it decodes
//! into. No server sends documents of more than [`MAX_DEPTH`] levels; what claims to be one is
//! refused, here and before `bson` is asked, instead of exhausting the stack.

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

use self::value::Value;
use crate::wire::i32_at;
use crate::wire::scan::{MAX_DEPTH, is_shallow};

/// Decodes the document that `bytes` are.
///
/// # Errors
/// Those of [`bson::deserialize_from_slice`], with the names that lead to the field that does not
/// fit, such as `orders.0.price`, for a key; and one for a document that is nested too deep.
#[inline]
pub(crate) fn from_slice<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> bson::error::Result<T> {
    match quickly(bytes) {
        Ok(decoded) => Ok(decoded),
        Err(left) => by_bson(bytes, left),
    }
}

/// A document of a reply, as one that can be changed.
///
/// # Errors
/// It is damaged, or nested too deep.
pub(crate) fn document(raw: &RawDocument) -> bson::error::Result<Document> {
    if let Some(document) = whole::document(raw.as_bytes(), 0) {
        return Ok(document);
    }
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
        false => {
            Err(Error::custom(format!("a document is nested more than {MAX_DEPTH} levels deep")))
        }
    }
}

/// Where in the document the decoder is.
#[derive(Clone, Copy)]
struct Level<'c> {
    /// Set once something was met that is left to `bson`. An error alone would not do: a caller's
    /// type may swallow it.
    refused: &'c Cell<bool>,
    /// How many documents and arrays it is in.
    depth: u32,
}

/// Why a document is left to `bson`.
struct Left {
    /// The way to the field that the type does not take, if that is why.
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

/// Whether the bytes begin with their own length, and end with the terminator of a document.
fn is_framed(bytes: &[u8]) -> bool {
    let told = i32_at(bytes, 0).and_then(|length| usize::try_from(length).ok());
    bytes.len() >= 5 && told == Some(bytes.len()) && bytes.last() == Some(&0)
}
