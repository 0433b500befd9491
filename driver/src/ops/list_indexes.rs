//! `listIndexes` (specification "Index Management", section "Enumerating Indexes").

use std::marker::PhantomData;

use super::command::{Execute, On};
use super::listing::{ListNames, ListSpecifications, names, write_cursor};
use super::operation_name::OperationName;
use super::prelude::*;
use super::session::{ExplicitSession, ImplicitSession, Session};
use crate::cursor::{Cursor, GetMoreOptions, RawCursor, SessionCursor};
use crate::error::codes;
use crate::exec::Retry;
use crate::options::IndexModel;
use crate::session::ClientSession;

/// Lists the indexes of a collection, or their names. Made by [`Collection::list_indexes`] and
/// [`Collection::list_index_names`].
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct ListIndexes<'a, M, F: Mode, S = ImplicitSession> {
    on: On<'a>,
    options: Option<Box<ListIndexesOptions>>,
    session: S,
    lists: PhantomData<fn(F) -> M>,
}

options! {
    /// The options of [`Collection::list_indexes`] and [`Collection::list_index_names`].
    ListIndexesOptions, ListIndexesOptionsBuilder for ['a, M, F: Mode, S] ListIndexes<'a, M, F, S> {
        /// The time limit of the server's work.
        max_time: Duration,
        /// The number of indexes in a batch.
        batch_size: u32,
        /// A comment, shown in the server's logs and profiles.
        comment: Bson as impl Into<Bson> = "comment",
    }
}

impl<'a, M, F: Mode> ListIndexes<'a, M, F> {
    pub(crate) fn new(on: On<'a>) -> Self {
        ListIndexes { on, options: None, session: ImplicitSession, lists: PhantomData }
    }

    /// Runs the operation in `session`, in which a cursor must then be read.
    pub fn session(
        self,
        session: impl Into<&'a mut ClientSession<F>>,
    ) -> ListIndexes<'a, M, F, ExplicitSession<'a>> {
        let ListIndexes { on, options, session: ImplicitSession, lists } = self;
        let session = ExplicitSession::new(session.into().state());
        ListIndexes { on, options, session, lists }
    }
}

operation! { @parts [M: 'a, F: Mode, S: Session<'a>] ListIndexes<'a, M, F, S>, 'a, on }
operation! { [] ListIndexes<'a, ListSpecifications; F, ImplicitSession> -> Cursor<IndexModel; F> }
operation! {
    [] ListIndexes<'a, ListSpecifications; F, ExplicitSession<'a>> -> SessionCursor<IndexModel; F>
}
operation! { [] ListIndexes<'a, ListNames; F, ImplicitSession> -> Vec<String> }
operation! { [] ListIndexes<'a, ListNames; F, ExplicitSession<'a>> -> Vec<String> }

impl<'a, F: Mode, S: Session<'a>> Execute<'a> for ListIndexes<'a, ListSpecifications, F, S> {
    type Output = S::Cursor<IndexModel, F>;

    fn operation_name(&self) -> OperationName<'a> {
        self.on.operation_name("list_indexes")
    }

    async fn execute(mut self) -> Result<Self::Output> {
        let session = self.session.take();
        let meta = const { &Meta::other("list_indexes", "listIndexes", Retry::Read) };
        let open = Open { on: self.on, meta, options: self.options.as_deref(), session };
        open.execute().await.map(S::cursor)
    }
}

impl<'a, F: Mode, S: Session<'a>> Execute<'a> for ListIndexes<'a, ListNames, F, S> {
    type Output = Vec<String>;

    fn operation_name(&self) -> OperationName<'a> {
        self.on.operation_name("list_index_names")
    }

    async fn execute(mut self) -> Result<Vec<String>> {
        let mut session = self.session.take();
        let meta = const { &Meta::other("list_index_names", "listIndexes", Retry::Read) };
        let options = self.options.as_deref();
        let open = Open { on: self.on, meta, options, session: session.as_deref_mut() };
        names(open.execute().await?, session).await
    }
}

/// The command up to the open cursor.
struct Open<'a> {
    on: On<'a>,
    meta: &'static Meta,
    options: Option<&'a ListIndexesOptions>,
    session: Option<&'a mut SessionState>,
}

impl<'a> Parts<'a> for Open<'a> {
    fn on(&self) -> On<'a> {
        self.on
    }

    fn options(&self) -> Option<&dyn Options> {
        self.options.map(|options| options as &dyn Options)
    }

    fn take_session(&mut self) -> Option<&'a mut SessionState> {
        self.session.take()
    }
}

impl<'a> Command<'a> for Open<'a> {
    type Output = RawCursor;

    fn meta(&self) -> &'static Meta {
        self.meta
    }

    fn body(&mut self, body: &mut DocWriter<'_>, _server: &ConnectionDescription) -> Result<()> {
        body.str(cstr!("listIndexes"), self.on.collection.unwrap_or_default());
        write_cursor(self.options.and_then(|options| options.batch_size), body);
        Ok(())
    }

    fn decode(self, reply: Reply<'a>) -> Result<RawCursor> {
        let get_more_options = GetMoreOptions {
            operation: self.meta.operation,
            batch_size: self.options.and_then(|options| options.batch_size),
            comment: self.options.and_then(|options| options.comment.clone()),
            timeout: self.on.timeout(self.options()),
            ..GetMoreOptions::default()
        };
        RawCursor::open(self.on.core, reply, get_more_options)
    }

    /// A collection that does not exist has no indexes.
    fn recover(self, error: Error) -> Result<RawCursor> {
        match error.code() {
            Some(codes::NAMESPACE_NOT_FOUND) => Ok(RawCursor::empty(self.meta.operation)),
            _ => Err(error),
        }
    }
}
