//! How messages may be compressed (specification "Wire Compression").

/// A compressor that a client offers to its servers, in order of preference.
///
/// Each needs the feature of its name; without it a client that is asked for the compressor leaves
/// it out of its offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compressor {
    /// Snappy.
    Snappy,
    /// zlib, at `level` from -1 (its default) and 0 (stored) to 9 (smallest).
    Zlib {
        /// The level; none: zlib's default.
        level: Option<i32>,
    },
    /// Zstandard, at `level` from 1 to 22.
    Zstd {
        /// The level; none: Zstandard's default.
        level: Option<i32>,
    },
}

impl Compressor {
    /// The name by which the handshake negotiates it.
    pub fn name(&self) -> &'static str {
        match self {
            Compressor::Snappy => "snappy",
            Compressor::Zlib { .. } => "zlib",
            Compressor::Zstd { .. } => "zstd",
        }
    }
}
