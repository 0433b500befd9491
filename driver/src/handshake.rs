//! What client and server tell each other when they meet.

mod hello;
mod metadata;

pub(crate) use self::hello::HelloReply;
pub(crate) use self::metadata::ClientMetadata;
