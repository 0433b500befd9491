//! Open cursors and change streams, with their sessions.

use bson::Document;
use driver::change_stream::{ChangeStream, SessionChangeStream};
use driver::cursor::{Cursor, SessionCursor};
use driver::session::ClientSession;

use super::{Session, lock};
use crate::unified::Steps;

/// An open cursor.
pub(crate) enum OpenCursor<F: Steps> {
    Plain(Cursor<Document, F>),
    /// A cursor in the session that opened it.
    OfSession(SessionCursor<Document, F>),
}

/// A cursor with its session.
pub(crate) struct NamedCursor<F: Steps> {
    pub(crate) cursor: OpenCursor<F>,
    pub(crate) session: Option<Session<F>>,
}

impl<F: Steps> NamedCursor<F> {
    /// The next document.
    ///
    /// # Errors
    /// The session has ended.
    pub(crate) fn next(&mut self) -> Result<driver::Result<Option<Document>>, String> {
        self.step(
            |cursor| F::next(cursor).transpose(),
            |cursor, session| F::next_in(cursor, session).transpose(),
        )
    }

    /// Like [`next`](Self::next), with at most one command. None after an empty batch.
    ///
    /// # Errors
    /// Those of [`next`](Self::next).
    pub(crate) fn next_if_any(&mut self) -> Result<driver::Result<Option<Document>>, String> {
        self.step(F::next_if_any, F::next_if_any_in)
    }

    fn step(
        &mut self,
        plain: impl FnOnce(&mut Cursor<Document, F>) -> driver::Result<Option<Document>>,
        in_session: impl FnOnce(
            &mut SessionCursor<Document, F>,
            &mut ClientSession<F>,
        ) -> driver::Result<Option<Document>>,
    ) -> Result<driver::Result<Option<Document>>, String> {
        match &mut self.cursor {
            OpenCursor::Plain(cursor) => Ok(plain(cursor)),
            OpenCursor::OfSession(cursor) => {
                let mut session = self.session.as_ref().map(|session| lock(session));
                let session = session.as_mut().and_then(|session| session.as_mut());
                Ok(in_session(cursor, session.ok_or("the session of the cursor has ended")?))
            }
        }
    }
}

/// A change stream that an operation has opened.
pub(crate) enum OpenStream<F: Steps> {
    Plain(ChangeStream<Document, F>),
    /// Read under the session that it was opened in.
    OfSession(SessionChangeStream<Document, F>),
}

/// A change stream with its session.
pub(crate) struct NamedStream<F: Steps> {
    pub(crate) stream: OpenStream<F>,
    pub(crate) session: Option<Session<F>>,
}

impl<F: Steps> NamedStream<F> {
    /// The next event.
    ///
    /// # Errors
    /// Its session has ended.
    pub(crate) fn next(&mut self) -> Result<driver::Result<Option<Document>>, String> {
        self.step(F::try_next_event, F::next_event_in)
    }

    /// The next event, if there is one.
    ///
    /// # Errors
    /// Its session has ended.
    pub(crate) fn next_if_any(&mut self) -> Result<driver::Result<Option<Document>>, String> {
        self.step(F::next_event_if_any, F::next_event_if_any_in)
    }

    fn step<T>(
        &mut self,
        plain: impl FnOnce(&mut ChangeStream<Document, F>) -> T,
        in_session: impl FnOnce(&mut SessionChangeStream<Document, F>, &mut ClientSession<F>) -> T,
    ) -> Result<T, String> {
        match &mut self.stream {
            OpenStream::Plain(stream) => Ok(plain(stream)),
            OpenStream::OfSession(stream) => {
                let mut session = self.session.as_ref().map(|session| lock(session));
                let session = session.as_mut().and_then(|session| session.as_mut());
                Ok(in_session(stream, session.ok_or("the session of the stream has ended")?))
            }
        }
    }
}
