//! `$listSearchIndexes`, a stage of `aggregate` (specification "Index Management", section "Search
//! Indexes").

use std::marker::PhantomData;

use super::batches::Batches;
use super::command::{On, OpensCursor};
use super::listing::write_cursor;
use super::prelude::*;
use super::session::{ExplicitSession, ImplicitSession, Session};
use crate::cursor::{Cursor, GetMoreOptions, RawCursor, SessionCursor};
use crate::options::AggregateOptions;
use crate::session::ClientSession;

/// Lists the search indexes of a collection. Created by [`Collection::list_search_indexes`].
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct ListSearchIndexes<'a, F: Mode, S = ImplicitSession> {
    on: On<'a>,
    name: Option<String>,
    options: Option<Box<AggregateOptions>>,
    session: S,
    mode: PhantomData<fn(F)>,
}

/// The options of [`Collection::list_search_indexes`].
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ListSearchIndexOptions {
    /// The time limit of the whole operation (`timeoutMS`). Replaces that of the collection, the
    /// database or the client. Zero means no limit.
    pub timeout: Option<Duration>,
}

crate::options::form::form! { ListSearchIndexOptions { timeout } }

crate::builder::builder! {
    /// Builds [`ListSearchIndexOptions`].
    ListSearchIndexOptionsBuilder builds ListSearchIndexOptions {
        timeout: Option<Duration>,
    }
}

impl<'a, F: Mode> ListSearchIndexes<'a, F> {
    pub(crate) fn new(on: On<'a>) -> Self {
        ListSearchIndexes {
            on,
            name: None,
            options: None,
            session: ImplicitSession,
            mode: PhantomData,
        }
    }

    /// Runs the operation in `session`. The cursor must be read in the same session.
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::Document;
    /// # async fn example(client: driver::Client) -> driver::Result<()> {
    /// let monkeys = client.database("zoo").collection::<Document>("monkeys");
    /// let mut session = client.start_session().await?;
    /// let mut indexes = monkeys.list_search_indexes().session(&mut session).await?;
    /// while let Some(index) = indexes.try_next(&mut session).await? {
    ///     println!("{index}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn session(
        self,
        session: impl Into<&'a mut ClientSession<F>>,
    ) -> ListSearchIndexes<'a, F, ExplicitSession<'a>> {
        let ListSearchIndexes { on, name, options, session: ImplicitSession, mode } = self;
        let session = ExplicitSession::new(session.into().state());
        ListSearchIndexes { on, name, options, session, mode }
    }
}

impl<F: Mode, S> ListSearchIndexes<'_, F, S> {
    /// Returns whole raw batches instead of indexes.
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::Document;
    /// # async fn example(monkeys: driver::Collection<Document>) -> driver::Result<()> {
    /// let mut batches = monkeys.list_search_indexes().batch().await?;
    /// while let Some(batch) = batches.try_next().await? {
    ///     println!("{:?}", batch.doc_slices()?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn batch(self) -> Batches<Self> {
        Batches(self)
    }

    /// Lists only the index with this name.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The options of the aggregation that lists the indexes. Its read and write concern are
    /// ignored.
    pub fn aggregate_options(mut self, mut options: AggregateOptions) -> Self {
        let before = self.options.and_then(|options| options.timeout);
        options.timeout = options.timeout.or(before);
        self.options = Some(Box::new(options));
        self
    }

    /// The time limit of the whole operation (`timeoutMS`). Replaces that of the collection, the
    /// database or the client. Zero means no limit.
    pub fn timeout(mut self, value: Duration) -> Self {
        self.options.get_or_insert_default().timeout = Some(value);
        self
    }

    /// Replaces all options except those of the aggregation.
    pub fn with_options(mut self, options: impl Into<Option<ListSearchIndexOptions>>) -> Self {
        let timeout = options.into().and_then(|options| options.timeout);
        self.options.get_or_insert_default().timeout = timeout;
        self
    }
}

operation! { @parts [F: Mode, S: Session<'a>] ListSearchIndexes<'a, F, S>, 'a, on }
operation! {
    [] ListSearchIndexes<'a; F, ImplicitSession>
    -> Cursor<Document; F>, RawBatchCursor<F>
}
operation! {
    [] ListSearchIndexes<'a; F, ExplicitSession<'a>>
        -> SessionCursor<Document; F>, SessionRawBatchCursor<F>
}

impl<'a, F: Mode, S: Session<'a>> Command<'a> for ListSearchIndexes<'a, F, S> {
    type Output = S::Cursor<Document, F>;

    fn meta(&self) -> &'static Meta {
        // Not `Meta::read`, which would add a read concern.
        const { &Meta::other_read("list_search_indexes", "aggregate") }
    }

    fn body(&mut self, body: &mut DocWriter<'_>, _server: &ConnectionDescription) -> Result<()> {
        body.str(cstr!("aggregate"), self.on.collection.unwrap_or_default());
        let mut stages = body.array(cstr!("pipeline"));
        let mut stage = stages.nested();
        let mut of = stage.nested(cstr!("$listSearchIndexes"));
        if let Some(name) = &self.name {
            of.str(cstr!("name"), name);
        }
        drop(of);
        drop(stage);
        drop(stages);
        write_cursor(self.options.as_ref().and_then(|options| options.batch_size), body);
        Ok(())
    }

    fn decode(self, reply: Reply<'a>) -> Result<Self::Output> {
        self.open(reply).map(S::cursor)
    }
}

impl<'a, F: Mode, S: Session<'a>> OpensCursor<'a> for ListSearchIndexes<'a, F, S> {
    type Mode = F;
    type Session = S;

    fn open(self, reply: Reply<'a>) -> Result<RawCursor> {
        let timeout = self.on.cursor_timeout(self.options(), &reply);
        let options = self.options.unwrap_or_default();
        let get_more_options = GetMoreOptions {
            operation: "list_search_indexes",
            batch_size: options.batch_size,
            comment: options.comment,
            timeout,
            ..GetMoreOptions::default()
        };
        RawCursor::open(self.on.core, reply, get_more_options)
    }
}
