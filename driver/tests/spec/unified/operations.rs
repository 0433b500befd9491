//! The operations of databases and collections.

use bson::{Bson, Document, doc};
use driver::collection::Collection;
use driver::database::Database;
use driver::options::{
    AggregateOptions, CountOptions, DeleteOptions, DistinctOptions, EstimatedDocumentCountOptions,
    FindOneOptions, FindOptions, InsertManyOptions, InsertOneOptions, ReplaceOptions, RunCommandOptions,
    UpdateOptions,
};
use driver::results::UpdateResult;
use driver::session::ClientSession;

use super::arguments::Arguments;
use super::way::Way;

/// How an operation of the driver ended.
pub(crate) type Ended = driver::Result<Option<Bson>>;

/// Ends an operation, in `$session` where there is one.
macro_rules! end {
    ($end:path, $operation:expr, $session:ident) => {
        match $session {
            None => $end($operation),
            Some(session) => $end($operation.session(session)),
        }
    };
}

/// # Errors
/// An operation or an argument that this harness does not know.
pub(crate) fn of_database<F: Way>(
    database: &Database<F>,
    name: &str,
    arguments: &mut Arguments,
    session: Option<&mut ClientSession<F>>,
) -> Result<Ended, String> {
    match name {
        "runCommand" => {
            let first = arguments.text("commandName")?;
            let given = arguments.document("command")?;
            // The command is known by its first field, wherever the file has it.
            let mut command = doc! { &first: given.get(&first).ok_or("the command lacks its name")? };
            command.extend(given);
            let mut options = RunCommandOptions::default();
            options.selection_criteria = arguments.selection()?;
            let operation = database.run_command(command).with_options(options);
            Ok(end!(F::run_command, operation, session).map(|reply| Some(reply.into())))
        }
        "listCollectionNames" => {
            let mut operation = database.list_collection_names();
            if let Some(filter) = arguments.maybe_document("filter")? {
                operation = operation.filter(filter);
            }
            let names = end!(F::list_collection_names, operation, session);
            Ok(names.map(|names| Some(Bson::Array(names.into_iter().map(Bson::String).collect()))))
        }
        "dropCollection" => {
            let collection = database.collection::<Document>(&arguments.text("collection")?);
            Ok(end!(F::drop_collection, collection.drop(), session).map(|()| None))
        }
        other => Err(format!("the harness does not know the operation {other:?} of databases")),
    }
}

/// # Errors
/// An operation or an argument that this harness does not know.
pub(crate) fn of_collection<F: Way>(
    collection: &Collection<Document, F>,
    name: &str,
    arguments: &mut Arguments,
    session: Option<&mut ClientSession<F>>,
) -> Result<Ended, String> {
    match name {
        "find" | "findOne" | "aggregate" | "countDocuments" | "estimatedDocumentCount" | "distinct" => {
            read(collection, name, arguments, session)
        }
        _ => write(collection, name, arguments, session),
    }
}

fn read<F: Way>(
    collection: &Collection<Document, F>,
    name: &str,
    arguments: &mut Arguments,
    session: Option<&mut ClientSession<F>>,
) -> Result<Ended, String> {
    match name {
        "find" => {
            let filter = arguments.document("filter")?;
            let operation = collection.find(filter).with_options(find_options(arguments)?);
            let documents = match session {
                None => F::find(operation).and_then(F::collect),
                Some(session) => F::find_in(operation.session(&mut *session))
                    .and_then(|cursor| F::collect_in(cursor, session)),
            };
            Ok(documents.map(array))
        }
        "findOne" => {
            let filter = arguments.document("filter")?;
            let operation = collection.find_one(filter).with_options(find_one_options(arguments)?);
            Ok(end!(F::find_one, operation, session)
                .map(|found| Some(found.map_or(Bson::Null, Bson::Document))))
        }
        "aggregate" => {
            let pipeline = arguments.documents("pipeline")?;
            let operation = collection.aggregate(pipeline).with_options(aggregate_options(arguments)?);
            let documents = match session {
                None => F::aggregate(operation).and_then(F::collect),
                Some(session) => F::aggregate_in(operation.session(&mut *session))
                    .and_then(|cursor| F::collect_in(cursor, session)),
            };
            Ok(documents.map(array))
        }
        "countDocuments" => {
            let mut options = CountOptions::default();
            options.limit = arguments.number("limit")?;
            options.skip = arguments.number("skip")?;
            options.collation = arguments.parsed("collation")?;
            options.comment = arguments.maybe("comment");
            options.hint = arguments.hint()?;
            let operation = collection.count_documents(arguments.document("filter")?).with_options(options);
            Ok(end!(F::count_documents, operation, session).map(count))
        }
        "estimatedDocumentCount" => {
            let mut options = EstimatedDocumentCountOptions::default();
            options.max_time = arguments.millis("maxTimeMS")?;
            options.comment = arguments.maybe("comment");
            let operation = collection.estimated_document_count().with_options(options);
            Ok(F::estimated_document_count(operation).map(count))
        }
        "distinct" => {
            let mut options = DistinctOptions::default();
            options.collation = arguments.parsed("collation")?;
            options.comment = arguments.maybe("comment");
            options.hint = arguments.hint()?;
            let (field, filter) = (arguments.text("fieldName")?, arguments.document("filter")?);
            let operation = collection.distinct(field, filter).with_options(options);
            Ok(end!(F::distinct, operation, session).map(|values| Some(Bson::Array(values))))
        }
        other => Err(format!("the harness does not know the read {other:?}")),
    }
}

fn write<F: Way>(
    collection: &Collection<Document, F>,
    name: &str,
    arguments: &mut Arguments,
    session: Option<&mut ClientSession<F>>,
) -> Result<Ended, String> {
    match name {
        "insertOne" => {
            let mut options = InsertOneOptions::default();
            options.bypass_document_validation = arguments.flag("bypassDocumentValidation")?;
            options.comment = arguments.maybe("comment");
            let operation = collection.insert_one(arguments.document("document")?).with_options(options);
            Ok(end!(F::insert_one, operation, session)
                .map(|result| Some(doc! { "insertedId": result.inserted_id }.into())))
        }
        "insertMany" => {
            let mut options = InsertManyOptions::default();
            options.bypass_document_validation = arguments.flag("bypassDocumentValidation")?;
            options.comment = arguments.maybe("comment");
            options.ordered = arguments.flag("ordered")?;
            let operation = collection.insert_many(arguments.documents("documents")?).with_options(options);
            Ok(end!(F::insert_many, operation, session).map(|result| {
                let ids = result.inserted_ids.into_iter().map(|(index, id)| (index.to_string(), id));
                Some(doc! { "insertedIds": ids.collect::<Document>() }.into())
            }))
        }
        "updateOne" | "updateMany" => {
            let mut options = UpdateOptions::default();
            options.array_filters = arguments.maybe_documents("arrayFilters")?;
            options.bypass_document_validation = arguments.flag("bypassDocumentValidation")?;
            options.upsert = arguments.flag("upsert")?;
            options.collation = arguments.parsed("collation")?;
            options.hint = arguments.hint()?;
            options.let_vars = arguments.maybe_document("let")?;
            options.comment = arguments.maybe("comment");
            options.sort = arguments.maybe_document("sort")?;
            let (filter, update) = (arguments.document("filter")?, arguments.update()?);
            let operation = match name {
                "updateOne" => collection.update_one(filter, update),
                _ => collection.update_many(filter, update),
            };
            Ok(end!(F::update, operation.with_options(options), session).map(updated))
        }
        "replaceOne" => {
            let mut options = ReplaceOptions::default();
            options.bypass_document_validation = arguments.flag("bypassDocumentValidation")?;
            options.upsert = arguments.flag("upsert")?;
            options.collation = arguments.parsed("collation")?;
            options.hint = arguments.hint()?;
            options.let_vars = arguments.maybe_document("let")?;
            options.comment = arguments.maybe("comment");
            options.sort = arguments.maybe_document("sort")?;
            let (filter, replacement) = (arguments.document("filter")?, arguments.document("replacement")?);
            let operation = collection.replace_one(filter, replacement).with_options(options);
            Ok(end!(F::replace_one, operation, session).map(updated))
        }
        "deleteOne" | "deleteMany" => {
            let mut options = DeleteOptions::default();
            options.collation = arguments.parsed("collation")?;
            options.hint = arguments.hint()?;
            options.let_vars = arguments.maybe_document("let")?;
            options.comment = arguments.maybe("comment");
            let filter = arguments.document("filter")?;
            let operation = match name {
                "deleteOne" => collection.delete_one(filter),
                _ => collection.delete_many(filter),
            };
            Ok(end!(F::delete, operation.with_options(options), session)
                .map(|result| Some(doc! { "deletedCount": result.deleted_count as i64 }.into())))
        }
        other => Err(format!("the harness does not know the operation {other:?} of collections")),
    }
}

fn find_options(arguments: &mut Arguments) -> Result<FindOptions, String> {
    let mut options = FindOptions::default();
    options.allow_disk_use = arguments.flag("allowDiskUse")?;
    options.batch_size = arguments.number("batchSize")?;
    options.collation = arguments.parsed("collation")?;
    options.comment = arguments.maybe("comment");
    options.hint = arguments.hint()?;
    options.let_vars = arguments.maybe_document("let")?;
    options.limit = arguments.number("limit")?;
    options.max = arguments.maybe_document("max")?;
    options.max_time = arguments.millis("maxTimeMS")?;
    options.min = arguments.maybe_document("min")?;
    options.projection = arguments.maybe_document("projection")?;
    options.return_key = arguments.flag("returnKey")?;
    options.show_record_id = arguments.flag("showRecordId")?;
    options.skip = arguments.number("skip")?;
    options.sort = arguments.maybe_document("sort")?;
    Ok(options)
}

fn find_one_options(arguments: &mut Arguments) -> Result<FindOneOptions, String> {
    let mut options = FindOneOptions::default();
    options.collation = arguments.parsed("collation")?;
    options.comment = arguments.maybe("comment");
    options.hint = arguments.hint()?;
    options.let_vars = arguments.maybe_document("let")?;
    options.projection = arguments.maybe_document("projection")?;
    options.skip = arguments.number("skip")?;
    options.sort = arguments.maybe_document("sort")?;
    Ok(options)
}

fn aggregate_options(arguments: &mut Arguments) -> Result<AggregateOptions, String> {
    let mut options = AggregateOptions::default();
    options.allow_disk_use = arguments.flag("allowDiskUse")?;
    options.batch_size = arguments.number("batchSize")?;
    options.bypass_document_validation = arguments.flag("bypassDocumentValidation")?;
    options.collation = arguments.parsed("collation")?;
    options.comment = arguments.maybe("comment");
    options.hint = arguments.hint()?;
    options.let_vars = arguments.maybe_document("let")?;
    Ok(options)
}

fn array(documents: Vec<Document>) -> Option<Bson> {
    Some(Bson::Array(documents.into_iter().map(Bson::Document).collect()))
}

fn count(count: u64) -> Option<Bson> {
    Some(Bson::Int64(count as i64))
}

fn updated(result: UpdateResult) -> Option<Bson> {
    let mut told = doc! {
        "matchedCount": result.matched_count as i64,
        "modifiedCount": result.modified_count as i64,
        "upsertedCount": i64::from(result.upserted_id.is_some()),
    };
    if let Some(id) = result.upserted_id {
        told.insert("upsertedId", id);
    }
    Some(told.into())
}
