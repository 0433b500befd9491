//! Finds the first key of a serialized value without serializing the rest. The key distinguishes a
//! replacement from an update with operators.

use std::fmt::{self, Display, Write as _};

use bson::RawDocument;
use serde::ser::{Error as _, Impossible, Serialize, SerializeMap, SerializeStruct, Serializer};

/// The beginning of a serialized value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Beginning {
    /// A key that begins with `$`.
    Operator(String),
    /// Another key, or the end of an empty document.
    Field,
    /// The value is not a document.
    NoDocument,
    /// The value cannot be serialized. Serializing the whole value reports the error.
    Unknown,
}

/// The beginning of `value`.
pub(crate) fn beginning<T: Serialize + ?Sized>(value: &T) -> Beginning {
    match value.serialize(Probe) {
        Ok(beginning) | Err(Ended(Some(beginning))) => beginning,
        Err(Ended(None)) => Beginning::Unknown,
    }
}

fn of_key(key: impl Display) -> Beginning {
    let mut operator = OperatorOnly(String::new());
    match write!(operator, "{key}") {
        Ok(()) if !operator.0.is_empty() => Beginning::Operator(operator.0),
        _ => Beginning::Field,
    }
}

/// Accepts text that begins with `$`, and stops at other text.
struct OperatorOnly(String);

impl fmt::Write for OperatorOnly {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.is_empty() && !text.is_empty() && !text.starts_with('$') {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

/// Displays a key as it is serialized.
struct Key<'a, K: ?Sized>(&'a K);

impl<K: Serialize + ?Sized> Display for Key<'_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.serialize(f)
    }
}

/// Ends the serialization with the result, or with an error of the value.
#[derive(Debug)]
struct Ended(Option<Beginning>);

impl Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing more is needed")
    }
}

impl std::error::Error for Ended {}

impl serde::ser::Error for Ended {
    fn custom<T: Display>(_: T) -> Self {
        Ended(None)
    }
}

type Found = Result<Beginning, Ended>;

struct Probe;

macro_rules! no_document {
    ($($method:ident($($Type:ty),*)),+ $(,)?) => {
        $(
            fn $method(self, $(_: $Type),*) -> Found {
                Ok(Beginning::NoDocument)
            }
        )+
    };
}

impl Serializer for Probe {
    type Ok = Beginning;
    type Error = Ended;
    type SerializeSeq = Impossible<Beginning, Ended>;
    type SerializeTuple = Impossible<Beginning, Ended>;
    type SerializeTupleStruct = Impossible<Beginning, Ended>;
    type SerializeTupleVariant = Impossible<Beginning, Ended>;
    type SerializeMap = Probe;
    type SerializeStruct = Probe;
    type SerializeStructVariant = Impossible<Beginning, Ended>;

    no_document! {
        serialize_bool(bool), serialize_i8(i8), serialize_i16(i16), serialize_i32(i32),
        serialize_i64(i64), serialize_u8(u8), serialize_u16(u16), serialize_u32(u32),
        serialize_u64(u64), serialize_f32(f32), serialize_f64(f64), serialize_char(char),
        serialize_str(&str), serialize_none(), serialize_unit(),
        serialize_unit_struct(&'static str),
        serialize_unit_variant(&'static str, u32, &'static str),
    }

    /// Raw documents are bytes.
    fn serialize_bytes(self, bytes: &[u8]) -> Found {
        let Ok(document) = RawDocument::from_bytes(bytes) else {
            return Ok(Beginning::NoDocument);
        };
        match document.iter_elements().next() {
            None => Ok(Beginning::Field),
            Some(Ok(element)) => Ok(of_key(element.key().as_str())),
            Some(Err(_)) => Ok(Beginning::Unknown),
        }
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Found {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Found {
        value.serialize(self)
    }

    /// An enum is a document with the name of its variant.
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: &T,
    ) -> Found {
        Ok(of_key(variant))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Ended> {
        Err(Ended(Some(of_key(variant))))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Ended> {
        Err(Ended(Some(of_key(variant))))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, Ended> {
        Err(Ended(Some(Beginning::NoDocument)))
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Ended> {
        Err(Ended(Some(Beginning::NoDocument)))
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleStruct, Ended> {
        Err(Ended(Some(Beginning::NoDocument)))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Probe, Ended> {
        Ok(Probe)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Probe, Ended> {
        Ok(Probe)
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

impl SerializeMap for Probe {
    type Ok = Beginning;
    type Error = Ended;

    fn serialize_key<K: Serialize + ?Sized>(&mut self, key: &K) -> Result<(), Ended> {
        Err(Ended(Some(of_key(Key(key)))))
    }

    fn serialize_value<V: Serialize + ?Sized>(&mut self, _: &V) -> Result<(), Ended> {
        Err(Ended::custom("a value without a key"))
    }

    fn end(self) -> Found {
        Ok(Beginning::Field)
    }
}

impl SerializeStruct for Probe {
    type Ok = Beginning;
    type Error = Ended;

    fn serialize_field<V: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        _: &V,
    ) -> Result<(), Ended> {
        Err(Ended(Some(of_key(key))))
    }

    fn end(self) -> Found {
        Ok(Beginning::Field)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bson::{Bson, doc, rawdoc};
    use serde::Serialize;

    use super::*;

    #[derive(Serialize)]
    struct Whole {
        #[serde(skip_serializing_if = "Option::is_none")]
        absent: Option<i32>,
        #[serde(rename = "$set")]
        set: i32,
    }

    #[derive(Serialize)]
    #[serde(transparent)]
    struct Wrapped<T>(T);

    #[derive(Serialize)]
    enum Choice {
        #[serde(rename = "$inc")]
        Operator {
            a: i32,
        },
        Field(i32),
        Unit,
    }

    #[derive(Serialize)]
    struct Flat {
        #[serde(flatten)]
        rest: BTreeMap<String, i32>,
    }

    #[test]
    fn operators_are_recognised_in_every_kind_of_value() {
        let operator = |name: &str| Beginning::Operator(name.to_owned());
        assert_eq!(beginning(&doc! { "$set": { "a": 1 } }), operator("$set"));
        assert_eq!(beginning(&rawdoc! { "$set": { "a": 1 } }), operator("$set"));
        assert_eq!(beginning(&Wrapped(Some(doc! { "$set": 1 }))), operator("$set"));
        assert_eq!(beginning(&Bson::Document(doc! { "$inc": 1 })), operator("$inc"));
        assert_eq!(beginning(&Whole { absent: None, set: 1 }), operator("$set"));
        assert_eq!(beginning(&Whole { absent: Some(1), set: 1 }), Beginning::Field);
        assert_eq!(beginning(&Choice::Operator { a: 1 }), operator("$inc"));
        assert_eq!(beginning(&Flat { rest: [("$a".to_owned(), 1)].into() }), operator("$a"));
    }

    #[test]
    fn fields_and_non_documents_are_recognised() {
        assert_eq!(beginning(&doc! { "a": 1, "$set": 1 }), Beginning::Field);
        assert_eq!(beginning(&doc! {}), Beginning::Field);
        assert_eq!(beginning(&rawdoc! {}), Beginning::Field);
        assert_eq!(beginning(&Choice::Field(1)), Beginning::Field);
        for none in [Bson::Int32(1), Bson::Array(vec![]), Bson::Null, Bson::String("a".into())] {
            assert_eq!(beginning(&none), Beginning::NoDocument, "{none}");
        }
        assert_eq!(beginning(&Choice::Unit), Beginning::NoDocument);
        assert_eq!(beginning("a"), Beginning::NoDocument);
    }
}
