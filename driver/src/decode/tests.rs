//! Compares the decoder with that of `bson`, for all kinds of documents and types.

mod bson_names;
mod random;
mod types;

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;

use bson::oid::ObjectId;
use bson::raw::cstr;
use bson::serde_helpers::HumanReadable;
use bson::spec::BinarySubtype;
use bson::{
    Binary, Bson, DateTime, Document, RawBson, RawDocument, RawDocumentBuf, Timestamp, Uuid, doc,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use self::random::{decimals, random_document, rarities};
use self::types::*;
use super::{document, from_slice, quickly, whole};

/// The result, without the key of an error, which `bson` does not always set.
fn printed<T: Debug>(result: Result<T, bson::error::Error>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(mut error) => {
            error.key = None;
            error.to_string()
        }
    }
}

fn same<'de, T: Debug + Deserialize<'de>>(bytes: &'de [u8]) {
    let (ours, theirs) =
        (printed(from_slice::<T>(bytes)), printed(bson::deserialize_from_slice::<T>(bytes)));
    if ours != theirs {
        // Maps without an order print their entries in a random one.
        let sorted = |text: &str| {
            let mut bytes = text.as_bytes().to_vec();
            bytes.sort_unstable();
            bytes
        };
        assert_eq!(sorted(&ours), sorted(&theirs), "{ours}\n{theirs}\n{bytes:?}");
    }
}

/// A whole document equals that of `bson`, and so does its error.
fn same_document(bytes: &[u8]) {
    if let Ok(raw) = RawDocument::from_bytes(bytes) {
        assert_eq!(printed(document(raw)), printed(Document::try_from(raw)), "{bytes:02x?}");
    }
}

fn same_for_all(bytes: &[u8]) {
    same::<Document>(bytes);
    same::<RawDocumentBuf>(bytes);
    same::<&RawDocument>(bytes);
    same::<Bson>(bytes);
    same::<HumanReadable<Document>>(bytes);
    same::<BTreeMap<String, RawBson>>(bytes);
    same::<HashMap<String, Bson>>(bytes);
    same::<serde_json::Value>(bytes);
    same::<Numbers>(bytes);
    same::<Special>(bytes);
    same::<Nested>(bytes);
    same::<BTreeMap<String, Untagged>>(bytes);
    same::<BTreeMap<Choice2, Bson>>(bytes);
    same::<Choice>(bytes);
    same::<Tagged>(bytes);
    same::<Flat>(bytes);
    same::<Strict>(bytes);
    same::<Wrapped>(bytes);
    same::<Borrowed<'_>>(bytes);
    same::<Numbered>(bytes);
}

#[test]
fn random_documents_decode_as_in_bson() {
    let mut rng = fastrand::Rng::with_seed(7);
    for _ in 0..3000 {
        let bytes = bson::serialize_to_vec(&random_document(&mut rng, 3)).unwrap();
        same_for_all(&bytes);
        same_document(&bytes);
    }
}

#[test]
fn errors_of_malformed_documents_are_those_of_bson() {
    let mut rng = fastrand::Rng::with_seed(8);
    for _ in 0..3000 {
        let mut bytes = bson::serialize_to_vec(&random_document(&mut rng, 2)).unwrap();
        for _ in 0..rng.usize(1..3) {
            let at = rng.usize(..bytes.len());
            bytes[at] =
                *rng.choice(&[0, 1, 2, 3, 4, 0x10, 0x7f, 0x80, 0xff, rng.clone().u8(..)]).unwrap();
        }
        bytes.truncate(bytes.len() - rng.usize(..2));
        // Types that use all fields.
        same::<Document>(&bytes);
        same_document(&bytes);
        same::<RawDocumentBuf>(&bytes);
        same::<serde_json::Value>(&bytes);
        same::<BTreeMap<String, RawBson>>(&bytes);
        // Other types, which must at least not panic.
        let _ = (
            from_slice::<Numbers>(&bytes),
            from_slice::<Special>(&bytes),
            from_slice::<Nested>(&bytes),
        );
        let _ = (from_slice::<Wrapped>(&bytes), from_slice::<Borrowed<'_>>(&bytes));
    }
}

#[test]
fn last_value_of_a_repeated_key_takes_the_first_place() {
    let mut raw = RawDocumentBuf::new();
    for (key, value) in [(cstr!("a"), 1), (cstr!("b"), 2), (cstr!("a"), 3)] {
        raw.append(key, value);
    }
    same_document(raw.as_bytes());
    assert_eq!(whole::document(raw.as_bytes(), 0), Some(doc! { "a": 3, "b": 2 }));
}

#[test]
fn old_subtype_is_left_to_bson() {
    let old = Binary { subtype: BinarySubtype::BinaryOld, bytes: vec![1, 2, 3] };
    let bytes = bson::serialize_to_vec(&doc! { "a": old }).unwrap();
    same_document(&bytes);
    assert_eq!(whole::document(&bytes, 0), None);
}

/// Common types are not left to `bson`, which the comparisons above would not notice.
#[test]
fn common_types_are_decoded_here() {
    fn decoded<T: DeserializeOwned>(document: Document) {
        let bytes = bson::serialize_to_vec(&document).unwrap();
        assert!(quickly::<T>(&bytes).is_ok(), "{document}");
        assert!(whole::document(&bytes, 0).is_some(), "{document}");
    }
    let id = ObjectId::new();
    let common = doc! {
        "_id": id, "a": DateTime::now(), "b": decimals()[0], "c": Uuid::new(), "d": Uuid::new(),
        "e": Timestamp { time: 1, increment: 2 },
        "f": [1, 2_i64, 1.5, "text", true, Bson::Null, { "x": id }],
    };
    decoded::<Document>(common.clone());
    decoded::<Special>(common.clone());
    decoded::<Flat>(common);
    decoded::<RawDocumentBuf>(doc! { "a": 1 });
    decoded::<Wrapped>(doc! { "a": { "x": [1, 2] } });
    decoded::<Numbers>(
        doc! { "a": 1, "b": -1_i64, "c": 70_000_i64, "d": 1 << 20, "e": 5, "f": 1.5 },
    );
    decoded::<Nested>(doc! {
        "a": { "d": "Unit" }, "b": [{}], "c": [1, "x"], "d": { "Pair": [1, 2] },
        "f": { "x": 1 },
    });
    // Types that are left to `bson` are decoded, too.
    for rare in rarities().into_iter().take(6) {
        let bytes = bson::serialize_to_vec(&doc! { "a": 1, "b": rare.clone() }).unwrap();
        assert!(quickly::<Document>(&bytes).is_err());
        assert_eq!(from_slice::<Document>(&bytes).unwrap().get("b"), Some(&rare));
    }
}

#[test]
fn error_names_the_field_of_another_type() {
    #[derive(Debug, Deserialize)]
    struct Person {
        #[expect(dead_code, reason = "only its decoding is tested")]
        age: i32,
        #[serde(default)]
        orders: Vec<Order>,
    }
    #[derive(Debug, Deserialize)]
    struct Order {
        price: f64,
    }
    let error = |document: Document| {
        let bytes = bson::serialize_to_vec(&document).unwrap();
        let error = from_slice::<Person>(&bytes)
            .map(|person| person.orders.iter().map(|o| o.price).sum::<f64>());
        error.unwrap_err()
    };
    assert_eq!(error(doc! { "age": "x" }).key.as_deref(), Some("age"));
    let deep = error(doc! { "age": 1, "orders": [{ "price": 1.5 }, { "price": "free" }] });
    assert_eq!(deep.key.as_deref(), Some("orders.1.price"));
    assert!(deep.to_string().starts_with("BSON error at key \"orders.1.price\""), "{deep}");
    // A missing field has no path. The message names it, and the key is that of its document.
    let missing = error(doc! { "age": 1, "orders": [{}] });
    assert_eq!(missing.key.as_deref(), Some("orders.0"));
    assert!(missing.to_string().contains("`price`"), "{missing}");
    assert_eq!(error(doc! {}).key, None);
}

/// If the caller's type swallows the refusal of a wrapper, the result is not the default.
#[test]
fn swallowed_refusal_is_still_an_error() {
    let id = ObjectId::new();
    let bytes = bson::serialize_to_vec(&doc! { "f": id.to_hex() }).unwrap();
    assert_eq!(from_slice::<Wrapped>(&bytes).unwrap().f, Some(HumanReadable(id)));
}

/// Unused values are not read. There the decoder accepts more than `bson`.
#[test]
fn malformed_unused_values_are_skipped() {
    let mut bytes = bson::serialize_to_vec(&doc! { "x": "text", "a": 1 }).unwrap();
    let at = bytes.iter().position(|byte| *byte == b'e').unwrap();
    bytes[at] = 0xff;
    assert_eq!(from_slice::<Strict2>(&bytes).unwrap().a, 1);
    assert!(from_slice::<Document>(&bytes).is_err());

    #[derive(Deserialize)]
    struct Strict2 {
        a: i32,
    }
}

/// Nested documents.
fn nested(levels: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for level in 1..=levels {
        bytes.extend((5 + 8 * (levels - level) as i32).to_le_bytes());
        if level < levels {
            bytes.extend([3, b'a', 0]);
        }
    }
    bytes.resize(bytes.len() + levels, 0);
    bytes
}

/// Documents that would exhaust the stack are refused by every decoder. Documents that servers
/// accept are not.
#[test]
fn too_deeply_nested_document_is_refused() {
    fn refused<T: DeserializeOwned + Debug>(bytes: &[u8]) {
        let error = from_slice::<T>(bytes).unwrap_err().to_string();
        assert!(error.contains("200 levels"), "{error}");
    }
    let look = || {
        from_slice::<Document>(&nested(200)).unwrap();
        bson::deserialize_from_slice::<Document>(&nested(200)).unwrap();
        super::document(RawDocument::from_bytes(&nested(200)).unwrap()).unwrap();
        for levels in [201, 1000, 2_000_000] {
            let bytes = nested(levels);
            refused::<Document>(&bytes);
            refused::<Nested>(&bytes);
            refused::<serde_json::Value>(&bytes);
            refused::<HumanReadable<Document>>(&bytes);
            assert!(super::document(RawDocument::from_bytes(&bytes).unwrap()).is_err());
            // Raw bytes have no limit.
            assert_eq!(from_slice::<RawDocumentBuf>(&bytes).unwrap().as_bytes(), bytes);
        }
        // A scope is a level, here code with nested scopes.
        let mut scope = vec![5, 0, 0, 0, 0];
        for _ in 0..500 {
            let code = [&[2, 0, 0, 0, b'x', 0][..], &scope].concat();
            let value = [&(4 + code.len() as i32).to_le_bytes()[..], &code].concat();
            scope = [&(8 + value.len() as i32).to_le_bytes()[..], &[15, b'a', 0], &value, &[0]]
                .concat();
        }
        refused::<Document>(&scope);
    };
    // Unoptimised, two hundred levels need more than a test's default stack.
    std::thread::Builder::new().stack_size(64 << 20).spawn(look).unwrap().join().unwrap();
}

#[test]
fn events_of_change_streams_are_decoded_here() {
    use crate::change_stream::event::ChangeStreamEvent;
    type Event = ChangeStreamEvent<Document>;
    let full = bson::doc! {
        "_id": { "_data": "8263" },
        "operationType": "insert",
        "clusterTime": bson::Timestamp { time: 1, increment: 2 },
        "wallTime": bson::DateTime::from_millis(5),
        "fullDocument": { "_id": 1, "name": "Mabel" },
        "ns": { "db": "db", "coll": "c" },
        "documentKey": { "_id": ObjectId::new() },
    };
    let mut nulls = full.clone();
    nulls.extend(
        ["_id", "clusterTime", "wallTime", "documentKey"].map(|key| (key.to_owned(), Bson::Null)),
    );
    for event in [full, nulls] {
        let bytes = bson::serialize_to_vec(&event).unwrap();
        let decoded = quickly::<Event>(&bytes).map_err(|_| "left to bson").unwrap();
        assert_eq!(decoded.wall_time, event.get_datetime("wallTime").ok().copied());
        assert_eq!(decoded.cluster_time, event.get_timestamp("clusterTime").ok());
        assert_eq!(decoded.document_key.as_ref(), event.get_document("documentKey").ok());
        // Other deserializers give the same event.
        assert_eq!(bson::deserialize_from_slice::<Event>(&bytes).unwrap(), decoded);
        assert_eq!(bson::deserialize_from_bson::<Event>(event.into()).unwrap(), decoded);
        let json = serde_json::to_string(&decoded).unwrap();
        assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), decoded);
    }
    for (field, misfit) in [("wallTime", "a date"), ("documentKey", "a document")] {
        let event = bson::doc! { "_id": 1, "operationType": "insert", field: 1 };
        let error = from_slice::<Event>(&bson::serialize_to_vec(&event).unwrap()).unwrap_err();
        assert!(error.to_string().contains(misfit), "{error}");
    }
}
