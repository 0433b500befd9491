//! The operations of cursors.

use bson::Document;
use driver::cursor::CloseCursor;
use driver::ops::Operation;

use super::{Answer, Kind, Read, Registry, on_cursor};
use crate::unified::Steps;
use crate::unified::arguments::Arguments;
use crate::unified::entities::{NamedCursor, OpenCursor};

pub(super) fn register<F: Steps>(registry: &mut Registry<F>) {
    registry.add(Kind::Cursor, "iterateUntilDocumentOrError", next);
    registry.add(Kind::Cursor, "iterateOnce", next_once);
    registry.add(Kind::Cursor, "close", close);
}

/// The next document. The driver fetches again after an empty batch.
fn next<F: Steps>(_: &mut Arguments) -> Read<F> {
    step(|cursor| cursor.next())
}

/// The next document, with at most one `getMore`.
fn next_once<F: Steps>(_: &mut Arguments) -> Read<F> {
    step(|cursor| cursor.next_if_any())
}

/// The result of one step.
type Step = Result<driver::Result<Option<Document>>, String>;

fn step<F: Steps>(step: impl FnOnce(&mut NamedCursor<F>) -> Step + 'static) -> Read<F> {
    on_cursor(|cursor| {
        let cursor = cursor.as_mut().ok_or("the cursor has been closed")?;
        Ok(step(cursor)?.map(|document| document.map_or(Answer::Nothing, Answer::from)))
    })
}

fn close<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let timeout = arguments.millis("timeoutMS")?;
    on_cursor(move |cursor| {
        let close = match cursor.take().ok_or("the cursor has been closed")?.cursor {
            OpenCursor::Plain(cursor) => cursor.close(),
            OpenCursor::OfSession(cursor) => cursor.close(),
        };
        Ok(F::end(close.optional(timeout, CloseCursor::timeout)).map(|()| Answer::Nothing))
    })
}
