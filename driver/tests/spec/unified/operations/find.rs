//! Reads that return documents: `find`, `findOne`, `aggregate`.

use bson::{Bson, Document};
use driver::ops::Aggregate;
use driver::options::{AggregateOptions, FindOneOptions, FindOptions};

use super::{Answer, Ended, InSession, Kind, Read, Registry, end, on_collection, on_database};
use crate::unified::Steps;
use crate::unified::arguments::{Arguments, fill};
use crate::unified::entities::OpenCursor;
use crate::unified::stop::Stop;

pub(super) fn register<F: Steps>(registry: &mut Registry<F>) {
    registry.add(Kind::Collection, "find", find);
    registry.add(Kind::Collection, "createFindCursor", create_find_cursor);
    registry.add(Kind::Collection, "findOne", find_one);
    registry.add(Kind::Collection, "aggregate", aggregate);
    registry.add(Kind::Database, "aggregate", aggregate_database);
}

fn find<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let filter: Document = arguments.required("filter")?;
    let options = find_options(arguments)?;
    on_collection(move |collection, session| {
        let operation = collection.find(filter).with_options(options);
        let documents = match session {
            None => F::end(operation).and_then(F::collect),
            Some(session) => F::end(operation.session(&mut *session))
                .and_then(|cursor| F::collect_in(cursor, session)),
        };
        documents.map(Answer::Documents)
    })
}

fn create_find_cursor<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let filter: Document = arguments.required("filter")?;
    let options = find_options(arguments)?;
    on_collection(move |collection, session| {
        let operation = collection.find(filter).with_options(options);
        let cursor = match session {
            None => F::end(operation).map(OpenCursor::Plain)?,
            Some(session) => F::end(operation.session(session)).map(OpenCursor::OfSession)?,
        };
        Ok(Answer::Cursor(Box::new(cursor)))
    })
}

fn find_one<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let filter: Document = arguments.required("filter")?;
    let mut options = FindOneOptions::default();
    fill!(options from arguments:
        collation = "collation", comment = "comment", raw_data = "rawData", hint = "hint",
        let_vars = "let", max = "max",
        min = "min",
        projection = "projection", return_key = "returnKey", show_record_id = "showRecordId",
        skip = "skip", sort = "sort");
    options.max_time = arguments.millis("maxTimeMS")?;
    on_collection(move |collection, session| {
        let operation = collection.find_one(filter).with_options(options);
        let found = end!(F, operation, session)?;
        Ok(found.map_or(Bson::Null, Bson::Document).into())
    })
}

fn aggregate<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let pipeline: Vec<Document> = arguments.required("pipeline")?;
    let options = aggregate_options(arguments)?;
    on_collection(move |collection, session| {
        collected(collection.aggregate(pipeline).with_options(options), session)
    })
}

fn aggregate_database<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let pipeline: Vec<Document> = arguments.required("pipeline")?;
    let options = aggregate_options(arguments)?;
    on_database(move |database, session| {
        collected(database.aggregate(pipeline).with_options(options), session)
    })
}

fn aggregate_options(arguments: &mut Arguments) -> Result<AggregateOptions, Stop> {
    let mut options = AggregateOptions::default();
    fill!(options from arguments:
        allow_disk_use = "allowDiskUse", batch_size = "batchSize",
        bypass_document_validation = "bypassDocumentValidation",
        collation = "collation", comment = "comment", hint = "hint", let_vars = "let",
        raw_data = "rawData", timeout_mode = "timeoutMode");
    options.max_time = arguments.millis("maxTimeMS")?;
    options.max_await_time = arguments.millis("maxAwaitTimeMS")?;
    Ok(options)
}

/// The results of an aggregation.
fn collected<F: Steps>(
    operation: Aggregate<'_, Document, F>,
    session: InSession<'_, F>,
) -> Ended<F> {
    let documents = match session {
        None => F::end(operation).and_then(F::collect),
        Some(session) => F::end(operation.session(&mut *session))
            .and_then(|cursor| F::collect_in(cursor, session)),
    };
    documents.map(Answer::Documents)
}

fn find_options(arguments: &mut Arguments) -> Result<FindOptions, Stop> {
    let mut options = FindOptions::default();
    fill!(options from arguments:
        allow_disk_use = "allowDiskUse", batch_size = "batchSize", collation = "collation",
        comment = "comment", raw_data = "rawData", hint = "hint",
        let_vars = "let", limit = "limit", max = "max", min = "min", projection = "projection",
        return_key = "returnKey",
        show_record_id = "showRecordId", skip = "skip", sort = "sort",
        timeout_mode = "timeoutMode");
    options.cursor_type = arguments.cursor_type()?;
    options.max_await_time = arguments.millis("maxAwaitTimeMS")?;
    options.max_time = arguments.millis("maxTimeMS")?;
    Ok(options)
}
