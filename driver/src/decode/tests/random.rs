//! Random documents, of all types of BSON.

use bson::oid::ObjectId;
use bson::raw::cstr;
use bson::spec::BinarySubtype;
use bson::{
    Binary, Bson, DateTime, Decimal128, Document, JavaScriptCodeWithScope, Regex, Timestamp, Uuid,
    doc,
};

/// The keys of random documents, and the field names of the types in `types.rs`.
const KEYS: [&str; 12] =
    ["_id", "a", "b", "c", "d", "e", "f", "t", "Unit", "Newtype", "Pair", "Fields"];

fn random_text(rng: &mut fastrand::Rng) -> String {
    match rng.u8(..6) {
        0 => String::new(),
        1 => "Unit".into(),
        2 => "ä€𝄞 \0 mixed".into(),
        _ => (0..rng.usize(..40)).map(|_| rng.alphanumeric()).collect(),
    }
}

fn random_value(rng: &mut fastrand::Rng, depth: u32) -> Bson {
    let kinds = if depth == 0 { 2..21 } else { 0..21 };
    match rng.u8(kinds) {
        0 => Bson::Document(random_document(rng, depth - 1)),
        1 => (0..rng.usize(..5)).map(|_| random_value(rng, depth - 1)).collect(),
        2 | 3 => Bson::String(random_text(rng)),
        4 | 5 => {
            Bson::Int32(*rng.choice(&[0, 1, -1, 127, 200, 70_000, i32::MIN, i32::MAX]).unwrap())
        }
        6 | 7 => {
            Bson::Int64(*rng.choice(&[0, 1, -1, 255, 70_000, 1 << 40, i64::MIN, i64::MAX]).unwrap())
        }
        8 => Bson::Double(*rng.choice(&[0.0, -0.0, 1.0, 1.5, 1e300, f64::NEG_INFINITY]).unwrap()),
        9 => Bson::Boolean(rng.bool()),
        10 => Bson::Null,
        11 | 12 => Bson::ObjectId(ObjectId::from_bytes(std::array::from_fn(|_| rng.u8(..)))),
        13 => Bson::DateTime(DateTime::from_millis(rng.i64(-1_000_000_000_000..4_000_000_000_000))),
        14 => Bson::Timestamp(Timestamp { time: rng.u32(..), increment: rng.u32(..) }),
        15 => Bson::Decimal128(*rng.choice(&decimals()).unwrap()),
        16 => Bson::Binary(Uuid::from_bytes(std::array::from_fn(|_| rng.u8(..))).into()),
        17 | 18 => Bson::Binary(Binary {
            subtype: BinarySubtype::from(*rng.choice(&[0, 0, 1, 2, 3, 4, 5, 6, 128, 200]).unwrap()),
            bytes: (0..rng.usize(..20)).map(|_| rng.u8(..)).collect(),
        }),
        19 => Bson::Array((0..16).map(Bson::Int32).collect()),
        _ => rng.choice(&rarities()).unwrap().clone(),
    }
}

pub(super) fn decimals() -> [Decimal128; 3] {
    ["1.5", "-9.999E+6144", "NaN"].map(|text| text.parse().unwrap())
}

pub(super) fn rarities() -> [Bson; 8] {
    [
        Bson::Undefined,
        Bson::MinKey,
        Bson::MaxKey,
        Bson::Symbol("symbol".into()),
        Bson::JavaScriptCode("code".into()),
        Bson::JavaScriptCodeWithScope(JavaScriptCodeWithScope {
            code: "x".into(),
            scope: doc! { "x": 1 },
        }),
        Bson::RegularExpression(Regex { pattern: cstr!("a.b").into(), options: cstr!("i").into() }),
        Bson::Binary(Binary { subtype: BinarySubtype::Vector, bytes: vec![3, 0, 1, 2] }),
    ]
}

pub(super) fn random_document(rng: &mut fastrand::Rng, depth: u32) -> Document {
    (0..rng.usize(..9))
        .map(|_| (rng.choice(KEYS).unwrap().to_owned(), random_value(rng, depth)))
        .collect()
}
