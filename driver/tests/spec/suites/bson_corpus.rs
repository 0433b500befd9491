//! Specification "BSON Corpus", for the decoder of replies. It decodes valid bytes to the values in
//! the cases and refuses malformed bytes. Cases with text to parse concern the `bson` crate, not
//! the driver.

use bson::Document;
use driver::conformance::decode;
use serde::Deserialize;
use serde_json::Value;

use crate::ignored::NO_TEXT;
use crate::suite::{Case, Outcome};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "description")]
    _description: String,
    #[serde(rename = "bson_type")]
    _bson_type: String,
    #[serde(rename = "test_key")]
    _test_key: Option<String>,
    #[serde(rename = "deprecated")]
    _deprecated: Option<bool>,
    #[serde(default)]
    valid: Vec<Valid>,
    #[serde(default, rename = "decodeErrors")]
    decode_errors: Vec<DecodeError>,
    #[serde(default, rename = "parseErrors")]
    parse_errors: Vec<ParseError>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Valid {
    description: String,
    canonical_bson: Hex,
    canonical_extjson: String,
    #[serde(rename = "relaxed_extjson")]
    _relaxed_extjson: Option<String>,
    degenerate_bson: Option<Hex>,
    #[serde(rename = "degenerate_extjson")]
    _degenerate_extjson: Option<String>,
    /// Whether extended JSON cannot represent the bytes.
    #[serde(default)]
    lossy: bool,
    /// For drivers without the deprecated type. This driver has it.
    #[serde(rename = "converted_bson")]
    _converted_bson: Option<Hex>,
    #[serde(rename = "converted_extjson")]
    _converted_extjson: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DecodeError {
    description: String,
    bson: Hex,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ParseError {
    description: String,
    #[serde(rename = "string")]
    _string: String,
}

/// Bytes in hexadecimal digits.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Hex(pub(super) Vec<u8>);

impl TryFrom<String> for Hex {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let pair = |at: usize| {
            let pair = text
                .get(at..at + 2)
                .ok_or_else(|| format!("{text:?} is not in pairs of digits"))?;
            u8::from_str_radix(pair, 16).map_err(|e| format!("{pair:?} is not a byte: {e}"))
        };
        (0..text.len()).step_by(2).map(pair).collect::<Result<_, _>>().map(Hex)
    }
}

/// The cases of one file.
///
/// # Errors
/// The file is malformed.
pub(crate) fn cases(content: &Value) -> Result<Vec<Case>, String> {
    let file = File::deserialize(content).map_err(|e| format!("the file is malformed: {e}"))?;
    let mut cases = Vec::new();
    for case in file.valid {
        cases.push(Case::new(case.description.clone(), move || valid(&case)));
    }
    for case in file.decode_errors {
        cases.push(Case::new(format!("decode error: {}", case.description), move || {
            refused(&case.bson.0)
        }));
    }
    cases.extend(file.parse_errors.into_iter().map(|case| Case {
        description: format!("parse error: {}", case.description),
        run: Box::new(|| Outcome::Missing(NO_TEXT.to_owned())),
    }));
    if cases.is_empty() { Err("the file has no cases".into()) } else { Ok(cases) }
}

fn valid(case: &Valid) -> Result<(), String> {
    let bytes = &case.canonical_bson.0;
    is_same("the decoded document", &encoded(&decoded(bytes)?)?, bytes)?;
    if let Some(degenerate) = &case.degenerate_bson {
        is_same("the degenerate document", &encoded(&decoded(&degenerate.0)?)?, bytes)?;
    }
    if case.lossy {
        return Ok(());
    }
    let meant: Document = serde_json::from_str(&case.canonical_extjson)
        .map_err(|e| format!("{} is not extended JSON: {e}", case.canonical_extjson))?;
    is_same("the value", &encoded(&decoded(bytes)?)?, &encoded(&meant)?)
}

fn is_same(what: &str, actual: &[u8], expected: &[u8]) -> Result<(), String> {
    if actual == expected {
        Ok(())
    } else {
        Err(format!("{what}: expected {expected:02x?}, found {actual:02x?}"))
    }
}

/// Decodes with both decoders of the driver.
fn decoded(bytes: &[u8]) -> Result<Document, String> {
    let whole = decode::document(bytes).map_err(|e| format!("as a document: {e}"))?;
    let typed: Document = decode::typed(bytes).map_err(|e| format!("by serde: {e}"))?;
    // Compares bytes, because NaN does not equal itself.
    is_same("decoding by serde", &encoded(&typed)?, &encoded(&whole)?)?;
    Ok(whole)
}

fn encoded(document: &Document) -> Result<Vec<u8>, String> {
    bson::serialize_to_vec(document).map_err(|e| format!("encoding: {e}"))
}

fn refused(bytes: &[u8]) -> Result<(), String> {
    if let Ok(document) = decode::document(bytes) {
        return Err(format!("decoded, as {document}"));
    }
    match decode::typed::<Document>(bytes) {
        Ok(document) => Err(format!("decoded by serde, as {document}")),
        Err(_) => Ok(()),
    }
}
