//! Decodes whole documents into [`Document`]s, for replies that the caller gets unchanged.
//!
//! `bson` copies the bytes of each nested document and array before it reads them. This decoder
//! reads them in place. Rare types and malformed bytes are left to `bson`.

use bson::oid::ObjectId;
use bson::{Binary, Bson, DateTime, Decimal128, Document};

use super::is_framed;
use crate::wire::i32_at;
use crate::wire::scan::{Element, Elements, MAX_DEPTH, kind};

/// The document in `bytes`, which is nested `depth` levels deep. `None` leaves it to `bson`.
pub(super) fn document(bytes: &[u8], depth: u32) -> Option<Document> {
    if !is_framed(bytes) || depth >= MAX_DEPTH {
        return None;
    }
    let mut elements = Elements::of(bytes);
    let mut document = Document::new();
    while let Some(element) = elements.step().ok()? {
        let key = std::str::from_utf8(element.key).ok()?;
        document.insert(key, value(&element, depth + 1)?);
    }
    Some(document)
}

/// The value of an element that is nested `depth` levels deep.
pub(super) fn value(element: &Element<'_>, depth: u32) -> Option<Bson> {
    let bytes = element.value;
    Some(match element.kind {
        kind::DOUBLE => Bson::Double(f64::from_le_bytes(bytes.try_into().ok()?)),
        kind::STRING => Bson::String(std::str::from_utf8(element.bytes()).ok()?.to_owned()),
        kind::DOCUMENT => Bson::Document(document(bytes, depth)?),
        kind::ARRAY => Bson::Array(array(bytes, depth)?),
        kind::BINARY => Bson::Binary(binary(bytes)?),
        kind::OBJECT_ID => Bson::ObjectId(ObjectId::from_bytes(bytes.try_into().ok()?)),
        kind::BOOLEAN => match bytes {
            [0] => Bson::Boolean(false),
            [1] => Bson::Boolean(true),
            _ => return None,
        },
        kind::DATE_TIME => {
            Bson::DateTime(DateTime::from_millis(i64::from_le_bytes(bytes.try_into().ok()?)))
        }
        kind::NULL => Bson::Null,
        kind::INT32 => Bson::Int32(i32::from_le_bytes(bytes.try_into().ok()?)),
        kind::TIMESTAMP => Bson::Timestamp(element.timestamp()?),
        kind::INT64 => Bson::Int64(i64::from_le_bytes(bytes.try_into().ok()?)),
        kind::DECIMAL128 => Bson::Decimal128(Decimal128::from_bytes(bytes.try_into().ok()?)),
        _ => return None,
    })
}

fn array(bytes: &[u8], depth: u32) -> Option<Vec<Bson>> {
    if !is_framed(bytes) || depth >= MAX_DEPTH {
        return None;
    }
    let mut elements = Elements::of(bytes);
    let mut array = Vec::new();
    while let Some(element) = elements.step().ok()? {
        // The key does not matter, but it must be UTF-8.
        std::str::from_utf8(element.key).ok()?;
        array.push(value(&element, depth + 1)?);
    }
    Some(array)
}

/// Binary data of any subtype except the old one, which has a second length.
fn binary(bytes: &[u8]) -> Option<Binary> {
    const OLD: u8 = 2;
    let declared = usize::try_from(i32_at(bytes, 0)?).ok()?;
    match bytes {
        [_, _, _, _, subtype, bytes @ ..] if declared == bytes.len() && *subtype != OLD => {
            Some(Binary { subtype: (*subtype).into(), bytes: bytes.to_vec() })
        }
        _ => None,
    }
}
