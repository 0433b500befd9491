//! The handshake of a connection: `hello` and the client metadata.

mod hello;
mod metadata;
mod request;

pub(crate) use self::hello::HelloReply;
pub(crate) use self::metadata::ClientMetadata;
pub(crate) use self::request::{HelloName, write_hello};
