//! The operations of cursors.

use super::{Answer, Kind, Read, Registry, on_cursor};
use crate::unified::api::Api;
use crate::unified::arguments::Arguments;

pub(super) fn register<F: Api>(registry: &mut Registry<F>) {
    registry.add(Kind::Cursor, "iterateUntilDocumentOrError", next);
    registry.add(Kind::Cursor, "iterateOnce", next);
    registry.add(Kind::Cursor, "close", close);
}

/// The next document. A cursor of the driver asks once more by itself after an empty batch.
fn next<F: Api>(_: &mut Arguments) -> Read<F> {
    on_cursor(|cursor| {
        let cursor = cursor.as_mut().ok_or("the cursor has been closed")?;
        match cursor.next()? {
            None => Ok(Ok(Answer::Nothing)),
            Some(Ok(document)) => Ok(Ok(document.into())),
            Some(Err(error)) => Ok(Err(error)),
        }
    })
}

fn close<F: Api>(_: &mut Arguments) -> Read<F> {
    on_cursor(|cursor| {
        drop(cursor.take());
        Ok(Ok(Answer::Nothing))
    })
}
