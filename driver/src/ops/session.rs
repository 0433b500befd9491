//! The session of an operation that opens a cursor, as a type. It determines the cursor's type.

use crate::change_stream::{ChangeStream, RawChangeStream, SessionChangeStream};
use crate::cursor::{Cursor, RawBatchCursor, RawCursor, SessionCursor, SessionRawBatchCursor};
use crate::exec::SessionState;
use crate::mode::Mode;

/// The operation runs in an implicit session and returns a [`Cursor`].
#[derive(Debug)]
pub struct ImplicitSession;

/// The operation runs in the caller's session and returns a [`SessionCursor`].
pub struct ExplicitSession<'a>(Option<&'a mut SessionState>);

impl<'a> ExplicitSession<'a> {
    pub(crate) fn new(session: &'a mut SessionState) -> Self {
        ExplicitSession(Some(session))
    }
}

impl std::fmt::Debug for ExplicitSession<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExplicitSession").finish_non_exhaustive()
    }
}

/// A reference to the caller's session, or none.
pub(crate) trait HasSession {
    /// The session, if there is one.
    fn peek(&self) -> Option<&SessionState>;
}

impl HasSession for ImplicitSession {
    fn peek(&self) -> Option<&SessionState> {
        None
    }
}

impl HasSession for ExplicitSession<'_> {
    fn peek(&self) -> Option<&SessionState> {
        self.0.as_deref()
    }
}

impl HasSession for Option<&mut SessionState> {
    fn peek(&self) -> Option<&SessionState> {
        self.as_deref()
    }
}

/// The kind of session of an operation that opens a cursor.
pub(crate) trait Session<'a>: HasSession + Send {
    /// The type of the cursor.
    type Cursor<T, F: Mode>;

    /// The cursor type for whole batches.
    type Batches<F: Mode>;

    /// The change stream type.
    type ChangeStream<T, F: Mode>;

    /// Takes the caller's session, if there is one.
    fn take(&mut self) -> Option<&'a mut SessionState>;

    /// Wraps a cursor.
    fn cursor<T, F: Mode>(raw: RawCursor) -> Self::Cursor<T, F>;

    /// Wraps a cursor for whole batches.
    fn batches<F: Mode>(raw: RawCursor) -> Self::Batches<F>;

    /// Wraps a change stream.
    fn change_stream<T, F: Mode>(raw: RawChangeStream) -> Self::ChangeStream<T, F>;
}

impl<'a> Session<'a> for ImplicitSession {
    type Cursor<T, F: Mode> = Cursor<T, F>;
    type Batches<F: Mode> = RawBatchCursor<F>;
    type ChangeStream<T, F: Mode> = ChangeStream<T, F>;

    fn take(&mut self) -> Option<&'a mut SessionState> {
        None
    }

    fn cursor<T, F: Mode>(mut raw: RawCursor) -> Cursor<T, F> {
        raw.prefetch(None);
        Cursor::new(raw)
    }

    fn batches<F: Mode>(mut raw: RawCursor) -> RawBatchCursor<F> {
        raw.prefetch(None);
        RawBatchCursor::new(raw)
    }

    fn change_stream<T, F: Mode>(raw: RawChangeStream) -> ChangeStream<T, F> {
        ChangeStream::new(raw)
    }
}

impl<'a> Session<'a> for ExplicitSession<'a> {
    type Cursor<T, F: Mode> = SessionCursor<T, F>;
    type Batches<F: Mode> = SessionRawBatchCursor<F>;
    type ChangeStream<T, F: Mode> = SessionChangeStream<T, F>;

    fn take(&mut self) -> Option<&'a mut SessionState> {
        self.0.take()
    }

    fn cursor<T, F: Mode>(raw: RawCursor) -> SessionCursor<T, F> {
        SessionCursor::new(raw)
    }

    fn batches<F: Mode>(raw: RawCursor) -> SessionRawBatchCursor<F> {
        SessionRawBatchCursor::new(raw)
    }

    fn change_stream<T, F: Mode>(raw: RawChangeStream) -> SessionChangeStream<T, F> {
        SessionChangeStream::new(raw)
    }
}
