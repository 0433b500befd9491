//! A kind-1 section of an OP_MSG: documents one after the other, without array keys.
//!
//! The section tells its bytes, and takes back a document that turns out too large, so that a batch
//! can be filled up to a server's limits without serializing anything twice.

use bson::oid::ObjectId;
use bson::spec::ElementType;
use serde::Serialize;

use super::writer::DocWriter;
use super::{encode, patch_length};
use crate::error::Result;

/// One open document sequence at the end of a message.
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

    /// Appends the document that `value` serializes to. Returns its size in bytes.
    ///
    /// # Errors
    /// `BsonSerialization`; then nothing was appended.
    pub(crate) fn serialize<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<usize> {
        let at = self.buf.len();
        encode::append(value, self.buf)?;
        self.last = at;
        Ok(self.buf.len() - at)
    }

    /// Appends the document that `fill` writes. Returns its size in bytes.
    ///
    /// # Errors
    /// Those of `fill`; then nothing was appended.
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

    /// Puts `_id` before all other fields of the document appended last.
    pub(crate) fn prepend_id(&mut self, id: ObjectId) {
        let mut element = [0; 17];
        element[0] = ElementType::ObjectId as u8;
        element[1..4].copy_from_slice(b"_id");
        element[5..].copy_from_slice(&id.bytes());
        let first = self.last + 4;
        self.buf.splice(first..first, element);
        patch_length(self.buf, self.last);
    }

    /// Takes the document appended last back out, so that it can begin the next batch. At most once
    /// in a row.
    pub(crate) fn take_back(&mut self) {
        if self.buf.len() > self.last {
            self.buf.truncate(self.last);
        }
    }

    /// The document appended last, as long as it was not taken back.
    pub(crate) fn last(&self) -> &[u8] {
        &self.buf[self.last..]
    }

    /// How many bytes of the message are written so far, all sections together and its header
    /// included.
    pub(crate) fn message_len(&self) -> usize {
        self.buf.len()
    }
}

impl Drop for SequenceWriter<'_> {
    fn drop(&mut self) {
        patch_length(self.buf, self.start);
    }
}
