//! OP_COMPRESSED: a compressed message (specification "Wire Compression").
//!
//! The handshake of a connection selects its compressor, for requests and replies. Without the
//! features `snappy`, `zlib` and `zstd`, [`Codec`] has no values. The uncompressed size that a
//! reply claims allocates nothing: memory grows with the decompressed bytes, up to the maximum
//! message size.

use std::io;

use super::message::request_body;
use super::{HEADER_LEN, MAX_MESSAGE_SIZE, i32_at, patch_length, sensitive};
use crate::error::{Error, Result};
use crate::types::Compressor;

/// The opcode of OP_COMPRESSED.
pub(crate) const OP_COMPRESSED: i32 = 2012;

/// The size of the fields before the compressed data: header, original opcode, uncompressed size,
/// compressor id.
const PROLOGUE: usize = HEADER_LEN + 4 + 4 + 1;

/// A compressor that was built in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codec {
    #[cfg(feature = "snappy")]
    Snappy,
    #[cfg(feature = "zlib")]
    Zlib { level: Option<i32> },
    #[cfg(feature = "zstd")]
    Zstd { level: Option<i32> },
}

impl Codec {
    /// The codec of `compressor`; `None` if it was not built in.
    pub(crate) fn of(compressor: &Compressor) -> Option<Self> {
        match compressor {
            #[cfg(feature = "snappy")]
            Compressor::Snappy => Some(Codec::Snappy),
            #[cfg(feature = "zlib")]
            Compressor::Zlib { level } => Some(Codec::Zlib { level: *level }),
            #[cfg(feature = "zstd")]
            Compressor::Zstd { level } => Some(Codec::Zstd { level: *level }),
            #[allow(unreachable_patterns, reason = "reached where a feature is off")]
            _ => None,
        }
    }

    /// The name in the handshake.
    pub(crate) fn name(self) -> &'static str {
        match self {
            #[cfg(feature = "snappy")]
            Codec::Snappy => "snappy",
            #[cfg(feature = "zlib")]
            Codec::Zlib { .. } => "zlib",
            #[cfg(feature = "zstd")]
            Codec::Zstd { .. } => "zstd",
        }
    }

    /// The compressor id in messages.
    #[cfg(any(feature = "snappy", feature = "zlib", feature = "zstd"))]
    fn id(self) -> u8 {
        match self {
            #[cfg(feature = "snappy")]
            Codec::Snappy => 1,
            #[cfg(feature = "zlib")]
            Codec::Zlib { .. } => 2,
            #[cfg(feature = "zstd")]
            Codec::Zstd { .. } => 3,
        }
    }

    /// Whether the specification allows compressing the request in `message`.
    pub(crate) fn is_allowed_for(message: &[u8]) -> bool {
        let command = request_body(message).and_then(|body| body.iter().next()?.ok());
        command.is_some_and(|(name, _)| sensitive::may_be_compressed(name.as_str()))
    }

    /// Compresses `message` into `out`, which is cleared first.
    ///
    /// # Errors
    /// Those of the compressor.
    #[cfg(any(feature = "snappy", feature = "zlib", feature = "zstd"))]
    pub(crate) fn compress(self, message: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        let (header, content) = message.split_at(HEADER_LEN);
        out.clear();
        out.extend_from_slice(&header[..12]);
        out.extend_from_slice(&OP_COMPRESSED.to_le_bytes());
        out.extend_from_slice(&header[12..]);
        // A message is far smaller than this field's limit.
        out.extend_from_slice(&(content.len() as i32).to_le_bytes());
        out.push(self.id());
        match self {
            #[cfg(feature = "snappy")]
            Codec::Snappy => {
                let at = out.len();
                out.resize(at + snap::raw::max_compress_len(content.len()), 0);
                let n = snap::raw::Encoder::new()
                    .compress(content, &mut out[at..])
                    .map_err(io::Error::other)?;
                out.truncate(at + n);
            }
            #[cfg(feature = "zlib")]
            Codec::Zlib { level } => {
                let level = level.and_then(|level| u32::try_from(level).ok());
                let level =
                    level.map_or_else(flate2::Compression::default, flate2::Compression::new);
                let mut encoder = flate2::write::ZlibEncoder::new(&mut *out, level);
                io::Write::write_all(&mut encoder, content)?;
                encoder.finish()?;
            }
            #[cfg(feature = "zstd")]
            Codec::Zstd { level } => {
                let level = level.unwrap_or(zstd::DEFAULT_COMPRESSION_LEVEL);
                zstd::stream::copy_encode(content, &mut *out, level)?;
            }
        }
        patch_length(out, 0);
        Ok(())
    }

    #[cfg(not(any(feature = "snappy", feature = "zlib", feature = "zstd")))]
    pub(crate) fn compress(self, _: &[u8], _: &mut Vec<u8>) -> io::Result<()> {
        match self {}
    }
}

/// Whether `frame` is an OP_COMPRESSED message.
pub(crate) fn is_compressed(frame: &[u8]) -> bool {
    i32_at(frame, 12) == Some(OP_COMPRESSED)
}

/// Decompresses the message in `frame` into `out`, and restores its original header.
///
/// # Errors
/// `InvalidResponse`, with the fault of the bytes. The content of `out` is then unspecified.
pub(crate) fn decompress(frame: &[u8], out: &mut Vec<u8>) -> Result<()> {
    let bad = |what: String| Error::invalid_response(format!("a compressed message: {what}"));
    let (Some(opcode), Some(claimed), Some(id)) =
        (i32_at(frame, HEADER_LEN), i32_at(frame, HEADER_LEN + 4), frame.get(PROLOGUE - 1))
    else {
        return Err(bad(format!("{} bytes are too few", frame.len())));
    };
    let claimed = usize::try_from(claimed)
        .ok()
        .filter(|length| *length <= MAX_MESSAGE_SIZE - HEADER_LEN)
        .ok_or_else(|| bad(format!("its uncompressed size is {claimed}")))?;
    if opcode == OP_COMPRESSED {
        return Err(bad("it contains another compressed message".into()));
    }
    out.clear();
    out.extend_from_slice(&frame[..12]);
    out.extend_from_slice(&opcode.to_le_bytes());
    expand(*id, &frame[PROLOGUE..], claimed, out).map_err(|e| bad(e.to_string()))?;
    if out.len() != HEADER_LEN + claimed {
        return Err(bad(format!("its uncompressed size is not {claimed} bytes, as it claims")));
    }
    patch_length(out, 0);
    Ok(())
}

/// Appends the decompressed `data` to `out`, at most one byte more than `claimed`.
#[allow(unused_variables, reason = "without features there is nothing to expand")]
#[cfg_attr(
    not(any(feature = "snappy", feature = "zlib", feature = "zstd")),
    allow(clippy::ptr_arg, reason = "compressors make it grow")
)]
fn expand(id: u8, data: &[u8], claimed: usize, out: &mut Vec<u8>) -> io::Result<()> {
    match id {
        #[cfg(feature = "snappy")]
        1 => {
            /// An upper bound for the ratio of a snappy element.
            const EXPANSION: usize = 32;
            let length = snap::raw::decompress_len(data).map_err(io::Error::other)?;
            if length != claimed || length / EXPANSION > data.len() {
                return Err(io::Error::other(format!("{} bytes cannot hold {length}", data.len())));
            }
            let at = out.len();
            out.resize(at + length, 0);
            snap::raw::Decoder::new()
                .decompress(data, &mut out[at..])
                .map(drop)
                .map_err(io::Error::other)
        }
        #[cfg(feature = "zlib")]
        2 => limited(flate2::read::ZlibDecoder::new(data), claimed, out),
        #[cfg(feature = "zstd")]
        3 => {
            /// 64 MiB, larger than the largest message.
            const WINDOW_LOG_MAX: u32 = 26;
            let mut decoder = zstd::stream::read::Decoder::with_buffer(data)?;
            decoder.window_log_max(WINDOW_LOG_MAX)?;
            limited(decoder, claimed, out)
        }
        id => Err(io::Error::other(format!("its compressor id {id} was not negotiated"))),
    }
}

#[cfg(any(feature = "zlib", feature = "zstd"))]
fn limited(decoder: impl io::Read, claimed: usize, out: &mut Vec<u8>) -> io::Result<()> {
    use io::Read;
    decoder.take(claimed as u64 + 1).read_to_end(out).map(drop)
}

#[cfg(test)]
mod tests;
