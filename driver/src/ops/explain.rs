//! `explain`: the server's plan for an operation.

use std::borrow::Borrow;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::command::On;
use super::prelude::*;
use super::session::{ExplicitSession, ImplicitSession};
use super::{
    Aggregate, CountDocuments, Delete, Distinct, Find, FindOne, FindOneAndDelete,
    FindOneAndReplace, FindOneAndUpdate, ReplaceOne, Update,
};
use crate::decode;
use crate::exec::{Access, malformed};
use crate::options::ExplainVerbosity;
use crate::wire::Flags;
use crate::wire::message::{RequestId, request_document};

/// Explains an operation. Returned by the method `explain` of the operation, such as
/// [`Find::explain`].
///
/// Options of the operation that were set before are part of the explained command. Its read and
/// write concern do not apply.
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct Explain<'a, F: Mode> {
    on: On<'a>,
    operation: Box<dyn Explained + 'a>,
    options: Option<Box<ExplainOptions>>,
    session: Option<&'a mut SessionState>,
    mode: PhantomData<fn() -> F>,
}

options! {
    /// The options of `explain`.
    ExplainOptions, ExplainOptionsBuilder for ['a, F: Mode] Explain<'a, F> {
        /// The amount of detail. Default: the server's, [`ExplainVerbosity::AllPlansExecution`].
        verbosity: ExplainVerbosity = (fn write_verbosity),
        /// The time limit of the server's work on the `explain` command. Default: that of the
        /// operation.
        max_time: Duration,
        /// The selection criteria for the server. Default: as for the operation.
        selection_criteria: SelectionCriteria,
        /// A comment, shown in the server's logs and profiles.
        comment: Bson as impl Into<Bson> = "comment",
    }
}

impl<'a, F: Mode> Explain<'a, F> {
    fn of<C: Command<'a> + 'a>(mut operation: C) -> Self {
        let on = operation.on();
        let session = operation.take_session();
        let own = operation.options().map(Options::settings).unwrap_or_default();
        let inherited = &on.concerns.selection_criteria;
        let criteria = match operation.meta().access {
            Access::Read => Some(own.selection_criteria.unwrap_or(inherited).clone()),
            _ => None,
        };
        let options = ExplainOptions {
            max_time: own.max_time,
            timeout: own.timeout,
            selection_criteria: criteria,
            ..ExplainOptions::default()
        };
        let (operation, options) = (Box::new(operation), Some(Box::new(options)));
        Explain { on, operation, options, session, mode: PhantomData }
    }
}

operation! { [] Explain<'a; F> -> Document, on on }

impl<'a, F: Mode> Command<'a> for Explain<'a, F> {
    type Output = Document;

    fn meta(&self) -> &'static Meta {
        // `explain` never changes data.
        const { &Meta::other_read("explain", "explain") }
    }

    fn check(&self, session: Option<&SessionState>) -> Result<()> {
        self.operation.check(session)
    }

    fn body(&mut self, body: &mut DocWriter<'_>, server: &ConnectionDescription) -> Result<()> {
        body.serialize(cstr!("explain"), &self.operation.command(server)?)
    }

    fn decode(self, reply: Reply<'a>) -> Result<Document> {
        decode::document(reply.document()).map_err(|cause| malformed(cause).at(reply.host()))
    }
}

fn write_verbosity(options: &ExplainOptions, body: &mut DocWriter<'_>) -> Result<()> {
    if let Some(verbosity) = options.verbosity {
        body.str(cstr!("verbosity"), verbosity.as_str());
    }
    Ok(())
}

/// An operation to explain.
trait Explained: Send {
    fn check(&self, session: Option<&SessionState>) -> Result<()>;

    /// The command with its own fields, and its documents as arrays.
    fn command(&mut self, server: &ConnectionDescription) -> Result<Document>;
}

impl<'a, C: Command<'a>> Explained for C {
    fn check(&self, session: Option<&SessionState>) -> Result<()> {
        Command::check(self, session)
    }

    fn command(&mut self, server: &ConnectionDescription) -> Result<Document> {
        let mut buffer = Vec::new();
        let mut message = MessageWriter::begin(&mut buffer, RequestId(0), Flags::NONE);
        let mut body = message.body();
        self.body(&mut body, server)?;
        self.options().map_or(Ok(()), |options| options.encode_for(server, &mut body))?;
        drop(body);
        self.documents(&mut message, server)?;
        request_document(&buffer)
            .ok_or_else(|| Error::invalid_argument("the operation is nested too deep"))
    }
}

/// Adds a method `explain` to operations.
macro_rules! explainable {
    ($( [$($generic:tt)*] $Operation:ty; )*) => {
        $(
            impl<'a, $($generic)*> $Operation {
                /// Explains the operation instead of executing it. No data is changed. The amount
                /// of detail and the time limits (`max_time`, `timeout`) are options of
                /// [`Explain`].
                ///
                /// ```no_run
                /// use driver::bson::{Document, doc};
                /// use driver::options::ExplainVerbosity;
                ///
                /// # async fn example(books: driver::Collection<Document>) -> driver::Result<()> {
                /// let find = books.find(doc! { "author": "Woolf" });
                /// let plan = find.explain().verbosity(ExplainVerbosity::QueryPlanner).await?;
                /// println!("{}", plan.get_document("queryPlanner")?);
                /// # Ok(())
                /// # }
                /// ```
                pub fn explain(self) -> Explain<'a, F> {
                    Explain::of(self)
                }
            }
        )*
    };
}

explainable! {
    [T: 'a, F: Mode] Find<'a, T, F, ImplicitSession>;
    [T: 'a, F: Mode] Find<'a, T, F, ExplicitSession<'a>>;
    [T: 'a, F: Mode] Aggregate<'a, T, F, ImplicitSession>;
    [T: 'a, F: Mode] Aggregate<'a, T, F, ExplicitSession<'a>>;
    [T: DeserializeOwned + 'a, F: Mode] FindOne<'a, T, F>;
    [T: 'a, F: Mode] CountDocuments<'a, T, F>;
    [T: 'a, F: Mode] Distinct<'a, T, F>;
    [T: 'a, F: Mode] Update<'a, T, F>;
    [T: Serialize + 'a, D: Borrow<T> + Send + 'a, F: Mode] ReplaceOne<'a, T, D, F>;
    [T: 'a, F: Mode] Delete<'a, T, F>;
    [T: DeserializeOwned + 'a, F: Mode] FindOneAndUpdate<'a, T, F>;
    [T: Serialize + DeserializeOwned + 'a, D: Borrow<T> + Send + 'a, F: Mode]
    FindOneAndReplace<'a, T, D, F>;
    [T: DeserializeOwned + 'a, F: Mode] FindOneAndDelete<'a, T, F>;
}
