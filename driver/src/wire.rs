//! The wire protocol: pure functions over bytes, without sockets and without a clock.
//!
//! A request is written once, straight into the buffer that goes to the socket: [`MessageWriter`]
//! opens it, [`DocWriter`] and [`SequenceWriter`] fill its sections, each patching its own length
//! when it is dropped. A reply is found by [`framing`] among the bytes that have arrived and
//! checked by [`message::parse`].

pub(crate) mod compression;
pub(crate) mod encode;
pub(crate) mod framing;
pub(crate) mod message;
pub(crate) mod scan;
pub(crate) mod sequence;
pub(crate) mod writer;

pub(crate) use self::message::{Flags, MessageWriter};
pub(crate) use self::sequence::SequenceWriter;
pub(crate) use self::writer::DocWriter;

/// The bytes before every message: its length, its id, the id it answers, its opcode.
pub(crate) const HEADER_LEN: usize = 16;

/// The largest message of a server that has not said otherwise, and the largest that is ever
/// accepted (`maxMessageSizeBytes` of every server since 2.4).
pub(crate) const MAX_MESSAGE_SIZE: usize = 48_000_000;

/// The little-endian `i32` at `at`, where there are four bytes.
pub(crate) fn i32_at(bytes: &[u8], at: usize) -> Option<i32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(i32::from_le_bytes(four.try_into().ok()?))
}

/// Writes the distance from `start` to the end of `buf` at `start`.
///
/// A distance beyond `i32` is cut off; such a message is far beyond any server's limit and is
/// refused as a whole before it is sent.
fn patch_length(buf: &mut [u8], start: usize) {
    let length = (buf.len() - start) as i32;
    buf[start..start + 4].copy_from_slice(&length.to_le_bytes());
}
