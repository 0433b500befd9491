//! One `bulkWrite` with as many models as fit (specification "Bulk Write", section "Building a
//! bulkWrite Command").

use std::borrow::Cow;

use bson::RawDocument;
use bson::raw::CStr;

use super::BulkWriteOptions;
use crate::error::ErrorKind;
use crate::exec::{self, Complaints, Operation, RequestContext};
use crate::object_id::new_object_id;
use crate::ops::batch::Batch;
use crate::ops::fields::Field;
use crate::ops::insert;
use crate::ops::prelude::*;
use crate::ops::update::write_modifications;
use crate::options::{ModelDocument, WriteModel};
use crate::types::Namespace;
use crate::wire::{SequenceWriter, document};
use crate::wire_version;

/// The allowance for the rest of the message (section "Total Message Size").
const MESSAGE_OVERHEAD: usize = 1000;

/// Whether a command that starts with these models may contain one that is not retryable. Checks as
/// many models as the largest command can have.
pub(super) fn has_multi(models: &[WriteModel]) -> bool {
    const MAX_WRITE_BATCH_SIZE: usize = 100_000;
    models.iter().take(MAX_WRITE_BATCH_SIZE).any(WriteModel::is_multi)
}

pub(super) struct BulkWriteCommand<'a> {
    pub(super) context: RequestContext<'a>,
    pub(super) models: &'a [WriteModel],
    pub(super) batch: Batch,
    pub(super) has_multi: bool,
    /// The `_id`s of the inserted documents; `None` for other models.
    pub(super) ids: Vec<Option<Bson>>,
    /// The size of the command's own fields.
    pub(super) own_bytes: usize,
    pub(super) ordered: bool,
    pub(super) verbose: bool,
    pub(super) options: Option<&'a BulkWriteOptions>,
}

impl Operation for BulkWriteCommand<'_> {
    fn meta(&self) -> &'static Meta {
        const fn collected(meta: Meta) -> Meta {
            Meta { complaints: Complaints::Collected, ..meta }
        }
        if self.has_multi {
            const { &collected(Meta::write_once("bulk_write", "bulkWrite")) }
        } else {
            const { &collected(Meta::write("bulk_write", "bulkWrite")) }
        }
    }

    fn context(&self) -> RequestContext<'_> {
        self.context
    }

    fn statements(&self) -> usize {
        self.batch.len()
    }

    fn body(&mut self, body: &mut DocWriter<'_>, server: &ConnectionDescription) -> Result<()> {
        if server.max_wire_version < wire_version::V8_0 {
            return Err(Error::new(ErrorKind::IncompatibleServer {
                message:
                    "bulk writes on a client need MongoDB 8.0 or later; use the bulk_write of \
                          each collection"
                        .into(),
            }));
        }
        body.i32(cstr!("bulkWrite"), 1);
        body.bool(cstr!("errorsOnly"), !self.verbose);
        body.bool(cstr!("ordered"), self.ordered);
        self.options.map_or(Ok(()), |options| options.encode_for(server, body))?;
        // Its terminator is not written yet.
        self.own_bytes = body.len() + 1;
        Ok(())
    }

    fn documents(
        &mut self,
        message: &mut MessageWriter<'_>,
        server: &ConnectionDescription,
    ) -> Result<()> {
        let BulkWriteCommand { models, batch, ids, own_bytes, .. } = self;
        let first = batch.start();
        let sequence = message.sequence(cstr!("ops"));
        // The specification counts the command's own bytes and an allowance for the rest.
        let allowance = (*own_bytes + MESSAGE_OVERHEAD).saturating_sub(sequence.message_len());
        let (mut namespaces, mut namespace_bytes) = (Namespaces::default(), 0);
        batch.fill(sequence, models.len(), server, |sequence, index| {
            let model = &models[index];
            let (namespace, is_new) = namespaces.number_of(model)?;
            if is_new {
                namespace_bytes += namespaces.size_of_last();
            }
            let known = ids.get(index - first).and_then(Option::as_ref);
            let id = append(sequence, model, namespace, known, server)
                .map_err(|error| error.context(format_args!("model {index}")))?;
            if index - first == ids.len() {
                ids.push(id);
            }
            Ok(namespace_bytes + allowance)
        })?;
        // The last one may belong to a model that did not fit into this command.
        let mut sent = Namespaces::default();
        models[first..batch.end()].iter().try_for_each(|m| sent.number_of(m).map(drop))?;
        let mut info = message.sequence(cstr!("nsInfo"));
        for namespace in sent.names {
            info.write(|entry| {
                entry.str(cstr!("ns"), &namespace.to_string());
                Ok(())
            })?;
        }
        Ok(())
    }
}

/// The namespaces of a command, by the number in its models.
#[derive(Default)]
struct Namespaces<'a> {
    names: Vec<&'a Namespace>,
    numbers: std::collections::HashMap<&'a Namespace, i32>,
}

impl<'a> Namespaces<'a> {
    /// The number of the model's namespace, and whether it is new.
    fn number_of(&mut self, model: &'a WriteModel) -> Result<(i32, bool)> {
        let namespace =
            model.namespace().ok_or_else(|| Error::invalid_argument("a model has no namespace"))?;
        if let Some(number) = self.numbers.get(namespace) {
            return Ok((*number, false));
        }
        let number = self.names.len() as i32;
        self.numbers.insert(namespace, number);
        self.names.push(namespace);
        Ok((number, true))
    }

    /// The size of the document with the last namespace.
    fn size_of_last(&self) -> usize {
        // Length, type, "ns", length of the string, the dot, two terminators.
        const FRAME: usize = 4 + 1 + 3 + 4 + 1 + 2;
        self.names.last().map_or(0, |last| FRAME + last.db.len() + last.coll.len())
    }
}

/// Appends the statement of `model`. Returns the `_id` of an inserted document.
fn append(
    sequence: &mut SequenceWriter<'_>,
    model: &WriteModel,
    namespace: i32,
    known: Option<&Bson>,
    server: &ConnectionDescription,
) -> Result<Option<Bson>> {
    let mut id = None;
    let mut name = "update";
    let size = sequence.write(|entry| {
        match model {
            WriteModel::InsertOne(model) => {
                name = "insert";
                entry.i32(cstr!("insert"), namespace);
                let limit = server.max_bson_object_size;
                id = Some(write_document(entry, &model.document, known, limit)?);
            }
            WriteModel::UpdateOne(model) => {
                entry.i32(cstr!("update"), namespace);
                entry.document(cstr!("filter"), &model.filter)?;
                write_modifications(cstr!("updateMods"), &model.update, entry)?;
                entry.bool(cstr!("multi"), false);
                write(cstr!("upsert"), &model.upsert, entry)?;
                write(cstr!("arrayFilters"), &model.array_filters, entry)?;
                write(cstr!("hint"), &model.hint, entry)?;
                write(cstr!("collation"), &model.collation, entry)?;
                write(cstr!("sort"), &model.sort, entry)?;
            }
            WriteModel::UpdateMany(model) => {
                entry.i32(cstr!("update"), namespace);
                entry.document(cstr!("filter"), &model.filter)?;
                write_modifications(cstr!("updateMods"), &model.update, entry)?;
                entry.bool(cstr!("multi"), true);
                write(cstr!("upsert"), &model.upsert, entry)?;
                write(cstr!("arrayFilters"), &model.array_filters, entry)?;
                write(cstr!("hint"), &model.hint, entry)?;
                write(cstr!("collation"), &model.collation, entry)?;
            }
            WriteModel::ReplaceOne(model) => {
                entry.i32(cstr!("update"), namespace);
                entry.document(cstr!("filter"), &model.filter)?;
                model.replacement.write(cstr!("updateMods"), entry)?;
                entry.bool(cstr!("multi"), false);
                write(cstr!("upsert"), &model.upsert, entry)?;
                write(cstr!("hint"), &model.hint, entry)?;
                write(cstr!("collation"), &model.collation, entry)?;
                write(cstr!("sort"), &model.sort, entry)?;
            }
            WriteModel::DeleteOne(model) => {
                name = "delete";
                entry.i32(cstr!("delete"), namespace);
                entry.document(cstr!("filter"), &model.filter)?;
                entry.bool(cstr!("multi"), false);
                write(cstr!("hint"), &model.hint, entry)?;
                write(cstr!("collation"), &model.collation, entry)?;
            }
            WriteModel::DeleteMany(model) => {
                name = "delete";
                entry.i32(cstr!("delete"), namespace);
                entry.document(cstr!("filter"), &model.filter)?;
                entry.bool(cstr!("multi"), true);
                write(cstr!("hint"), &model.hint, entry)?;
                write(cstr!("collation"), &model.collation, entry)?;
            }
        }
        Ok(())
    })?;
    exec::check_size(name, size, server)?;
    Ok(id)
}

/// Writes the document of an insert. Generates a missing `_id`. `known` is the `_id` of an earlier
/// encoding.
fn write_document(
    entry: &mut DocWriter<'_>,
    document: &ModelDocument,
    known: Option<&Bson>,
    limit: usize,
) -> Result<Bson> {
    let document: Cow<'_, RawDocument> = match document {
        ModelDocument::Document(document) => Cow::Owned(document::raw(document)?),
        ModelDocument::Raw(document) => Cow::Borrowed(document),
    };
    let mut nested = entry.nested(cstr!("document"));
    let id = match insert::own_id(document.as_bytes())? {
        Some(id) => id,
        None => {
            let id = match known {
                Some(Bson::ObjectId(id)) => *id,
                _ => new_object_id(),
            };
            nested.object_id(cstr!("_id"), id);
            Bson::ObjectId(id)
        }
    };
    nested.extend(&document);
    // Its terminator is not written yet.
    insert::check_size(&id, nested.len() + 1, limit)?;
    Ok(id)
}

/// Writes an option of a model, if it is set.
fn write<T: Field>(key: &CStr, value: &Option<T>, entry: &mut DocWriter<'_>) -> Result<()> {
    value.as_ref().map_or(Ok(()), |value| value.write(key, entry))
}

#[cfg(test)]
mod tests;
