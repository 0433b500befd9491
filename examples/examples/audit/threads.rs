//! The writer and the mirror with threads and the blocking API.

use std::thread;
use std::time::Duration;

use driver::Blocking;
use driver::bson::{Document, doc};
use driver::sync::{Client, ClientSession, Collection};
use examples::failover::{BoxError, Patience, Work};

use super::collections::{Collections, Position};
use super::mirror::{Change, Kind, MOST, MirrorError};
use super::script::{Step, Write};

/// Makes all writes. Ends early only if a write fails in a way that a retry cannot fix.
pub(crate) fn write(source: &Collection<Document>, work: &Work) -> Result<(), BoxError> {
    while let Some(number) = work.next_blocking() {
        let (step, mut patience, mut is_first) = (Step::of(number), Patience::new(), true);
        loop {
            let tried = make(source, step);
            let Some(error) = step.after(tried, is_first)? else { break };
            thread::sleep(patience.pause(error)?);
            is_first = false;
        }
        work.count();
    }
    Ok(())
}

/// Whether the write has found its document.
fn make(source: &Collection<Document>, step: Step) -> driver::Result<bool> {
    Ok(match step.write() {
        Write::Insert(document) => {
            source.insert_one(document).run()?;
            true
        }
        Write::Update(filter, update) => {
            source.update_one(filter, update).run()?.matched_count == 1
        }
        Write::Replace(filter, document) => {
            source.replace_one(filter, document).run()?.matched_count == 1
        }
        Write::Delete(filter) => source.delete_one(filter).run()?.deleted_count == 1,
    })
}

/// Mirrors until the process ends, or fails in a way that a retry cannot fix.
pub(crate) fn mirror(client: &Client, collections: &Collections<Blocking>) -> BoxError {
    let mut patience = Patience::new();
    loop {
        match follow(client, collections, &mut patience) {
            // It continues where the other process has stopped.
            Err(MirrorError::Moved) => {}
            Err(MirrorError::Driver(error)) => match patience.pause(error) {
                Ok(pause) => thread::sleep(pause),
                Err(error) => return error.into(),
            },
            Ok(()) => return "the change stream has ended".into(),
        }
    }
}

/// Mirrors from the stored position.
fn follow(
    client: &Client,
    collections: &Collections<Blocking>,
    patience: &mut Patience,
) -> Result<(), MirrorError> {
    let stored = collections.position.find_one(doc! {}).run()?;
    let Some(mut position) = stored else { return Ok(()) };
    let watch = collections.source.watch().resume_after(position.token.clone());
    let mut stream = watch.max_await_time(Duration::from_millis(100)).run()?;
    let mut session = client.start_session().run()?;
    while stream.is_alive() {
        let mut changes = Vec::new();
        while changes.len() < MOST
            && let Some(event) = stream.next_if_any()?
        {
            changes.extend(Change::of(event));
        }
        let Some(token) = stream.resume_token().filter(|_| !changes.is_empty()) else { continue };
        let next = position.next(token);
        let transaction =
            |session: &mut ClientSession| apply(collections, &changes, &position, &next, session);
        session.start_transaction().and_run2(transaction)?;
        position = next;
        *patience = Patience::new();
    }
    Ok(())
}

/// Repeats the changes, and moves the position.
fn apply(
    collections: &Collections<Blocking>,
    changes: &[Change],
    position: &Position,
    next: &Position,
    session: &mut ClientSession,
) -> Result<(), MirrorError> {
    let mirror = &collections.mirror;
    for Change { filter, kind, .. } in changes {
        match kind {
            Kind::Put(document) => {
                let put = mirror.replace_one(filter.clone(), document).upsert(true);
                put.session(&mut *session).run()?;
            }
            Kind::Update(update) => {
                let update = mirror.update_one(filter.clone(), update.clone());
                update.session(&mut *session).run()?;
            }
            Kind::Delete => {
                mirror.delete_one(filter.clone()).session(&mut *session).run()?;
            }
        }
    }
    let entries = changes.iter().map(|change| &change.entry);
    collections.journal.insert_many(entries).session(&mut *session).run()?;
    let moved = collections.position.replace_one(position.filter(), next);
    match moved.session(&mut *session).run()?.matched_count {
        0 => Err(MirrorError::Moved),
        _ => Ok(()),
    }
}
