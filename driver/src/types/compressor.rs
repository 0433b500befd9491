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
    /// The compressor with this name, at its default level.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "snappy" => Compressor::Snappy,
            "zlib" => Compressor::Zlib { level: None },
            "zstd" => Compressor::Zstd { level: None },
            _ => return None,
        })
    }

    /// The name in the handshake.
    ///
    /// # Examples
    /// ```
    /// use driver::options::Compressor;
    ///
    /// assert_eq!(Compressor::Zlib { level: Some(6) }.name(), "zlib");
    /// ```
    pub fn name(&self) -> &'static str {
        match self {
            Compressor::Snappy => "snappy",
            Compressor::Zlib { .. } => "zlib",
            Compressor::Zstd { .. } => "zstd",
        }
    }
}
