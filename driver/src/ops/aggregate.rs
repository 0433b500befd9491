//! `aggregate`, with a cursor over what comes out.

use std::marker::PhantomData;
use std::time::Duration;

use bson::raw::cstr;
use bson::{Bson, Document};

use super::fields::Fields;
use super::macros::{ends, options};
use crate::collection::{Collection, Place};
use crate::cursor::{Cursor, Feed, Follow, SessionCursor};
use crate::error::Result;
use crate::exec::{self, Meta, Operation, Retry, Target};
use crate::face::Face;
use crate::options::{Collation, Hint, ReadConcern, SelectionCriteria, WriteConcern};
use crate::pool::ConnectionDescription;
use crate::session::{ClientSession, SessionState};
use crate::topology::TopologyDescription;
use crate::wire::DocWriter;

/// Runs a pipeline over a collection of `T`, from which `U` come out. Made by [`Collection::aggregate`].
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct Aggregate<'a, T, U, F: Face> {
    collection: &'a Collection<T, F>,
    pipeline: Vec<Document>,
    options: Option<Box<AggregateOptions>>,
    out: PhantomData<fn() -> U>,
}

options! {
    /// The options of [`Collection::aggregate`].
    AggregateOptions and AggregateOptionsBuilder of ['a, T, U, F: Face] Aggregate<'a, T, U, F> {
        /// Whether the server may use its disk for stages that memory has no room for.
        allow_disk_use: bool,
        /// How many documents the server sends at a time.
        batch_size: u32,
        /// Whether the target collection's schema rules are left out of account.
        bypass_document_validation: bool,
        /// How strings are compared.
        collation: Collation,
        /// Shown with the operation in the server's logs and profiles.
        comment: Bson as impl Into<Bson>,
        /// The index to use.
        hint: Hint,
        /// How long the server waits for documents before it answers a request for more.
        max_await_time: Duration,
        /// How long the server may work on this command.
        max_time: Duration,
        /// How sure the read must be that what it returns will last.
        read_concern: ReadConcern,
        /// Which servers may answer. A pipeline that writes goes to the primary where a server is older than 5.0.
        selection_criteria: SelectionCriteria,
        /// How firmly a last stage that writes must be done before it is acknowledged.
        write_concern: WriteConcern,
        /// Values that expressions can refer to as `$$name`.
        let_vars: Document,
    }
}

impl<'a, T, U, F: Face> Aggregate<'a, T, U, F> {
    pub(crate) fn new(collection: &'a Collection<T, F>, pipeline: Vec<Document>) -> Self {
        Aggregate { collection, pipeline, options: None, out: PhantomData }
    }

    /// What comes out is decoded as `V`.
    pub fn with_type<V>(self) -> Aggregate<'a, T, V, F> {
        let Aggregate { collection, pipeline, options, out: _ } = self;
        Aggregate { collection, pipeline, options, out: PhantomData }
    }

    /// Runs the operation in `session`, under which the cursor must then be read.
    pub fn session(self, session: impl Into<&'a mut ClientSession<F>>) -> AggregateInSession<'a, T, U, F> {
        AggregateInSession { aggregate: self, session: session.into().state() }
    }

    async fn execute(self) -> Result<Cursor<U, F>> {
        let feed = feed(self.collection.place(), &self.pipeline, self.options.as_deref(), None).await?;
        Ok(Cursor::new(feed))
    }
}

ends! { impl [T: 'a, U: 'a] Aggregate<'a, T, U> -> Cursor<U, F>, "aggregate" on collection }

/// Runs a pipeline within a session. Made by [`Aggregate::session`].
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct AggregateInSession<'a, T, U, F: Face> {
    aggregate: Aggregate<'a, T, U, F>,
    session: &'a mut SessionState,
}

impl<'a, T, U, F: Face> AggregateInSession<'a, T, U, F> {
    /// What comes out is decoded as `V`.
    pub fn with_type<V>(self) -> AggregateInSession<'a, T, V, F> {
        AggregateInSession { aggregate: self.aggregate.with_type(), session: self.session }
    }

    async fn execute(self) -> Result<SessionCursor<U, F>> {
        let Aggregate { collection, pipeline, options, out: _ } = self.aggregate;
        let feed = feed(collection.place(), &pipeline, options.as_deref(), Some(self.session)).await?;
        Ok(SessionCursor::new(feed))
    }
}

ends! { impl [T: 'a, U: 'a] AggregateInSession<'a, T, U> -> SessionCursor<U, F>, "aggregate" on aggregate.collection }

/// Sends the command and holds on to its cursor.
async fn feed(
    place: &Place,
    pipeline: &[Document],
    options: Option<&AggregateOptions>,
    session: Option<&mut SessionState>,
) -> Result<Feed> {
    let writes = writes(pipeline);
    let mut scope = place.read(
        options.and_then(|o| o.selection_criteria.as_ref()),
        options.and_then(|o| o.read_concern.as_ref()),
        session,
    );
    if writes {
        if !secondaries_write(&place.core.deployment.description()) {
            scope.target = Target::Writable;
        }
        scope.write_concern =
            options.and_then(|o| o.write_concern.as_ref()).or(place.concerns.write_concern.as_ref());
    }
    let follow = Follow {
        batch_size: options.and_then(|o| o.batch_size),
        max_await_time: options.and_then(|o| o.max_await_time),
        comment: options.and_then(|o| o.comment.clone()),
    };
    let mut command = Command { collection: &place.name, pipeline, writes, options };
    let reply = exec::execute(&place.core, &mut command, scope).await?;
    Feed::open(&place.core, reply, follow)
}

/// Whether the last stage writes into a collection.
fn writes(pipeline: &[Document]) -> bool {
    let last = pipeline.last().and_then(|stage| stage.keys().next());
    last.is_some_and(|stage| stage == "$out" || stage == "$merge")
}

/// Whether a secondary may be given a pipeline that writes: it passes what it writes on to the primary, from 5.0 on. Servers that
/// are not known yet do not count (specification "CRUD", section "Read Preferences and Server Selection").
fn secondaries_write(topology: &TopologyDescription) -> bool {
    /// The wire version of 5.0.
    const SINCE: i32 = 13;
    topology.servers().all(|server| server.max_wire_version().is_none_or(|version| version >= SINCE))
}

struct Command<'a> {
    collection: &'a str,
    pipeline: &'a [Document],
    writes: bool,
    options: Option<&'a AggregateOptions>,
}

impl Operation for Command<'_> {
    fn meta(&self) -> &'static Meta {
        match self.writes {
            true => &Meta { name: "aggregate", retry: Retry::Never },
            false => &Meta { name: "aggregate", retry: Retry::Read },
        }
    }

    fn body(&mut self, body: &mut DocWriter<'_>, _server: &ConnectionDescription) -> Result<()> {
        body.str(cstr!("aggregate"), self.collection);
        let mut stages = body.array(cstr!("pipeline"));
        self.pipeline.iter().try_for_each(|stage| stages.serialize(stage))?;
        drop(stages);
        let mut cursor = body.nested(cstr!("cursor"));
        // A pipeline that writes has no result; a batch size of zero would keep it from running at all.
        if let Some(size) =
            self.options.and_then(|o| o.batch_size).filter(|size| !(self.writes && *size == 0))
        {
            cursor.i64(cstr!("batchSize"), size.into());
        }
        drop(cursor);
        let Some(o) = self.options else { return Ok(()) };
        body.maybe_bool(cstr!("allowDiskUse"), o.allow_disk_use);
        body.maybe_bool(cstr!("bypassDocumentValidation"), o.bypass_document_validation);
        body.maybe_value(cstr!("collation"), o.collation.as_ref())?;
        body.maybe_comment(o.comment.as_ref())?;
        body.maybe_value(cstr!("hint"), o.hint.as_ref())?;
        body.maybe_millis(cstr!("maxTimeMS"), o.max_time)?;
        body.maybe_doc(cstr!("let"), o.let_vars.as_ref())
    }
}
