//! Compares the error of an operation with `expectError`.

use bson::{Bson, Document, doc};
use driver::Error;
use driver::error::{
    ErrorKind, PartialBulkWriteResult, WriteConcernError, WriteError, WriteFailure,
};
use driver::results::BulkWriteResult;

use super::matching::{self, Names};
use super::operations::client::{summary, verbose_results};
use super::operations::crud::bulk_written;

/// # Errors
/// The error differs, or this harness does not know an expectation.
pub(crate) fn check(expected: &Document, error: &Error, names: &dyn Names) -> Result<(), String> {
    for (what, wanted) in expected {
        let met = match (what.as_str(), wanted) {
            ("isError", Bson::Boolean(wanted)) => *wanted,
            ("isClientError", Bson::Boolean(wanted)) => *wanted == is_of_the_client(error),
            ("isTimeoutError", Bson::Boolean(wanted)) => *wanted == error.is_timeout(),
            ("errorContains", Bson::String(part)) => {
                error.to_string().to_ascii_lowercase().contains(&part.to_ascii_lowercase())
            }
            ("errorCode", code) => {
                code.as_i64().or(code.as_i32().map(i64::from)) == error.code().map(i64::from)
            }
            ("errorCodeName", Bson::String(name)) => error.code_name() == Some(name),
            ("errorLabelsContain", Bson::Array(labels)) => labels
                .iter()
                .all(|label| label.as_str().is_some_and(|label| error.has_label(label))),
            ("errorLabelsOmit", Bson::Array(labels)) => !labels
                .iter()
                .any(|label| label.as_str().is_some_and(|label| error.has_label(label))),
            ("errorResponse", wanted) => {
                let response = error
                    .server_response()
                    .ok_or_else(|| format!("the error has no server reply: {error}"))?;
                let response = Document::try_from(response.as_ref()).map_err(|e| e.to_string())?;
                matching::root(wanted, Some(&response.into()), names)?;
                true
            }
            ("expectResult", wanted) => {
                matching::root(wanted, Some(&partial_result(error)), names)?;
                true
            }
            ("writeErrors" | "writeConcernErrors", wanted) => {
                matching::root(wanted, Some(&of_models(error, what)?), names)?;
                true
            }
            other => return Err(format!("the harness does not know the expectation {other:?}")),
        };
        if !met {
            return Err(format!("{what}: expected {wanted}, found {error:?}"));
        }
    }
    Ok(())
}

/// Whether the driver or the network failed, not the server.
fn is_of_the_client(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Command(_) | ErrorKind::Write(_) => false,
        ErrorKind::InsertMany(partial) => {
            partial.write_errors.is_empty()
                && partial.write_concern_error.is_none()
                && error.code().is_none()
        }
        ErrorKind::BulkWrite(partial) => {
            partial.write_errors.is_empty()
                && partial.write_concern_errors.is_empty()
                && error.code().is_none()
        }
        _ => true,
    }
}

/// The errors of the models of a bulk write by their positions, or those of its write concerns.
fn of_models(error: &Error, what: &str) -> Result<Bson, String> {
    let ErrorKind::BulkWrite(failed) = error.kind() else {
        return Err(format!("{what} are expected of a bulk write, and there is {error:?}"));
    };
    let of_write = |e: &WriteError| doc! { "code": e.code, "message": &e.message };
    let of_concern = |e: &WriteConcernError| doc! { "code": e.code, "message": &e.message };
    Ok(match what {
        "writeErrors" => {
            let errors = failed.write_errors.iter();
            let errors = errors.map(|(index, e)| (index.to_string(), Bson::Document(of_write(e))));
            Bson::Document(errors.collect())
        }
        _ => failed.write_concern_errors.iter().map(of_concern).collect::<Vec<_>>().into(),
    })
}

/// The partial result before the error.
fn partial_result(error: &Error) -> Bson {
    match error.kind() {
        ErrorKind::InsertMany(partial) => {
            let ids =
                partial.inserted_ids.iter().map(|(index, id)| (index.to_string(), id.clone()));
            let ids: Document = ids.collect();
            // In the format of a bulk write with inserts only.
            doc! {
                "insertedCount": ids.len() as i64, "insertedIds": ids, "matchedCount": 0,
                "modifiedCount": 0, "deletedCount": 0, "upsertedCount": 0, "upsertedIds": {},
            }
            .into()
        }
        ErrorKind::BulkWrite(failed) => match &failed.partial_result {
            Some(PartialBulkWriteResult::Collection(result)) => bulk_written(result).into(),
            Some(PartialBulkWriteResult::Summary(result)) => summary(result).into(),
            Some(PartialBulkWriteResult::Verbose(result)) => verbose_results(result).into(),
            _ => bulk_written(&BulkWriteResult::default()).into(),
        },
        ErrorKind::Write(WriteFailure::WriteConcernError(_)) => Bson::Document(Document::new()),
        _ => Bson::Null,
    }
}
