//! The connections to one server: how they are made, kept, handed out and taken back.

mod connection;
mod establish;
mod generation;
mod metadata;

pub(crate) use self::connection::{Connection, ConnectionDescription, OwnedReply};
pub(crate) use self::establish::{EstablishError, Establisher, Purpose, Stage};
pub(crate) use self::generation::Generation;
