//! What stands at the top of a reply, found in one pass.
//!
//! Positions rather than references, so that an [`Outline`] travels with the connection whose buffer holds the reply.
//! An array is kept as the document that it is on the wire. Nothing is interpreted that is not there: a successful reply costs one
//! walk over its half a dozen elements.

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
pub(crate) struct Outline {
    ok: bool,
    code: i32,
    n: i64,
    n_modified: i64,
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

impl Outline {
    /// Walks the top level of `reply`.
    ///
    /// # Errors
    /// `InvalidResponse` when the bytes are no BSON document.
    pub(crate) fn of(reply: &RawDocument) -> Result<Self> {
        let base = reply.as_bytes().as_ptr().addr();
        let span =
            |bytes: &[u8]| Span { start: (bytes.as_ptr().addr() - base) as u32, len: bytes.len() as u32 };
        let document = |element: &Element<'_>| element.document_bytes().map(span).unwrap_or_default();
        let text = |element: &Element<'_>| match element.is(ElementType::String) {
            true => span(element.bytes()),
            false => Span::default(),
        };
        let mut found = Outline::default();
        let mut elements = elements(reply);
        while let Some(element) = elements.step()? {
            match element.key {
                b"ok" => found.ok = element.number() == Some(1),
                b"n" => found.n = element.number().unwrap_or_default(),
                b"nModified" => found.n_modified = element.number().unwrap_or_default(),
                b"code" => {
                    found.code = element.number().and_then(|code| code.try_into().ok()).unwrap_or_default()
                }
                b"operationTime" => found.operation_time = element.timestamp(),
                b"cursor" => found.cursor = document(&element),
                b"upserted" => found.upserted = document(&element),
                b"$clusterTime" => found.cluster_time = document(&element),
                b"errmsg" => found.errmsg = text(&element),
                b"codeName" => found.code_name = text(&element),
                b"errorLabels" => found.error_labels = document(&element),
                b"writeErrors" => found.write_errors = document(&element),
                b"writeConcernError" => found.write_concern_error = document(&element),
                _ => {}
            }
        }
        Ok(found)
    }

    /// Of a write to which the server gives no reply.
    pub(crate) fn unacknowledged() -> Self {
        Outline { ok: true, ..Outline::default() }
    }

    /// Whether the reply says that a write concern was not met.
    pub(crate) fn has_write_concern_error(&self) -> bool {
        !self.write_concern_error.is_empty()
    }

    /// The point in time that a snapshot read saw: told by cursors, or by the command itself.
    pub(crate) fn snapshot_time(&self, reply: &RawDocument) -> Option<Timestamp> {
        let told = |document: &RawDocument| document.get_timestamp("atClusterTime").ok();
        self.cursor(reply).and_then(told).or_else(|| told(reply))
    }

    /// Whether the command was carried out, and nothing is to be complained of.
    pub(crate) fn is_success(&self) -> bool {
        self.ok && self.write_errors.is_empty() && self.write_concern_error.is_empty()
    }

    /// Whether the command as such was accepted; single writes of it may have failed.
    pub(crate) fn is_ok(&self) -> bool {
        self.ok
    }

    /// How many documents were matched, inserted or deleted.
    pub(crate) fn n(&self) -> u64 {
        self.n.try_into().unwrap_or_default()
    }

    /// How many documents were modified.
    pub(crate) fn n_modified(&self) -> u64 {
        self.n_modified.try_into().unwrap_or_default()
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
    pub(crate) fn write_concern_error<'r>(&self, reply: &'r RawDocument) -> Option<&'r RawDocument> {
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
