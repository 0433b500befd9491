//! The fragments of an event that the stage `$changeStreamSplitLargeEvent` has split.

use bson::raw::{RawDocument, RawDocumentBuf};

use crate::error::{Error, Result};
use crate::exec;

/// The fragments that have arrived, joined.
#[derive(Default)]
pub(super) struct Fragments {
    event: RawDocumentBuf,
    received: i32,
    /// The number of fragments of the whole event.
    of: i32,
}

impl Fragments {
    /// Adds the next fragment.
    ///
    /// # Errors
    /// `InvalidResponse` if the event is not the next fragment.
    pub(super) fn add(&mut self, fragment: &RawDocument) -> Result<()> {
        let split = fragment.get_document("splitEvent").ok();
        let number = |key| split.and_then(|split| split.get_i32(key).ok());
        let (number, of) = number("fragment").zip(number("of")).ok_or_else(|| {
            Error::invalid_response("an event among the fragments of a split event has no number")
        })?;
        let next = self.received + 1;
        if number != next {
            let hint = if self.received == 0 {
                "; a stream cannot start after the resume token of a fragment"
            } else {
                ""
            };
            return Err(Error::invalid_response(format!(
                "fragment {number} of {of} of a split event arrived in place of fragment {next}{hint}"
            )));
        }
        if of < next || self.received > 0 && of != self.of {
            return Err(Error::invalid_response(format!(
                "fragment {number} of a split event counts {of} fragments"
            )));
        }
        (self.received, self.of) = (number, of);
        for element in fragment {
            let (key, value) = element.map_err(exec::malformed)?;
            if key != "_id" && key != "splitEvent" {
                self.event.append(key, value);
            }
        }
        Ok(())
    }

    pub(super) fn is_complete(&self) -> bool {
        self.received == self.of
    }

    /// The joined fields, without an `_id`.
    pub(super) fn into_event(self) -> RawDocumentBuf {
        self.event
    }
}
