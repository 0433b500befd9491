//! Writes to a collection, and the reads that give a value.

use std::collections::HashMap;

use bson::{Bson, Document, doc};
use driver::Namespace;
use driver::conformance::{self, CommandCountOptions};
use driver::options::{
    CollectionBulkWriteOptions, CountOptions, DeleteManyModel, DeleteOneModel, DeleteOptions,
    DistinctOptions, EstimatedDocumentCountOptions, FindOneAndDeleteOptions,
    FindOneAndReplaceOptions, FindOneAndUpdateOptions, InsertManyOptions, InsertOneModel,
    InsertOneOptions, ReplaceOneModel, ReplaceOptions, UpdateManyModel, UpdateOneModel,
    UpdateOptions, WriteModel,
};
use driver::results::{BulkWriteResult, DeleteResult, UpdateResult};

use super::{Answer, Kind, Read, Registry, end, on_collection};
use crate::unified::Steps;
use crate::unified::arguments::{Arguments, fill};
use crate::unified::stop::Stop;

pub(super) fn register<F: Steps>(registry: &mut Registry<F>) {
    registry.add(Kind::Collection, "countDocuments", count_documents);
    registry.add(Kind::Collection, "estimatedDocumentCount", estimated_document_count);
    registry.add(Kind::Collection, "distinct", distinct);
    registry.add(Kind::Collection, "insertOne", insert_one);
    registry.add(Kind::Collection, "insertMany", insert_many);
    registry.add(Kind::Collection, "updateOne", update_one);
    registry.add(Kind::Collection, "updateMany", update_many);
    registry.add(Kind::Collection, "replaceOne", replace_one);
    registry.add(Kind::Collection, "deleteOne", delete_one);
    registry.add(Kind::Collection, "deleteMany", delete_many);
    registry.add(Kind::Collection, "bulkWrite", bulk_write);
    registry.add(Kind::Collection, "findOneAndUpdate", find_one_and_update);
    registry.add(Kind::Collection, "findOneAndReplace", find_one_and_replace);
    registry.add(Kind::Collection, "findOneAndDelete", find_one_and_delete);
    registry.add(Kind::Collection, "count", deprecated_count);
    registry.add(Kind::Collection, "mapReduce", map_reduce);
}

fn count_documents<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let filter: Document = arguments.required("filter")?;
    let mut options = CountOptions::default();
    fill!(options from arguments:
        limit = "limit", skip = "skip", collation = "collation", comment = "comment",
        raw_data = "rawData",
        hint = "hint");
    options.max_time = arguments.millis("maxTimeMS")?;
    on_collection(move |collection, session| {
        let operation = collection.count_documents(filter).with_options(options);
        end!(F, operation, session).map(count)
    })
}

fn deprecated_count<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let filter: Document = arguments.required("filter")?;
    let mut options = CommandCountOptions::default();
    fill!(options from arguments:
        limit = "limit", skip = "skip", collation = "collation", comment = "comment",
        raw_data = "rawData", hint = "hint");
    options.max_time = arguments.millis("maxTimeMS")?;
    on_collection(move |collection, session| {
        let operation = conformance::count(collection, filter).with_options(options);
        end!(F, operation, session).map(count)
    })
}

/// The deprecated command, which is never retried, with `run_command`.
fn map_reduce<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let mut command = doc! { "mapReduce": "" };
    for key in ["map", "reduce", "out"] {
        command.insert(key, arguments.required::<Bson>(key)?);
    }
    on_collection(move |collection, session| {
        command.insert("mapReduce", collection.name());
        let reply = end!(F, collection.database().run_command(command), session)?;
        Ok(reply.get("results").cloned().unwrap_or(Bson::Null).into())
    })
}

fn estimated_document_count<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let mut options = EstimatedDocumentCountOptions::default();
    fill!(options from arguments: comment = "comment", raw_data = "rawData");
    options.max_time = arguments.millis("maxTimeMS")?;
    on_collection(move |collection, _| {
        let operation = collection.estimated_document_count().with_options(options);
        F::end(operation).map(count)
    })
}

fn distinct<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let field: String = arguments.required("fieldName")?;
    let filter: Document = arguments.required("filter")?;
    let mut options = DistinctOptions::default();
    fill!(options from arguments: collation = "collation", comment = "comment",
        raw_data = "rawData", hint = "hint");
    options.max_time = arguments.millis("maxTimeMS")?;
    on_collection(move |collection, session| {
        let operation = collection.distinct(field, filter).with_options(options);
        Ok(end!(F, operation, session)?.into())
    })
}

fn insert_one<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let document: Document = arguments.required("document")?;
    let mut options = InsertOneOptions::default();
    fill!(options from arguments: bypass_document_validation = "bypassDocumentValidation",
        comment = "comment", raw_data = "rawData");
    on_collection(move |collection, session| {
        let operation = collection.insert_one(document).with_options(options);
        let result = end!(F, operation, session)?;
        Ok(doc! { "insertedId": result.inserted_id }.into())
    })
}

fn insert_many<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let documents: Vec<Document> = arguments.required("documents")?;
    let mut options = InsertManyOptions::default();
    fill!(options from arguments:
        bypass_document_validation = "bypassDocumentValidation", comment = "comment",
        raw_data = "rawData",
        ordered = "ordered");
    on_collection(move |collection, session| {
        let operation = collection.insert_many(documents).with_options(options);
        let result = end!(F, operation, session)?;
        let ids = result.inserted_ids.into_iter().map(|(index, id)| (index.to_string(), id));
        Ok(doc! { "insertedIds": ids.collect::<Document>() }.into())
    })
}

fn update_one<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let (filter, update) = (arguments.required("filter")?, arguments.update()?);
    let options = update_options(arguments)?;
    on_collection(move |collection, session| {
        let operation = collection.update_one(filter, update).with_options(options);
        end!(F, operation, session).map(updated)
    })
}

fn update_many<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let (filter, update) = (arguments.required("filter")?, arguments.update()?);
    let options = update_options(arguments)?;
    on_collection(move |collection, session| {
        let operation = collection.update_many(filter, update).with_options(options);
        end!(F, operation, session).map(updated)
    })
}

fn update_options(arguments: &mut Arguments) -> Result<UpdateOptions, Stop> {
    let mut options = UpdateOptions::default();
    fill!(options from arguments:
        array_filters = "arrayFilters", bypass_document_validation = "bypassDocumentValidation",
        upsert = "upsert",
        collation = "collation", hint = "hint", let_vars = "let", comment = "comment",
        raw_data = "rawData",
        sort = "sort");
    Ok(options)
}

fn replace_one<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let filter: Document = arguments.required("filter")?;
    let replacement: Document = arguments.required("replacement")?;
    let mut options = ReplaceOptions::default();
    fill!(options from arguments:
        bypass_document_validation = "bypassDocumentValidation", upsert = "upsert",
        collation = "collation", hint = "hint",
        let_vars = "let", comment = "comment", raw_data = "rawData", sort = "sort");
    on_collection(move |collection, session| {
        let operation = collection.replace_one(filter, replacement).with_options(options);
        end!(F, operation, session).map(updated)
    })
}

fn delete_one<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let filter: Document = arguments.required("filter")?;
    let options = delete_options(arguments)?;
    on_collection(move |collection, session| {
        let operation = collection.delete_one(filter).with_options(options);
        end!(F, operation, session).map(deleted)
    })
}

fn delete_many<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let filter: Document = arguments.required("filter")?;
    let options = delete_options(arguments)?;
    on_collection(move |collection, session| {
        let operation = collection.delete_many(filter).with_options(options);
        end!(F, operation, session).map(deleted)
    })
}

fn delete_options(arguments: &mut Arguments) -> Result<DeleteOptions, Stop> {
    let mut options = DeleteOptions::default();
    fill!(options from arguments: collation = "collation", hint = "hint", let_vars = "let",
        comment = "comment", raw_data = "rawData");
    Ok(options)
}

fn bulk_write<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let requests: Vec<Document> = arguments.required("requests")?;
    let models: Vec<WriteModel> = requests.into_iter().map(model).collect::<Result<_, Stop>>()?;
    let mut options = CollectionBulkWriteOptions::default();
    fill!(options from arguments:
        ordered = "ordered", bypass_document_validation = "bypassDocumentValidation",
        let_vars = "let", comment = "comment", raw_data = "rawData");
    on_collection(move |collection, session| {
        let operation = collection.bulk_write(models).with_options(options);
        end!(F, operation, session).map(|result| bulk_written(&result).into())
    })
}

/// A model, from a document with its name.
pub(super) fn model(request: Document) -> Result<WriteModel, Stop> {
    let (name, arguments) = request.into_iter().next().ok_or("a model has no name")?;
    let Bson::Document(arguments) = arguments else {
        return Err(format!("the model {name} has no arguments").into());
    };
    let mut arguments = Arguments::of(&name, arguments);
    let namespace: Option<String> = arguments.option("namespace")?;
    let namespace = namespace.as_deref().and_then(|namespace| namespace.split_once('.'));
    let namespace = namespace.map(|(db, coll)| Namespace::new(db, coll));
    let arguments_of = &mut arguments;
    let model = match name.as_str() {
        "insertOne" => {
            let document: Document = arguments_of.required("document")?;
            InsertOneModel::new(document).namespace(namespace).into()
        }
        "updateOne" => {
            let filter: Document = arguments_of.required("filter")?;
            let mut model =
                UpdateOneModel::new(filter, arguments_of.update()?).namespace(namespace);
            fill!(fields of model from arguments_of:
                array_filters = "arrayFilters", collation = "collation", hint = "hint",
                upsert = "upsert", sort = "sort");
            model.into()
        }
        "updateMany" => {
            let filter: Document = arguments_of.required("filter")?;
            let mut model =
                UpdateManyModel::new(filter, arguments_of.update()?).namespace(namespace);
            fill!(fields of model from arguments_of:
                array_filters = "arrayFilters", collation = "collation", hint = "hint",
                upsert = "upsert");
            model.into()
        }
        "replaceOne" => {
            let filter: Document = arguments_of.required("filter")?;
            let replacement: Document = arguments_of.required("replacement")?;
            let mut model = ReplaceOneModel::new(filter, replacement).namespace(namespace);
            fill!(fields of model from arguments_of: collation = "collation", hint = "hint",
                upsert = "upsert", sort = "sort");
            model.into()
        }
        "deleteOne" => {
            let filter: Document = arguments_of.required("filter")?;
            let mut model = DeleteOneModel::new(filter).namespace(namespace);
            fill!(fields of model from arguments_of: collation = "collation", hint = "hint");
            model.into()
        }
        "deleteMany" => {
            let filter: Document = arguments_of.required("filter")?;
            let mut model = DeleteManyModel::new(filter).namespace(namespace);
            fill!(fields of model from arguments_of: collation = "collation", hint = "hint");
            model.into()
        }
        other => return Err(format!("the runner knows no model {other:?}").into()),
    };
    arguments.done()?;
    Ok(model)
}

/// The result of a bulk write.
pub(crate) fn bulk_written(result: &BulkWriteResult) -> Document {
    let by_position = |ids: &HashMap<usize, Bson>| -> Document {
        ids.iter().map(|(index, id)| (index.to_string(), id.clone())).collect()
    };
    doc! {
        "insertedCount": result.inserted_count as i64,
        "insertedIds": by_position(&result.inserted_ids),
        "matchedCount": result.matched_count as i64,
        "modifiedCount": result.modified_count as i64,
        "deletedCount": result.deleted_count as i64,
        "upsertedCount": result.upserted_count as i64,
        "upsertedIds": by_position(&result.upserted_ids),
    }
}

fn find_one_and_update<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let (filter, update) = (arguments.required("filter")?, arguments.update()?);
    let mut options = FindOneAndUpdateOptions::default();
    fill!(options from arguments:
        array_filters = "arrayFilters", bypass_document_validation = "bypassDocumentValidation",
        projection = "projection",
        return_document = "returnDocument", sort = "sort", upsert = "upsert",
        collation = "collation", hint = "hint",
        let_vars = "let", comment = "comment", raw_data = "rawData");
    options.max_time = arguments.millis("maxTimeMS")?;
    on_collection(move |collection, session| {
        let operation = collection.find_one_and_update(filter, update).with_options(options);
        end!(F, operation, session).map(found)
    })
}

fn find_one_and_replace<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let filter: Document = arguments.required("filter")?;
    let replacement: Document = arguments.required("replacement")?;
    let mut options = FindOneAndReplaceOptions::default();
    fill!(options from arguments:
        bypass_document_validation = "bypassDocumentValidation", projection = "projection",
        return_document = "returnDocument", sort = "sort", upsert = "upsert",
        collation = "collation", hint = "hint",
        let_vars = "let", comment = "comment", raw_data = "rawData");
    options.max_time = arguments.millis("maxTimeMS")?;
    on_collection(move |collection, session| {
        let operation = collection.find_one_and_replace(filter, replacement).with_options(options);
        end!(F, operation, session).map(found)
    })
}

fn find_one_and_delete<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let filter: Document = arguments.required("filter")?;
    let mut options = FindOneAndDeleteOptions::default();
    fill!(options from arguments:
        projection = "projection", sort = "sort", collation = "collation", hint = "hint",
        let_vars = "let",
        comment = "comment", raw_data = "rawData");
    options.max_time = arguments.millis("maxTimeMS")?;
    on_collection(move |collection, session| {
        let operation = collection.find_one_and_delete(filter).with_options(options);
        end!(F, operation, session).map(found)
    })
}

fn found<F: Steps>(document: Option<Document>) -> Answer<F> {
    document.map_or(Bson::Null, Bson::Document).into()
}

fn count<F: Steps>(count: u64) -> Answer<F> {
    Bson::Int64(count as i64).into()
}

fn updated<F: Steps>(result: UpdateResult) -> Answer<F> {
    let mut counts = doc! {
        "matchedCount": result.matched_count as i64,
        "modifiedCount": result.modified_count as i64,
        "upsertedCount": i64::from(result.upserted_id.is_some()),
    };
    if let Some(id) = result.upserted_id {
        counts.insert("upsertedId", id);
    }
    counts.into()
}

fn deleted<F: Steps>(result: DeleteResult) -> Answer<F> {
    doc! { "deletedCount": result.deleted_count as i64 }.into()
}
