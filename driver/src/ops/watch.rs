//! `aggregate` with a `$changeStream` stage: a change stream.

use std::marker::PhantomData;
use std::sync::Arc;

use bson::Timestamp;
use bson::raw::CStr;
use serde::{Deserialize, Serialize};

use super::command::On;
use super::fields::Field;
use super::prelude::*;
use super::session::{ExplicitSession, ImplicitSession, Session};
use crate::change_stream::{
    ChangeStream, ChangeStreamEvent, RawChangeStream, ResumeToken, SessionChangeStream, StartAt,
    Watched,
};
use crate::session::ClientSession;

/// Watches a collection, a database or the whole deployment. Created by [`Collection::watch`],
/// [`Database::watch`](crate::database::Database::watch) and
/// [`Client::watch`](crate::client::Client::watch).
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct Watch<'a, T, F: Mode, S = ImplicitSession> {
    on: On<'a>,
    /// Whether it watches all databases.
    cluster: bool,
    pipeline: Vec<Document>,
    options: Option<Box<ChangeStreamOptions>>,
    session: S,
    kind: PhantomData<fn(F) -> T>,
}

options! {
    /// The options of a change stream.
    ChangeStreamOptions, ChangeStreamOptionsBuilder for ['a, T, F: Mode, S] Watch<'a, T, F, S> {
        /// The content of `full_document` for updates. Default: none.
        full_document: FullDocumentType = (statement "fullDocument"),
        /// The content of `full_document_before_change`. Default: none.
        full_document_before_change: FullDocumentBeforeChangeType
            = (statement "fullDocumentBeforeChange"),
        /// Starts after the event of this token.
        resume_after: ResumeToken as impl Into<Option<ResumeToken>> => ResumeToken::or_none,
        /// Like `resume_after`, but the event may be an `invalidate` event.
        start_after: ResumeToken as impl Into<Option<ResumeToken>> => ResumeToken::or_none,
        /// Starts at this cluster time.
        start_at_operation_time: Timestamp,
        /// The time for which the server waits for an event. Default: 1 second.
        max_await_time: Duration,
        /// The number of events in a batch.
        batch_size: u32,
        /// The rules for comparing strings.
        collation: Collation = "collation",
        /// The read concern: `majority`, or none.
        read_concern: ReadConcern,
        /// The selection criteria for the server, also when the stream resumes.
        selection_criteria: SelectionCriteria,
        /// Adds events for indexes, created collections, changed options and sharding. Needs
        /// MongoDB 6.0.
        show_expanded_events: bool = (statement "showExpandedEvents"),
        /// A comment, shown in the server's logs and profiles.
        comment: Bson as impl Into<Bson> = "comment",
    }
}

/// The `full_document` of update events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum FullDocumentType {
    /// The current document at the time the event is read, or none if it is deleted.
    UpdateLookup,
    /// The document after the change, if the collection stores post-images.
    WhenAvailable,
    /// The document after the change. The stream fails if there is none.
    Required,
    /// Another value, which the server checks.
    #[serde(untagged)]
    Other(String),
}

impl Field for FullDocumentType {
    fn write(&self, key: &CStr, body: &mut DocWriter<'_>) -> Result<()> {
        body.str(
            key,
            match self {
                FullDocumentType::UpdateLookup => "updateLookup",
                FullDocumentType::WhenAvailable => "whenAvailable",
                FullDocumentType::Required => "required",
                FullDocumentType::Other(other) => other,
            },
        );
        Ok(())
    }
}

/// The `full_document_before_change` of events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum FullDocumentBeforeChangeType {
    /// The document before the change, if the collection stores pre-images.
    WhenAvailable,
    /// The document before the change. The stream fails if there is none.
    Required,
    /// None.
    Off,
    /// Another value, which the server checks.
    #[serde(untagged)]
    Other(String),
}

impl Field for FullDocumentBeforeChangeType {
    fn write(&self, key: &CStr, body: &mut DocWriter<'_>) -> Result<()> {
        body.str(
            key,
            match self {
                FullDocumentBeforeChangeType::WhenAvailable => "whenAvailable",
                FullDocumentBeforeChangeType::Required => "required",
                FullDocumentBeforeChangeType::Off => "off",
                FullDocumentBeforeChangeType::Other(other) => other,
            },
        );
        Ok(())
    }
}

impl<'a, T, F: Mode> Watch<'a, T, F> {
    /// Watches a collection or a database.
    pub(crate) fn new(on: On<'a>) -> Self {
        Watch {
            on,
            cluster: false,
            pipeline: Vec::new(),
            options: None,
            session: ImplicitSession,
            kind: PhantomData,
        }
    }

    /// Watches all databases; `on` is the database `admin`.
    pub(crate) fn cluster(on: On<'a>) -> Self {
        Watch { cluster: true, ..Watch::new(on) }
    }

    /// Runs the operation in `session`. The stream must be read in the same session.
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::Document;
    /// # async fn example(client: driver::Client) -> driver::Result<()> {
    /// let monkeys = client.database("zoo").collection::<Document>("monkeys");
    /// let mut session = client.start_session().await?;
    /// let mut stream = monkeys.watch().session(&mut session).await?;
    /// while let Some(event) = stream.next(&mut session).await? {
    ///     println!("{:?}", event.operation_type);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn session(
        self,
        session: impl Into<&'a mut ClientSession<F>>,
    ) -> Watch<'a, T, F, ExplicitSession<'a>> {
        let Watch { on, cluster, pipeline, options, session: ImplicitSession, kind } = self;
        let session = ExplicitSession::new(session.into().state());
        Watch { on, cluster, pipeline, options, session, kind }
    }
}

impl<T, F: Mode, S> Watch<'_, T, F, S> {
    /// Filters or changes the events with the stages that the server allows, such as `$match`,
    /// `$project`, `$addFields`, `$replaceRoot`, `$redact` and `$changeStreamSplitLargeEvent`. They
    /// must not change `_id`. If they change the structure of the events, set the type with
    /// [`ChangeStream::with_type`](crate::change_stream::ChangeStream::with_type).
    pub fn pipeline(mut self, pipeline: impl IntoIterator<Item = Document>) -> Self {
        self.pipeline = pipeline.into_iter().collect();
        self
    }
}

operation! { @parts [T: 'a, F: Mode, S: Session<'a>] Watch<'a, T, F, S>, 'a, on }
operation! {
    [T: 'a,] Watch<'a, T; F, ImplicitSession> -> ChangeStream<ChangeStreamEvent<T>; F>
}
operation! {
    [T: 'a,] Watch<'a, T; F, ExplicitSession<'a>> -> SessionChangeStream<ChangeStreamEvent<T>; F>
}

impl<'a, T: 'a, F: Mode, S: Session<'a>> Command<'a> for Watch<'a, T, F, S> {
    type Output = S::ChangeStream<ChangeStreamEvent<T>, F>;

    fn meta(&self) -> &'static Meta {
        META
    }

    fn body(&mut self, body: &mut DocWriter<'_>, _server: &ConnectionDescription) -> Result<()> {
        let options = self.options.as_deref();
        let start = options.map_or(StartAt::Unset, StartAt::of);
        write(body, self.on.collection, self.cluster, &self.pipeline, options, &start)
    }

    fn decode(self, reply: Reply<'a>) -> Result<Self::Output> {
        let timeout = self.on.timeout(self.options());
        let concerns = self.on.concerns;
        let options = self.options.map(|options| *options).unwrap_or_default();
        let watched = Watched {
            db: self.on.db.to_owned(),
            collection: self.on.collection.map(str::to_owned),
            cluster: self.cluster,
            pipeline: self.pipeline,
            read_concern: options.read_concern.clone().or_else(|| concerns.read_concern.clone()),
            selection_criteria: options
                .selection_criteria
                .clone()
                .unwrap_or_else(|| concerns.selection_criteria.clone()),
            options,
            timeout,
        };
        RawChangeStream::open(self.on.core, reply, Arc::new(watched)).map(S::change_stream)
    }
}

/// The kind of the operation, also when it resumes.
pub(crate) const META: &Meta = &Meta::read("watch", "aggregate");

/// Writes the fields of the command that are not declared as options.
pub(crate) fn write(
    body: &mut DocWriter<'_>,
    collection: Option<&str>,
    cluster: bool,
    pipeline: &[Document],
    options: Option<&ChangeStreamOptions>,
    start: &StartAt<'_>,
) -> Result<()> {
    match collection {
        Some(name) => body.str(cstr!("aggregate"), name),
        None => body.i32(cstr!("aggregate"), 1),
    }
    let mut stages = body.array(cstr!("pipeline"));
    let mut first = stages.nested();
    let mut stage = first.nested(cstr!("$changeStream"));
    if cluster {
        stage.bool(cstr!("allChangesForCluster"), true);
    }
    if let Some(options) = options {
        options.encode_statement(&mut stage)?;
    }
    start.write(&mut stage)?;
    drop(stage);
    drop(first);
    pipeline.iter().try_for_each(|stage| stages.document(stage))?;
    drop(stages);
    let mut cursor = body.nested(cstr!("cursor"));
    if let Some(size) = options.and_then(|options| options.batch_size) {
        cursor.i64(cstr!("batchSize"), size.into());
    }
    Ok(())
}
