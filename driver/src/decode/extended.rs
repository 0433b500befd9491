//! The BSON types without a serde counterpart, as maps in the form of `bson`.
//!
//! The form is that of the specification "Extended JSON", with two differences of `bson`: another
//! order of keys in binary values, and decimals as bytes.

use std::any::type_name;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bson::error::{Error, Result};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};
use serde::forward_to_deserialize_any;

/// `{"$oid": "..."}`
pub(super) fn object_id<'de>(bytes: [u8; 12]) -> impl MapAccess<'de, Error = Error> {
    One::new("$oid", Leaf::ObjectId(bytes))
}

/// Part of the name of the visitor by which `bson::Bson` decodes the value of `$oid`. It accepts
/// bytes too, which saves a text and its parsing. A test fails if the name changes.
pub(super) const BYTES_OR_HEX: &str = "BytesOrHexVisitor";

/// Like `ObjectId::to_hex`, but several times as fast.
fn hex(bytes: [u8; 12]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.push(DIGITS[usize::from(byte >> 4)].into());
        text.push(DIGITS[usize::from(byte & 15)].into());
    }
    text
}

/// `{"$date": {"$numberLong": "..."}}`
pub(super) fn date_time<'de>(millis: i64) -> impl MapAccess<'de, Error = Error> {
    One::new("$date", Map(One::new("$numberLong", Leaf::Text(millis.to_string()))))
}

/// `{"$date": ...}`, for raw values.
pub(super) fn raw_date_time<'de>(millis: i64) -> impl MapAccess<'de, Error = Error> {
    One::new("$date", Leaf::Long(millis))
}

/// `{"$timestamp": {"t": ..., "i": ...}}`
pub(super) fn timestamp<'de>(order: u64) -> impl MapAccess<'de, Error = Error> {
    let (time, increment) = ((order >> 32) as u32, order as u32);
    let body = Two(One::new("t", Leaf::Number(time)), One::new("i", Leaf::Number(increment)));
    One::new("$timestamp", Map(body))
}

/// `{"$numberDecimalBytes": ...}`
pub(super) fn decimal128<'de>(bytes: [u8; 16]) -> impl MapAccess<'de, Error = Error> {
    One::new("$numberDecimalBytes", Leaf::Bytes(bytes))
}

/// `{"$binary": {"subType": "...", "base64": "..."}}`
pub(super) fn binary<'de>(subtype: u8, bytes: &[u8]) -> impl MapAccess<'de, Error = Error> {
    let subtype = One::new("subType", Leaf::Text(format!("{subtype:02x}")));
    let body = Two(subtype, One::new("base64", Leaf::Text(STANDARD.encode(bytes))));
    One::new("$binary", Map(body))
}

/// A map of one key.
struct One<V> {
    key: &'static str,
    value: Option<V>,
    key_read: bool,
}

impl<V> One<V> {
    fn new(key: &'static str, value: V) -> Self {
        One { key, value: Some(value), key_read: false }
    }
}

impl<'de, V: Deserializer<'de, Error = Error>> MapAccess<'de> for One<V> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        if std::mem::replace(&mut self.key_read, true) {
            return Ok(None);
        }
        seed.deserialize(Key(self.key)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value> {
        let value =
            self.value.take().ok_or_else(|| Error::custom("a value was requested twice"))?;
        seed.deserialize(value)
    }
}

/// The key of a map. `bson` decodes it as a newtype for raw values.
struct Key(&'static str);

impl<'de> Deserializer<'de> for Key {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_borrowed_str(self.0)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit
        unit_struct seq tuple
        tuple_struct map struct enum identifier ignored_any
    }
}

/// A map of two keys.
struct Two<V>(One<V>, One<V>);

impl<'de, V: Deserializer<'de, Error = Error>> MapAccess<'de> for Two<V> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        if self.0.key_read { self.1.next_key_seed(seed) } else { self.0.next_key_seed(seed) }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value> {
        if self.1.key_read { self.1.next_value_seed(seed) } else { self.0.next_value_seed(seed) }
    }
}

/// A map within a map.
struct Map<M>(M);

impl<'de, M: MapAccess<'de, Error = Error>> Deserializer<'de> for Map<M> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_map(self.0)
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple
        tuple_struct map struct enum identifier ignored_any
    }
}

/// A value in the maps.
enum Leaf {
    Text(String),
    ObjectId([u8; 12]),
    Number(u32),
    Long(i64),
    Bytes([u8; 16]),
}

impl<'de> Deserializer<'de> for Leaf {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self {
            Leaf::Text(text) => visitor.visit_string(text),
            Leaf::ObjectId(bytes) if type_name::<V>().ends_with(BYTES_OR_HEX) => {
                visitor.visit_bytes(&bytes)
            }
            Leaf::ObjectId(bytes) => visitor.visit_string(hex(bytes)),
            Leaf::Number(number) => visitor.visit_u32(number),
            Leaf::Long(number) => visitor.visit_i64(number),
            Leaf::Bytes(bytes) => visitor.visit_bytes(&bytes),
        }
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple
        tuple_struct map struct enum identifier ignored_any
    }
}
