//! "Read and Write Concern": parsed connection strings, and the documents in commands.
//!
//! Connection strings are parsed strictly, because these cases call invalid what "URI Options"
//! gives a warning for.

use driver::bson::{self, Document};
use driver::options::{ConnectionString, ReadConcern, WriteConcern};
use serde_json::Value;

use super::expect::{self, asserted, same, text};
use crate::suite::Case;

pub(crate) fn connection_string_cases(content: &Value) -> Result<Vec<Case>, String> {
    expect::tests(content, run_connection_string)
}

pub(crate) fn document_cases(content: &Value) -> Result<Vec<Case>, String> {
    expect::tests(content, run_document)
}

/// Runs a case with a connection string.
pub(crate) fn run_connection_string(case: &Value) -> Result<(), String> {
    let parsed = ConnectionString::parse_strictly(text(case, "uri")?);
    let Some(parsed) = expect::valid(parsed, expect::flag(case, "valid")?)? else { return Ok(()) };
    let options = parsed.options;
    if let Some(expected) = asserted(case, "readConcern") {
        same("read concern", options.read_concern, read_concern(expected)?)?;
    }
    if let Some(expected) = asserted(case, "writeConcern") {
        let expected: WriteConcern = from_json(expected).map_err(|e| e.to_string())?;
        same("write concern", options.write_concern.unwrap_or_default(), expected)?;
    }
    Ok(())
}

/// Runs a case with a document.
pub(crate) fn run_document(case: &Value) -> Result<(), String> {
    match asserted(case, "readConcern") {
        Some(given) => run_read_concern(case, given),
        None => run_write_concern(
            case,
            asserted(case, "writeConcern").ok_or("the case has no concern")?,
        ),
    }
}

fn run_read_concern(case: &Value, given: &Value) -> Result<(), String> {
    let concern = read_concern(given)?;
    same("whether the case is valid", expect::flag(case, "valid")?, true)?;
    same(
        "whether it is the server's default",
        concern.is_none(),
        expect::flag(case, "isServerDefault")?,
    )?;
    let sent = concern.map(|concern| bson::serialize_to_document(&concern)).transpose();
    let sent = sent.map_err(|e| e.to_string())?.unwrap_or_default();
    same("the document sent", sent, document(case, "readConcernDocument")?)
}

fn run_write_concern(case: &Value, given: &Value) -> Result<(), String> {
    let concern = from_json::<WriteConcern>(given).map_err(driver::conformance::invalid);
    let concern = concern.and_then(|concern| {
        driver::conformance::validate_write_concern(&concern).map(|()| concern)
    });
    let Some(concern) = expect::valid(concern, expect::flag(case, "valid")?)? else {
        return Ok(());
    };
    same(
        "whether it is the server's default",
        concern.is_empty(),
        expect::flag(case, "isServerDefault")?,
    )?;
    same(
        "whether it is acknowledged",
        concern.is_acknowledged(),
        expect::flag(case, "isAcknowledged")?,
    )?;
    let sent = bson::serialize_to_document(&concern).map_err(|e| e.to_string())?;
    same("the document sent", sent, document(case, "writeConcernDocument")?)
}

/// The read concern of `{}` or `{"level": ...}`.
fn read_concern(given: &Value) -> Result<Option<ReadConcern>, String> {
    if given.as_object().is_some_and(serde_json::Map::is_empty) {
        Ok(None)
    } else {
        from_json(given).map(Some).map_err(|e| e.to_string())
    }
}

fn from_json<T: serde::de::DeserializeOwned>(value: &Value) -> Result<T, serde_json::Error> {
    serde_json::from_value(value.clone())
}

/// The document `key` of the case, with integers in the driver's types.
fn document(case: &Value, key: &str) -> Result<Document, String> {
    let value = case.get(key).ok_or_else(|| format!("the case has no {key:?}"))?;
    let mut document = bson::serialize_to_document(value).map_err(|e| e.to_string())?;
    if let Some(bson::Bson::Int64(w)) = document.get("w").cloned() {
        document.insert("w", i32::try_from(w).map_err(|e| e.to_string())?);
    }
    Ok(document)
}
