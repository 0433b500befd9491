//! One batch of a cursor, in its reply.
//!
//! The reply stays unchanged, and a position moves over the array of documents. A step to the next
//! document reads only its length.

use std::ops::Range;

use bson::spec::ElementType;
use bson::{RawDocument, Timestamp};

use super::ReplyHeader;
use crate::error::{Error, Result};
use crate::pool::{Connection, OwnedReply};
use crate::wire;
use crate::wire::scan::elements;

/// The cursor in a reply, found in one pass, as positions in the reply.
#[derive(Clone, Debug, Default)]
struct CursorHeader {
    /// The cursor id; 0 after the last batch.
    id: i64,
    /// `<database>.<collection>`, for later commands.
    ns: Range<usize>,
    /// The array of documents, as a document.
    documents: Range<usize>,
    /// The number of documents.
    count: u64,
    post_batch_resume_token: Option<Range<usize>>,
    at_cluster_time: Option<Timestamp>,
}

impl CursorHeader {
    /// Reads the `cursor` of a reply.
    ///
    /// # Errors
    /// `InvalidResponse` if it is missing or malformed.
    fn read(header: &ReplyHeader, reply: &RawDocument) -> Result<Self> {
        let base = reply.as_bytes().as_ptr().addr();
        let range = |bytes: &[u8]| {
            let start = bytes.as_ptr().addr() - base;
            start..start + bytes.len()
        };
        let cursor = header.cursor(reply).ok_or_else(no_cursor)?;
        let (mut id, mut documents) = (None, None);
        let mut found = CursorHeader::default();
        let mut elements = elements(cursor);
        while let Some(element) = elements.step()? {
            match element.key {
                b"id" => id = element.number(),
                b"ns" if element.is(ElementType::String) => found.ns = range(element.bytes()),
                b"firstBatch" | b"nextBatch" => documents = element.document_bytes(),
                b"postBatchResumeToken" => {
                    let token = element.document();
                    found.post_batch_resume_token = token.map(|token| range(token.as_bytes()));
                }
                b"atClusterTime" => found.at_cluster_time = element.timestamp(),
                _ => {}
            }
        }
        found.id = id.ok_or_else(|| Error::invalid_response("its cursor has no id"))?;
        let documents = documents.ok_or_else(no_batch)?;
        found.count = count(documents)?;
        found.documents = range(documents);
        Ok(found)
    }
}

/// The first document of the batch, without reading the rest of the cursor.
///
/// # Errors
/// `InvalidResponse` if there is no batch, or its first element is not a document.
pub(crate) fn first<'r>(header: &ReplyHeader, reply: &'r RawDocument) -> Result<Option<&'r [u8]>> {
    let cursor = header.cursor(reply).ok_or_else(no_cursor)?;
    let mut elements = elements(cursor);
    while let Some(element) = elements.step()? {
        if let (b"firstBatch", Some(batch)) = (element.key, element.document_bytes()) {
            return Ok(document_at(batch, 4)?.map(|found| &batch[found]));
        }
    }
    Err(no_batch())
}

/// The number of documents in a batch, an array of `bytes`.
///
/// # Errors
/// `InvalidResponse` if it contains something else.
fn count(bytes: &[u8]) -> Result<u64> {
    let (mut at, mut count) = (4, 0);
    while at + 1 < bytes.len() {
        match document_at(bytes, at)? {
            Some(found) => at = found.end,
            None => break,
        }
        count += 1;
    }
    Ok(count)
}

#[cold]
fn no_batch() -> Error {
    Error::invalid_response("its cursor has no batch")
}

#[cold]
fn no_cursor() -> Error {
    Error::invalid_response("it has no cursor")
}

/// A batch and the position of the reader.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    reply: OwnedReply,
    header: CursorHeader,
    /// The position of the next element.
    next: usize,
    current: Range<usize>,
}

impl Batch {
    /// Takes the reply with the cursor `header`.
    fn new(reply: OwnedReply, header: CursorHeader) -> Self {
        Batch { next: header.documents.start + 4, reply, header, current: 0..0 }
    }

    /// Takes the batch. The rest counts as read, and keeps the count of documents.
    pub(crate) fn take(&mut self) -> Self {
        let (reply, whole) = (std::mem::take(&mut self.reply), std::mem::take(&mut self.header));
        self.header.count = whole.count;
        (self.next, self.current) = (0, 0..0);
        Batch::new(reply, whole)
    }

    /// Moves the reply of a command out of `connection`.
    ///
    /// # Errors
    /// `InvalidResponse` if it has no cursor, or a malformed one.
    pub(super) fn receive(header: &ReplyHeader, connection: &mut Connection) -> Result<Self> {
        let header = CursorHeader::read(header, connection.reply()?)?;
        Ok(Batch::new(connection.take_reply()?, header))
    }

    /// The cursor id; 0 after the last batch.
    pub(crate) fn id(&self) -> i64 {
        self.header.id
    }

    /// The number of documents in the batch.
    pub(crate) fn count(&self) -> u64 {
        self.header.count
    }

    /// The token to resume a change stream after this batch.
    pub(crate) fn post_batch_resume_token(&self) -> Option<&RawDocument> {
        let token = self.reply.bytes().get(self.header.post_batch_resume_token.clone()?)?;
        RawDocument::from_bytes(token).ok()
    }

    /// The point in time of a snapshot read.
    #[expect(dead_code, reason = "snapshot reads take it from the reply")]
    pub(crate) fn at_cluster_time(&self) -> Option<Timestamp> {
        self.header.at_cluster_time
    }

    /// The whole reply.
    pub(crate) fn document(&self) -> &RawDocument {
        self.reply.document().unwrap_or_else(|_| wire::empty_document())
    }

    /// The database and the collection for later commands.
    ///
    /// # Errors
    /// `InvalidResponse` if the reply does not name them.
    pub(crate) fn names(&self) -> Result<(&str, &str)> {
        let ns = self.reply.bytes().get(self.header.ns.clone()).unwrap_or_default();
        let ns = std::str::from_utf8(ns).unwrap_or_default();
        ns.split_once('.').ok_or_else(|| {
            Error::invalid_response(format!(
                "the ns of its cursor is {ns:?}: no database and collection"
            ))
        })
    }

    /// A batch without documents.
    pub(crate) fn empty() -> Self {
        Batch::new(OwnedReply::default(), CursorHeader::default())
    }

    /// Moves to the next document. Returns false at the end of the batch.
    ///
    /// # Errors
    /// `InvalidResponse` if the next element is not a document. The batch is then at its end.
    pub(crate) fn advance(&mut self) -> Result<bool> {
        self.current = 0..0;
        if !self.has_next() {
            return Ok(false);
        }
        match document_at(&self.reply.bytes()[..self.header.documents.end], self.next) {
            Ok(Some(found)) => {
                self.next = found.end;
                self.current = found;
                Ok(true)
            }
            outcome => {
                self.next = self.header.documents.end;
                outcome.map(|_| false)
            }
        }
    }

    /// Whether the batch has more documents.
    pub(crate) fn has_next(&self) -> bool {
        self.next + 1 < self.header.documents.end
    }

    /// The bytes of the current document; empty if there is none.
    pub(crate) fn current(&self) -> &[u8] {
        self.reply.bytes().get(self.current.clone()).unwrap_or_default()
    }
}

/// The range of the document in the element at `at`; `None` at the end of the array.
fn document_at(bytes: &[u8], at: usize) -> Result<Option<Range<usize>>> {
    let broken = || {
        Error::invalid_response(
            "its batch is truncated, or contains a value that is not a document",
        )
    };
    let rest = bytes.get(at..).ok_or_else(broken)?;
    let (&kind, rest) = rest.split_first().ok_or_else(broken)?;
    if kind == 0 {
        return Ok(None);
    }
    let key = rest.iter().position(|byte| *byte == 0).ok_or_else(broken)?;
    let start = at + 1 + key + 1;
    let length = crate::wire::i32_at(bytes, start).and_then(|length| usize::try_from(length).ok());
    let end =
        length.filter(|length| *length >= 5).map(|length| start + length).ok_or_else(broken)?;
    if kind != ElementType::EmbeddedDocument as u8 || bytes.get(end - 1) != Some(&0) {
        return Err(broken());
    }
    Ok(Some(start..end))
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn the_documents_of_an_array_are_found_one_after_the_other() {
        let array = rawdoc! { "0": { "a": 1 }, "1": {}, "2": { "b": "two" } };
        let mut at = 4;
        let mut found = Vec::new();
        while let Some(range) = document_at(array.as_bytes(), at).unwrap() {
            at = range.end;
            found.push(RawDocument::from_bytes(&array.as_bytes()[range]).unwrap().to_owned());
        }
        assert_eq!(found, [rawdoc! { "a": 1 }, rawdoc! {}, rawdoc! { "b": "two" }]);
    }

    #[test]
    fn the_first_document_is_found_without_the_rest_of_the_cursor() {
        let first_of = |reply: &RawDocument| {
            first(&ReplyHeader::of(reply).unwrap(), reply).map(|found| found.map(<[u8]>::to_vec))
        };
        let found = first_of(
            &rawdoc! { "cursor": { "firstBatch": [{ "a": 1 }, {}], "id": 0_i64 }, "ok": 1 },
        );
        assert_eq!(found.unwrap(), Some(rawdoc! { "a": 1 }.into_bytes()));
        let found = first_of(
            &rawdoc! { "cursor": { "id": 0_i64, "ns": "d.c", "firstBatch": [] }, "ok": 1 },
        );
        assert_eq!(found.unwrap(), None);
        for (reply, lacks) in [
            (rawdoc! { "ok": 1 }, "no cursor"),
            (rawdoc! { "cursor": { "id": 0_i64 } }, "no batch"),
            (rawdoc! { "cursor": { "firstBatch": 5 } }, "no batch"),
            (rawdoc! { "cursor": { "firstBatch": [5] } }, "not a document"),
        ] {
            let error = first_of(&reply).unwrap_err();
            assert!(error.to_string().contains(lacks), "{error}");
        }
    }

    /// A batch out of the bytes of a reply.
    fn batch(reply: Vec<u8>) -> Result<Batch> {
        let document = RawDocument::from_bytes(&reply).unwrap();
        let header = CursorHeader::read(&ReplyHeader::of(document).unwrap(), document)?;
        Ok(Batch::new(OwnedReply::of(reply), header))
    }

    #[test]
    fn cursor_header_is_read_once() {
        let token = rawdoc! { "_data": "82" };
        let whole = batch(
            rawdoc! { "ok": 1, "cursor": {
                "nextBatch": [{ "a": 1 }, { "a": 2 }], "postBatchResumeToken": token.clone(),
                "id": 7_i64, "ns": "db.some.collection",
            } }
            .into_bytes(),
        )
        .unwrap();
        assert_eq!((whole.id(), whole.count()), (7, 2));
        assert_eq!(whole.names().unwrap(), ("db", "some.collection"));
        assert_eq!(whole.post_batch_resume_token(), Some(&*token));
        let bare =
            batch(rawdoc! { "cursor": { "firstBatch": [], "id": 0_i64 } }.into_bytes()).unwrap();
        assert_eq!((bare.id(), bare.count()), (0, 0));
        assert_eq!(bare.post_batch_resume_token(), None);
    }

    #[test]
    fn cursor_without_a_namespace_is_refused() {
        for ns in ["", "db"] {
            let reply = rawdoc! { "cursor": { "firstBatch": [], "id": 7_i64, "ns": ns } };
            let batch = batch(reply.into_bytes()).unwrap();
            let error = batch.names().unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::InvalidResponse { .. }), "{error}");
            assert!(error.to_string().contains("ns"), "{error}");
        }
    }

    #[test]
    fn a_damaged_document_ends_its_batch() {
        let reply = rawdoc! { "cursor": {
            "firstBatch": [{ "a": 1 }, { "a": 2 }, { "a": 3 }], "id": 0_i64,
        } };
        let whole = batch(reply.into_bytes()).unwrap();
        let Batch { reply, header, .. } = whole;
        let mut bytes = reply.bytes().to_vec();
        let first = document_at(&bytes, header.documents.start + 4).unwrap().unwrap();
        let second = document_at(&bytes, first.end).unwrap().unwrap();
        bytes[second.start] = 4;
        let mut batch = Batch::new(OwnedReply::of(bytes), header);
        assert!(batch.advance().unwrap() && !batch.current().is_empty());
        assert!(batch.advance().is_err());
        assert!(batch.current().is_empty() && !batch.has_next());
        assert!(!batch.advance().unwrap(), "an error is returned once");
    }

    #[test]
    fn damaged_bytes_are_not_read_past_their_end() {
        let whole = rawdoc! { "0": { "a": 1 }, "1": { "b": "two" } }.into_bytes();
        for at in 0..whole.len() {
            for value in [0, 1, 3, 4, 0x7f, 0x80, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] = value;
                for end in [bytes.len(), at, at + 1] {
                    let mut next = 4;
                    while let Ok(Some(range)) = document_at(&bytes[..end], next) {
                        assert!(range.start < range.end && range.end <= end);
                        next = range.end;
                    }
                }
            }
        }
    }
}
