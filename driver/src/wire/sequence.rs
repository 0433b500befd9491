//! A kind-1 section of an OP_MSG: consecutive documents without array keys.
//!
//! The section reports its size and can remove its last document. So a batch fills up to the
//! server's limits without serializing any document twice.

use bson::Document;
use bson::oid::ObjectId;
use bson::spec::ElementType;
use serde::Serialize;

use super::writer::DocWriter;
use super::{document, encode, patch_length};
use crate::error::Result;

/// An open document sequence at the end of a message.
#[derive(Debug)]
pub(crate) struct SequenceWriter<'b> {
    buf: &'b mut Vec<u8>,
    start: usize,
    last: usize,
}

impl<'b> SequenceWriter<'b> {
    pub(super) fn begin(buf: &'b mut Vec<u8>, identifier: &bson::raw::CStr) -> Self {
        buf.push(1);
        let start = buf.len();
        buf.extend_from_slice(&[0; 4]);
        buf.extend_from_slice(identifier.as_str().as_bytes());
        buf.push(0);
        let last = buf.len();
        SequenceWriter { buf, start, last }
    }

    /// Appends a document. Returns its size in bytes.
    ///
    /// # Errors
    /// `BsonSerialization`. The section is then unchanged.
    pub(crate) fn document(&mut self, value: &Document) -> Result<usize> {
        let at = self.buf.len();
        document::append(value, self.buf)?;
        self.last = at;
        Ok(self.buf.len() - at)
    }

    /// Appends the document that `value` serializes to. Returns its size in bytes.
    ///
    /// # Errors
    /// `BsonSerialization`. The section is then unchanged.
    pub(crate) fn serialize<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<usize> {
        let at = self.buf.len();
        encode::append(value, self.buf)?;
        self.last = at;
        Ok(self.buf.len() - at)
    }

    /// Appends the document that `fill` writes. Returns its size in bytes.
    ///
    /// # Errors
    /// Those of `fill`. The section is then unchanged.
    pub(crate) fn write(
        &mut self,
        fill: impl FnOnce(&mut DocWriter<'_>) -> Result<()>,
    ) -> Result<usize> {
        let at = self.buf.len();
        let filled = fill(&mut DocWriter::begin(self.buf));
        if let Err(error) = filled {
            self.buf.truncate(at);
            return Err(error);
        }
        self.last = at;
        Ok(self.buf.len() - at)
    }

    /// Inserts `_id` before the other fields of the last document.
    pub(crate) fn prepend_id(&mut self, id: ObjectId) {
        let mut element = [0; 17];
        element[0] = ElementType::ObjectId as u8;
        element[1..4].copy_from_slice(b"_id");
        element[5..].copy_from_slice(&id.bytes());
        let first = self.last + 4;
        self.buf.splice(first..first, element);
        patch_length(self.buf, self.last);
    }

    /// Removes the last document, which then begins the next batch. A second call in a row does
    /// nothing.
    pub(crate) fn take_back(&mut self) {
        if self.buf.len() > self.last {
            self.buf.truncate(self.last);
        }
    }

    /// The last document; empty after [`take_back`](Self::take_back).
    pub(crate) fn last(&self) -> &[u8] {
        &self.buf[self.last..]
    }

    /// The size of the message so far, with its header and all sections.
    pub(crate) fn message_len(&self) -> usize {
        self.buf.len()
    }
}

impl Drop for SequenceWriter<'_> {
    fn drop(&mut self) {
        patch_length(self.buf, self.start);
    }
}
