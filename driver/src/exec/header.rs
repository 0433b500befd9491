//! The top-level fields of a reply, read in one pass.
//!
//! A [`ReplyHeader`] has positions instead of references, so that it can be kept together with the
//! connection whose buffer has the reply. An array is kept as a document, as in the wire format.
//! Nothing is decoded in advance: a successful reply costs one pass over its few elements.

use std::cell::Cell;

use bson::spec::ElementType;
use bson::{RawDocument, Timestamp};

use crate::error::{Error, Result};
use crate::wire::scan::{Element, elements};

/// The position of a value in the reply. Empty if the value is missing or empty.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: u32,
    len: u32,
}

/// The relevant fields of a reply.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ReplyHeader {
    /// `None` if the reply has no `ok`.
    ok: Option<bool>,
    /// The first field with an unexpected type.
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

/// A reply that is being read.
struct Reading {
    /// The address of its first byte.
    base: usize,
    /// The first field of a wrong type.
    misfit: Cell<Option<&'static str>>,
}

impl Reading {
    fn span(&self, bytes: &[u8]) -> Span {
        let start = (bytes.as_ptr().addr() - self.base) as u32;
        Span { start, len: bytes.len() as u32 }
    }

    fn odd(&self, name: &'static str) {
        self.misfit.set(self.misfit.get().or(Some(name)));
    }

    fn text(&self, element: &Element<'_>) -> Span {
        if element.is(ElementType::String) { self.span(element.bytes()) } else { Span::default() }
    }

    /// The bytes of a field of type `kind`. An empty list counts as absent.
    fn typed(&self, element: &Element<'_>, kind: ElementType, name: &'static str) -> Span {
        /// The size of an empty document.
        const EMPTY: usize = 5;
        let bytes = element.document_bytes().filter(|_| element.is(kind));
        if bytes.is_none() {
            self.odd(name);
        }
        let present = bytes.filter(|bytes| kind != ElementType::Array || bytes.len() > EMPTY);
        present.map(|bytes| self.span(bytes)).unwrap_or_default()
    }
}

impl ReplyHeader {
    /// Reads the top level of `reply`.
    ///
    /// # Errors
    /// `InvalidResponse` if the bytes are not a BSON document.
    pub(crate) fn of(reply: &RawDocument) -> Result<Self> {
        let reading = Reading { base: reply.as_bytes().as_ptr().addr(), misfit: Cell::new(None) };
        let typed = |element: &_, kind, name| reading.typed(element, kind, name);
        let mut found = ReplyHeader::default();
        let mut elements = elements(reply);
        while let Some(element) = elements.step()? {
            match element.key {
                b"ok" => found.ok = element.number().map(|ok| ok == 1),
                b"n" => match element.count() {
                    Some(n) => found.n = Some(n),
                    None => reading.odd("n"),
                },
                b"nModified" => match element.count() {
                    Some(n) => found.n_modified = n,
                    None => reading.odd("nModified"),
                },
                b"code" => {
                    found.code =
                        element.number().and_then(|code| code.try_into().ok()).unwrap_or_default()
                }
                b"operationTime" => match element.timestamp() {
                    Some(time) => found.operation_time = Some(time),
                    None => reading.odd("operationTime"),
                },
                b"cursor" => {
                    found.cursor = typed(&element, ElementType::EmbeddedDocument, "cursor")
                }
                b"upserted" => found.upserted = typed(&element, ElementType::Array, "upserted"),
                b"$clusterTime" => {
                    found.cluster_time =
                        typed(&element, ElementType::EmbeddedDocument, "$clusterTime");
                }
                b"errmsg" => found.errmsg = reading.text(&element),
                b"codeName" => found.code_name = reading.text(&element),
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
        found.misfit = reading.misfit.get();
        Ok(found)
    }

    /// The header for a write without a reply.
    pub(crate) fn unacknowledged() -> Self {
        ReplyHeader { ok: Some(true), n: Some(0), ..ReplyHeader::default() }
    }

    /// Checks that the fields which the driver reads have the right types. Not needed for a reply
    /// that only the caller reads.
    ///
    /// # Errors
    /// `InvalidResponse` with the name of a field of another type.
    pub(super) fn check(&self) -> Result<()> {
        match self.misfit {
            None => Ok(()),
            Some(field) => {
                Err(Error::invalid_response(format!("its {field} has an unexpected type")))
            }
        }
    }

    /// Whether the reply has an `ok`.
    pub(super) fn is_complete(&self) -> bool {
        self.ok.is_some()
    }

    /// The point in time of a snapshot read, reported in the cursor or at the top level.
    pub(crate) fn snapshot_time(&self, reply: &RawDocument) -> Option<Timestamp> {
        let at_cluster_time = |document: &RawDocument| document.get_timestamp("atClusterTime").ok();
        self.cursor(reply).and_then(at_cluster_time).or_else(|| at_cluster_time(reply))
    }

    /// Whether the command succeeded without any write error.
    pub(crate) fn is_success(&self) -> bool {
        self.is_ok() && self.write_errors.is_empty() && self.write_concern_error.is_empty()
    }

    /// Whether the command itself succeeded. Single writes may have failed.
    pub(crate) fn is_ok(&self) -> bool {
        self.ok == Some(true)
    }

    /// The number of matched, inserted or deleted documents, if reported.
    pub(crate) fn n(&self) -> Option<u64> {
        self.n
    }

    /// The number of modified documents.
    pub(crate) fn n_modified(&self) -> u64 {
        self.n_modified
    }

    /// The code of the command's error; 0 if there is none.
    pub(crate) fn code(&self) -> i32 {
        self.code
    }

    /// The operation time, on the cluster's clock.
    pub(crate) fn operation_time(&self) -> Option<Timestamp> {
        self.operation_time
    }

    /// The cursor with its first or next batch.
    pub(crate) fn cursor<'r>(&self, reply: &'r RawDocument) -> Option<&'r RawDocument> {
        self.cursor.document(reply)
    }

    /// The upserted documents.
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

    /// The write errors.
    pub(crate) fn write_errors<'r>(&self, reply: &'r RawDocument) -> Option<&'r RawDocument> {
        self.write_errors.document(reply)
    }

    /// The write concern error.
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
