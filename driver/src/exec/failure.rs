//! Errors out of replies.

use bson::raw::RawBsonRef;
use bson::{Document, RawDocument};

use super::outline::Outline;
use crate::decode;
use crate::error::{
    CommandError, Error, ErrorKind, IndexedWriteError, WriteConcernError, WriteError, WriteFailure,
};

/// The error of a command that was answered with `ok: 0`.
pub(crate) fn of_command(outline: &Outline, reply: &RawDocument) -> Error {
    let kind = ErrorKind::Command(CommandError {
        code: outline.code(),
        code_name: outline.code_name(reply).to_owned(),
        message: outline.errmsg(reply).to_owned(),
    });
    labelled(Error::new(kind), outline, reply)
}

/// The error of a single write that was not done, or whose write concern was not met; none when all is well.
pub(crate) fn of_single_write(outline: &Outline, reply: &RawDocument) -> Option<Error> {
    let failure = match write_errors(outline, reply).into_iter().next() {
        Some(IndexedWriteError { code, code_name, message, details, .. }) => {
            WriteFailure::WriteError(WriteError { code, code_name, message, details })
        }
        None => WriteFailure::WriteConcernError(write_concern_error(outline, reply)?),
    };
    Some(labelled(Error::new(ErrorKind::Write(failure)), outline, reply))
}

/// The error of a write whose write concern was not met, whatever became of its single documents.
pub(crate) fn of_write_concern(outline: &Outline, reply: &RawDocument) -> Option<Error> {
    let failure = WriteFailure::WriteConcernError(write_concern_error(outline, reply)?);
    Some(labelled(Error::new(ErrorKind::Write(failure)), outline, reply))
}

/// Gives `error` the labels of the reply, and the reply itself.
pub(crate) fn labelled(mut error: Error, outline: &Outline, reply: &RawDocument) -> Error {
    for label in outline.error_labels(reply).into_iter().flat_map(elements) {
        if let RawBsonRef::String(label) = label {
            error.add_label(label);
        }
    }
    error.with_response(reply.to_owned())
}

/// The write concern error of a reply, if it has one.
pub(crate) fn write_concern_error(outline: &Outline, reply: &RawDocument) -> Option<WriteConcernError> {
    let found = outline.write_concern_error(reply)?;
    Some(WriteConcernError {
        code: integer(found, "code"),
        code_name: text(found, "codeName").unwrap_or_default(),
        message: text(found, "errmsg").unwrap_or_default(),
        details: document(found, "errInfo"),
    })
}

/// The write errors of a reply, their positions counted within the command.
pub(crate) fn write_errors(outline: &Outline, reply: &RawDocument) -> Vec<IndexedWriteError> {
    let found = outline.write_errors(reply).into_iter().flat_map(elements);
    found
        .filter_map(|error| match error {
            RawBsonRef::Document(error) => Some(IndexedWriteError {
                index: integer(error, "index").try_into().unwrap_or_default(),
                code: integer(error, "code"),
                code_name: text(error, "codeName"),
                message: text(error, "errmsg").unwrap_or_default(),
                details: document(error, "errInfo"),
            }),
            _ => None,
        })
        .collect()
}

/// The values of an array that is at hand as a document, as far as it is well-formed.
pub(crate) fn elements(array: &RawDocument) -> impl Iterator<Item = RawBsonRef<'_>> {
    array.iter_elements().map_while(|element| element.ok()?.value().ok())
}

fn integer(document: &RawDocument, key: &str) -> i32 {
    match document.get(key) {
        Ok(Some(RawBsonRef::Int32(n))) => n,
        Ok(Some(RawBsonRef::Int64(n))) => n.try_into().unwrap_or_default(),
        Ok(Some(RawBsonRef::Double(n))) => n as i32,
        _ => 0,
    }
}

fn text(document: &RawDocument, key: &str) -> Option<String> {
    document.get_str(key).ok().map(str::to_owned)
}

fn document(document: &RawDocument, key: &str) -> Option<Document> {
    decode::document(document.get_document(key).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::*;

    #[test]
    fn a_refused_command_keeps_code_labels_and_reply() {
        let reply = rawdoc! {
            "ok": 0.0, "code": 10107, "codeName": "NotWritablePrimary", "errmsg": "not primary",
            "errorLabels": ["RetryableWriteError"],
        };
        let error = of_command(&Outline::of(&reply).unwrap(), &reply);
        assert_eq!((error.code(), error.code_name()), (Some(10107), Some("NotWritablePrimary")));
        assert!(error.has_label("RetryableWriteError") && error.is_state_change());
        assert_eq!(error.server_response(), Some(&reply));
    }

    #[test]
    fn a_write_error_outranks_the_write_concern_error_of_the_same_reply() {
        let reply = rawdoc! {
            "ok": 1, "n": 0,
            "writeErrors": [{ "index": 0, "code": 11000, "errmsg": "dup", "errInfo": { "a": 1 } }],
            "writeConcernError": { "code": 64, "codeName": "WriteConcernFailed", "errmsg": "waiting" },
        };
        let outline = Outline::of(&reply).unwrap();
        assert!(outline.is_ok() && !outline.is_success());
        assert!(of_single_write(&outline, &reply).unwrap().is_duplicate_key());
        assert_eq!(of_write_concern(&outline, &reply).unwrap().code(), Some(64));
    }

    #[test]
    fn a_success_is_no_failure() {
        let reply = rawdoc! { "n": 1, "ok": 1.0 };
        let outline = Outline::of(&reply).unwrap();
        assert!(outline.is_success());
        assert_eq!(outline.n(), 1);
        assert!(of_single_write(&outline, &reply).is_none());
    }
}
