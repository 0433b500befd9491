//! `bulk_write` on a collection: sends models of all kinds in `insert`, `update` and `delete`
//! commands (specification "CRUD", section "Insert, Update, Replace, Delete, and Bulk Writes").
//!
//! Adjacent models of one kind share a command. An unordered bulk write first groups all models by
//! kind. The server's limits split commands that are too large.

mod models;
mod progress;
mod statements;

use std::marker::PhantomData;

use self::models::{Kind, Plan};
pub(super) use self::models::{check_model, check_number};
use self::progress::Progress;
pub(super) use self::progress::is_unsent;
use self::statements::Statements;
use super::batch::Batch;
use super::command::{Execute, On};
use super::operation_name::OperationName;
use super::prelude::*;
use crate::exec::{self, RequestContext, Setting, Target};
use crate::options::WriteModel;
use crate::results::BulkWriteResult;

/// Writes many models. Returned by [`Collection::bulk_write`].
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct CollectionBulkWrite<'a, F: Mode> {
    on: On<'a>,
    models: Vec<WriteModel>,
    options: Option<Box<CollectionBulkWriteOptions>>,
    session: Option<&'a mut SessionState>,
    mode: PhantomData<fn() -> F>,
}

options! {
    /// The options of [`Collection::bulk_write`].
    CollectionBulkWriteOptions, CollectionBulkWriteOptionsBuilder
    for ['a, F: Mode] CollectionBulkWrite<'a, F> {
        /// Skips document validation.
        bypass_document_validation: bool,
        /// Ends the operation at the first refused model. Default: true. Otherwise all models are
        /// tried, in any order.
        ordered: bool,
        /// The write concern of each command.
        write_concern: WriteConcern,
        /// Variables that the expressions of updates and deletes can refer to as `$$name`. Needs
        /// MongoDB 5.0.
        let_vars: Document,
        /// A comment, shown in the server's logs and profiles.
        comment: Bson as impl Into<Bson> = "comment",
        /// Operates on the raw buckets of a time series collection. For internal use by MongoDB;
        /// may change. Needs MongoDB 8.2.
        raw_data: bool,
    }
}

impl<'a, F: Mode> CollectionBulkWrite<'a, F> {
    pub(crate) fn new(on: On<'a>, models: Vec<WriteModel>) -> Self {
        CollectionBulkWrite { on, models, options: None, session: None, mode: PhantomData }
    }
}

operation! { [] CollectionBulkWrite<'a; F> -> BulkWriteResult, on on }

impl<'a, F: Mode> Execute<'a> for CollectionBulkWrite<'a, F> {
    type Output = BulkWriteResult;

    fn operation_name(&self) -> OperationName<'a> {
        self.on.operation_name("bulk_write")
    }

    async fn execute(mut self) -> Result<BulkWriteResult> {
        models::check(&self.models, self.on)?;
        let mut session = self.take_session();
        // All commands share one deadline.
        let deadline = self.on.deadline(self.options(), session.as_deref())?;
        let options = self.options.as_deref();
        let ordered = options.and_then(|o| o.ordered).unwrap_or(true);
        let write_concern = Setting::of(
            options.and_then(|o| o.write_concern.as_ref()),
            self.on.concerns.write_concern.as_ref(),
        );
        let plan = Plan::of(&self.models, ordered);
        let mut progress = Progress::new(ordered);
        let mut next = 0;
        while next < self.models.len() {
            let (kind, end) = plan.run_at(next);
            let mut command = Statements {
                collection: self.on.collection.unwrap_or_default(),
                context: RequestContext {
                    write_concern,
                    ..RequestContext::bare(self.on.db, Target::Writable)
                },
                kind,
                models: &self.models,
                plan: &plan,
                end,
                batch: Batch::starting_at(next),
                has_multi: kind != Kind::Insert && plan.has_multi(&self.models, next, end),
                ids: Vec::new(),
                ordered,
                options,
            };
            let session = session.as_deref_mut().into();
            let sent = exec::execute(self.on.core, &mut command, session, deadline).await;
            let (end, ids) = (command.batch.end(), command.ids);
            let noted = sent.and_then(|reply| {
                progress.note(kind, &reply, &plan.order[next..end], ids).map(|()| next = end)
            });
            if let Err(error) = noted {
                return Err(progress.stopped(error, &plan.order, next, end));
            }
            if ordered && progress.has_write_errors() {
                break;
            }
        }
        progress.finish(&plan.order)
    }
}
