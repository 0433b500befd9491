//! What stands at the top of a reply, found in one pass.
//!
//! Positions rather than references, so that an [`ReplyHeader`] travels with the connection whose
//! buffer holds the reply. An array is kept as the document that it is on the wire. Nothing is
//! interpreted that is not there: a successful reply costs one walk over its half a dozen elements.

use std::cell::Cell;

use bson::spec::ElementType;
use bson::{RawDocument, Timestamp};

use crate::error::{Error, Result};
use crate::wire::scan::{Element, elements};

/// Where a value lies in the reply; empty where there is none, or an empty one.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: u32,
    len: u32,
}

/// The interesting elements of one reply.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ReplyHeader {
    /// None where the reply does not say.
    ok: Option<bool>,
    /// The first field that is of another type than it should be.
    misfit: Option<&'static str>,
    code: i32,
    n: Option<u64>,
    n_modified: u64,
    operation_time: Option<Timestamp>,
    cursor: Span,
    upserted: Span,
    cluster_time: Span,
    errmsg: Span,
    code_name: Span,
    error_labels: Span,
    write_errors: Span,
    write_concern_error: Span,
}

impl ReplyHeader {
    /// Walks the top level of `reply`.
    ///
    /// # Errors
    /// `InvalidResponse` when the bytes are no BSON document.
    pub(crate) fn of(reply: &RawDocument) -> Result<Self> {
        let base = reply.as_bytes().as_ptr().addr();
        let span = |bytes: &[u8]| Span {
            start: (bytes.as_ptr().addr() - base) as u32,
            len: bytes.len() as u32,
        };
        let text = |element: &Element<'_>| match element.is(ElementType::String) {
            true => span(element.bytes()),
            false => Span::default(),
        };
        let misfit = Cell::new(None);
        let odd = |name: &'static str| misfit.set(misfit.get().or(Some(name)));
        let typed = |element: &Element<'_>, kind: ElementType, name: &'static str| {
            let bytes = element.document_bytes().filter(|_| element.is(kind));
            if bytes.is_none() {
                odd(name);
            }
            /// The bytes of a document without elements.
            const EMPTY: usize = 5;
            // An empty list says as much as none.
            let told = bytes.filter(|bytes| kind != ElementType::Array || bytes.len() > EMPTY);
            told.map(span).unwrap_or_default()
        };
        let mut found = ReplyHeader::default();
        let mut elements = elements(reply);
        while let Some(element) = elements.step()? {
            match element.key {
                b"ok" => found.ok = element.number().map(|ok| ok == 1),
                b"n" => match element.count() {
                    Some(n) => found.n = Some(n),
                    None => odd("n"),
                },
                b"nModified" => match element.count() {
                    Some(n) => found.n_modified = n,
                    None => odd("nModified"),
                },
                b"code" => {
                    found.code =
                        element.number().and_then(|code| code.try_into().ok()).unwrap_or_default()
                }
                b"operationTime" => match element.timestamp() {
                    Some(time) => found.operation_time = Some(time),
                    None => odd("operationTime"),
                },
                b"cursor" => {
                    found.cursor = typed(&element, ElementType::EmbeddedDocument, "cursor")
                }
                b"upserted" => found.upserted = typed(&element, ElementType::Array, "upserted"),
                b"$clusterTime" => {
                    found.cluster_time =
                        typed(&element, ElementType::EmbeddedDocument, "$clusterTime");
                }
                b"errmsg" => found.errmsg = text(&element),
                b"codeName" => found.code_name = text(&element),
                b"errorLabels" => {
                    found.error_labels = typed(&element, ElementType::Array, "errorLabels")
                }
                b"writeErrors" => {
                    found.write_errors = typed(&element, ElementType::Array, "writeErrors")
                }
                b"writeConcernError" => {
                    found.write_concern_error =
                        typed(&element, ElementType::EmbeddedDocument, "writeConcernError");
                }
                _ => {}
            }
        }
        found.misfit = misfit.get();
        Ok(found)
    }

    /// Of a write to which the server gives no reply.
    pub(crate) fn unacknowledged() -> Self {
        ReplyHeader { ok: Some(true), n: Some(0), ..ReplyHeader::default() }
    }

    /// That every field which the driver reads is of its type. A reply which only the caller reads
    /// need not be asked.
    ///
    /// # Errors
    /// `InvalidResponse` with the field that is not.
    pub(super) fn check(&self) -> Result<()> {
        match self.misfit {
            None => Ok(()),
            Some(field) => Err(Error::invalid_response(format!(
                "its {field} is not of the type that it should be"
            ))),
        }
    }

    /// Whether the reply says at all how the command went.
    pub(super) fn is_complete(&self) -> bool {
        self.ok.is_some()
    }

    /// The point in time that a snapshot read saw: told by cursors, or by the command itself.
    pub(crate) fn snapshot_time(&self, reply: &RawDocument) -> Option<Timestamp> {
        let told = |document: &RawDocument| document.get_timestamp("atClusterTime").ok();
        self.cursor(reply).and_then(told).or_else(|| told(reply))
    }

    /// Whether the command was carried out, and nothing is to be complained of.
    pub(crate) fn is_success(&self) -> bool {
        self.is_ok() && self.write_errors.is_empty() && self.write_concern_error.is_empty()
    }

    /// Whether the command as such was accepted; single writes of it may have failed.
    pub(crate) fn is_ok(&self) -> bool {
        self.ok == Some(true)
    }

    /// How many documents were matched, inserted or deleted, if the reply says.
    pub(crate) fn n(&self) -> Option<u64> {
        self.n
    }

    /// How many documents were modified.
    pub(crate) fn n_modified(&self) -> u64 {
        self.n_modified
    }

    /// The code of the command's error; 0 when there is none.
    pub(crate) fn code(&self) -> i32 {
        self.code
    }

    /// When the operation took effect, on the cluster's clock.
    pub(crate) fn operation_time(&self) -> Option<Timestamp> {
        self.operation_time
    }

    /// The cursor and its first or next batch.
    pub(crate) fn cursor<'r>(&self, reply: &'r RawDocument) -> Option<&'r RawDocument> {
        self.cursor.document(reply)
    }

    /// What was inserted by updates that matched nothing.
    pub(crate) fn upserted<'r>(&self, reply: &'r RawDocument) -> Option<&'r RawDocument> {
        self.upserted.document(reply)
    }

    /// The server's `$clusterTime`.
    pub(crate) fn cluster_time<'r>(&self, reply: &'r RawDocument) -> Option<&'r RawDocument> {
        self.cluster_time.document(reply)
    }

    /// The message of the command's error.
    pub(crate) fn errmsg<'r>(&self, reply: &'r RawDocument) -> &'r str {
        self.errmsg.text(reply)
    }

    /// The name of the command's error code.
    pub(crate) fn code_name<'r>(&self, reply: &'r RawDocument) -> &'r str {
        self.code_name.text(reply)
    }

    /// The labels of the error.
    pub(crate) fn error_labels<'r>(&self, reply: &'r RawDocument) -> Option<&'r RawDocument> {
        self.error_labels.document(reply)
    }

    /// The writes that failed.
    pub(crate) fn write_errors<'r>(&self, reply: &'r RawDocument) -> Option<&'r RawDocument> {
        self.write_errors.document(reply)
    }

    /// The write concern that was not met.
    pub(crate) fn write_concern_error<'r>(
        &self,
        reply: &'r RawDocument,
    ) -> Option<&'r RawDocument> {
        self.write_concern_error.document(reply)
    }
}

impl Span {
    fn is_empty(self) -> bool {
        self.len == 0
    }

    fn bytes(self, reply: &RawDocument) -> Option<&[u8]> {
        let start = self.start as usize;
        reply.as_bytes().get(start..start + self.len as usize)
    }

    #[inline]
    fn document(self, reply: &RawDocument) -> Option<&RawDocument> {
        if self.is_empty() {
            return None;
        }
        RawDocument::from_bytes(self.bytes(reply)?).ok()
    }

    fn text(self, reply: &RawDocument) -> &str {
        self.bytes(reply).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default()
    }
}

/// The error of a reply that is not BSON.
pub(crate) fn malformed(cause: bson::error::Error) -> Error {
    Error::invalid_response(format!("its BSON is malformed: {cause}"))
}
