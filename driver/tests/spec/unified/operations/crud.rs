//! Writes to a collection, and the reads that give a value.

use bson::{Bson, Document, doc};
use driver::options::{
    CountOptions, DeleteOptions, DistinctOptions, EstimatedDocumentCountOptions, InsertManyOptions,
    InsertOneOptions, ReplaceOptions, UpdateOptions,
};
use driver::results::{DeleteResult, UpdateResult};

use super::{Answer, Kind, Read, Registry, end, on_collection};
use crate::unified::api::Api;
use crate::unified::arguments::{Arguments, fill};
use crate::unified::stop::Stop;

pub(super) fn register<F: Api>(registry: &mut Registry<F>) {
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
    registry.lacks(Kind::Collection, &["bulkWrite"], "bulk writes of a collection");
    registry.lacks(
        Kind::Collection,
        &["findOneAndDelete", "findOneAndReplace", "findOneAndUpdate"],
        "find and modify",
    );
    registry.lacks(
        Kind::Collection,
        &["count", "mapReduce"],
        "the deprecated commands count and mapReduce, which new drivers leave out",
    );
}

fn count_documents<F: Api>(arguments: &mut Arguments) -> Read<F> {
    let filter: Document = arguments.required("filter")?;
    let mut options = CountOptions::default();
    fill!(options from arguments:
        limit = "limit", skip = "skip", collation = "collation", comment = "comment",
        hint = "hint");
    options.max_time = arguments.millis("maxTimeMS")?;
    on_collection(move |collection, session| {
        let operation = collection.count_documents(filter).with_options(options);
        end!(F, operation, session).map(count)
    })
}

fn estimated_document_count<F: Api>(arguments: &mut Arguments) -> Read<F> {
    let mut options = EstimatedDocumentCountOptions::default();
    fill!(options from arguments: comment = "comment");
    options.max_time = arguments.millis("maxTimeMS")?;
    on_collection(move |collection, _| {
        let operation = collection.estimated_document_count().with_options(options);
        F::end(operation).map(count)
    })
}

fn distinct<F: Api>(arguments: &mut Arguments) -> Read<F> {
    let field: String = arguments.required("fieldName")?;
    let filter: Document = arguments.required("filter")?;
    let mut options = DistinctOptions::default();
    fill!(options from arguments: collation = "collation", comment = "comment", hint = "hint");
    options.max_time = arguments.millis("maxTimeMS")?;
    on_collection(move |collection, session| {
        let operation = collection.distinct(field, filter).with_options(options);
        Ok(end!(F, operation, session)?.into())
    })
}

fn insert_one<F: Api>(arguments: &mut Arguments) -> Read<F> {
    let document: Document = arguments.required("document")?;
    let mut options = InsertOneOptions::default();
    fill!(options from arguments: bypass_document_validation = "bypassDocumentValidation",
        comment = "comment");
    on_collection(move |collection, session| {
        let operation = collection.insert_one(document).with_options(options);
        let result = end!(F, operation, session)?;
        Ok(doc! { "insertedId": result.inserted_id }.into())
    })
}

fn insert_many<F: Api>(arguments: &mut Arguments) -> Read<F> {
    let documents: Vec<Document> = arguments.required("documents")?;
    let mut options = InsertManyOptions::default();
    fill!(options from arguments:
        bypass_document_validation = "bypassDocumentValidation", comment = "comment",
        ordered = "ordered");
    on_collection(move |collection, session| {
        let operation = collection.insert_many(documents).with_options(options);
        let result = end!(F, operation, session)?;
        let ids = result.inserted_ids.into_iter().map(|(index, id)| (index.to_string(), id));
        Ok(doc! { "insertedIds": ids.collect::<Document>() }.into())
    })
}

fn update_one<F: Api>(arguments: &mut Arguments) -> Read<F> {
    let (filter, update) = (arguments.required("filter")?, arguments.update()?);
    let options = update_options(arguments)?;
    on_collection(move |collection, session| {
        let operation = collection.update_one(filter, update).with_options(options);
        end!(F, operation, session).map(updated)
    })
}

fn update_many<F: Api>(arguments: &mut Arguments) -> Read<F> {
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
        sort = "sort");
    Ok(options)
}

fn replace_one<F: Api>(arguments: &mut Arguments) -> Read<F> {
    let filter: Document = arguments.required("filter")?;
    let replacement: Document = arguments.required("replacement")?;
    let mut options = ReplaceOptions::default();
    fill!(options from arguments:
        bypass_document_validation = "bypassDocumentValidation", upsert = "upsert",
        collation = "collation", hint = "hint",
        let_vars = "let", comment = "comment", sort = "sort");
    on_collection(move |collection, session| {
        let operation = collection.replace_one(filter, replacement).with_options(options);
        end!(F, operation, session).map(updated)
    })
}

fn delete_one<F: Api>(arguments: &mut Arguments) -> Read<F> {
    let filter: Document = arguments.required("filter")?;
    let options = delete_options(arguments)?;
    on_collection(move |collection, session| {
        let operation = collection.delete_one(filter).with_options(options);
        end!(F, operation, session).map(deleted)
    })
}

fn delete_many<F: Api>(arguments: &mut Arguments) -> Read<F> {
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
        comment = "comment");
    Ok(options)
}

fn count<F: Api>(count: u64) -> Answer<F> {
    Bson::Int64(count as i64).into()
}

fn updated<F: Api>(result: UpdateResult) -> Answer<F> {
    let mut told = doc! {
        "matchedCount": result.matched_count as i64,
        "modifiedCount": result.modified_count as i64,
        "upsertedCount": i64::from(result.upserted_id.is_some()),
    };
    if let Some(id) = result.upserted_id {
        told.insert("upsertedId", id);
    }
    told.into()
}

fn deleted<F: Api>(result: DeleteResult) -> Answer<F> {
    doc! { "deletedCount": result.deleted_count as i64 }.into()
}
