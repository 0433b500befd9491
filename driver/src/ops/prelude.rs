//! The names that every operation uses.

pub(super) use std::time::Duration;

pub(super) use bson::raw::cstr;
pub(super) use bson::{Bson, Document};

pub(super) use super::command::{Command, Options, Parts};
pub(super) use super::macros::{operation, options};
pub(super) use crate::collection::Collection;
pub(super) use crate::error::{Error, Result};
pub(super) use crate::exec::SessionState;
pub(super) use crate::exec::{Meta, Reply};
pub(super) use crate::mode::Mode;
pub(super) use crate::options::{Collation, Hint, ReadConcern, SelectionCriteria, WriteConcern};
pub(super) use crate::pool::ConnectionDescription;
pub(super) use crate::wire::{DocWriter, MessageWriter};
