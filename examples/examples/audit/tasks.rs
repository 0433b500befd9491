//! The writer and the mirror on the async API.

use std::time::Duration;

use driver::bson::{Document, doc};
use driver::{Async, Client, ClientSession, Collection};
use examples::failover::{BoxError, Patience, Work};

use super::collections::{Collections, Position};
use super::mirror::{Change, Kind, MOST, MirrorError};
use super::script::{Step, Write};

/// Makes all writes. Ends early only if a write fails in a way that a retry cannot fix.
pub(crate) async fn write(source: &Collection<Document>, work: &Work) -> Result<(), BoxError> {
    while let Some(number) = work.next().await {
        let (step, mut patience, mut is_first) = (Step::of(number), Patience::new(), true);
        loop {
            let tried = make(source, step).await;
            let Some(error) = step.after(tried, is_first)? else { break };
            tokio::time::sleep(patience.pause(error)?).await;
            is_first = false;
        }
        work.count();
    }
    Ok(())
}

/// Whether the write has found its document.
async fn make(source: &Collection<Document>, step: Step) -> driver::Result<bool> {
    Ok(match step.write() {
        Write::Insert(document) => {
            source.insert_one(document).await?;
            true
        }
        Write::Update(filter, update) => {
            source.update_one(filter, update).await?.matched_count == 1
        }
        Write::Replace(filter, document) => {
            source.replace_one(filter, document).await?.matched_count == 1
        }
        Write::Delete(filter) => source.delete_one(filter).await?.deleted_count == 1,
    })
}

/// Mirrors until the process ends, or fails in a way that a retry cannot fix.
pub(crate) async fn mirror(client: &Client, collections: &Collections<Async>) -> BoxError {
    let mut patience = Patience::new();
    loop {
        match follow(client, collections, &mut patience).await {
            // It continues where the other process has stopped.
            Err(MirrorError::Moved) => {}
            Err(MirrorError::Driver(error)) => match patience.pause(error) {
                Ok(pause) => tokio::time::sleep(pause).await,
                Err(error) => return error.into(),
            },
            Ok(()) => return "the change stream has ended".into(),
        }
    }
}

/// Mirrors from the stored position.
async fn follow(
    client: &Client,
    collections: &Collections<Async>,
    patience: &mut Patience,
) -> Result<(), MirrorError> {
    let stored = collections.position.find_one(doc! {}).await?;
    let Some(mut position) = stored else { return Ok(()) };
    let watch = collections.source.watch().resume_after(position.token.clone());
    let mut stream = watch.max_await_time(Duration::from_millis(100)).await?;
    let mut session = client.start_session().await?;
    while stream.is_alive() {
        let mut changes = Vec::new();
        while changes.len() < MOST
            && let Some(event) = stream.next_if_any().await?
        {
            changes.extend(Change::of(event));
        }
        let Some(token) = stream.resume_token().filter(|_| !changes.is_empty()) else { continue };
        let next = position.next(token);
        let transaction = async |session: &mut ClientSession| {
            apply(collections, &changes, &position, &next, session).await
        };
        session.start_transaction().and_run2(transaction).await?;
        position = next;
        *patience = Patience::new();
    }
    Ok(())
}

/// Repeats the changes, and moves the position.
async fn apply(
    collections: &Collections<Async>,
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
                put.session(&mut *session).await?;
            }
            Kind::Update(update) => {
                let update = mirror.update_one(filter.clone(), update.clone());
                update.session(&mut *session).await?;
            }
            Kind::Delete => {
                mirror.delete_one(filter.clone()).session(&mut *session).await?;
            }
        }
    }
    let entries = changes.iter().map(|change| &change.entry);
    collections.journal.insert_many(entries).session(&mut *session).await?;
    let moved = collections.position.replace_one(position.filter(), next);
    match moved.session(&mut *session).await?.matched_count {
        0 => Err(MirrorError::Moved),
        _ => Ok(()),
    }
}
