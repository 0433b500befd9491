//! `update`: updates one or all matching documents.

use bson::raw::{CStr, RawBsonRef};

use super::prelude::*;
use crate::decode;
use crate::exec::{self, malformed};
use crate::options::UpdateModifications;
use crate::results::UpdateResult;

/// Whether one or all matching documents are updated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Multi {
    One,
    Many,
}

/// Updates documents. Returned by [`Collection::update_one`] and [`Collection::update_many`].
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct Update<'a, T, F: Mode> {
    pub(crate) collection: &'a Collection<T, F>,
    pub(crate) filter: Document,
    pub(crate) update: UpdateModifications,
    pub(crate) multi: Multi,
    pub(crate) options: Option<Box<UpdateOptions>>,
    pub(crate) session: Option<&'a mut SessionState>,
}

options! {
    /// The options of [`Collection::update_one`] and [`Collection::update_many`].
    UpdateOptions, UpdateOptionsBuilder for ['a, T, F: Mode] Update<'a, T, F> {
        /// The filters for array elements, which the update refers to as `$[name]`.
        array_filters: Vec<Document> as impl IntoIterator<Item = Document> => Vec::from_iter
            = (statement "arrayFilters"),
        /// Skips document validation.
        bypass_document_validation: bool = "bypassDocumentValidation",
        /// Inserts a document if none matches.
        upsert: bool = (statement "upsert"),
        /// The rules for comparing strings.
        collation: Collation = (statement "collation"),
        /// The index to use.
        hint: Hint = (statement "hint"),
        /// The write concern.
        write_concern: WriteConcern,
        /// Variables that expressions can refer to as `$$name`.
        let_vars: Document = "let",
        /// A comment, shown in the server's logs and profiles.
        comment: Bson as impl Into<Bson> = "comment",
        /// The sort order that determines the document of `update_one`. Needs MongoDB 8.0.
        sort: Document = (statement "sort"),
        /// Operates on the raw buckets of a time series collection. For internal use by MongoDB;
        /// may change. Needs MongoDB 8.2.
        raw_data: bool,
    }
}

operation! { [T: 'a,] Update<'a, T; F> -> UpdateResult, on collection }

impl<'a, T, F: Mode> Command<'a> for Update<'a, T, F> {
    type Output = UpdateResult;

    fn meta(&self) -> &'static Meta {
        match self.multi {
            Multi::One => const { &Meta::write("update_one", "update") },
            Multi::Many => const { &Meta::write_once("update_many", "update") },
        }
    }

    fn check(&self, _session: Option<&SessionState>) -> Result<()> {
        check_modifications(&self.update, "replace_one")?;
        if self.multi == Multi::Many && self.options.as_ref().is_some_and(|o| o.sort.is_some()) {
            return Err(Error::invalid_argument(
                "it takes no sort, because it updates every matching document",
            ));
        }
        Ok(())
    }

    fn body(&mut self, body: &mut DocWriter<'_>, _server: &ConnectionDescription) -> Result<()> {
        write_body(self.collection.name(), body);
        Ok(())
    }

    fn documents(
        &mut self,
        message: &mut MessageWriter<'_>,
        server: &ConnectionDescription,
    ) -> Result<()> {
        let size = message.sequence(cstr!("updates")).write(|entry| {
            entry.document(cstr!("q"), &self.filter)?;
            write_modifications(cstr!("u"), &self.update, entry)?;
            if self.multi == Multi::Many {
                entry.bool(cstr!("multi"), true);
            }
            self.options().map_or(Ok(()), |options| options.encode_statement(entry))
        })?;
        exec::check_size("update", size, server)
    }

    fn decode(self, reply: Reply<'a>) -> Result<UpdateResult> {
        result(&reply)
    }
}

/// Writes the common fields of `update` commands.
pub(super) fn write_body(collection: &str, body: &mut DocWriter<'_>) {
    body.str(cstr!("update"), collection);
    body.bool(cstr!("ordered"), true);
}

/// Decodes the reply to an `update` with one statement.
pub(super) fn result(reply: &Reply<'_>) -> Result<UpdateResult> {
    let upserted_id = upserted_id(reply).map_err(|error| error.at(reply.host()))?;
    // The server counts an upserted document as matched.
    let matched_count = if upserted_id.is_some() { 0 } else { reply.n()? };
    Ok(UpdateResult { matched_count, modified_count: reply.header().n_modified(), upserted_id })
}

/// The `_id` of the upserted document.
///
/// # Errors
/// Those of [`upserted_ids`].
fn upserted_id(reply: &Reply<'_>) -> Result<Option<Bson>> {
    Ok(upserted_ids(reply, 1)?.into_iter().next().map(|(_, id)| id))
}

/// The `_id`s of the upserted documents, by the positions of the statements. The command has
/// `statements` of them.
///
/// # Errors
/// `InvalidResponse` if an upserted document has no `_id`, or a position outside the command.
pub(super) fn upserted_ids(reply: &Reply<'_>, statements: usize) -> Result<Vec<(usize, Bson)>> {
    let Some(list) = reply.header().upserted(reply.document()) else { return Ok(Vec::new()) };
    let mut ids = Vec::new();
    for element in list.iter_elements() {
        let Ok(RawBsonRef::Document(entry)) = element.map_err(malformed)?.value() else {
            return Err(Error::invalid_response(
                "its upserted contains a value that is not a document",
            ));
        };
        let index = match entry.get("index").map_err(malformed)? {
            // With one statement, the position is clear.
            None if statements == 1 => Some(0),
            Some(RawBsonRef::Int32(index)) => usize::try_from(index).ok(),
            Some(RawBsonRef::Int64(index)) => usize::try_from(index).ok(),
            _ => None,
        };
        let Some(index) = index.filter(|index| *index < statements) else {
            return Err(Error::invalid_response(format!(
                "an entry of its upserted has an index outside the {statements} statements that \
                 were sent"
            )));
        };
        match entry.get("_id").map_err(malformed)? {
            Some(id) => {
                ids.push((index, decode::value(entry.as_bytes(), id).map_err(malformed)?));
            }
            None => return Err(Error::invalid_response("an entry of its upserted has no _id")),
        }
    }
    Ok(ids)
}

/// Writes `update` as the field `key`.
///
/// # Errors
/// `BsonSerialization`.
pub(super) fn write_modifications(
    key: &CStr,
    update: &UpdateModifications,
    entry: &mut DocWriter<'_>,
) -> Result<()> {
    match update {
        UpdateModifications::Document(document) => entry.document(key, document),
        UpdateModifications::Pipeline(stages) => {
            let mut array = entry.array(key);
            stages.iter().try_for_each(|stage| array.document(stage))
        }
    }
}

/// Refuses an update that is empty, or that would replace the document. The error then names the
/// method `replacing`.
///
/// # Errors
/// `InvalidArgument`.
pub(super) fn check_modifications(update: &UpdateModifications, replacing: &str) -> Result<()> {
    let update = match update {
        UpdateModifications::Pipeline(stages) if stages.is_empty() => {
            return Err(Error::invalid_argument(
                "the pipeline has no stages; give at least one, such as $set",
            ));
        }
        UpdateModifications::Pipeline(_) => return Ok(()),
        UpdateModifications::Document(update) => update,
    };
    match update.keys().find(|key| !key.starts_with('$')) {
        None if !update.is_empty() => Ok(()),
        Some(key) => Err(Error::invalid_argument(format!(
            "the update must consist of operators such as $set, but {key:?} is not an operator; \
             to replace a whole document use {replacing}"
        ))),
        None => Err(Error::invalid_argument("the update is empty; give operators such as $set")),
    }
}
