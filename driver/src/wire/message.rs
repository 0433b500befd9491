//! OP_MSG: writes requests and checks replies (specification "OP_MSG").
//!
//! A request is a header, flag bits, one kind-0 section (the command) and any number of kind-1
//! sections (its documents). A reply has exactly one kind-0 section. The driver refuses everything
//! else, because it cannot reuse a connection whose bytes it does not understand.

use std::ops::Range;
use std::sync::atomic::{AtomicI32, Ordering};

use bson::raw::CStr;
use bson::{Bson, Document, RawDocument};

use super::scan::is_shallow;
use super::sequence::SequenceWriter;
use super::writer::DocWriter;
use super::{HEADER_LEN, i32_at, patch_length};
use crate::error::{Error, Result};

/// The opcode of OP_MSG.
pub(crate) const OP_MSG: i32 = 2013;

/// The id of a request, which its reply repeats as `responseTo`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RequestId(pub(crate) i32);

/// Generates request ids, unique in the process for the first 2³².
///
/// Each connection takes a block of ids at a time, so requests on different connections share no
/// cache line.
#[derive(Debug)]
pub(crate) struct RequestIds {
    next: i32,
    left: i32,
}

impl RequestIds {
    const BLOCK: i32 = 1024;

    pub(crate) fn new() -> Self {
        RequestIds { next: 0, left: 0 }
    }

    pub(crate) fn next(&mut self) -> RequestId {
        static BLOCKS: AtomicI32 = AtomicI32::new(1);
        if self.left == 0 {
            self.next = BLOCKS.fetch_add(Self::BLOCK, Ordering::Relaxed);
            self.left = Self::BLOCK;
        }
        let id = self.next;
        self.next = id.wrapping_add(1);
        self.left -= 1;
        RequestId(id)
    }
}

/// The flag bits of an OP_MSG.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flags(u32);

impl Flags {
    pub(crate) const NONE: Flags = Flags(0);
    /// The last four bytes are a CRC-32C.
    pub(crate) const CHECKSUM_PRESENT: Flags = Flags(1);
    /// On a request: the server must not reply. On a reply: another reply follows without a
    /// request.
    pub(crate) const MORE_TO_COME: Flags = Flags(1 << 1);
    /// On a request: the server may send several replies.
    pub(crate) const EXHAUST_ALLOWED: Flags = Flags(1 << 16);

    /// The receiver must understand the low 16 bits.
    const REQUIRED: u32 = 0xFFFF;
    const KNOWN: u32 = Self::CHECKSUM_PRESENT.0 | Self::MORE_TO_COME.0 | Self::EXHAUST_ALLOWED.0;

    pub(crate) fn contains(self, flag: Flags) -> bool {
        self.0 & flag.0 == flag.0
    }
}

/// An open request in a connection's write buffer. [`finish`] writes its length.
#[derive(Debug)]
pub(crate) struct MessageWriter<'b> {
    buf: &'b mut Vec<u8>,
}

impl<'b> MessageWriter<'b> {
    /// Clears `buf` and writes the header and the flag bits.
    pub(crate) fn begin(buf: &'b mut Vec<u8>, id: RequestId, flags: Flags) -> Self {
        buf.clear();
        let mut head = [0; HEADER_LEN + 4];
        head[4..8].copy_from_slice(&id.0.to_le_bytes());
        head[12..16].copy_from_slice(&OP_MSG.to_le_bytes());
        head[16..20].copy_from_slice(&flags.0.to_le_bytes());
        buf.extend_from_slice(&head);
        MessageWriter { buf }
    }

    /// Opens the kind-0 section: the command. A message has exactly one.
    pub(crate) fn body(&mut self) -> DocWriter<'_> {
        self.buf.push(0);
        DocWriter::begin(self.buf)
    }

    /// Opens a kind-1 section: the documents of the command's argument `identifier`. A message has
    /// at most one of each identifier.
    pub(crate) fn sequence(&mut self, identifier: &CStr) -> SequenceWriter<'_> {
        SequenceWriter::begin(self.buf, identifier)
    }

    /// Sets `flag` on the message.
    pub(crate) fn flag(&mut self, flag: Flags) {
        let bits = &mut self.buf[HEADER_LEN..HEADER_LEN + 4];
        let mut set = [0; 4];
        set.copy_from_slice(bits);
        bits.copy_from_slice(&(u32::from_le_bytes(set) | flag.0).to_le_bytes());
    }
}

/// Completes the request in `message`: checks its length against `limit` and writes it.
///
/// # Errors
/// `InvalidArgument` if the message is larger than the server accepts.
pub(crate) fn finish(message: &mut [u8], limit: usize) -> Result<()> {
    if message.len() > limit {
        return Err(Error::invalid_argument(format!(
            "the message has {} bytes; the server accepts at most {limit} (maxMessageSizeBytes); \
             send fewer or smaller documents at once",
            message.len(),
        )));
    }
    patch_length(message, 0);
    Ok(())
}

/// The id of the request in `message`.
pub(crate) fn request_id(message: &[u8]) -> RequestId {
    RequestId(i32_at(message, 4).unwrap_or_default())
}

/// The command document of a request written by [`MessageWriter`].
pub(crate) fn request_body(message: &[u8]) -> Option<&RawDocument> {
    let at = HEADER_LEN + 5;
    let len = usize::try_from(i32_at(message, at)?).ok()?;
    RawDocument::from_bytes(message.get(at..at.checked_add(len)?)?).ok()
}

/// The command of a request written by [`MessageWriter`], with its document sequences as arrays.
pub(crate) fn request_document(message: &[u8]) -> Option<Document> {
    let body = request_body(message)?;
    let mut command = document(body)?;
    let mut rest = message.get(HEADER_LEN + 5 + body.as_bytes().len()..)?;
    while let [1, section @ ..] = rest {
        let length = usize::try_from(i32_at(section, 0)?).ok()?;
        let content = section.get(4..length)?;
        let end = content.iter().position(|byte| *byte == 0)?;
        let identifier = std::str::from_utf8(&content[..end]).ok()?;
        let mut documents = Vec::new();
        let mut left = &content[end + 1..];
        while !left.is_empty() {
            let length = usize::try_from(i32_at(left, 0)?).ok()?;
            let document = RawDocument::from_bytes(left.get(..length)?).ok()?;
            documents.push(Bson::Document(self::document(document)?));
            left = &left[length..];
        }
        command.insert(identifier, documents);
        rest = &section[length..];
    }
    Some(command)
}

/// The positions of the parts of a checked reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    /// The id of this message. The next reply of an exhaust cursor has it as `responseTo`.
    pub(crate) id: RequestId,
    /// Whether another reply follows without a request (`moreToCome`).
    pub(crate) more_to_come: bool,
    /// The bytes of the kind-0 document within the frame. Its length and terminator are checked.
    pub(crate) body: Range<usize>,
}

/// Checks one whole frame as the reply to `expected`.
///
/// # Errors
/// `InvalidResponse`, with the fault of the bytes.
pub(crate) fn parse(frame: &[u8], expected: RequestId) -> Result<Reply> {
    let bad = |what: String| Err(Error::invalid_response(what));
    let (Some(length), Some(id), Some(response_to), Some(opcode), Some(flags)) = (
        i32_at(frame, 0),
        i32_at(frame, 4),
        i32_at(frame, 8),
        i32_at(frame, 12),
        i32_at(frame, HEADER_LEN),
    ) else {
        return bad(format!("{} bytes are too few for a message", frame.len()));
    };
    if usize::try_from(length) != Ok(frame.len()) {
        return bad(format!("a message of {} bytes gives its length as {length}", frame.len()));
    }
    if opcode != OP_MSG {
        return bad(format!("its opcode is {opcode}, not {OP_MSG} (OP_MSG)"));
    }
    if response_to != expected.0 {
        return bad(format!(
            "it answers request {response_to}, and request {} was sent",
            expected.0
        ));
    }
    let flags = Flags(flags.cast_unsigned());
    if flags.0 & Flags::REQUIRED & !Flags::KNOWN != 0 {
        return bad(format!("it sets the unknown required flag bits {:#x}", flags.0));
    }
    let end = frame.len() - if flags.contains(Flags::CHECKSUM_PRESENT) { 4 } else { 0 };
    let at = HEADER_LEN + 4;
    if end < at {
        return bad(format!("{} bytes are too few for a message with a checksum", frame.len()));
    }
    let body = body_of(&frame[..end], at)?;
    Ok(Reply { id: RequestId(id), more_to_come: flags.contains(Flags::MORE_TO_COME), body })
}

/// The range of the document in the only section of `frame`, which begins at `at`.
fn body_of(frame: &[u8], at: usize) -> Result<Range<usize>> {
    let bad = |what: String| Err(Error::invalid_response(what));
    match frame.get(at) {
        None => return bad("it has no sections".into()),
        Some(0) => {}
        Some(1) => return bad("it contains a document sequence; only requests may have one".into()),
        Some(kind) => return bad(format!("its section has the unknown kind {kind}")),
    }
    let start = at + 1;
    let Some(length) = i32_at(frame, start) else {
        return bad("its document is cut off".into());
    };
    let end = usize::try_from(length)
        .ok()
        .filter(|length| *length >= 5)
        .and_then(|len| start.checked_add(len));
    match end {
        Some(end) if end == frame.len() && frame[end - 1] == 0 => Ok(start..end),
        Some(end) if end < frame.len() => bad(format!(
            "{} bytes follow its document; a reply has a single section",
            frame.len() - end
        )),
        _ => bad(format!(
            "its document gives its length as {length}, and {} bytes are there",
            frame.len() - start
        )),
    }
}

/// Decodes the document; `None` if it is malformed or nested too deeply.
fn document(raw: &RawDocument) -> Option<Document> {
    if is_shallow(raw.as_bytes()) { Document::try_from(raw).ok() } else { None }
}

#[cfg(test)]
mod tests;
