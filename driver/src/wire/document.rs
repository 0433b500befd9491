//! Encodes a [`Document`] directly. This is faster than [`encode`], which serializes any value.

use bson::raw::CStr;
use bson::spec::BinarySubtype;
use bson::{Binary, Bson, Document, RawDocumentBuf, doc};

use super::scan::MAX_DEPTH;
use super::writer::{index_key, string};
use super::{encode, patch_length};
use crate::error::{Error, Result};

/// The position of the value in a document whose only field has an empty key: behind the length,
/// the type and the end of the key.
const ONLY_VALUE: usize = 4 + 1 + 1;

/// Appends `document`.
///
/// # Errors
/// `BsonSerialization` for a key with a NUL byte, and for more than [`MAX_DEPTH`] levels. `buf` is
/// then unchanged.
pub(super) fn append(document: &Document, buf: &mut Vec<u8>) -> Result<()> {
    let at = buf.len();
    level(document, 0, buf).inspect_err(|_| buf.truncate(at))
}

/// Encodes `document`.
///
/// # Errors
/// Those of [`append`].
pub(crate) fn raw(document: &Document) -> Result<RawDocumentBuf> {
    let mut bytes = Vec::new();
    append(document, &mut bytes)?;
    RawDocumentBuf::from_bytes(bytes).map_err(Error::serialization)
}

/// Appends a document that is inside of `depth` others.
fn level(document: &Document, depth: u32, buf: &mut Vec<u8>) -> Result<()> {
    let start = open(depth, buf)?;
    for (key, value) in document {
        buf.push(value.element_type() as u8);
        let key = <&CStr>::try_from(key.as_str()).map_err(Error::serialization)?;
        buf.extend_from_slice(key.as_str().as_bytes());
        buf.push(0);
        self::value(value, depth, buf)?;
    }
    close(start, buf);
    Ok(())
}

fn array(values: &[Bson], depth: u32, buf: &mut Vec<u8>) -> Result<()> {
    let start = open(depth, buf)?;
    for (index, value) in values.iter().enumerate() {
        buf.push(value.element_type() as u8);
        index_key(index, buf);
        self::value(value, depth, buf)?;
    }
    close(start, buf);
    Ok(())
}

fn open(depth: u32, buf: &mut Vec<u8>) -> Result<usize> {
    if depth >= MAX_DEPTH {
        return Err(Error::serialization(encode::too_deep::<bson::error::Error>()));
    }
    let start = buf.len();
    buf.extend_from_slice(&[0; 4]);
    Ok(start)
}

fn close(start: usize, buf: &mut Vec<u8>) {
    buf.push(0);
    patch_length(buf, start);
}

/// Appends a value of a document that is inside of `depth` others, without its type and key.
fn value(value: &Bson, depth: u32, buf: &mut Vec<u8>) -> Result<()> {
    match value {
        Bson::Double(number) => buf.extend_from_slice(&number.to_le_bytes()),
        Bson::String(text) | Bson::Symbol(text) | Bson::JavaScriptCode(text) => string(text, buf),
        Bson::Document(document) => level(document, depth + 1, buf)?,
        Bson::Array(values) => array(values, depth + 1, buf)?,
        Bson::Binary(value) => binary(value, buf),
        Bson::Undefined | Bson::Null | Bson::MinKey | Bson::MaxKey => {}
        Bson::ObjectId(id) => buf.extend_from_slice(&id.bytes()),
        Bson::Boolean(value) => buf.push((*value).into()),
        Bson::DateTime(time) => buf.extend_from_slice(&time.timestamp_millis().to_le_bytes()),
        Bson::RegularExpression(regex) => {
            for text in [&regex.pattern, &regex.options] {
                buf.extend_from_slice(text.as_str().as_bytes());
                buf.push(0);
            }
        }
        Bson::JavaScriptCodeWithScope(code) => {
            let start = buf.len();
            buf.extend_from_slice(&[0; 4]);
            string(&code.code, buf);
            // The code counts as a level, as it does for serde.
            level(&code.scope, depth + 2, buf)?;
            patch_length(buf, start);
        }
        Bson::Int32(number) => buf.extend_from_slice(&number.to_le_bytes()),
        Bson::Int64(number) => buf.extend_from_slice(&number.to_le_bytes()),
        Bson::Timestamp(time) => {
            buf.extend_from_slice(&time.increment.to_le_bytes());
            buf.extend_from_slice(&time.time.to_le_bytes());
        }
        Bson::Decimal128(number) => buf.extend_from_slice(&number.bytes()),
        // Its fields are private, so serde writes it as the only field of a document.
        Bson::DbPointer(_) => {
            let document = encode::document(&doc! { "": value })?;
            let bytes = document.as_bytes();
            buf.extend_from_slice(&bytes[ONLY_VALUE..bytes.len() - 1]);
        }
    }
    Ok(())
}

fn binary(value: &Binary, buf: &mut Vec<u8>) {
    let length = value.bytes.len() as i32;
    if value.subtype == BinarySubtype::BinaryOld {
        // The value of this subtype begins with a second length.
        buf.extend_from_slice(&(length + 4).to_le_bytes());
        buf.push(value.subtype.into());
        buf.extend_from_slice(&length.to_le_bytes());
    } else {
        buf.extend_from_slice(&length.to_le_bytes());
        buf.push(value.subtype.into());
    }
    buf.extend_from_slice(&value.bytes);
}

#[cfg(test)]
mod tests {
    use bson::oid::ObjectId;
    use bson::raw::cstr;
    use bson::{DateTime, Decimal128, JavaScriptCodeWithScope, RawDocument, Regex, Timestamp};

    use super::*;

    /// One value of each type, with both ends of the numbers.
    fn values() -> Vec<Bson> {
        let old = Binary { subtype: BinarySubtype::BinaryOld, bytes: vec![1, 2, 3] };
        let own = Binary { subtype: BinarySubtype::UserDefined(0x81), bytes: vec![] };
        let pattern = cstr!("^a.*");
        let regex = Regex { pattern: pattern.into(), options: cstr!("im").into() };
        let scope = doc! { "x": { "y": [1, "two"] } };
        let code = JavaScriptCodeWithScope { code: "return x".into(), scope };
        let pointer = b"\x1c\0\0\0\x0cp\0\x04\0\0\0d.c\0abcdefghijkl\0";
        let pointer = RawDocument::from_bytes(pointer).expect("a document");
        let pointer = Document::try_from(pointer).expect("with a DBPointer")["p"].clone();
        assert!(matches!(pointer, Bson::DbPointer(_)));
        let mut values = vec![
            Bson::Double(f64::NAN),
            Bson::Double(-0.0),
            Bson::String("a\0b\u{10ffff}".into()),
            Bson::String(String::new()),
            Bson::Symbol("s".into()),
            Bson::JavaScriptCode("f()".into()),
            Bson::JavaScriptCodeWithScope(code),
            Bson::Binary(old),
            Bson::Binary(own),
            Bson::Undefined,
            Bson::Null,
            Bson::MinKey,
            Bson::MaxKey,
            Bson::ObjectId(ObjectId::from_bytes([7; 12])),
            Bson::Boolean(true),
            Bson::Boolean(false),
            Bson::DateTime(DateTime::MIN),
            Bson::DateTime(DateTime::MAX),
            Bson::RegularExpression(regex),
            Bson::Int32(i32::MIN),
            Bson::Int64(i64::MAX),
            Bson::Timestamp(Timestamp { time: 1, increment: u32::MAX }),
            Bson::Decimal128(Decimal128::from_bytes([9; 16])),
            pointer,
            Bson::Document(doc! {}),
            Bson::Array(vec![]),
        ];
        let all = values.clone();
        values.push(Bson::Array(all.into_iter().cycle().take(120).collect()));
        values
    }

    #[test]
    fn direct_encoding_equals_that_of_serde() {
        let values = values();
        let mut document = doc! { "$oid": "no id", "": { "a": { "b": values.clone() } } };
        document.extend(values.into_iter().enumerate().map(|(at, value)| (at.to_string(), value)));
        let (mut direct, mut serialized) = (vec![0xAA; 3], vec![0xAA; 3]);
        append(&document, &mut direct).unwrap();
        encode::append(&document, &mut serialized).unwrap();
        assert_eq!(direct, serialized);
    }

    #[test]
    fn direct_encoding_has_the_limits_of_serde() {
        let nested = |levels: u32, array: bool| {
            (1..levels).fold(doc! {}, |inner, _| {
                if array {
                    doc! { "a": [inner] }
                } else {
                    doc! { "a": inner }
                }
            })
        };
        let nul = doc! { "ok": 1, "in": [{ "a\0b": 1 }] };
        let code = |scope| {
            Bson::JavaScriptCodeWithScope(JavaScriptCodeWithScope { code: String::new(), scope })
        };
        for (document, is_valid) in [
            (nested(MAX_DEPTH, false), true),
            (nested(MAX_DEPTH + 1, false), false),
            (nested(MAX_DEPTH / 2, true), true),
            (nested(MAX_DEPTH / 2 + 1, true), false),
            (doc! { "c": code(nested(MAX_DEPTH - 2, false)) }, true),
            (doc! { "c": code(nested(MAX_DEPTH - 1, false)) }, false),
            (nul, false),
        ] {
            let (mut direct, mut serialized) = (vec![0xAA; 3], vec![0xAA; 3]);
            let results =
                [append(&document, &mut direct), encode::append(&document, &mut serialized)];
            assert!(results.iter().all(|result| result.is_ok() == is_valid), "{results:?}");
            assert_eq!(direct, serialized);
        }
    }
}
