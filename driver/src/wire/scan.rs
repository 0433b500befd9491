//! Iteration over the elements of a BSON document without decoding them.
//!
//! The driver reads a few documents itself on every operation: the top level of a reply, its
//! cursor, its cluster time. A skipped element costs only a look at its type and length.

use bson::spec::ElementType;
use bson::{RawDocument, Timestamp};

use super::i32_at;
use crate::error::{Error, Result};

/// One element: its key and the bytes of its value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Element<'d> {
    pub(crate) key: &'d [u8],
    /// The type, one of [`kind`].
    pub(crate) kind: u8,
    /// The value in its wire format.
    pub(crate) value: &'d [u8],
}

/// The element types in the wire format.
pub(crate) mod kind {
    use bson::spec::ElementType;

    macro_rules! kinds {
        ($($NAME:ident = $Type:ident),+ $(,)?) => {
            $(pub(crate) const $NAME: u8 = ElementType::$Type as u8;)+
        };
    }

    kinds! {
        DOUBLE = Double, STRING = String, DOCUMENT = EmbeddedDocument, ARRAY = Array,
        BINARY = Binary, UNDEFINED = Undefined, OBJECT_ID = ObjectId, BOOLEAN = Boolean,
        DATE_TIME = DateTime, NULL = Null, REGEX = RegularExpression, DB_POINTER = DbPointer,
        CODE = JavaScriptCode, SYMBOL = Symbol, CODE_WITH_SCOPE = JavaScriptCodeWithScope,
        INT32 = Int32, TIMESTAMP = Timestamp, INT64 = Int64, DECIMAL128 = Decimal128,
        MAX_KEY = MaxKey, MIN_KEY = MinKey,
    }
}

impl<'d> Element<'d> {
    /// Whether the value has this type.
    pub(crate) fn is(&self, kind: ElementType) -> bool {
        self.kind == kind as u8
    }

    /// The bytes of the value. A string is without its length and terminator; all else is in the
    /// wire format.
    pub(crate) fn bytes(&self) -> &'d [u8] {
        if self.is(ElementType::String) { &self.value[4..self.value.len() - 1] } else { self.value }
    }

    /// The value as an integer. Servers write integers as int32, int64, double or `true`.
    pub(crate) fn number(&self) -> Option<i64> {
        if self.is(ElementType::Int32) {
            i32_at(self.value, 0).map(i64::from)
        } else if self.is(ElementType::Int64) {
            self.value.try_into().ok().map(i64::from_le_bytes)
        } else if self.is(ElementType::Double) {
            self.value.try_into().ok().and_then(|bytes| whole(f64::from_le_bytes(bytes)))
        } else if self.is(ElementType::Boolean) {
            Some((self.value != [0]).into())
        } else {
            None
        }
    }

    /// The value as a count: an integer that is not negative.
    pub(crate) fn count(&self) -> Option<u64> {
        self.number().filter(|_| !self.is(ElementType::Boolean))?.try_into().ok()
    }

    /// The value as a timestamp.
    pub(crate) fn timestamp(&self) -> Option<Timestamp> {
        if !self.is(ElementType::Timestamp) {
            return None;
        }
        let order = u64::from_le_bytes(self.value.try_into().ok()?);
        Some(Timestamp { time: (order >> 32) as u32, increment: order as u32 })
    }

    /// The document that the value is or contains.
    fn nested(&self) -> Option<&'d [u8]> {
        match self.kind {
            kind::DOCUMENT | kind::ARRAY => Some(self.value),
            // The value is its length, a string with its own length, and the scope.
            kind::CODE_WITH_SCOPE => {
                let code = usize::try_from(i32_at(self.value, 4)?).ok()?;
                self.value.get(code.checked_add(8)?..)
            }
            _ => None,
        }
    }

    /// The value as a document. An array counts as one, as in the wire format.
    pub(crate) fn document(&self) -> Option<&'d RawDocument> {
        self.document_bytes().and_then(|bytes| RawDocument::from_bytes(bytes).ok())
    }

    /// The bytes of a document or array. [`Elements::step`] has checked its length.
    #[inline]
    pub(crate) fn document_bytes(&self) -> Option<&'d [u8]> {
        let holds_one = self.kind == kind::DOCUMENT || self.kind == kind::ARRAY;
        (holds_one && self.value.last() == Some(&0)).then_some(self.value)
    }
}

/// `n` as an integer, if it has no fraction.
pub(crate) fn whole(n: f64) -> Option<i64> {
    // Not every integer beyond this limit has an exact `f64`.
    const LIMIT: f64 = (1_u64 << 53) as f64;
    (n.fract() == 0.0 && n.abs() <= LIMIT).then_some(n as i64)
}

/// Iterates over the elements of `document`.
pub(crate) fn elements(document: &RawDocument) -> Elements<'_> {
    Elements::of(document.as_bytes())
}

/// See [`elements`]. The iteration ends after an error.
#[derive(Clone, Debug)]
pub(crate) struct Elements<'d> {
    /// The bytes from the next element on, with the terminator of the document.
    rest: &'d [u8],
}

impl<'d> Elements<'d> {
    /// Iterates over the elements of the document in `bytes`: length, elements, terminator.
    #[inline]
    pub(crate) fn of(bytes: &'d [u8]) -> Self {
        Elements { rest: bytes.get(4..).unwrap_or_default() }
    }

    /// The next element; `Ok(None)` after the last.
    ///
    /// # Errors
    /// [`Malformed`] if the end of the element is unknown, or beyond the end of the document.
    #[inline]
    pub(crate) fn step(&mut self) -> std::result::Result<Option<Element<'d>>, Malformed> {
        let rest = std::mem::take(&mut self.rest);
        if let [] | [0] = rest {
            return Ok(None);
        }
        let (element, rest) = split(rest).ok_or(Malformed)?;
        self.rest = rest;
        Ok(Some(element))
    }
}

/// An element is truncated or has an unknown type.
#[derive(Debug)]
pub(crate) struct Malformed;

impl From<Malformed> for Error {
    #[cold]
    fn from(Malformed: Malformed) -> Self {
        Error::invalid_response(
            "its BSON is malformed: an element is truncated or has an unknown type",
        )
    }
}

impl<'d> Iterator for Elements<'d> {
    type Item = Result<Element<'d>>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.step().map_err(Error::from).transpose()
    }
}

/// The maximum number of levels of a document, itself included. Servers accept as many.
pub(crate) const MAX_DEPTH: u32 = 200;

/// Whether a document has at most [`MAX_DEPTH`] levels, so that a recursive decoder may read it.
pub(crate) fn is_shallow(document: &[u8]) -> bool {
    has_at_most(MAX_DEPTH, document)
}

/// Whether a document has at most that many levels, itself included.
pub(crate) fn has_at_most(levels: u32, document: &[u8]) -> bool {
    /// A level has a type, the end of a key, a length and a terminator.
    const SMALLEST: usize = 1 + 1 + 4 + 1;
    let levels = levels as usize;
    if document.len() < SMALLEST * levels {
        return true;
    }
    if levels == 0 {
        return false;
    }
    let mut open = vec![Elements::of(document)];
    while let Some(innermost) = open.last_mut() {
        // A decoder stops at malformed bytes, too.
        match innermost.step() {
            Ok(Some(element)) => {
                if let Some(inner) = element.nested() {
                    if open.len() == levels {
                        return false;
                    }
                    open.push(Elements::of(inner));
                }
            }
            Ok(None) | Err(Malformed) => drop(open.pop()),
        }
    }
    true
}

/// Splits `bytes` into its first element and the rest. The last byte, the terminator of the
/// document, is never part of an element.
#[inline]
fn split(bytes: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (&kind, rest) = bytes.split_first()?;
    let end = zero_in(rest)?;
    let (key, rest) = (rest.get(..end)?, rest.get(end + 1..)?);
    let length = value_len(kind, rest)?;
    if length >= rest.len() {
        return None;
    }
    let (value, rest) = rest.split_at(length);
    Some((Element { key, kind, value }, rest))
}

/// The position of the first zero byte. Reads eight bytes at a time.
#[inline]
fn zero_in(bytes: &[u8]) -> Option<usize> {
    const LOW: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    let (words, rest) = bytes.as_chunks();
    for (i, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        // Sets the highest bit of each zero byte. Bits above the lowest one may be wrong.
        let zeros = word.wrapping_sub(LOW) & !word & HIGH;
        if zeros != 0 {
            return Some(8 * i + zeros.trailing_zeros() as usize / 8);
        }
    }
    rest.iter().position(|byte| *byte == 0).map(|at| bytes.len() - rest.len() + at)
}

/// The length of the value at the start of `rest`.
#[inline]
fn value_len(kind: u8, rest: &[u8]) -> Option<usize> {
    let declared_plus = |extra: usize| usize::try_from(i32_at(rest, 0)?).ok()?.checked_add(extra);
    Some(match kind {
        kind::BOOLEAN => 1,
        kind::INT32 => 4,
        kind::DOUBLE | kind::INT64 | kind::DATE_TIME | kind::TIMESTAMP => 8,
        kind::OBJECT_ID => 12,
        kind::DECIMAL128 => 16,
        kind::NULL | kind::UNDEFINED | kind::MIN_KEY | kind::MAX_KEY => 0,
        // A string has at least its terminator and ends with it.
        kind::STRING | kind::CODE | kind::SYMBOL => {
            let length = declared_plus(4).filter(|length| *length >= 5)?;
            if rest.get(length - 1) != Some(&0) {
                return None;
            }
            length
        }
        kind::DOCUMENT | kind::ARRAY | kind::CODE_WITH_SCOPE => {
            declared_plus(0).filter(|length| *length >= 5)?
        }
        kind::BINARY => declared_plus(5)?,
        kind::DB_POINTER => declared_plus(4 + 12)?,
        kind::REGEX => {
            let pattern = rest.iter().position(|byte| *byte == 0)? + 1;
            pattern + rest[pattern..].iter().position(|byte| *byte == 0)? + 1
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use bson::oid::ObjectId;
    use bson::raw::cstr;
    use bson::spec::BinarySubtype;
    use bson::{Bson, Document, RawDocumentBuf, doc};

    use super::*;

    fn all_types() -> Document {
        doc! {
            "double": 1.0, "string": "text", "document": { "a": 1 }, "array": [1, 2],
            "binary": bson::Binary { subtype: BinarySubtype::Generic, bytes: vec![1, 2, 3] },
            "undefined": Bson::Undefined, "id": ObjectId::from_bytes([1; 12]), "bool": true,
            "date": bson::DateTime::from_millis(5), "null": Bson::Null,
            "regex": bson::Regex { pattern: cstr!("a.b").into(), options: cstr!("i").into() },
            "code": Bson::JavaScriptCode("x".into()), "symbol": Bson::Symbol("s".into()),
            "scope": bson::JavaScriptCodeWithScope { code: "y".into(), scope: doc! { "z": 1 } },
            "int32": 7, "timestamp": Timestamp { time: 3, increment: 4 }, "int64": 8_i64,
            "decimal": bson::Decimal128::from_bytes([2; 16]),
            "min": Bson::MinKey, "max": Bson::MaxKey,
        }
    }

    #[test]
    fn every_type_is_scanned_and_read() {
        let written = RawDocumentBuf::try_from(&all_types()).unwrap();
        let found: Vec<_> = elements(&written).map(|element| element.unwrap()).collect();
        let keys: Vec<_> =
            found.iter().map(|element| std::str::from_utf8(element.key).unwrap()).collect();
        assert_eq!(keys, all_types().keys().collect::<Vec<_>>());
        let get = |key: &str| found.iter().find(|element| element.key == key.as_bytes()).unwrap();
        let numbers = ["double", "bool", "int32", "int64", "string"].map(|key| get(key).number());
        assert_eq!(numbers, [Some(1), Some(1), Some(7), Some(8), None]);
        assert_eq!(get("timestamp").timestamp(), Some(Timestamp { time: 3, increment: 4 }));
        assert_eq!(get("string").bytes(), b"text");
        assert_eq!(get("document").document().unwrap().get_i32("a").ok(), Some(1));
        assert_eq!(get("array").document().unwrap().get_i32("1").ok(), Some(2));
        assert!(get("int32").document().is_none() && get("int32").timestamp().is_none());
    }

    #[test]
    fn first_zero_is_found_at_any_position() {
        for length in 0..40 {
            for fill in [1, 0x7f, 0x80, 0x81, 0xff] {
                assert_eq!(zero_in(&vec![fill; length]), None);
                for at in 0..length {
                    let mut bytes = vec![fill; length];
                    bytes[at] = 0;
                    assert_eq!(zero_in(&bytes), Some(at));
                    // Later bytes must not matter: neither zeros nor ones, which the subtraction
                    // may borrow from.
                    bytes[at..].iter_mut().skip(1).step_by(2).for_each(|byte| *byte = 0);
                    bytes[at..].iter_mut().skip(2).step_by(2).for_each(|byte| *byte = 1);
                    assert_eq!(zero_in(&bytes), Some(at));
                }
            }
        }
    }

    #[test]
    fn malformed_elements_end_within_the_document() {
        let whole = RawDocumentBuf::try_from(&all_types()).unwrap().into_bytes();
        for at in 4..whole.len() - 1 {
            for value in [0, 1, 2, 5, 0x7f, 0x80, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] = value;
                let document = RawDocument::from_bytes(&bytes).unwrap();
                for element in elements(document) {
                    let Ok(element) = element else { break };
                    let _ = (
                        element.number(),
                        element.timestamp(),
                        element.document(),
                        element.bytes(),
                    );
                }
            }
        }
    }
}
