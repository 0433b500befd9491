//! Change streams.

use bson::Document;
use driver::client::Client;
use driver::ops::Watch;
use driver::options::{ChangeStreamOptions, FullDocumentBeforeChangeType, FullDocumentType};

use super::{
    Answer, Ended, InSession, Kind, Read, Registry, on_change_stream, on_client, on_collection,
    on_database,
};
use crate::unified::Steps;
use crate::unified::arguments::{Arguments, fill};
use crate::unified::entities::OpenStream;
use crate::unified::stop::Stop;

pub(super) fn register<F: Steps>(registry: &mut Registry<F>) {
    registry.add(Kind::Client, "createChangeStream", of_client);
    registry.add(Kind::Database, "createChangeStream", of_database);
    registry.add(Kind::Collection, "createChangeStream", of_collection);
    registry.add(Kind::ChangeStream, "iterateUntilDocumentOrError", next);
    registry.add(Kind::ChangeStream, "iterateOnce", next_if_any);
    registry.add(Kind::ChangeStream, "close", close);
}

fn of_client<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let (pipeline, options) = options(arguments)?;
    on_client(move |client, session| {
        let client: Client<F> = client.client()?;
        Ok(open(client.watch().pipeline(pipeline).with_options(options), session))
    })
}

fn of_database<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let (pipeline, options) = options(arguments)?;
    on_database(move |database, session| {
        open(database.watch().pipeline(pipeline).with_options(options), session)
    })
}

fn of_collection<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let (pipeline, options) = options(arguments)?;
    on_collection(move |collection, session| {
        open(collection.watch().pipeline(pipeline).with_options(options), session)
    })
}

fn open<F: Steps>(watch: Watch<'_, Document, F>, session: InSession<'_, F>) -> Ended<F> {
    let stream = match session {
        None => OpenStream::Plain(F::end(watch)?.with_type()),
        Some(session) => OpenStream::OfSession(F::end(watch.session(session))?.with_type()),
    };
    Ok(Answer::ChangeStream(Box::new(stream)))
}

fn next<F: Steps>(_: &mut Arguments) -> Read<F> {
    on_change_stream(|stream| {
        let stream = stream.as_mut().ok_or("the change stream has been closed")?;
        Ok(stream.next()?.map(|event| event.map_or(Answer::Nothing, Answer::from)))
    })
}

fn next_if_any<F: Steps>(_: &mut Arguments) -> Read<F> {
    on_change_stream(|stream| {
        let stream = stream.as_mut().ok_or("the change stream has been closed")?;
        Ok(stream.next_if_any()?.map(|event| event.map_or(Answer::Nothing, Answer::from)))
    })
}

fn close<F: Steps>(_: &mut Arguments) -> Read<F> {
    on_change_stream(|stream| {
        drop(stream.take());
        Ok(Ok(Answer::Nothing))
    })
}

fn options(arguments: &mut Arguments) -> Result<(Vec<Document>, ChangeStreamOptions), Stop> {
    let pipeline = arguments.option("pipeline")?.unwrap_or_default();
    let mut options = ChangeStreamOptions::default();
    fill!(options from arguments:
        batch_size = "batchSize", collation = "collation", comment = "comment",
        resume_after = "resumeAfter",
        show_expanded_events = "showExpandedEvents", start_after = "startAfter",
        start_at_operation_time = "startAtOperationTime");
    options.max_await_time = arguments.millis("maxAwaitTimeMS")?;
    let full_document: Option<String> = arguments.option("fullDocument")?;
    options.full_document = full_document.map(|value| match value.as_str() {
        "updateLookup" => FullDocumentType::UpdateLookup,
        "whenAvailable" => FullDocumentType::WhenAvailable,
        "required" => FullDocumentType::Required,
        _ => FullDocumentType::Other(value),
    });
    let before: Option<String> = arguments.option("fullDocumentBeforeChange")?;
    options.full_document_before_change = before.map(|value| match value.as_str() {
        "whenAvailable" => FullDocumentBeforeChangeType::WhenAvailable,
        "required" => FullDocumentBeforeChangeType::Required,
        "off" => FullDocumentBeforeChangeType::Off,
        _ => FullDocumentBeforeChangeType::Other(value),
    });
    Ok((pipeline, options))
}
