//! Specification "BSON Binary Subtype 9 - Vector": a valid vector decodes to its numbers, and an
//! invalid one is refused.

use bson::binary::{PackedBitVector, Vector};
use bson::{Binary, Bson, Document};
use driver::conformance::decode;
use serde::Deserialize;
use serde_json::Value;

use super::bson_corpus::Hex;
use crate::suite::Case;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "description")]
    _description: String,
    test_key: String,
    tests: Vec<Test>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Test {
    description: String,
    valid: bool,
    vector: Option<Vec<Value>>,
    dtype_hex: String,
    #[serde(rename = "dtype_alias")]
    _dtype_alias: Option<String>,
    #[serde(default)]
    padding: i64,
    canonical_bson: Option<String>,
}

/// The cases of one file.
///
/// # Errors
/// The file is malformed.
pub(crate) fn cases(content: &Value) -> Result<Vec<Case>, String> {
    let file = File::deserialize(content).map_err(|e| format!("the file is malformed: {e}"))?;
    let key = &file.test_key;
    Ok(file
        .tests
        .iter()
        .map(|test| {
            let (test, key) = (test.clone(), key.clone());
            Case::new(test.description.clone(), move || {
                if test.valid { valid(&test, &key) } else { invalid(&test, &key) }
            })
        })
        .collect())
}

fn valid(test: &Test, key: &str) -> Result<(), String> {
    let vector = from_numbers(test)?;
    let bytes = bytes(test)?.ok_or("a valid case has no canonical_bson")?;
    let document = bson::doc! { key: Binary::from(vector.clone()) };
    let encoded = bson::serialize_to_vec(&document).map_err(|e| e.to_string())?;
    if encoded != bytes {
        return Err(format!("expected {bytes:?}, found {encoded:?}"));
    }
    let decoded = from_bytes(&bytes, key)?;
    if decoded == vector { Ok(()) } else { Err(format!("expected {vector:?}, found {decoded:?}")) }
}

fn invalid(test: &Test, key: &str) -> Result<(), String> {
    if test.vector.is_some()
        && let Ok(vector) = from_numbers(test)
        // The other types have no padding.
        && (test.padding == 0 || matches!(vector, Vector::PackedBit(_)))
    {
        return Err(format!("the numbers are accepted as {vector:?}"));
    }
    match bytes(test)?.map(|bytes| from_bytes(&bytes, key)) {
        Some(Ok(vector)) => Err(format!("the bytes are accepted as {vector:?}")),
        _ => Ok(()),
    }
}

fn bytes(test: &Test) -> Result<Option<Vec<u8>>, String> {
    test.canonical_bson.clone().map(|hex| Hex::try_from(hex).map(|hex| hex.0)).transpose()
}

fn from_bytes(bytes: &[u8], key: &str) -> Result<Vector, String> {
    let document: Document = decode::document(bytes).map_err(|e| e.to_string())?;
    match document.get(key) {
        Some(Bson::Binary(binary)) => Vector::try_from(binary).map_err(|e| e.to_string()),
        other => Err(format!("{key} is {other:?}")),
    }
}

fn from_numbers(test: &Test) -> Result<Vector, String> {
    let numbers = test.vector.as_ref().ok_or("there are no numbers")?;
    fn each<T: TryFrom<i64>>(numbers: &[Value]) -> Result<Vec<T>, String> {
        let number = |value: &Value| value.as_i64().and_then(|number| T::try_from(number).ok());
        numbers
            .iter()
            .map(|value| number(value).ok_or_else(|| format!("{value} does not fit")))
            .collect()
    }
    match test.dtype_hex.as_str() {
        "0x03" => each(numbers).map(Vector::Int8),
        "0x10" => {
            let padding = u8::try_from(test.padding).map_err(|e| format!("padding: {e}"))?;
            PackedBitVector::new(each(numbers)?, padding)
                .map(Vector::PackedBit)
                .map_err(|e| e.to_string())
        }
        "0x27" => {
            let float = |value: &Value| match Bson::deserialize(value) {
                Ok(Bson::Double(number)) => Ok(number as f32),
                other => Err(format!("{value} is {other:?}")),
            };
            numbers.iter().map(float).collect::<Result<_, _>>().map(Vector::Float32)
        }
        other => Err(format!("the harness does not know the type {other}")),
    }
}
