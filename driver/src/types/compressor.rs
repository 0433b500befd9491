//! Compressors of messages (specification "Wire Compression").

use serde::{Deserialize, Serialize};

/// A compressor that a client offers to its servers.
///
/// Each compressor needs the cargo feature of its name. The client does not offer compressors that
/// were not built in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Compressor {
    /// Snappy.
    Snappy,
    /// zlib, at `level` from -1 (the default) and 0 (no compression) to 9 (smallest).
    Zlib {
        /// The level; `None` is zlib's default.
        level: Option<i32>,
    },
    /// Zstandard, at `level` from 1 to 22.
    Zstd {
        /// The level; `None` is Zstandard's default.
        level: Option<i32>,
    },
}

impl Compressor {
    /// The name in the handshake.
    pub fn name(&self) -> &'static str {
        match self {
            Compressor::Snappy => "snappy",
            Compressor::Zlib { .. } => "zlib",
            Compressor::Zstd { .. } => "zstd",
        }
    }
}
