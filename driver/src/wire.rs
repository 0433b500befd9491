//! The wire protocol: pure functions over bytes, without sockets and without a clock.
//!
//! A request is written once, into the buffer that the socket sends. [`MessageWriter`] opens the
//! message; [`DocWriter`] and [`SequenceWriter`] fill its sections and write their own length when
//! they are dropped. [`framing`] finds a reply among the received bytes, and [`message::parse`]
//! checks it.

pub(crate) mod compression;
pub(crate) mod document;
pub(crate) mod encode;
pub(crate) mod first_key;
pub(crate) mod framing;
pub(crate) mod kill_cursors;
pub(crate) mod message;
pub(crate) mod scan;
pub(crate) mod sensitive;
pub(crate) mod sequence;
pub(crate) mod writer;

use bson::RawDocument;

pub(crate) use self::message::{Flags, MessageWriter};
pub(crate) use self::sequence::SequenceWriter;
pub(crate) use self::writer::DocWriter;

/// The size of a message header: length, request id, `responseTo`, opcode.
pub(crate) const HEADER_LEN: usize = 16;

/// The largest message that the driver accepts, and the limit for a server that reports none
/// (`maxMessageSizeBytes` of every server since 2.4).
pub(crate) const MAX_MESSAGE_SIZE: usize = 48_000_000;

/// A document without fields.
pub(crate) fn empty_document() -> &'static RawDocument {
    const EMPTY: &[u8] = &[5, 0, 0, 0, 0];
    RawDocument::from_bytes(EMPTY).expect("five bytes make an empty document")
}

/// Reads the little-endian `i32` at `at`; `None` if there are fewer than four bytes.
pub(crate) fn i32_at(bytes: &[u8], at: usize) -> Option<i32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(i32::from_le_bytes(four.try_into().ok()?))
}

/// Writes the distance from `start` to the end of `buf` at `start`.
///
/// A distance beyond `i32` is truncated. The size check refuses such a message before it is sent.
fn patch_length(buf: &mut [u8], start: usize) {
    let length = (buf.len() - start) as i32;
    buf[start..start + 4].copy_from_slice(&length.to_le_bytes());
}
