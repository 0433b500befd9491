//! Creates errors from replies.

use bson::raw::RawBsonRef;
use bson::{Document, RawDocument};

use super::header::{ReplyHeader, malformed};
use super::operation::Complaints;
use crate::decode;
use crate::error::{
    CommandError, Error, ErrorKind, IndexedWriteError, Result, WriteConcernError, WriteError,
    WriteFailure,
};
use crate::wire::scan::whole;

/// The error of a command with the reply `ok: 0`.
pub(crate) fn of_command(header: &ReplyHeader, reply: &RawDocument) -> Error {
    let message = match header.errmsg(reply) {
        "" => "it gave no message",
        message => message,
    };
    let kind = ErrorKind::Command(CommandError {
        code: header.code(),
        code_name: header.code_name(reply).to_owned(),
        message: message.to_owned(),
    });
    labelled(Error::new(kind), header, reply)
}

/// The error in a reply with `ok: 1` to a command with `statements` writes. `complaints` says how
/// such errors are reported. `None` if there is no error, or if the operation reads the errors
/// itself.
///
/// # Errors
/// `InvalidResponse` if the reported errors are malformed.
pub(super) fn of_accepted(
    complaints: Complaints,
    statements: usize,
    header: &ReplyHeader,
    reply: &RawDocument,
) -> Result<Option<Error>> {
    if complaints == Complaints::Unread {
        return Ok(None);
    }
    let written = write_errors(header, reply, statements)?.into_iter().next();
    let concern = write_concern_error(header, reply)?;
    let failure = match (complaints, written, concern) {
        (Complaints::Collected | Complaints::Unread, ..) => None,
        (
            Complaints::Raised,
            Some(IndexedWriteError { code, code_name, message, details, .. }),
            _,
        ) => Some(WriteFailure::WriteError(WriteError { code, code_name, message, details })),
        (Complaints::Raised, None, concern) => concern.map(WriteFailure::WriteConcernError),
    };
    Ok(failure.map(|failure| labelled(Error::new(ErrorKind::Write(failure)), header, reply)))
}

/// The write concern error of a write, independent of errors of single documents.
///
/// # Errors
/// Those of [`of_accepted`].
pub(crate) fn of_write_concern(header: &ReplyHeader, reply: &RawDocument) -> Result<Option<Error>> {
    let Some(error) = write_concern_error(header, reply)? else { return Ok(None) };
    let failure = WriteFailure::WriteConcernError(error);
    Ok(Some(labelled(Error::new(ErrorKind::Write(failure)), header, reply)))
}

/// Adds the labels of the reply, and the reply itself, to `error`.
pub(crate) fn labelled(mut error: Error, header: &ReplyHeader, reply: &RawDocument) -> Error {
    for label in header.error_labels(reply).into_iter().flat_map(elements) {
        if let RawBsonRef::String(label) = label {
            error.add_label(label);
        }
    }
    error.with_response(reply.to_owned())
}

/// The write concern error of a reply, if there is one.
///
/// # Errors
/// `InvalidResponse` if it has no code.
pub(crate) fn write_concern_error(
    header: &ReplyHeader,
    reply: &RawDocument,
) -> Result<Option<WriteConcernError>> {
    let Some(found) = header.write_concern_error(reply) else { return Ok(None) };
    Ok(Some(WriteConcernError {
        code: code(found, "writeConcernError")?,
        code_name: text(found, "codeName").unwrap_or_default(),
        message: text(found, "errmsg").unwrap_or_default(),
        details: document(found, "errInfo"),
    }))
}

/// The write errors in the reply to a command with `statements` writes. Their indexes count within
/// the command.
///
/// # Errors
/// `InvalidResponse` if one of them is not a document, has no code, or has an index beyond the
/// command.
pub(crate) fn write_errors(
    header: &ReplyHeader,
    reply: &RawDocument,
    statements: usize,
) -> Result<Vec<IndexedWriteError>> {
    let Some(list) = header.write_errors(reply) else { return Ok(Vec::new()) };
    let mut errors = Vec::new();
    for element in list.iter_elements() {
        let RawBsonRef::Document(error) =
            element.and_then(|element| element.value()).map_err(malformed)?
        else {
            return Err(Error::invalid_response(
                "its writeErrors contain a value that is not a document",
            ));
        };
        let index = integer(error, "index").and_then(|index| usize::try_from(index).ok());
        let Some(index) = index.filter(|index| *index < statements) else {
            return Err(Error::invalid_response(format!(
                "an index in its writeErrors is {}, but the command has {statements} writes",
                error
                    .get("index")
                    .ok()
                    .flatten()
                    .map_or("missing".to_owned(), |index| format!("{index:?}")),
            )));
        };
        errors.push(IndexedWriteError {
            index,
            code: code(error, "writeErrors")?,
            code_name: text(error, "codeName"),
            message: text(error, "errmsg").unwrap_or_default(),
            details: document(error, "errInfo"),
        });
    }
    Ok(errors)
}

/// The values of an array in document form, up to the first malformed one.
fn elements(array: &RawDocument) -> impl Iterator<Item = RawBsonRef<'_>> {
    array.iter_elements().map_while(|element| element.ok()?.value().ok())
}

fn code(error: &RawDocument, field: &str) -> Result<i32> {
    let code = integer(error, "code").and_then(|code| i32::try_from(code).ok());
    code.ok_or_else(|| {
        Error::invalid_response(format!("an error in its {field} has no numeric code"))
    })
}

/// An integer in any numeric BSON type.
fn integer(document: &RawDocument, key: &str) -> Option<i64> {
    match document.get(key) {
        Ok(Some(RawBsonRef::Int32(n))) => Some(n.into()),
        Ok(Some(RawBsonRef::Int64(n))) => Some(n),
        Ok(Some(RawBsonRef::Double(n))) => whole(n),
        _ => None,
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
    fn empty_lists_of_errors_are_no_errors() {
        let reply =
            rawdoc! { "ok": 1, "n": 2, "writeErrors": [], "upserted": [], "errorLabels": [] };
        let header = ReplyHeader::of(&reply).unwrap();
        assert!(header.is_success() && header.check().is_ok());
        assert!(header.upserted(&reply).is_none());
    }

    #[test]
    fn command_error_keeps_code_labels_and_reply() {
        let reply = rawdoc! {
            "ok": 0.0, "code": 10107, "codeName": "NotWritablePrimary", "errmsg": "not primary",
            "errorLabels": ["RetryableWriteError"],
        };
        let error = of_command(&ReplyHeader::of(&reply).unwrap(), &reply);
        assert_eq!((error.code(), error.code_name()), (Some(10107), Some("NotWritablePrimary")));
        assert!(error.has_label("RetryableWriteError") && error.is_state_change());
        assert_eq!(error.server_response(), Some(&reply));
    }

    #[test]
    fn write_error_outranks_the_concern_error_of_its_reply() {
        let reply = rawdoc! {
            "ok": 1, "n": 0,
            "writeErrors": [{ "index": 0, "code": 11000, "errmsg": "dup", "errInfo": { "a": 1 } }],
            "writeConcernError": { "code": 64, "codeName": "WriteConcernFailed",
            "errmsg": "waiting" },
        };
        let header = ReplyHeader::of(&reply).unwrap();
        assert!(header.is_ok() && !header.is_success());
        let of = |complaints| of_accepted(complaints, 1, &header, &reply).unwrap();
        assert!(of(Complaints::Raised).unwrap().is_duplicate_key());
        assert!(of(Complaints::Collected).is_none() && of(Complaints::Unread).is_none());
    }

    #[test]
    fn success_is_no_failure() {
        let reply = rawdoc! { "n": 1, "ok": 1.0 };
        let header = ReplyHeader::of(&reply).unwrap();
        assert!(header.is_success());
        assert_eq!(header.n(), Some(1));
        assert!(of_accepted(Complaints::Raised, 1, &header, &reply).unwrap().is_none());
    }
}
