//! One batch of a cursor, as it came.
//!
//! The reply stays in one piece; a position moves over the array of documents in it. Going from one
//! document to the next looks at its length and nothing else.

use std::ops::Range;

use bson::RawDocument;
use bson::spec::ElementType;

use super::ReplyHeader;
use crate::error::{Error, Result};
use crate::pool::OwnedReply;
use crate::wire::scan::elements;

/// What a reply says of its cursor.
pub(crate) struct CursorInfo<'r> {
    /// 0 when nothing follows.
    pub(crate) id: i64,
    /// `<database>.<collection>`, as later commands have to name it.
    pub(crate) ns: &'r str,
    /// The documents: an array, as the document that it is on the wire.
    pub(crate) documents: &'r RawDocument,
}

impl<'r> CursorInfo<'r> {
    /// Reads the `cursor` of a reply.
    ///
    /// # Errors
    /// `InvalidResponse` when there is none, or it is not as it should be.
    pub(crate) fn read(header: &ReplyHeader, reply: &'r RawDocument) -> Result<Self> {
        let cursor = header.cursor(reply).ok_or_else(no_cursor)?;
        let (mut id, mut ns, mut documents) = (None, "", None);
        let mut elements = elements(cursor);
        while let Some(element) = elements.step()? {
            match element.key {
                b"id" => id = element.number(),
                b"ns" if element.is(ElementType::String) => {
                    ns = std::str::from_utf8(element.bytes()).unwrap_or_default();
                }
                b"firstBatch" | b"nextBatch" => documents = element.document(),
                _ => {}
            }
        }
        match (id, documents) {
            (Some(id), Some(documents)) => Ok(CursorInfo { id, ns, documents }),
            (None, _) => Err(Error::invalid_response("its cursor has no id")),
            (_, None) => Err(no_batch()),
        }
    }

    /// The database and the collection that later commands have to name.
    ///
    /// # Errors
    /// `InvalidResponse` when the reply does not say.
    pub(crate) fn names(&self) -> Result<(&'r str, &'r str)> {
        self.ns.split_once('.').ok_or_else(|| {
            Error::invalid_response(format!(
                "the ns of its cursor is {:?}: no database and collection",
                self.ns
            ))
        })
    }
}

/// The first document of the batch of a cursor that is not followed any further: nothing else is
/// looked at.
///
/// # Errors
/// `InvalidResponse` when there is no batch, or what is in it is no document.
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

/// That a batch, an array of `bytes`, holds documents and nothing else.
///
/// # Errors
/// `InvalidResponse` when it does not.
pub(crate) fn check(bytes: &[u8]) -> Result<()> {
    let mut at = 4;
    while at + 1 < bytes.len() {
        match document_at(bytes, at)? {
            Some(found) => at = found.end,
            None => break,
        }
    }
    Ok(())
}

#[cold]
fn no_batch() -> Error {
    Error::invalid_response("its cursor has no batch")
}

#[cold]
fn no_cursor() -> Error {
    Error::invalid_response("it has no cursor")
}

/// A batch, and how far it has been read.
#[derive(Debug)]
pub(crate) struct Batch {
    reply: OwnedReply,
    /// Where the next element begins.
    next: usize,
    /// Where the array ends.
    end: usize,
    current: Range<usize>,
    taken: u64,
}

impl Batch {
    /// Takes over a reply of which `documents`, found in its document, are the batch.
    pub(crate) fn new(reply: OwnedReply, documents: Range<usize>) -> Self {
        Batch { reply, next: documents.start + 4, end: documents.end, current: 0..0, taken: 0 }
    }

    /// One without documents.
    pub(crate) fn empty() -> Self {
        const EMPTY: [u8; 5] = [5, 0, 0, 0, 0];
        Batch::new(OwnedReply::of(EMPTY.to_vec()), 0..EMPTY.len())
    }

    /// Moves on to the next document. False at the end of the batch.
    ///
    /// # Errors
    /// `InvalidResponse` when what follows is no document; the batch is at its end then.
    pub(crate) fn advance(&mut self) -> Result<bool> {
        self.current = 0..0;
        if !self.has_next() {
            return Ok(false);
        }
        match document_at(&self.reply.bytes()[..self.end], self.next) {
            Ok(Some(found)) => {
                self.next = found.end;
                self.current = found;
                self.taken += 1;
                Ok(true)
            }
            outcome => {
                self.next = self.end;
                outcome.map(|_| false)
            }
        }
    }

    /// How many documents it has given.
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    /// Whether more documents get_more_options.
    pub(crate) fn has_next(&self) -> bool {
        self.next + 1 < self.end
    }

    /// The database and the collection that the reply names, if it does.
    #[cold]
    pub(crate) fn names(&self) -> Option<(&str, &str)> {
        let reply = RawDocument::from_bytes(self.reply.bytes()).ok()?;
        reply.get_document("cursor").ok()?.get_str("ns").ok()?.split_once('.')
    }

    /// The bytes of the current document; empty where there is none.
    pub(crate) fn current(&self) -> &[u8] {
        self.reply.bytes().get(self.current.clone()).unwrap_or_default()
    }
}

/// Where the document lies whose element begins at `at`; none at the end of the array.
fn document_at(bytes: &[u8], at: usize) -> Result<Option<Range<usize>>> {
    let broken = || {
        Error::invalid_response("a batch in it is cut off or holds something that is no document")
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
            (rawdoc! { "cursor": { "firstBatch": [5] } }, "no document"),
        ] {
            let error = first_of(&reply).unwrap_err();
            assert!(error.to_string().contains(lacks), "{error}");
        }
    }

    #[test]
    fn a_cursor_that_does_not_say_whose_it_is_is_refused() {
        let documents = rawdoc! {};
        let names = |ns| CursorInfo { id: 7, ns, documents: &documents }.names();
        assert_eq!(names("db.some.collection").unwrap(), ("db", "some.collection"));
        for ns in ["", "db"] {
            let error = names(ns).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::InvalidResponse { .. }), "{error}");
            assert!(error.to_string().contains("ns"), "{error}");
        }
    }

    #[test]
    fn a_damaged_document_ends_its_batch() {
        let mut array = rawdoc! { "0": { "a": 1 }, "1": { "a": 2 }, "2": { "a": 3 } }.into_bytes();
        let second =
            document_at(&array, document_at(&array, 4).unwrap().unwrap().end).unwrap().unwrap();
        array[second.start] = 4;
        let whole = 0..array.len();
        let mut batch = Batch::new(OwnedReply::of(array), whole);
        assert!(batch.advance().unwrap() && !batch.current().is_empty());
        assert!(batch.advance().is_err());
        assert!(batch.current().is_empty() && !batch.has_next());
        assert!(!batch.advance().unwrap(), "an error is told once");
    }

    #[test]
    fn no_damage_to_the_bytes_gets_past_their_end() {
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
