//! `bulk_write` on a client: sends models for any collections in `bulkWrite` commands
//! (specification "Bulk Write").

mod command;
mod outcome;

use std::marker::PhantomData;

use self::command::BulkWriteCommand;
use self::outcome::{Outcome, Progress};
use super::batch::Batch;
use super::bulk_write::{check_model, check_number};
use super::command::{Execute, On};
use super::operation_name::OperationName;
use super::prelude::*;
use crate::exec::{self, RequestContext, Setting, Target};
use crate::mode::{Async, Blocking};
use crate::options::WriteModel;
use crate::results::{SummaryBulkWriteResult, VerboseBulkWriteResult};

/// Runs many writes on any collections. The result `R` is a [`SummaryBulkWriteResult`] or a
/// [`VerboseBulkWriteResult`]. Returned by
/// [`Client::bulk_write`](crate::client::Client::bulk_write).
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct BulkWrite<'a, R, F: Mode> {
    on: On<'a>,
    models: Vec<WriteModel>,
    options: Option<Box<BulkWriteOptions>>,
    session: Option<&'a mut SessionState>,
    outcome: PhantomData<fn(F) -> R>,
}

options! {
    /// The options of [`Client::bulk_write`](crate::client::Client::bulk_write).
    BulkWriteOptions, BulkWriteOptionsBuilder for ['a, R, F: Mode] BulkWrite<'a, R, F> {
        /// Ends the operation at the first refused model. Default: true. Otherwise all models are
        /// tried.
        ordered: bool,
        /// Skips document validation.
        bypass_document_validation: bool = "bypassDocumentValidation",
        /// A comment, shown in the server's logs and profiles.
        comment: Bson as impl Into<Bson> = "comment",
        /// Variables that expressions can refer to as `$$name`.
        let_vars: Document = "let",
        /// The write concern of each command.
        write_concern: WriteConcern,
        /// Operates on the raw buckets of a time series collection. For internal use by MongoDB;
        /// may change. Needs MongoDB 8.2.
        raw_data: bool,
    }
}

impl<'a, F: Mode> BulkWrite<'a, SummaryBulkWriteResult, F> {
    pub(crate) fn new(on: On<'a>, models: Vec<WriteModel>) -> Self {
        BulkWrite { on, models, options: None, session: None, outcome: PhantomData }
    }

    /// Also returns the result of each successful write.
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// # async fn example(client: driver::Client) -> driver::Result<()> {
    /// let monkeys = client.database("zoo").collection::<Document>("monkeys");
    /// let models = [monkeys.insert_one_model(doc! { "name": "Mabel" })?];
    /// let done = client.bulk_write(models).verbose_results().await?;
    /// println!("her _id is {}", done.insert_results[&0].inserted_id);
    /// # Ok(())
    /// # }
    /// ```
    pub fn verbose_results(self) -> BulkWrite<'a, VerboseBulkWriteResult, F> {
        let BulkWrite { on, models, options, session, outcome: _ } = self;
        BulkWrite { on, models, options, session, outcome: PhantomData }
    }
}

operation! { @parts [R: Outcome, F: Mode] BulkWrite<'a, R, F>, 'a, on }
operation! { @session [R, F: Mode] BulkWrite<'a, R, F>, 'a }

/// Runs the operation with either result.
macro_rules! ending_in {
    ($($Result:ident)*) => {
        $(
            operation! { @perform [F: Mode] BulkWrite<'a, $Result, F>, 'a, $Result }
            operation! { @await [] BulkWrite<'a, $Result, Async>, 'a, $Result }
            operation! { @run [] BulkWrite<'a, $Result, Blocking>, 'a, $Result }
        )*
    };
}
ending_in! { SummaryBulkWriteResult VerboseBulkWriteResult }

impl<'a, R: Outcome, F: Mode> Execute<'a> for BulkWrite<'a, R, F> {
    type Output = R;

    fn operation_name(&self) -> OperationName<'a> {
        self.on.operation_name("bulk_write")
    }

    async fn execute(mut self) -> Result<R> {
        check(&self.models)?;
        let mut session = self.take_session();
        // All commands share one deadline.
        let deadline = self.on.deadline(self.options(), session.as_deref())?;
        let timeout = self.on.timeout(self.options());
        let options = self.options.as_deref();
        let ordered = options.and_then(|o| o.ordered).unwrap_or(true);
        let write_concern = Setting::of(
            options.and_then(|o| o.write_concern.as_ref()),
            self.on.concerns.write_concern.as_ref(),
        );
        let context =
            RequestContext { write_concern, ..RequestContext::bare(self.on.db, Target::Writable) };
        let acknowledged = context.is_acknowledged();
        check_acknowledged(acknowledged, ordered, R::VERBOSE)?;
        let mut progress = Progress::<R>::new(&self.models, ordered);
        let mut next = 0;
        while next < self.models.len() {
            let mut command = BulkWriteCommand {
                context,
                models: &self.models,
                batch: Batch::starting_at(next),
                has_multi: command::has_multi(&self.models[next..]),
                ids: Vec::new(),
                own_bytes: 0,
                ordered,
                verbose: R::VERBOSE,
                options,
            };
            let lent = session.as_deref_mut().into();
            let sent = exec::execute(self.on.core, &mut command, lent, deadline).await;
            let (end, ids) = (command.batch.end(), command.ids);
            let noted = match sent {
                Ok(_) if !acknowledged => Ok(()),
                Ok(reply) => {
                    let comment = options.and_then(|options| options.comment.clone());
                    let lent = session.as_deref_mut();
                    progress.note(self.on.core, reply, next..end, ids, comment, lent, timeout).await
                }
                Err(error) => {
                    return Err(progress.stopped(error, next, end));
                }
            };
            if let Err(error) = noted {
                return Err(progress.unread(error, next, end));
            }
            next = end;
            if ordered && progress.has_write_errors() {
                break;
            }
        }
        progress.finish(next)
    }
}

/// Refuses invalid models before anything is sent.
///
/// # Errors
/// `InvalidArgument` with the index of the model.
fn check(models: &[WriteModel]) -> Result<()> {
    check_number(models)?;
    models.iter().enumerate().try_for_each(|(index, model)| {
        let checked = match model.namespace() {
            Some(_) => check_model(model),
            None => Err(Error::invalid_argument(
                "it has no namespace; set it, or create the model with a method of the collection",
            )),
        };
        checked.map_err(|error| error.context(format_args!("model {index}")))
    })
}

/// Section "errorsOnly and verboseResults", and section "ordered".
fn check_acknowledged(acknowledged: bool, ordered: bool, verbose: bool) -> Result<()> {
    if acknowledged {
        return Ok(());
    }
    if verbose {
        return Err(Error::invalid_argument(
            "Cannot request unacknowledged write concern and verbose results; omit one of the two",
        ));
    }
    if ordered {
        return Err(Error::invalid_argument(
            "Cannot request unacknowledged write concern and ordered writes; set ordered(false), \
             or acknowledge the writes",
        ));
    }
    Ok(())
}
