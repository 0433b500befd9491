//! The session of an operation that opens a cursor, as a type: it decides the cursor's type.

use crate::cursor::{Cursor, RawCursor, SessionCursor};
use crate::exec::SessionState;
use crate::mode::Mode;

/// The operation runs in a session of its own, and gives a [`Cursor`].
#[derive(Debug)]
pub struct ImplicitSession;

/// The operation runs in the caller's session, and gives a [`SessionCursor`].
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

/// The kind of session of an operation that opens a cursor.
pub(crate) trait Session<'a>: Send {
    /// The cursor that comes out.
    type Cursor<T, F: Mode>;

    /// Takes the caller's session, if there is one.
    fn take(&mut self) -> Option<&'a mut SessionState>;

    /// The cursor, from what reads it.
    fn cursor<T, F: Mode>(raw: RawCursor) -> Self::Cursor<T, F>;
}

impl<'a> Session<'a> for ImplicitSession {
    type Cursor<T, F: Mode> = Cursor<T, F>;

    fn take(&mut self) -> Option<&'a mut SessionState> {
        None
    }

    fn cursor<T, F: Mode>(raw: RawCursor) -> Cursor<T, F> {
        Cursor::new(raw)
    }
}

impl<'a> Session<'a> for ExplicitSession<'a> {
    type Cursor<T, F: Mode> = SessionCursor<T, F>;

    fn take(&mut self) -> Option<&'a mut SessionState> {
        self.0.take()
    }

    fn cursor<T, F: Mode>(raw: RawCursor) -> SessionCursor<T, F> {
        SessionCursor::new(raw)
    }
}
