//! The names inside `bson` on which the decoder relies.

use bson::serde_helpers::HumanReadable;
use bson::{
    Bson, DateTime, RawArray, RawArrayBuf, RawBson, RawBsonRef, RawDocument, RawDocumentBuf,
    Utf8Lossy, Uuid,
};
use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer};

/// Reports the newtype that a type requests.
struct Asked;

impl<'de> Deserializer<'de> for Asked {
    type Error = serde::de::value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(Self::Error::custom("no newtype"))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: V,
    ) -> Result<V::Value, Self::Error> {
        Err(Self::Error::custom(name))
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit
        unit_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

fn newtype_of<'de, T: Deserialize<'de>>() -> String {
    T::deserialize(Asked).err().map(|name| name.to_string()).unwrap_or_default()
}

/// `bson` does not promise the names of its newtypes. Correct `value.rs` when this fails.
#[test]
fn newtypes_of_bson_have_the_expected_names() {
    use super::super::value::{PRIVATE, RAW, UUID};
    assert_eq!(newtype_of::<Uuid>(), UUID);
    let raw = [
        newtype_of::<RawDocumentBuf>(),
        newtype_of::<&RawDocument>(),
        newtype_of::<RawArrayBuf>(),
        newtype_of::<&RawArray>(),
        newtype_of::<RawBson>(),
        newtype_of::<RawBsonRef<'_>>(),
    ];
    assert!(raw.iter().all(|name| name.starts_with(RAW)), "{raw:?}");
    let others = [newtype_of::<HumanReadable<DateTime>>(), newtype_of::<Utf8Lossy<String>>()];
    assert!(others.iter().all(|name| name.starts_with(PRIVATE) && !name.starts_with(RAW)));
    assert!(UUID.starts_with(PRIVATE) && RAW.starts_with(PRIVATE));
}

/// A value that replies with the name of its visitor, as an error.
struct NameVisitor;

impl<'de> serde::Deserializer<'de> for NameVisitor {
    type Error = bson::error::Error;

    fn deserialize_any<V: serde::de::Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(serde::de::Error::custom(std::any::type_name::<V>()))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl serde::de::IntoDeserializer<'_, bson::error::Error> for NameVisitor {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// `bson` does not promise the name of its visitor either. Correct `extended.rs` when this fails.
#[test]
fn visitor_of_object_ids_has_the_expected_name() {
    let fields = std::iter::once(("$oid", NameVisitor));
    let map = serde::de::value::MapDeserializer::new(fields);
    let name = Bson::deserialize(map).unwrap_err().to_string();
    assert!(name.trim_end_matches('.').ends_with(super::super::extended::BYTES_OR_HEX), "{name}");
}
