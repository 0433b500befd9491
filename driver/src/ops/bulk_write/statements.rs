//! One command of a bulk write, with as many models of one kind as fit.

use bson::raw::CStr;

use super::CollectionBulkWriteOptions;
use super::models::{Kind, Plan};
use crate::exec::{self, Complaints, Operation, RequestContext};
use crate::ops::batch::Batch;
use crate::ops::delete::check_hint;
use crate::ops::fields::Field;
use crate::ops::insert;
use crate::ops::prelude::*;
use crate::ops::update::write_modifications;
use crate::options::{ModelDocument, WriteModel};
use crate::wire::SequenceWriter;

/// An `insert`, `update` or `delete`.
pub(super) struct Statements<'a> {
    pub(super) collection: &'a str,
    pub(super) context: RequestContext<'a>,
    pub(super) kind: Kind,
    pub(super) models: &'a [WriteModel],
    pub(super) plan: &'a Plan,
    /// The end of the run of models of this kind.
    pub(super) end: usize,
    pub(super) batch: Batch,
    pub(super) has_multi: bool,
    /// The `_id`s of the documents in an `insert`.
    pub(super) ids: Vec<Bson>,
    pub(super) ordered: bool,
    pub(super) options: Option<&'a CollectionBulkWriteOptions>,
}

impl Operation for Statements<'_> {
    fn meta(&self) -> &'static Meta {
        const fn collected(meta: Meta) -> Meta {
            Meta { complaints: Complaints::Collected, ..meta }
        }
        match (self.kind, self.has_multi) {
            (Kind::Insert, _) => const { &collected(Meta::write("bulk_write", "insert")) },
            (Kind::Update, false) => const { &collected(Meta::write("bulk_write", "update")) },
            (Kind::Update, true) => const { &collected(Meta::write_once("bulk_write", "update")) },
            (Kind::Delete, false) => const { &collected(Meta::write("bulk_write", "delete")) },
            (Kind::Delete, true) => const { &collected(Meta::write_once("bulk_write", "delete")) },
        }
    }

    fn context(&self) -> RequestContext<'_> {
        self.context
    }

    fn statements(&self) -> usize {
        self.batch.len()
    }

    fn body(&mut self, body: &mut DocWriter<'_>, server: &ConnectionDescription) -> Result<()> {
        let name = match self.kind {
            Kind::Insert => cstr!("insert"),
            Kind::Update => cstr!("update"),
            Kind::Delete => cstr!("delete"),
        };
        body.str(name, self.collection);
        body.bool(cstr!("ordered"), self.ordered);
        let Some(options) = self.options else { return Ok(()) };
        if let (Kind::Insert | Kind::Update, Some(bypass)) =
            (self.kind, options.bypass_document_validation)
        {
            body.bool(cstr!("bypassDocumentValidation"), bypass);
        }
        if let (Kind::Update | Kind::Delete, Some(variables)) = (self.kind, &options.let_vars) {
            variables.write(cstr!("let"), body)?;
        }
        options.encode_for(server, body)
    }

    fn documents(
        &mut self,
        message: &mut MessageWriter<'_>,
        server: &ConnectionDescription,
    ) -> Result<()> {
        let acknowledged = self.context.is_acknowledged();
        let Statements { models, plan, ids, kind, end, batch, .. } = self;
        let name = match kind {
            Kind::Insert => cstr!("documents"),
            Kind::Update => cstr!("updates"),
            Kind::Delete => cstr!("deletes"),
        };
        let first = batch.start();
        batch.fill(message.sequence(name), *end, server, |sequence, at| {
            let index = plan.order[at];
            let appended = match &models[index] {
                WriteModel::InsertOne(model) => {
                    append_document(sequence, &model.document, ids, at - first, server)
                }
                model => check_hint(hint_of_delete(model), acknowledged, server)
                    .and_then(|()| append_statement(sequence, model, server)),
            };
            appended.map(|()| 0).map_err(|error| error.context(format_args!("model {index}")))
        })
    }
}

/// Appends the document of an insert, the one at index `at` of its command.
fn append_document(
    sequence: &mut SequenceWriter<'_>,
    document: &ModelDocument,
    ids: &mut Vec<Bson>,
    at: usize,
    server: &ConnectionDescription,
) -> Result<()> {
    let (known, limit) = (ids.get(at), server.max_bson_object_size);
    let id = match document {
        ModelDocument::Document(document) => {
            insert::append_document(sequence, document, known, limit)?
        }
        ModelDocument::Raw(document) => insert::append(sequence, document, known, limit)?,
    };
    if at == ids.len() {
        ids.push(id);
    }
    Ok(())
}

/// The hint of a model that deletes.
fn hint_of_delete(model: &WriteModel) -> Option<&Hint> {
    match model {
        WriteModel::DeleteOne(model) => model.hint.as_ref(),
        WriteModel::DeleteMany(model) => model.hint.as_ref(),
        _ => None,
    }
}

/// Appends an update or a delete.
fn append_statement(
    sequence: &mut SequenceWriter<'_>,
    model: &WriteModel,
    server: &ConnectionDescription,
) -> Result<()> {
    let mut name = "update";
    let size = sequence.write(|entry| {
        match model {
            WriteModel::InsertOne(_) => {}
            WriteModel::UpdateOne(model) => {
                entry.document(cstr!("q"), &model.filter)?;
                write_modifications(cstr!("u"), &model.update, entry)?;
                write(cstr!("upsert"), &model.upsert, entry)?;
                write(cstr!("arrayFilters"), &model.array_filters, entry)?;
                write(cstr!("collation"), &model.collation, entry)?;
                write(cstr!("hint"), &model.hint, entry)?;
                write(cstr!("sort"), &model.sort, entry)?;
            }
            WriteModel::UpdateMany(model) => {
                entry.document(cstr!("q"), &model.filter)?;
                write_modifications(cstr!("u"), &model.update, entry)?;
                entry.bool(cstr!("multi"), true);
                write(cstr!("upsert"), &model.upsert, entry)?;
                write(cstr!("arrayFilters"), &model.array_filters, entry)?;
                write(cstr!("collation"), &model.collation, entry)?;
                write(cstr!("hint"), &model.hint, entry)?;
            }
            WriteModel::ReplaceOne(model) => {
                entry.document(cstr!("q"), &model.filter)?;
                model.replacement.write(cstr!("u"), entry)?;
                write(cstr!("upsert"), &model.upsert, entry)?;
                write(cstr!("collation"), &model.collation, entry)?;
                write(cstr!("hint"), &model.hint, entry)?;
                write(cstr!("sort"), &model.sort, entry)?;
            }
            WriteModel::DeleteOne(model) => {
                name = "delete";
                entry.document(cstr!("q"), &model.filter)?;
                entry.i32(cstr!("limit"), 1);
                write(cstr!("collation"), &model.collation, entry)?;
                write(cstr!("hint"), &model.hint, entry)?;
            }
            WriteModel::DeleteMany(model) => {
                name = "delete";
                entry.document(cstr!("q"), &model.filter)?;
                entry.i32(cstr!("limit"), 0);
                write(cstr!("collation"), &model.collation, entry)?;
                write(cstr!("hint"), &model.hint, entry)?;
            }
        }
        Ok(())
    })?;
    exec::check_size(name, size, server)
}

/// Writes an option of a model, if it is set.
fn write<T: Field>(key: &CStr, value: &Option<T>, entry: &mut DocWriter<'_>) -> Result<()> {
    value.as_ref().map_or(Ok(()), |value| value.write(key, entry))
}
