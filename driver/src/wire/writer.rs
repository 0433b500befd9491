//! Writes BSON field by field at the end of a byte buffer.
//!
//! A new [`DocWriter`] opens a document; dropping it writes the terminator and the length. A nested
//! writer borrows its parent, so the two cannot interleave. Keys are [`CStr`]s: `cstr!` rejects NUL
//! bytes at compile time. Keys of the user come in documents, whose serialization rejects NUL
//! bytes.

use std::time::Duration;

use bson::oid::ObjectId;
use bson::raw::CStr;
use bson::spec::{BinarySubtype, ElementType};
use bson::{Document, RawDocument, Timestamp};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::{document, encode, patch_length};
use crate::error::{Error, Result};

/// An open document at the end of a buffer.
#[derive(Debug)]
pub(crate) struct DocWriter<'b> {
    buf: &'b mut Vec<u8>,
    start: usize,
}

impl<'b> DocWriter<'b> {
    /// Opens a document at the end of `buf`.
    pub(crate) fn begin(buf: &'b mut Vec<u8>) -> Self {
        let start = buf.len();
        buf.extend_from_slice(&[0; 4]);
        DocWriter { buf, start }
    }

    fn key(&mut self, kind: ElementType, key: &CStr) {
        self.buf.push(kind as u8);
        self.buf.extend_from_slice(key.as_str().as_bytes());
        self.buf.push(0);
    }

    pub(crate) fn i32(&mut self, key: &CStr, value: i32) {
        self.key(ElementType::Int32, key);
        self.buf.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn i64(&mut self, key: &CStr, value: i64) {
        self.key(ElementType::Int64, key);
        self.buf.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn bool(&mut self, key: &CStr, value: bool) {
        self.key(ElementType::Boolean, key);
        self.buf.push(value.into());
    }

    pub(crate) fn str(&mut self, key: &CStr, value: &str) {
        self.key(ElementType::String, key);
        string(value, self.buf);
    }

    pub(crate) fn timestamp(&mut self, key: &CStr, value: Timestamp) {
        self.key(ElementType::Timestamp, key);
        self.buf.extend_from_slice(&value.increment.to_le_bytes());
        self.buf.extend_from_slice(&value.time.to_le_bytes());
    }

    /// Writes a time limit in whole milliseconds, rounded down, but at least one unless it is zero.
    ///
    /// # Errors
    /// `InvalidArgument` if the milliseconds exceed an `i64`.
    pub(crate) fn millis(&mut self, key: &CStr, value: Duration) -> Result<()> {
        let millis = i64::try_from(value.as_millis()).map_err(|_| {
            Error::invalid_argument(format!(
                "{}: {value:?} exceeds the largest number of milliseconds, 2^63 - 1",
                key.as_str()
            ))
        })?;
        // Less than one millisecond becomes one, because 0 means "no limit".
        self.i64(key, if value.is_zero() { 0 } else { millis.max(1) });
        Ok(())
    }

    /// Writes a UUID, a binary of subtype 4.
    pub(crate) fn uuid(&mut self, key: &CStr, value: &[u8; 16]) {
        self.binary(key, BinarySubtype::Uuid, value);
    }

    pub(crate) fn binary(&mut self, key: &CStr, subtype: BinarySubtype, value: &[u8]) {
        self.key(ElementType::Binary, key);
        self.buf.extend_from_slice(&(value.len() as i32).to_le_bytes());
        self.buf.push(subtype.into());
        self.buf.extend_from_slice(value);
    }

    pub(crate) fn object_id(&mut self, key: &CStr, value: ObjectId) {
        self.key(ElementType::ObjectId, key);
        self.buf.extend_from_slice(&value.bytes());
    }

    pub(crate) fn doc(&mut self, key: &CStr, value: &RawDocument) {
        self.key(ElementType::EmbeddedDocument, key);
        self.buf.extend_from_slice(value.as_bytes());
    }

    /// Appends all fields of `value`.
    pub(crate) fn extend(&mut self, value: &RawDocument) {
        let bytes = value.as_bytes();
        self.buf.extend_from_slice(&bytes[4..bytes.len() - 1]);
    }

    /// Opens a nested document.
    pub(crate) fn nested(&mut self, key: &CStr) -> DocWriter<'_> {
        self.key(ElementType::EmbeddedDocument, key);
        DocWriter::begin(self.buf)
    }

    /// Opens a nested array.
    pub(crate) fn array(&mut self, key: &CStr) -> ArrayWriter<'_> {
        self.key(ElementType::Array, key);
        ArrayWriter { doc: DocWriter::begin(self.buf), next: 0 }
    }

    /// Writes any value: a document or another BSON value, such as a `Bson` or a `RawBsonRef`.
    ///
    /// # Errors
    /// `BsonSerialization`. The buffer is then unchanged.
    pub(crate) fn value<T: Serialize + ?Sized>(&mut self, key: &CStr, value: &T) -> Result<()> {
        let at = self.buf.len();
        encode::append(&Single { key: key.as_str(), value }, self.buf)?;
        // The buffer now holds a document of one field. Only the field belongs here.
        self.buf.pop();
        self.buf.drain(at..at + 4);
        Ok(())
    }

    /// Writes a document.
    ///
    /// # Errors
    /// `BsonSerialization` for a key with a NUL byte, and for too many levels. The buffer is then
    /// unchanged.
    pub(crate) fn document(&mut self, key: &CStr, value: &Document) -> Result<()> {
        let at = self.buf.len();
        self.key(ElementType::EmbeddedDocument, key);
        document::append(value, self.buf).inspect_err(|_| self.buf.truncate(at))
    }

    /// Serializes `value`, a document, in place.
    ///
    /// # Errors
    /// `BsonSerialization`, also if `value` is not a document. The buffer is then unchanged.
    pub(crate) fn serialize<T: Serialize + ?Sized>(&mut self, key: &CStr, value: &T) -> Result<()> {
        let at = self.buf.len();
        self.key(ElementType::EmbeddedDocument, key);
        encode::append(value, self.buf).inspect_err(|_| self.buf.truncate(at))
    }

    /// The size of this document so far.
    pub(crate) fn len(&self) -> usize {
        self.buf.len() - self.start
    }
}

impl Drop for DocWriter<'_> {
    fn drop(&mut self) {
        self.buf.push(0);
        patch_length(self.buf, self.start);
    }
}

/// An open array at the end of a buffer. It numbers its elements itself.
#[derive(Debug)]
pub(crate) struct ArrayWriter<'b> {
    doc: DocWriter<'b>,
    next: usize,
}

impl ArrayWriter<'_> {
    /// Writes the type byte and the decimal index.
    fn key(&mut self, kind: ElementType) {
        self.doc.buf.push(kind as u8);
        index_key(self.next, self.doc.buf);
        self.next += 1;
    }

    pub(crate) fn i64(&mut self, value: i64) {
        self.key(ElementType::Int64);
        self.doc.buf.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn str(&mut self, value: &str) {
        self.key(ElementType::String);
        string(value, self.doc.buf);
    }

    /// Writes a document.
    ///
    /// # Errors
    /// Those of [`DocWriter::document`].
    pub(crate) fn document(&mut self, value: &Document) -> Result<()> {
        let (at, index) = (self.doc.buf.len(), self.next);
        self.key(ElementType::EmbeddedDocument);
        document::append(value, self.doc.buf).inspect_err(|_| {
            self.doc.buf.truncate(at);
            self.next = index;
        })
    }

    /// Serializes `value`, a document, in place.
    ///
    /// # Errors
    /// Those of [`DocWriter::serialize`].
    pub(crate) fn serialize<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        let (at, index) = (self.doc.buf.len(), self.next);
        self.key(ElementType::EmbeddedDocument);
        encode::append(value, self.doc.buf).inspect_err(|_| {
            self.doc.buf.truncate(at);
            self.next = index;
        })
    }

    /// Opens a nested document.
    pub(crate) fn nested(&mut self) -> DocWriter<'_> {
        self.key(ElementType::EmbeddedDocument);
        DocWriter::begin(self.doc.buf)
    }
}

/// Writes the value of a string: its length, its bytes and a terminator.
pub(super) fn string(value: &str, buf: &mut Vec<u8>) {
    buf.extend_from_slice(&((value.len() + 1) as i32).to_le_bytes());
    buf.extend_from_slice(value.as_bytes());
    buf.push(0);
}

/// Writes the key of the element `index` of an array: decimal digits and a terminator.
pub(super) fn index_key(index: usize, buf: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = index;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    buf.extend_from_slice(&digits[at..]);
    buf.push(0);
}

/// A document of one field, for [`DocWriter::value`].
struct Single<'a, T: ?Sized> {
    key: &'a str,
    value: &'a T,
}

impl<T: Serialize + ?Sized> Serialize for Single<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(self.key, self.value)?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use bson::raw::cstr;
    use bson::{Bson, doc, rawdoc};

    use super::*;

    fn written(fill: impl FnOnce(&mut DocWriter<'_>)) -> Document {
        let mut buf = vec![0xAA; 3];
        fill(&mut DocWriter::begin(&mut buf));
        let raw = RawDocument::from_bytes(&buf[3..]).expect("well-formed");
        raw.try_into().expect("valid")
    }

    #[test]
    fn every_field_type_reads_back() {
        let id = ObjectId::from_bytes([7; 12]);
        let read = written(|w| {
            w.i32(cstr!("i"), -1);
            w.i64(cstr!("l"), i64::MIN);
            w.bool(cstr!("b"), true);
            w.str(cstr!("s"), "a\0b");
            w.timestamp(cstr!("t"), Timestamp { time: 3, increment: 4 });
            w.uuid(cstr!("u"), &[9; 16]);
            w.object_id(cstr!("o"), id);
            w.doc(cstr!("d"), &rawdoc! { "x": 1 });
            w.value(cstr!("v"), &Bson::String("v".into())).unwrap();
            w.value(cstr!("vd"), &doc! { "y": [1, 2] }).unwrap();
            w.serialize(cstr!("z"), &doc! { "z": 1 }).unwrap();
            w.nested(cstr!("in")).nested(cstr!("in")).i32(cstr!("x"), 1);
            let mut array = w.array(cstr!("a"));
            for i in 0..12 {
                array.i64(i);
            }
            array.nested().i32(cstr!("k"), 1);
            drop(array);
            w.extend(&rawdoc! { "e": 1, "e2": 2 });
        });
        let mut array: Vec<Bson> = (0..12_i64).map(Bson::Int64).collect();
        array.push(Bson::Document(doc! { "k": 1 }));
        let uuid = bson::Binary { subtype: BinarySubtype::Uuid, bytes: vec![9; 16] };
        assert_eq!(
            read,
            doc! {
                "i": -1, "l": i64::MIN, "b": true, "s": "a\0b",
                "t": Timestamp { time: 3, increment: 4 }, "u": uuid, "o": id, "d": { "x": 1 },
                "v": "v", "vd": { "y": [1, 2] }, "z": { "z": 1 }, "in": { "in": { "x": 1 } },
                "a": array, "e": 1, "e2": 2,
            }
        );
    }

    #[test]
    fn failed_serialization_leaves_the_buffer_unchanged() {
        let read = written(|w| {
            w.i32(cstr!("before"), 1);
            w.serialize(cstr!("scalar"), &5).unwrap_err();
            w.value(cstr!("nul"), &doc! { "a\0b": 1 }).unwrap_err();
            w.serialize(cstr!("nul"), &doc! { "ok": 1, "a\0b": 1 }).unwrap_err();
            let mut array = w.array(cstr!("a"));
            array.serialize(&5).unwrap_err();
            array.str("first");
            drop(array);
            w.i32(cstr!("after"), 2);
        });
        assert_eq!(read, doc! { "before": 1, "a": ["first"], "after": 2 });
    }
}
