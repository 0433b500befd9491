//! The deserializer of one value.

use std::borrow::Cow;

use bson::RawDeserializer;
use bson::error::{Error, Result};
use serde::de::{Deserializer, Error as _, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::access::{Fields, Items, Key, Variant};
use super::extended;
use super::{Level, is_framed};
use crate::wire::i32_at;
use crate::wire::scan::{Element, MAX_DEPTH, is_shallow, kind};

/// The newtype name by which `bson::Uuid` requests a binary value of its subtype.
pub(super) const UUID: &str = "$__bson_private_uuid";

/// The newtype name by which the driver's own types request a document as its bytes, a date as
/// `i64`, a timestamp as `u64`, and null as unit. Other values, and other decoders, give a newtype.
pub(crate) const PLAIN: &str = "driver plain";

/// The prefix of the newtype names that identify the types of `bson`.
pub(super) const PRIVATE: &str = "$__";

/// The prefix of those names for raw types.
pub(super) const RAW: &str = "$__private__bson_Raw";

/// The binary subtypes for bytes and for UUIDs.
const GENERIC: u8 = 0;
const UUID_SUBTYPE: u8 = 4;

/// A value in a document.
#[derive(Clone, Copy)]
pub(super) struct Value<'c, 'de> {
    kind: u8,
    bytes: &'de [u8],
    level: Level<'c>,
}

impl<'c, 'de> Value<'c, 'de> {
    /// A whole document, whose frame the caller has checked with [`is_framed`].
    #[inline]
    pub(super) fn document(bytes: &'de [u8], level: Level<'c>) -> Self {
        Value { kind: kind::DOCUMENT, bytes, level }
    }

    #[inline]
    pub(super) fn of(element: &Element<'de>, level: Level<'c>) -> Self {
        Value { kind: element.kind, bytes: element.value, level }
    }

    /// Leaves the document to `bson`.
    #[cold]
    fn refuse(self) -> Error {
        self.level.refused.set(true);
        Error::custom("left to bson")
    }

    #[inline]
    fn array<const N: usize>(self) -> Result<[u8; N]> {
        self.bytes.try_into().map_err(|_| self.refuse())
    }

    #[inline]
    fn string(self) -> Result<&'de str> {
        // The scan of the element has checked its length and its terminator.
        let text = self.bytes.get(4..self.bytes.len().saturating_sub(1)).unwrap_or_default();
        std::str::from_utf8(text).map_err(|_| self.refuse())
    }

    /// The bytes of a document or an array, with its length and terminator.
    #[inline]
    fn framed(self) -> Result<&'de [u8]> {
        if is_framed(self.bytes) { Ok(self.bytes) } else { Err(self.refuse()) }
    }

    /// The level of this document's or array's content.
    #[inline]
    fn within(self) -> Result<Level<'c>> {
        match self.level.depth {
            MAX_DEPTH.. => Err(self.refuse()),
            depth => Ok(Level { depth: depth + 1, ..self.level }),
        }
    }

    #[inline]
    fn fields(self, key: Key) -> Result<Fields<'c, 'de>> {
        Ok(Fields::new(self.framed()?, key, self.within()?))
    }

    #[inline]
    fn binary(self) -> Result<(u8, &'de [u8])> {
        const OLD: u8 = 2;
        let declared = i32_at(self.bytes, 0).and_then(|length| usize::try_from(length).ok());
        match self.bytes {
            // The old subtype has a second length.
            [_, _, _, _, subtype, bytes @ ..]
                if declared == Some(bytes.len()) && *subtype != OLD =>
            {
                Ok((*subtype, bytes))
            }
            _ => Err(self.refuse()),
        }
    }

    /// The types without a serde counterpart, as maps of extended JSON; generic binary as bytes.
    #[inline(never)]
    fn extended<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.kind {
            kind::BINARY => match self.binary()? {
                (GENERIC, bytes) => visitor.visit_borrowed_bytes(bytes),
                (subtype, bytes) => visitor.visit_map(extended::binary(subtype, bytes)),
            },
            kind::OBJECT_ID => visitor.visit_map(extended::object_id(self.array()?)),
            kind::DATE_TIME => {
                visitor.visit_map(extended::date_time(i64::from_le_bytes(self.array()?)))
            }
            kind::TIMESTAMP => {
                visitor.visit_map(extended::timestamp(u64::from_le_bytes(self.array()?)))
            }
            kind::DECIMAL128 => visitor.visit_map(extended::decimal128(self.array()?)),
            _ => Err(self.refuse()),
        }
    }
}

impl<'de> Deserializer<'de> for Value<'_, 'de> {
    type Error = Error;

    #[inline]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.kind {
            kind::INT32 => visitor.visit_i32(i32::from_le_bytes(self.array()?)),
            kind::INT64 => visitor.visit_i64(i64::from_le_bytes(self.array()?)),
            kind::DOUBLE => visitor.visit_f64(f64::from_le_bytes(self.array()?)),
            kind::STRING => visitor.visit_borrowed_str(self.string()?),
            kind::BOOLEAN => match self.bytes {
                [0] => visitor.visit_bool(false),
                [1] => visitor.visit_bool(true),
                _ => Err(self.refuse()),
            },
            kind::NULL => visitor.visit_unit(),
            kind::DOCUMENT => visitor.visit_map(self.fields(Key::Text)?),
            kind::ARRAY => visitor.visit_seq(Items::new(self.framed()?, self.within()?)),
            _ => self.extended(visitor),
        }
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        match self.kind {
            kind::DOCUMENT => visitor.visit_map(self.fields(Key::Name)?),
            _ => self.deserialize_any(visitor),
        }
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.kind {
            kind::NULL => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        match self.kind {
            kind::STRING => visitor.visit_enum(Cow::Borrowed(self.string()?).into_deserializer()),
            kind::DOCUMENT => visitor.visit_enum(Variant::new(self.framed()?, self.within()?)),
            _ => Err(self.refuse()),
        }
    }

    #[inline]
    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.kind {
            kind::OBJECT_ID => visitor.visit_borrowed_bytes(self.bytes),
            _ => self.deserialize_any(visitor),
        }
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        if !name.starts_with(PRIVATE) && name != PLAIN {
            return visitor.visit_newtype_struct(self);
        }
        match (name, self.kind) {
            (PLAIN, kind::DOCUMENT) => visitor.visit_borrowed_bytes(self.framed()?),
            (PLAIN, kind::DATE_TIME) => visitor.visit_i64(i64::from_le_bytes(self.array()?)),
            (PLAIN, kind::TIMESTAMP) => visitor.visit_u64(u64::from_le_bytes(self.array()?)),
            (PLAIN, kind::NULL) => visitor.visit_unit(),
            (PLAIN, _) => visitor.visit_newtype_struct(self),
            (UUID, kind::BINARY) => match self.binary()? {
                (UUID_SUBTYPE, bytes) => visitor.visit_map(extended::binary(UUID_SUBTYPE, bytes)),
                _ => Err(self.refuse()),
            },
            (_, kind::DATE_TIME) if name.starts_with(RAW) => {
                visitor.visit_map(extended::raw_date_time(i64::from_le_bytes(self.array()?)))
            }
            (_, kind::TIMESTAMP) if name.starts_with(RAW) => self.extended(visitor),
            // `bson` takes over only at a document. It does not decode the content of a raw
            // document, so the depth of a raw document does not matter.
            (_, kind::DOCUMENT) if name.starts_with(RAW) || is_shallow(self.bytes) => {
                RawDeserializer::new(self.framed()?)?.deserialize_newtype_struct(name, visitor)
            }
            _ => Err(self.refuse()),
        }
    }

    #[inline]
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_unit()
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        false
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string byte_buf unit unit_struct seq
        tuple tuple_struct map identifier
    }
}
