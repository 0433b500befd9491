//! Serialization of the caller's values to BSON.
//!
//! `bson` recurses once per level of a document, and it writes whatever a `Serialize`
//! implementation emits, even a key without a value. [`Checked`] wraps the value. Its serializer
//! counts the levels and checks that each key has its value, without a second pass over the data.
//! Only raw documents are scanned for their levels.

use bson::RawDocumentBuf;
use bson::error::Error as BsonError;
use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::scan::{MAX_DEPTH, has_at_most};
use crate::error::{Error, Result};

/// Appends the document that `value` serializes to.
///
/// # Errors
/// `BsonSerialization`, also for a document of more than [`MAX_DEPTH`] levels. `buf` is then
/// unchanged.
pub(crate) fn append<T: Serialize + ?Sized>(value: &T, buf: &mut Vec<u8>) -> Result<()> {
    let at = buf.len();
    bson::serialize_to_buffer(&Checked { value, depth: 0 }, buf).map_err(|cause: BsonError| {
        buf.truncate(at);
        Error::serialization(cause)
    })
}

/// Serializes `value` to a raw document.
///
/// # Errors
/// Those of [`append`].
pub(crate) fn document<T: Serialize + ?Sized>(value: &T) -> Result<RawDocumentBuf> {
    let mut bytes = Vec::new();
    append(value, &mut bytes)?;
    RawDocumentBuf::from_bytes(bytes).map_err(Error::serialization)
}

/// Checks a raw document of the caller.
///
/// # Errors
/// Those of [`append`].
pub(crate) fn checked(document: RawDocumentBuf) -> Result<RawDocumentBuf> {
    if !has_at_most(MAX_DEPTH, document.as_bytes()) {
        return Err(Error::serialization(too_deep()));
    }
    Ok(document)
}

/// The beginning of the names of newtypes whose bytes `bson` takes as a document or an array.
const RAW: &str = "$__private__bson_Raw";

/// A value at some depth of a document.
struct Checked<'a, T: ?Sized> {
    value: &'a T,
    /// The number of documents and arrays around it.
    depth: u32,
}

impl<T: Serialize + ?Sized> Serialize for Checked<'_, T> {
    #[inline]
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        self.value.serialize(Check { inner: serializer, depth: self.depth, bytes: Bytes::Binary })
    }
}

/// A document or an array, usually as bytes, at some depth of a document.
struct Raw<'a, T: ?Sized> {
    value: &'a T,
    depth: u32,
}

impl<T: Serialize + ?Sized> Serialize for Raw<'_, T> {
    #[inline]
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        self.value.serialize(Check { inner: serializer, depth: self.depth, bytes: Bytes::Bson })
    }
}

/// The meaning of the bytes that a value is serialized as.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bytes {
    Binary,
    Bson,
}

/// A serializer, or a writer of the parts of a compound value, at some depth.
struct Check<S> {
    inner: S,
    depth: u32,
    bytes: Bytes,
}

impl<S> Check<S> {
    #[inline]
    fn part<'a, T: ?Sized>(&self, value: &'a T) -> Checked<'a, T> {
        Checked { value, depth: self.depth }
    }
}

#[inline]
fn deeper<C, E: serde::ser::Error>(
    depth: u32,
    open: impl FnOnce() -> std::result::Result<C, E>,
) -> std::result::Result<Check<C>, E> {
    if depth >= MAX_DEPTH {
        return Err(too_deep());
    }
    Ok(Check { inner: open()?, depth: depth + 1, bytes: Bytes::Binary })
}

#[cold]
pub(super) fn too_deep<E: serde::ser::Error>() -> E {
    E::custom(format_args!(
        "it has more than {MAX_DEPTH} levels of nesting; servers accept at most 180"
    ))
}

macro_rules! scalars {
    ($($method:ident($Type:ty)),+ $(,)?) => {
        $(
            #[inline]
            fn $method(self, value: $Type) -> std::result::Result<S::Ok, S::Error> {
                self.inner.$method(value)
            }
        )+
    };
}

impl<S: Serializer> Serializer for Check<S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Check<S::SerializeSeq>;
    type SerializeTuple = Check<S::SerializeTuple>;
    type SerializeTupleStruct = Check<S::SerializeTupleStruct>;
    type SerializeTupleVariant = Check<S::SerializeTupleVariant>;
    type SerializeMap = CheckMap<S::SerializeMap>;
    type SerializeStruct = Check<S::SerializeStruct>;
    type SerializeStructVariant = Check<S::SerializeStructVariant>;

    scalars! {
        serialize_bool(bool), serialize_i8(i8), serialize_i16(i16), serialize_i32(i32),
        serialize_i64(i64),
        serialize_i128(i128), serialize_u8(u8), serialize_u16(u16), serialize_u32(u32),
        serialize_u64(u64),
        serialize_u128(u128), serialize_f32(f32), serialize_f64(f64), serialize_char(char),
        serialize_str(&str),
        serialize_unit_struct(&'static str),
    }

    #[inline]
    fn serialize_bytes(self, value: &[u8]) -> std::result::Result<S::Ok, S::Error> {
        if self.bytes == Bytes::Bson && !has_at_most(MAX_DEPTH - self.depth, value) {
            return Err(too_deep());
        }
        self.inner.serialize_bytes(value)
    }

    #[inline]
    fn serialize_none(self) -> std::result::Result<S::Ok, S::Error> {
        self.inner.serialize_none()
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(
        self,
        value: &T,
    ) -> std::result::Result<S::Ok, S::Error> {
        self.inner.serialize_some(&Checked { value, depth: self.depth })
    }

    #[inline]
    fn serialize_unit(self) -> std::result::Result<S::Ok, S::Error> {
        self.inner.serialize_unit()
    }

    #[inline]
    fn serialize_unit_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
    ) -> std::result::Result<S::Ok, S::Error> {
        self.inner.serialize_unit_variant(name, index, variant)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> std::result::Result<S::Ok, S::Error> {
        if name.starts_with(RAW) {
            return self.inner.serialize_newtype_struct(name, &Raw { value, depth: self.depth });
        }
        self.inner.serialize_newtype_struct(name, &Checked { value, depth: self.depth })
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> std::result::Result<S::Ok, S::Error> {
        if self.depth >= MAX_DEPTH {
            return Err(too_deep());
        }
        self.inner.serialize_newtype_variant(
            name,
            index,
            variant,
            &Checked { value, depth: self.depth + 1 },
        )
    }

    #[inline]
    fn serialize_seq(
        self,
        len: Option<usize>,
    ) -> std::result::Result<Self::SerializeSeq, S::Error> {
        deeper(self.depth, || self.inner.serialize_seq(len))
    }

    #[inline]
    fn serialize_tuple(self, len: usize) -> std::result::Result<Self::SerializeTuple, S::Error> {
        deeper(self.depth, || self.inner.serialize_tuple(len))
    }

    #[inline]
    fn serialize_tuple_struct(
        self,
        name: &'static str,
        len: usize,
    ) -> std::result::Result<Self::SerializeTupleStruct, S::Error> {
        deeper(self.depth, || self.inner.serialize_tuple_struct(name, len))
    }

    #[inline]
    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> std::result::Result<Self::SerializeTupleVariant, S::Error> {
        deeper(self.depth + 1, || self.inner.serialize_tuple_variant(name, index, variant, len))
    }

    #[inline]
    fn serialize_map(
        self,
        len: Option<usize>,
    ) -> std::result::Result<Self::SerializeMap, S::Error> {
        let map = deeper(self.depth, || self.inner.serialize_map(len))?;
        Ok(CheckMap { map, key_waits: false })
    }

    #[inline]
    fn serialize_struct(
        self,
        name: &'static str,
        len: usize,
    ) -> std::result::Result<Self::SerializeStruct, S::Error> {
        deeper(self.depth, || self.inner.serialize_struct(name, len))
    }

    #[inline]
    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> std::result::Result<Self::SerializeStructVariant, S::Error> {
        deeper(self.depth + 1, || self.inner.serialize_struct_variant(name, index, variant, len))
    }

    fn collect_str<T: std::fmt::Display + ?Sized>(
        self,
        value: &T,
    ) -> std::result::Result<S::Ok, S::Error> {
        self.inner.collect_str(value)
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

macro_rules! sequences {
    ($($Trait:ident::$method:ident),+ $(,)?) => {
        $(
            impl<S: $Trait> $Trait for Check<S> {
                type Ok = S::Ok;
                type Error = S::Error;

                #[inline]
                fn $method<T: Serialize + ?Sized>(
                    &mut self,
                    value: &T,
                ) -> std::result::Result<(), S::Error> {
                    let part = self.part(value);
                    self.inner.$method(&part)
                }

                #[inline]
                fn end(self) -> std::result::Result<S::Ok, S::Error> {
                    self.inner.end()
                }
            }
        )+
    };
}

sequences! {
    SerializeSeq::serialize_element, SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field, SerializeTupleVariant::serialize_field,
}

macro_rules! structs {
    ($($Trait:ident),+ $(,)?) => {
        $(
            impl<S: $Trait> $Trait for Check<S> {
                type Ok = S::Ok;
                type Error = S::Error;

                #[inline]
                fn serialize_field<T: Serialize + ?Sized>(
                    &mut self,
                    key: &'static str,
                    value: &T,
                ) -> std::result::Result<(), S::Error> {
                    let part = self.part(value);
                    self.inner.serialize_field(key, &part)
                }

                #[inline]
                fn skip_field(&mut self, key: &'static str) -> std::result::Result<(), S::Error> {
                    self.inner.skip_field(key)
                }

                #[inline]
                fn end(self) -> std::result::Result<S::Ok, S::Error> {
                    self.inner.end()
                }
            }
        )+
    };
}

structs! { SerializeStruct, SerializeStructVariant }

/// A map. `key_waits` is true while the last key has no value.
struct CheckMap<S> {
    map: Check<S>,
    key_waits: bool,
}

impl<S: SerializeMap> SerializeMap for CheckMap<S> {
    type Ok = S::Ok;
    type Error = S::Error;

    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(
        &mut self,
        key: &T,
    ) -> std::result::Result<(), S::Error> {
        if std::mem::replace(&mut self.key_waits, true) {
            return Err(half_written());
        }
        self.map.inner.serialize_key(key)
    }

    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(
        &mut self,
        value: &T,
    ) -> std::result::Result<(), S::Error> {
        if !std::mem::replace(&mut self.key_waits, false) {
            return Err(half_written());
        }
        let part = self.map.part(value);
        self.map.inner.serialize_value(&part)
    }

    #[inline]
    fn serialize_entry<K: Serialize + ?Sized, V: Serialize + ?Sized>(
        &mut self,
        key: &K,
        value: &V,
    ) -> std::result::Result<(), S::Error> {
        if self.key_waits {
            return Err(half_written());
        }
        let part = self.map.part(value);
        self.map.inner.serialize_entry(key, &part)
    }

    #[inline]
    fn end(self) -> std::result::Result<S::Ok, S::Error> {
        if self.key_waits {
            return Err(half_written());
        }
        self.map.inner.end()
    }
}

#[cold]
fn half_written<E: serde::ser::Error>() -> E {
    E::custom("a Serialize implementation writes a map whose keys and values do not alternate")
}
