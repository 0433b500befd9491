//! Types into which the documents are decoded.

#![allow(dead_code, reason = "Debug reads the fields, to compare results")]

use std::collections::{BTreeMap, HashMap};

use bson::oid::ObjectId;
use bson::serde_helpers::HumanReadable;
use bson::{
    Binary, Bson, DateTime, Decimal128, RawArrayBuf, RawBson, RawDocument, RawDocumentBuf,
    Timestamp, Utf8Lossy, Uuid,
};
use serde::{Deserialize, Deserializer};

#[derive(Debug, Deserialize)]
pub(super) struct Numbers {
    a: Option<u8>,
    b: Option<i8>,
    c: Option<u32>,
    d: Option<u64>,
    e: Option<i64>,
    f: Option<f32>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Special {
    #[serde(rename = "_id")]
    id: Option<ObjectId>,
    a: Option<DateTime>,
    b: Option<Decimal128>,
    c: Option<Binary>,
    d: Option<Uuid>,
    e: Option<Timestamp>,
    f: Option<Bson>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Nested {
    a: Option<Box<Nested>>,
    b: Option<Vec<Option<Nested>>>,
    c: Option<(i32, String)>,
    d: Option<Choice>,
    e: Option<Vec<Bson>>,
    f: Option<HashMap<String, Bson>>,
}

#[derive(Debug, Deserialize)]
pub(super) enum Choice {
    Unit,
    Newtype(Bson),
    Pair(i32, Bson),
    Fields { a: i32 },
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Untagged {
    Number(i64),
    Text(String),
    Id(ObjectId),
    Numbers(Vec<i32>),
    Else(Bson),
}

#[derive(Debug, Deserialize)]
#[serde(tag = "t")]
pub(super) enum Tagged {
    Unit,
    Fields { a: Bson },
}

#[derive(Debug, Deserialize)]
pub(super) struct Flat {
    a: Option<Bson>,
    #[serde(flatten)]
    rest: BTreeMap<String, Bson>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Strict {
    a: i32,
}

#[derive(Debug, Deserialize)]
pub(super) struct Wrapped {
    a: Option<RawDocumentBuf>,
    b: Option<RawBson>,
    c: Option<RawArrayBuf>,
    d: Option<HumanReadable<DateTime>>,
    e: Option<Utf8Lossy<String>>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) f: Option<HumanReadable<ObjectId>>,
}

/// A common pattern: the error of a field does not fail the whole.
fn or_default<'de, T: Deserialize<'de> + Default, D: Deserializer<'de>>(
    from: D,
) -> Result<T, D::Error> {
    Ok(T::deserialize(from).unwrap_or_default())
}

#[derive(Debug, Deserialize)]
pub(super) struct Borrowed<'a> {
    #[serde(borrow)]
    a: Option<&'a str>,
    b: Option<&'a RawDocument>,
    #[serde(borrow)]
    c: Option<std::borrow::Cow<'a, str>>,
    d: Option<char>,
    e: Option<()>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Numbered(i64, Bson);

/// An enum as a key.
#[derive(Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Choice2 {
    #[serde(rename = "a")]
    A,
    #[serde(other)]
    Other,
}
