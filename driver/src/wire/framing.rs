//! The receive buffer of a connection, which splits the received bytes into messages.
//!
//! A read fills all free space of the buffer, so a reply normally costs one read. The buffer grows
//! only as bytes arrive: a length field alone allocates at most one growth step.

use super::{HEADER_LEN, MAX_MESSAGE_SIZE, i32_at};
use crate::error::{Error, Result};

/// The initial capacity, larger than most replies.
const INITIAL: usize = 16 * 1024;
/// Bytes read from a socket and not yet consumed.
#[derive(Debug)]
pub(crate) struct ReadBuffer {
    /// Entirely initialized. `start..end` holds the bytes received and not consumed.
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl ReadBuffer {
    pub(crate) fn new() -> Self {
        ReadBuffer { bytes: vec![0; INITIAL], start: 0, end: 0 }
    }

    /// The length of the next message, once its length field has arrived.
    ///
    /// # Errors
    /// `InvalidResponse` if the length is impossible.
    pub(crate) fn next_len(&self) -> Result<Option<usize>> {
        let Some(length) = i32_at(&self.bytes[self.start..self.end], 0) else { return Ok(None) };
        match usize::try_from(length) {
            Ok(length) if (HEADER_LEN + 4..=MAX_MESSAGE_SIZE).contains(&length) => Ok(Some(length)),
            _ => Err(Error::invalid_response(format!(
                "a message gives its length as {length}, outside {} to {MAX_MESSAGE_SIZE}",
                HEADER_LEN + 4
            ))),
        }
    }

    /// The next message, once it has arrived completely.
    ///
    /// # Errors
    /// Those of [`next_len`](Self::next_len).
    pub(crate) fn frame(&self) -> Result<Option<&[u8]>> {
        Ok(self.next_len()?.and_then(|len| self.bytes[self.start..self.end].get(..len)))
    }

    /// Free space for more bytes. Never empty; at most doubles the buffer.
    ///
    /// # Errors
    /// Those of [`next_len`](Self::next_len).
    pub(crate) fn spare(&mut self) -> Result<&mut [u8]> {
        let wanted = self.next_len()?.unwrap_or(HEADER_LEN);
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        if self.start > 0 && self.bytes.len() - self.start < wanted {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.end == self.bytes.len() {
            let arrived = self.end - self.start;
            let room = (arrived * 2).clamp(INITIAL, wanted.max(INITIAL));
            self.bytes.resize(self.start + room.max(arrived + 1), 0);
        }
        Ok(&mut self.bytes[self.end..])
    }

    /// Records that `n` bytes were read into [`spare`](Self::spare).
    pub(crate) fn filled(&mut self, n: usize) {
        self.end = (self.end + n).min(self.bytes.len());
    }

    /// Drops the first `n` bytes.
    pub(crate) fn consume(&mut self, n: usize) {
        self.start = (self.start + n).min(self.end);
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// The capacity of the buffer.
    #[inline]
    pub(crate) fn room(&self) -> usize {
        self.bytes.capacity()
    }

    /// Frees memory beyond `room`, but keeps all bytes that are not consumed.
    pub(crate) fn shrink_to(&mut self, room: usize) {
        self.bytes.truncate(room.max(INITIAL).max(self.end));
        self.bytes.shrink_to_fit();
    }

    /// The number of bytes received and not consumed.
    pub(crate) fn len(&self) -> usize {
        self.end - self.start
    }

    /// Moves the first `n` bytes out. Returns the whole allocation if they fill much of it, or else
    /// copies them.
    pub(crate) fn take(&mut self, n: usize) -> Vec<u8> {
        let n = n.min(self.len());
        if n < self.bytes.len() / 4 || self.start > 0 {
            let out = self.bytes[self.start..self.start + n].to_vec();
            self.consume(n);
            return out;
        }
        let rest = self.end - n;
        let mut fresh = vec![0; INITIAL.max(rest)];
        fresh[..rest].copy_from_slice(&self.bytes[n..self.end]);
        let mut out = std::mem::replace(&mut self.bytes, fresh);
        out.truncate(n);
        (self.start, self.end) = (0, rest);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(len: usize, fill: u8) -> Vec<u8> {
        let mut message = vec![fill; len];
        message[..4].copy_from_slice(&(len as i32).to_le_bytes());
        message
    }

    fn feed(buffer: &mut ReadBuffer, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let spare = buffer.spare().unwrap();
            let n = spare.len().min(rest.len());
            spare[..n].copy_from_slice(&rest[..n]);
            buffer.filled(n);
            rest = &rest[n..];
        }
    }

    #[test]
    fn messages_survive_any_split_into_reads() {
        let sizes = [20, 21, 16 * 1024, 100_000, 2_000_000, 24, 16 * 1024 + 1];
        let mut random = fastrand::Rng::with_seed(2);
        let all: Vec<Vec<u8>> = sizes.iter().map(|len| message(*len, random.u8(..))).collect();
        let stream = all.concat();
        for round in 0..50 {
            let mut buffer = ReadBuffer::new();
            let (mut at, mut next) = (0, 0);
            while next < all.len() {
                if let Some(frame) = buffer.frame().unwrap() {
                    assert!(frame == all[next]);
                    if round % 2 == 0 {
                        assert!(buffer.take(all[next].len()) == all[next]);
                    } else {
                        buffer.consume(all[next].len());
                    }
                    next += 1;
                    continue;
                }
                let spare = buffer.spare().unwrap();
                let most = spare.len().min(stream.len() - at);
                let n = if random.bool() { most } else { random.usize(1..=most) };
                spare[..n].copy_from_slice(&stream[at..at + n]);
                buffer.filled(n);
                at += n;
            }
            assert_eq!((at, buffer.len()), (stream.len(), 0));
        }
    }

    #[test]
    fn length_field_alone_allocates_little() {
        let mut buffer = ReadBuffer::new();
        feed(&mut buffer, &(MAX_MESSAGE_SIZE as i32).to_le_bytes());
        buffer.spare().unwrap();
        assert!(buffer.bytes.len() <= INITIAL * 2);
    }

    #[test]
    fn impossible_length_is_an_error() {
        for length in [-1, 0, 19, MAX_MESSAGE_SIZE as i32 + 1, i32::MAX, i32::MIN] {
            let mut buffer = ReadBuffer::new();
            feed(&mut buffer, &length.to_le_bytes());
            assert!(buffer.frame().is_err() && buffer.spare().is_err());
        }
    }

    #[test]
    fn large_reply_gives_its_memory_back() {
        let mut buffer = ReadBuffer::new();
        let large = message(3_000_000, 0);
        feed(&mut buffer, &large);
        buffer.consume(large.len());
        buffer.shrink_to(0);
        assert!(buffer.room() <= INITIAL * 2);
    }

    #[test]
    fn shrinking_keeps_received_bytes() {
        let mut buffer = ReadBuffer::new();
        let large = message(100_000, 7);
        feed(&mut buffer, &large);
        buffer.shrink_to(0);
        assert!(buffer.frame().unwrap() == Some(&large[..]));
    }
}
