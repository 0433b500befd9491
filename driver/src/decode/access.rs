//! Access to the content of a document: fields, items, variants.

use bson::error::{Error, Result};
use serde::de::value::{BorrowedBytesDeserializer, BorrowedStrDeserializer};
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, MapAccess, SeqAccess, VariantAccess,
    Visitor,
};
use serde::forward_to_deserialize_any;

use super::Level;
use super::value::Value;
use crate::wire::scan::{Element, Elements};

/// The use of a document's keys.
#[derive(Clone, Copy)]
pub(super) enum Key {
    /// Field names of a struct, which are compared as bytes.
    Name,
    /// Text.
    Text,
}

/// The fields of a document in order.
pub(super) struct Fields<'c, 'de> {
    elements: Elements<'de>,
    current: Option<Element<'de>>,
    key: Key,
    level: Level<'c>,
}

impl<'c, 'de> Fields<'c, 'de> {
    #[inline]
    pub(super) fn new(document: &'de [u8], key: Key, level: Level<'c>) -> Self {
        Fields { elements: Elements::of(document), current: None, key, level }
    }
}

/// The next element. A malformed one is left to `bson`, which reports it.
#[inline]
fn step<'de>(elements: &mut Elements<'de>, level: Level<'_>) -> Result<Option<Element<'de>>> {
    elements.step().map_err(|_| damaged(level))
}

#[cold]
fn damaged(level: Level<'_>) -> Error {
    level.refused.set(true);
    Error::custom("left to bson")
}

/// Adds the name of a field or item to the path of its error.
#[cold]
fn within(name: &[u8], mut error: Error) -> Error {
    let name = String::from_utf8_lossy(name);
    error.key = Some(match error.key {
        None => name.into_owned(),
        Some(inner) => format!("{name}.{inner}"),
    });
    error
}

fn text<'de>(key: &'de [u8], level: Level<'_>) -> Result<&'de str> {
    std::str::from_utf8(key).map_err(|_| damaged(level))
}

impl<'de> MapAccess<'de> for Fields<'_, 'de> {
    type Error = Error;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        self.current = step(&mut self.elements, self.level)?;
        let Some(element) = &self.current else { return Ok(None) };
        match self.key {
            Key::Name => seed.deserialize(Name { key: element.key, level: self.level }).map(Some),
            Key::Text => seed
                .deserialize(BorrowedStrDeserializer::new(text(element.key, self.level)?))
                .map(Some),
        }
    }

    #[inline]
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value> {
        let element = self.current.as_ref().ok_or_else(|| damaged(self.level))?;
        seed.deserialize(Value::of(element, self.level)).map_err(|error| within(element.key, error))
    }
}

/// The name of a field: bytes for comparisons with field names, text otherwise.
struct Name<'c, 'de> {
    key: &'de [u8],
    level: Level<'c>,
}

impl<'de> Deserializer<'de> for Name<'_, 'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        BorrowedStrDeserializer::new(text(self.key, self.level)?).deserialize_any(visitor)
    }

    #[inline]
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        BorrowedBytesDeserializer::new(self.key).deserialize_any(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        let text = text(self.key, self.level)?;
        BorrowedStrDeserializer::new(text).deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq
        tuple tuple_struct map struct ignored_any
    }
}

/// The items of an array in order.
pub(super) struct Items<'c, 'de> {
    elements: Elements<'de>,
    level: Level<'c>,
}

impl<'c, 'de> Items<'c, 'de> {
    #[inline]
    pub(super) fn new(array: &'de [u8], level: Level<'c>) -> Self {
        Items { elements: Elements::of(array), level }
    }
}

impl<'de> SeqAccess<'de> for Items<'_, 'de> {
    type Error = Error;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        let Some(element) = step(&mut self.elements, self.level)? else { return Ok(None) };
        // The keys of items are ASCII digits. `bson` decides about others.
        if !element.key.is_ascii() {
            return Err(damaged(self.level));
        }
        let item = seed.deserialize(Value::of(&element, self.level));
        item.map(Some).map_err(|error| within(element.key, error))
    }
}

/// An enum variant as a document: the first key is its name, the value its content.
pub(super) struct Variant<'c, 'de> {
    elements: Elements<'de>,
    level: Level<'c>,
}

impl<'c, 'de> Variant<'c, 'de> {
    pub(super) fn new(document: &'de [u8], level: Level<'c>) -> Self {
        Variant { elements: Elements::of(document), level }
    }
}

impl<'c, 'de> EnumAccess<'de> for Variant<'c, 'de> {
    type Error = Error;
    type Variant = Held<'c, 'de>;

    fn variant_seed<V: DeserializeSeed<'de>>(
        mut self,
        seed: V,
    ) -> Result<(V::Value, Self::Variant)> {
        let element = step(&mut self.elements, self.level)?.ok_or_else(|| damaged(self.level))?;
        let name = text(element.key, self.level)?;
        let variant = seed.deserialize(BorrowedStrDeserializer::<Error>::new(name))?;
        Ok((variant, Held(Value::of(&element, self.level), self.level)))
    }
}

/// The content of a variant.
pub(super) struct Held<'c, 'de>(Value<'c, 'de>, Level<'c>);

impl<'de> VariantAccess<'de> for Held<'_, 'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<()> {
        Err(damaged(self.1))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value> {
        seed.deserialize(self.0)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value> {
        self.0.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.0.deserialize_map(visitor)
    }
}
