//! The handshake of a connection: `hello` and the client metadata.

mod hello;
mod metadata;

pub(crate) use self::hello::HelloReply;
pub(crate) use self::metadata::ClientMetadata;
