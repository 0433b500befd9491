//! `findAndModify`: changes one document and returns its state before or after the change.
//!
//! Each of the three operations has a file. The shared parts of the command and of the reply are
//! here.

mod delete;
mod replace;
mod update;

use bson::raw::RawBsonRef;
use serde::de::DeserializeOwned;

pub use self::delete::{FindOneAndDelete, FindOneAndDeleteOptions, FindOneAndDeleteOptionsBuilder};
pub use self::replace::{
    FindOneAndReplace, FindOneAndReplaceOptions, FindOneAndReplaceOptionsBuilder,
};
pub use self::update::{FindOneAndUpdate, FindOneAndUpdateOptions, FindOneAndUpdateOptionsBuilder};
use super::prelude::*;
use crate::decode;
use crate::error::ErrorKind;
use crate::exec::malformed;

/// The wire version of MongoDB 4.4, the first whose `findAndModify` takes a hint.
const HINTS: i32 = crate::wire_version::V4_4;

/// Declares the options of one of the operations: its own and the common ones.
macro_rules! find_and_modify_options {
    (
        $(#[$about:meta])*
        $Options:ident, $Builder:ident for [$($generic:tt)*] $Operation:ty { $($own:tt)* }
    ) => {
        options! {
            $(#[$about])*
            $Options, $Builder for [$($generic)*] $Operation {
                $($own)*
                /// The time limit on the server.
                max_time: Duration,
                /// The fields of the document to return.
                projection: Document = "fields",
                /// The sort order that determines the document to change.
                sort: Document = "sort",
                /// The write concern.
                write_concern: WriteConcern,
                /// The rules for comparing strings.
                collation: Collation = "collation",
                /// The index to use. Needs MongoDB 4.4.
                hint: Hint = "hint",
                /// Variables that expressions can refer to as `$$name`. Needs MongoDB 5.0.
                let_vars: Document = "let",
                /// A comment, shown in the server's logs and profiles.
                comment: Bson as impl Into<Bson> = "comment",
                /// Operates on the raw buckets of a time series collection. For internal use by
                /// MongoDB; may change. Needs MongoDB 8.2.
                raw_data: bool,
            }
        }
    };
}
use find_and_modify_options;

/// Writes the beginning of the command.
///
/// # Errors
/// `IncompatibleServer` for a hint that the server does not support; `BsonSerialization`.
fn write_head(
    collection: &str,
    filter: &Document,
    hint: Option<&Hint>,
    body: &mut DocWriter<'_>,
    server: &ConnectionDescription,
) -> Result<()> {
    if hint.is_some() && server.max_wire_version < HINTS {
        return Err(Error::new(ErrorKind::IncompatibleServer {
            message: "findAndModify supports a hint since MongoDB 4.4; omit it".into(),
        }));
    }
    body.str(cstr!("findAndModify"), collection);
    body.document(cstr!("query"), filter)
}

/// The document in the reply. `None` if there is none, and for an unacknowledged write.
///
/// # Errors
/// `InvalidResponse` if the reply has no `value`; `BsonDeserialization` if the document is not a
/// `T`.
fn found<T: DeserializeOwned>(reply: &Reply<'_>) -> Result<Option<T>> {
    let at_host = |error: Error| error.at(reply.host());
    match reply.document().get("value").map_err(|cause| at_host(malformed(cause)))? {
        Some(RawBsonRef::Document(value)) => decode::from_slice(value.as_bytes())
            .map(Some)
            .map_err(|cause| at_host(Error::deserialization(cause))),
        Some(RawBsonRef::Null) => Ok(None),
        None if reply.document().is_empty() => Ok(None),
        _ => Err(at_host(Error::invalid_response("its value is neither a document nor null"))),
    }
}
