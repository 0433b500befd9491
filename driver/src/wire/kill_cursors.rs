//! `killCursors`, for every layer that kills cursors.

use bson::raw::cstr;

use super::DocWriter;

/// Writes the fields of the command that kills `cursors` of `collection`.
pub(crate) fn write(body: &mut DocWriter<'_>, collection: &str, cursors: &[i64]) {
    body.str(cstr!("killCursors"), collection);
    let mut ids = body.array(cstr!("cursors"));
    cursors.iter().for_each(|cursor| ids.i64(*cursor));
}
