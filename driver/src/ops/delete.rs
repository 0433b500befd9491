//! `delete`: deletes one or all matching documents.

use super::prelude::*;
use super::update::Multi;
use crate::error::ErrorKind;
use crate::exec;
use crate::results::DeleteResult;
use crate::wire_version;

/// Deletes documents. Returned by [`Collection::delete_one`] and [`Collection::delete_many`].
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct Delete<'a, T, F: Mode> {
    pub(crate) collection: &'a Collection<T, F>,
    pub(crate) filter: Document,
    pub(crate) multi: Multi,
    pub(crate) options: Option<Box<DeleteOptions>>,
    pub(crate) session: Option<&'a mut SessionState>,
}

options! {
    /// The options of [`Collection::delete_one`] and [`Collection::delete_many`].
    DeleteOptions, DeleteOptionsBuilder for ['a, T, F: Mode] Delete<'a, T, F> {
        /// The rules for comparing strings.
        collation: Collation = (statement "collation"),
        /// The write concern.
        write_concern: WriteConcern,
        /// The index to use.
        hint: Hint = (statement "hint"),
        /// Variables that expressions can refer to as `$$name`.
        let_vars: Document = "let",
        /// A comment, shown in the server's logs and profiles.
        comment: Bson as impl Into<Bson> = "comment",
        /// Operates on the raw buckets of a time series collection. For internal use by MongoDB;
        /// may change. Needs MongoDB 8.2.
        raw_data: bool,
    }
}

operation! { [T: 'a,] Delete<'a, T; F> -> DeleteResult, on collection }

impl<'a, T, F: Mode> Command<'a> for Delete<'a, T, F> {
    type Output = DeleteResult;

    fn meta(&self) -> &'static Meta {
        match self.multi {
            Multi::One => const { &Meta::write("delete_one", "delete") },
            Multi::Many => const { &Meta::write_once("delete_many", "delete") },
        }
    }

    fn body(&mut self, body: &mut DocWriter<'_>, server: &ConnectionDescription) -> Result<()> {
        let own = self.options.as_deref();
        let concern = own.and_then(|options| options.write_concern.as_ref());
        let concern = concern.or(self.collection.on().concerns.write_concern.as_ref());
        let acknowledged = concern.is_none_or(WriteConcern::is_acknowledged);
        check_hint(own.and_then(|options| options.hint.as_ref()), acknowledged, server)?;
        body.str(cstr!("delete"), self.collection.name());
        body.bool(cstr!("ordered"), true);
        Ok(())
    }

    fn documents(
        &mut self,
        message: &mut MessageWriter<'_>,
        server: &ConnectionDescription,
    ) -> Result<()> {
        let size = message.sequence(cstr!("deletes")).write(|entry| {
            entry.document(cstr!("q"), &self.filter)?;
            entry.i32(cstr!("limit"), if self.multi == Multi::One { 1 } else { 0 });
            self.options().map_or(Ok(()), |options| options.encode_statement(entry))
        })?;
        exec::check_size("delete", size, server)
    }

    fn decode(self, reply: Reply<'a>) -> Result<DeleteResult> {
        Ok(DeleteResult { deleted_count: reply.n()? })
    }
}

/// Refuses a hint that the server does not support and whose error would not be reported
/// (specification "CRUD", section "Hint").
///
/// # Errors
/// `IncompatibleServer`.
pub(super) fn check_hint(
    hint: Option<&Hint>,
    acknowledged: bool,
    server: &ConnectionDescription,
) -> Result<()> {
    if hint.is_none() || acknowledged || server.max_wire_version >= wire_version::V4_4 {
        return Ok(());
    }
    Err(Error::new(ErrorKind::IncompatibleServer {
        message: "delete supports a hint since MongoDB 4.4; omit the hint, or acknowledge the \
             write"
            .into(),
    }))
}
