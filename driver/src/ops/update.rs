//! `update`: of one document or of all that match.

use bson::raw::{RawBsonRef, cstr};
use bson::{Bson, Document};

use super::fields::Fields;
use super::macros::{ends, options};
use crate::collection::{Collection, Place};
use crate::decode;
use crate::error::{Error, Result};
use crate::exec::{self, Meta, Operation, Retry, failure, malformed};
use crate::face::Face;
use crate::options::{Collation, Hint, UpdateModifications, WriteConcern};
use crate::pool::ConnectionDescription;
use crate::results::UpdateResult;
use crate::session::{ClientSession, SessionState};
use crate::wire::{DocWriter, MessageWriter};

/// How many of the documents that match are changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    One,
    Many,
}

/// Updates documents. Made by [`Collection::update_one`] and [`Collection::update_many`].
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct Update<'a, T, F: Face> {
    pub(crate) collection: &'a Collection<T, F>,
    pub(crate) filter: Document,
    pub(crate) update: UpdateModifications,
    pub(crate) reach: Reach,
    pub(crate) options: Option<Box<UpdateOptions>>,
    pub(crate) session: Option<&'a mut SessionState>,
}

options! {
    /// The options of [`Collection::update_one`] and [`Collection::update_many`].
    UpdateOptions and UpdateOptionsBuilder of ['a, T, F: Face] Update<'a, T, F> {
        /// Which elements of arrays `$[name]` stands for.
        array_filters: Vec<Document> as impl IntoIterator<Item = Document> => Vec::from_iter,
        /// Whether the collection's schema rules are left out of account.
        bypass_document_validation: bool,
        /// Whether a document is inserted when none matches.
        upsert: bool,
        /// How strings are compared.
        collation: Collation,
        /// The index to use.
        hint: Hint,
        /// How firmly the write must be done before it is acknowledged.
        write_concern: WriteConcern,
        /// Values that expressions can refer to as `$$name`.
        let_vars: Document,
        /// Shown with the operation in the server's logs and profiles.
        comment: Bson as impl Into<Bson>,
        /// Which of the documents that match `update_one` changes: the first in this order. Servers from 8.0 on.
        sort: Document,
    }
}

impl<'a, T, F: Face> Update<'a, T, F> {
    /// Runs the operation in `session`.
    pub fn session(mut self, session: impl Into<&'a mut ClientSession<F>>) -> Self {
        self.session = Some(session.into().state());
        self
    }

    async fn execute(self) -> Result<UpdateResult> {
        let place = self.collection.place();
        let many = self.reach == Reach::Many;
        let name = if many { "update_many" } else { "update_one" };
        let options = self.options.as_deref();
        let change = match &self.update {
            UpdateModifications::Document(document) => {
                check_operators(document, name)?;
                Change::Document(document)
            }
            UpdateModifications::Pipeline(stages) => {
                if stages.is_empty() {
                    return Err(Error::invalid_argument(format!(
                        "the pipeline given to {name} has no stages; give it at least one, such as $set"
                    )));
                }
                Change::Pipeline(stages)
            }
        };
        if many && options.is_some_and(|o| o.sort.is_some()) {
            return Err(Error::invalid_argument(
                "update_many takes no sort: every document that matches is changed",
            ));
        }
        let statement = Statement {
            filter: &self.filter,
            change,
            many,
            upsert: options.and_then(|o| o.upsert),
            collation: options.and_then(|o| o.collation.as_ref()),
            array_filters: options.and_then(|o| o.array_filters.as_deref()),
            hint: options.and_then(|o| o.hint.as_ref()),
            sort: options.and_then(|o| o.sort.as_ref()),
        };
        let command = Common {
            bypass_document_validation: options.and_then(|o| o.bypass_document_validation),
            let_vars: options.and_then(|o| o.let_vars.as_ref()),
            comment: options.and_then(|o| o.comment.as_ref()),
        };
        let write_concern = options.and_then(|o| o.write_concern.as_ref());
        run(place, statement, command, write_concern, self.session).await
    }
}

ends! { impl [T: 'a] Update<'a, T> -> UpdateResult, "update" on collection }

/// Refuses what would replace the document, or change nothing.
fn check_operators(update: &Document, name: &str) -> Result<()> {
    match update.keys().find(|key| !key.starts_with('$')) {
        None if !update.is_empty() => Ok(()),
        Some(key) => Err(Error::invalid_argument(format!(
            "the update given to {name} must consist of operators such as $set, and {key:?} is none; \
             to replace a whole document use replace_one"
        ))),
        None => Err(Error::invalid_argument(format!(
            "the update given to {name} is empty; give it operators such as $set"
        ))),
    }
}

/// What a document is changed into.
pub(super) enum Change<'a> {
    Document(&'a Document),
    Pipeline(&'a [Document]),
    /// Written already.
    Raw(&'a bson::RawDocument),
}

/// One entry of the command's `updates`.
pub(super) struct Statement<'a> {
    pub(super) filter: &'a Document,
    pub(super) change: Change<'a>,
    pub(super) many: bool,
    pub(super) upsert: Option<bool>,
    pub(super) collation: Option<&'a Collation>,
    pub(super) array_filters: Option<&'a [Document]>,
    pub(super) hint: Option<&'a Hint>,
    pub(super) sort: Option<&'a Document>,
}

/// What concerns the whole command.
pub(super) struct Common<'a> {
    pub(super) bypass_document_validation: Option<bool>,
    pub(super) let_vars: Option<&'a Document>,
    pub(super) comment: Option<&'a Bson>,
}

/// Sends an `update` of one statement.
pub(super) async fn run(
    place: &Place,
    statement: Statement<'_>,
    common: Common<'_>,
    write_concern: Option<&WriteConcern>,
    session: Option<&mut SessionState>,
) -> Result<UpdateResult> {
    let scope = place.write(write_concern, session);
    let mut command = Command { collection: &place.name, statement, common };
    let reply = exec::execute(&place.core, &mut command, scope).await?;
    let outline = reply.outline();
    if let Some(error) = failure::of_single_write(outline, reply.document()) {
        return Err(error.at(reply.host()));
    }
    let upserted = outline.upserted(reply.document()).and_then(|list| failure::elements(list).next());
    let upserted_id = match upserted {
        Some(RawBsonRef::Document(entry)) => match entry.get("_id").map_err(malformed)? {
            Some(id) => Some(decode::value(entry.as_bytes(), id).map_err(malformed)?),
            None => None,
        },
        _ => None,
    };
    // The server counts an inserted document among those that matched.
    let matched_count = if upserted_id.is_some() { 0 } else { outline.n() };
    Ok(UpdateResult { matched_count, modified_count: outline.n_modified(), upserted_id })
}

struct Command<'a> {
    collection: &'a str,
    statement: Statement<'a>,
    common: Common<'a>,
}

impl Operation for Command<'_> {
    fn meta(&self) -> &'static Meta {
        match self.statement.many {
            true => &Meta { name: "update", retry: Retry::Never },
            false => &Meta { name: "update", retry: Retry::Write },
        }
    }

    fn body(&mut self, body: &mut DocWriter<'_>, _server: &ConnectionDescription) -> Result<()> {
        body.str(cstr!("update"), self.collection);
        body.bool(cstr!("ordered"), true);
        body.maybe_bool(cstr!("bypassDocumentValidation"), self.common.bypass_document_validation);
        body.maybe_doc(cstr!("let"), self.common.let_vars)?;
        body.maybe_comment(self.common.comment)
    }

    fn documents(&mut self, message: &mut MessageWriter<'_>, server: &ConnectionDescription) -> Result<()> {
        let s = &self.statement;
        let size = message.sequence(cstr!("updates")).write(|entry| {
            entry.serialize(cstr!("q"), s.filter)?;
            match s.change {
                Change::Document(document) => entry.serialize(cstr!("u"), document)?,
                Change::Raw(document) => entry.doc(cstr!("u"), document),
                Change::Pipeline(stages) => {
                    let mut array = entry.array(cstr!("u"));
                    stages.iter().try_for_each(|stage| array.serialize(stage))?;
                }
            }
            if s.many {
                entry.bool(cstr!("multi"), true);
            }
            entry.maybe_bool(cstr!("upsert"), s.upsert);
            entry.maybe_value(cstr!("collation"), s.collation)?;
            if let Some(filters) = s.array_filters {
                let mut array = entry.array(cstr!("arrayFilters"));
                filters.iter().try_for_each(|filter| array.serialize(filter))?;
            }
            entry.maybe_value(cstr!("hint"), s.hint)?;
            entry.maybe_doc(cstr!("sort"), s.sort)
        })?;
        exec::check_size("update", size, server)
    }
}
