//! `listCollections` (specification "Enumerating Collections").

use std::marker::PhantomData;

use super::command::{Execute, On};
use super::listing::{ListNames, ListSpecifications, names, write_cursor};
use super::operation_name::OperationName;
use super::prelude::*;
use super::session::{ExplicitSession, ImplicitSession, Session};
use crate::cursor::{Cursor, GetMoreOptions, RawCursor, SessionCursor};
use crate::exec::Retry;
use crate::results::CollectionSpecification;
use crate::session::ClientSession;

/// Lists the collections of a database, or their names. Made by
/// [`Database::list_collections`](crate::database::Database::list_collections) and
/// [`Database::list_collection_names`](crate::database::Database::list_collection_names).
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct ListCollections<'a, M, F: Mode, S = ImplicitSession> {
    on: On<'a>,
    options: Option<Box<ListCollectionsOptions>>,
    session: S,
    lists: PhantomData<fn(F) -> M>,
}

options! {
    /// The options of [`Database::list_collections`](crate::database::Database::list_collections) and
    /// [`Database::list_collection_names`](crate::database::Database::list_collection_names).
    ListCollectionsOptions, ListCollectionsOptionsBuilder for ['a, M, F: Mode, S] ListCollections<'a, M, F, S> {
        /// The number of collections in a batch.
        batch_size: u32,
        /// A comment, shown in the server's logs and profiles.
        comment: Bson as impl Into<Bson> = "comment",
        /// Lists only what matches, such as `{ "options.capped": true }`.
        filter: Document = "filter",
        /// Lists only collections that the user may read; for names alone.
        authorized_collections: bool = "authorizedCollections",
    }
}

impl<'a, M, F: Mode> ListCollections<'a, M, F> {
    pub(crate) fn new(on: On<'a>) -> Self {
        ListCollections { on, options: None, session: ImplicitSession, lists: PhantomData }
    }

    /// Runs the operation in `session`, in which a cursor must then be read.
    pub fn session(
        self,
        session: impl Into<&'a mut ClientSession<F>>,
    ) -> ListCollections<'a, M, F, ExplicitSession<'a>> {
        let ListCollections { on, options, session: ImplicitSession, lists } = self;
        let session = ExplicitSession::new(session.into().state());
        ListCollections { on, options, session, lists }
    }
}

operation! { @parts [M: 'a, F: Mode, S: Session<'a>] ListCollections<'a, M, F, S>, 'a, on }
operation! {
    [] ListCollections<'a, ListSpecifications; F, ImplicitSession> -> Cursor<CollectionSpecification; F>
}
operation! {
    [] ListCollections<'a, ListSpecifications; F, ExplicitSession<'a>>
        -> SessionCursor<CollectionSpecification; F>
}
operation! { [] ListCollections<'a, ListNames; F, ImplicitSession> -> Vec<String> }
operation! { [] ListCollections<'a, ListNames; F, ExplicitSession<'a>> -> Vec<String> }

impl<'a, F: Mode, S: Session<'a>> Execute<'a> for ListCollections<'a, ListSpecifications, F, S> {
    type Output = S::Cursor<CollectionSpecification, F>;

    fn operation_name(&self) -> OperationName<'a> {
        self.on.operation_name("list_collections")
    }

    async fn execute(mut self) -> Result<Self::Output> {
        let session = self.session.take();
        let meta = const { &Meta::other("list_collections", "listCollections", Retry::Read) };
        let options = self.options.as_deref();
        let open = Open { on: self.on, meta, names_alone: false, options, session };
        open.execute().await.map(S::cursor)
    }
}

impl<'a, F: Mode, S: Session<'a>> Execute<'a> for ListCollections<'a, ListNames, F, S> {
    type Output = Vec<String>;

    fn operation_name(&self) -> OperationName<'a> {
        self.on.operation_name("list_collection_names")
    }

    async fn execute(mut self) -> Result<Vec<String>> {
        let mut session = self.session.take();
        let meta = const { &Meta::other("list_collection_names", "listCollections", Retry::Read) };
        let options = self.options.as_deref();
        // `nameOnly` is cheaper, but a filter can use other fields.
        let filter = options.and_then(|options| options.filter.as_ref());
        let names_alone = filter.is_none_or(|filter| filter.keys().all(|key| key == "name"));
        let session_of_open = session.as_deref_mut();
        let open = Open { on: self.on, meta, names_alone, options, session: session_of_open };
        names(open.execute().await?, session).await
    }
}

/// The command up to the open cursor.
struct Open<'a> {
    on: On<'a>,
    meta: &'static Meta,
    names_alone: bool,
    options: Option<&'a ListCollectionsOptions>,
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
        body.i32(cstr!("listCollections"), 1);
        if self.names_alone {
            body.bool(cstr!("nameOnly"), true);
        }
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
}
