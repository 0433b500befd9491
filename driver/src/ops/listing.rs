//! Shared parts of the operations that create or list items.

use super::command::{Execute, On};
use super::prelude::*;
use crate::cursor::{GetMoreOptions, RawCursor};
use crate::error::codes;

/// The names that an operation declared by [`lists!`] uses.
pub(super) mod prelude {
    pub(in crate::ops) use std::marker::PhantomData;

    pub(in crate::ops) use super::{ListNames, ListOptions, ListSpecifications, OpenList};
    pub(in crate::ops) use crate::cursor::{Cursor, SessionCursor};
    pub(in crate::ops) use crate::ops::batches::Batches;
    pub(in crate::ops) use crate::ops::command::{Execute, On};
    pub(in crate::ops) use crate::ops::operation_name::OperationName;
    pub(in crate::ops) use crate::ops::prelude::*;
    pub(in crate::ops) use crate::ops::session::{ExplicitSession, ImplicitSession, Session};
    pub(in crate::ops) use crate::session::ClientSession;
}

/// Marks an operation that creates one item.
#[derive(Debug)]
pub struct Single;

/// Marks an operation that creates several items. Its result has one entry per item.
#[derive(Debug)]
pub struct Multiple;

/// Marks an operation that lists items with all their properties.
#[derive(Debug)]
pub struct ListSpecifications;

/// Marks an operation that lists only names.
#[derive(Debug)]
pub struct ListNames;

/// The options of an operation that lists by a cursor. [`lists!`] implements it.
pub(super) trait ListOptions: Options + Sized {
    /// The number of items in a batch.
    fn batch_size(&self) -> Option<u32>;

    /// The comment of every command.
    fn comment(&self) -> Option<&Bson>;
}

/// Writes the fields before `cursor`, for names only or for whole items.
type WriteHead<O> = fn(On<'_>, Option<&O>, names_only: bool, &mut DocWriter<'_>);

/// The command of a listing, which opens a cursor.
pub(super) struct OpenList<'a, O> {
    on: On<'a>,
    meta: &'static Meta,
    options: Option<&'a O>,
    session: Option<&'a mut SessionState>,
    head: WriteHead<O>,
    names_only: bool,
}

impl<'a, O: ListOptions> OpenList<'a, O> {
    pub(super) fn new(
        on: On<'a>,
        meta: &'static Meta,
        options: Option<&'a O>,
        session: Option<&'a mut SessionState>,
        head: WriteHead<O>,
    ) -> Self {
        OpenList { on, meta, options, session, head, names_only: false }
    }

    /// Reads the cursor to its end, and returns the names of the items. All commands share one
    /// deadline.
    ///
    /// # Errors
    /// `InvalidResponse` if an item has no name; and those of the commands.
    pub(super) async fn names(mut self) -> Result<Vec<String>> {
        let mut session = self.session.take();
        let deadline = self.on.deadline(self.options(), session.as_deref())?;
        let open = OpenList { session: session.as_deref_mut(), names_only: true, ..self };
        let mut cursor = open.execute().await?;
        cursor.bound_step(deadline);
        let mut names = Vec::new();
        while cursor.advance_in(session.as_deref_mut()).await? {
            let name = cursor.current().get_str("name");
            let name = name.map_err(|_| Error::invalid_response("a document in it has no name"))?;
            names.push(name.to_owned());
        }
        Ok(names)
    }
}

impl<'a, O: ListOptions> Parts<'a> for OpenList<'a, O> {
    fn on(&self) -> On<'a> {
        self.on
    }

    fn options(&self) -> Option<&dyn Options> {
        self.options.map(|options| options as &dyn Options)
    }

    fn session(&self) -> Option<&SessionState> {
        self.session.as_deref()
    }

    fn take_session(&mut self) -> Option<&'a mut SessionState> {
        self.session.take()
    }
}

impl<'a, O: ListOptions> Command<'a> for OpenList<'a, O> {
    type Output = RawCursor;

    fn meta(&self) -> &'static Meta {
        self.meta
    }

    fn body(&mut self, body: &mut DocWriter<'_>, _server: &ConnectionDescription) -> Result<()> {
        (self.head)(self.on, self.options, self.names_only, body);
        write_cursor(self.options.and_then(ListOptions::batch_size), body);
        Ok(())
    }

    fn decode(self, reply: Reply<'a>) -> Result<RawCursor> {
        let get_more_options = GetMoreOptions {
            operation: self.meta.method,
            batch_size: self.options.and_then(ListOptions::batch_size),
            comment: self.options.and_then(ListOptions::comment).cloned(),
            timeout: self.on.cursor_timeout(self.options(), &reply),
            ..GetMoreOptions::default()
        };
        RawCursor::open(self.on.core, reply, get_more_options)
    }

    /// A collection that does not exist has no indexes, and a missing database no collections.
    fn recover(self, error: Error) -> Result<RawCursor> {
        match error.code() {
            Some(codes::NAMESPACE_NOT_FOUND) => Ok(RawCursor::empty(self.meta.method)),
            _ => Err(error),
        }
    }
}

/// Declares an operation that lists items or their names: the struct, its session, and `.await` and
/// `.run()`. Needs an `options!` whose struct has a `batch_size` and a `comment`.
macro_rules! lists {
    (
        $(#[$about:meta])*
        $Operation:ident<$Item:ty>, $Options:ident,
        $items:literal and $names:literal by $command:literal,
        $head:path
    ) => {
        $(#[$about])*
        #[must_use = "an operation does nothing until it is awaited or run"]
        pub struct $Operation<'a, M, F: Mode, S = ImplicitSession> {
            on: On<'a>,
            options: Option<Box<$Options>>,
            session: S,
            lists: PhantomData<fn(F) -> M>,
        }

        impl<'a, M, F: Mode> $Operation<'a, M, F> {
            pub(crate) fn new(on: On<'a>) -> Self {
                $Operation { on, options: None, session: ImplicitSession, lists: PhantomData }
            }

            /// Runs the operation in `session`. The cursor must be read in the same session.
            pub fn session(
                self,
                session: impl Into<&'a mut ClientSession<F>>,
            ) -> $Operation<'a, M, F, ExplicitSession<'a>> {
                let $Operation { on, options, session: ImplicitSession, lists } = self;
                let session = ExplicitSession::new(session.into().state());
                $Operation { on, options, session, lists }
            }
        }

        impl<'a, F: Mode, S> $Operation<'a, ListSpecifications, F, S> {
            /// Returns whole raw batches instead of items.
            pub fn batch(self) -> Batches<Self> {
                Batches(self)
            }
        }

        impl ListOptions for $Options {
            fn batch_size(&self) -> Option<u32> {
                self.batch_size
            }

            fn comment(&self) -> Option<&Bson> {
                self.comment.as_ref()
            }
        }

        operation! { @parts [M: 'a, F: Mode, S: Session<'a>] $Operation<'a, M, F, S>, 'a, on }
        operation! {
            [] $Operation<'a, ListSpecifications; F, ImplicitSession>
            -> Cursor<$Item; F>, RawBatchCursor<F>
        }
        operation! {
            [] $Operation<'a, ListSpecifications; F, ExplicitSession<'a>>
                -> SessionCursor<$Item; F>, SessionRawBatchCursor<F>
        }
        operation! { [] $Operation<'a, ListNames; F, ImplicitSession> -> Vec<String> }
        operation! { [] $Operation<'a, ListNames; F, ExplicitSession<'a>> -> Vec<String> }

        impl<'a, F: Mode, S: Session<'a>> Execute<'a> for $Operation<'a, ListSpecifications, F, S> {
            type Output = S::Cursor<$Item, F>;

            fn operation_name(&self) -> OperationName<'a> {
                self.on.operation_name($items)
            }

            async fn execute(mut self) -> Result<Self::Output> {
                let session = self.session.take();
                let meta = const { &Meta::other_read($items, $command) };
                let open = OpenList::new(self.on, meta, self.options.as_deref(), session, $head);
                open.execute().await.map(S::cursor)
            }
        }

        impl<'a, F: Mode, S: Session<'a>> Execute<'a>
            for Batches<$Operation<'a, ListSpecifications, F, S>>
        {
            type Output = S::Batches<F>;

            fn operation_name(&self) -> OperationName<'a> {
                self.0.on.operation_name($items)
            }

            async fn execute(self) -> Result<Self::Output> {
                let Batches(mut list) = self;
                let session = list.session.take();
                let meta = const { &Meta::other_read($items, $command) };
                let open = OpenList::new(list.on, meta, list.options.as_deref(), session, $head);
                open.execute().await.map(S::batches)
            }
        }

        impl<'a, F: Mode, S: Session<'a>> Execute<'a> for $Operation<'a, ListNames, F, S> {
            type Output = Vec<String>;

            fn operation_name(&self) -> OperationName<'a> {
                self.on.operation_name($names)
            }

            async fn execute(mut self) -> Result<Vec<String>> {
                let session = self.session.take();
                let meta = const { &Meta::other_read($names, $command) };
                OpenList::new(self.on, meta, self.options.as_deref(), session, $head).names().await
            }
        }
    };
}
pub(super) use lists;

/// Writes `cursor: { batchSize }`. Commands that open a cursor need it even if it is empty.
pub(super) fn write_cursor(batch_size: Option<u32>, body: &mut DocWriter<'_>) {
    let mut cursor = body.nested(cstr!("cursor"));
    if let Some(size) = batch_size {
        cursor.i64(cstr!("batchSize"), size.into());
    }
}
