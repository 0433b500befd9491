//! The operations of clients.

use std::collections::HashMap;

use bson::{Bson, Document, doc};
use driver::options::{BulkWriteOptions, DriverInfo, ListDatabasesOptions, WriteModel};
use driver::results::{SummaryBulkWriteResult, VerboseBulkWriteResult};
use serde::Serialize;

use super::crud::model;
use super::{Answer, Kind, Read, Registry, end, on_client};
use crate::unified::Steps;
use crate::unified::arguments::{Arguments, fill};
use crate::unified::stop::Stop;

pub(super) fn register<F: Steps>(registry: &mut Registry<F>) {
    registry.add(Kind::Client, "close", close);
    registry.add(Kind::Client, "appendMetadata", append_metadata);
    registry.add(Kind::Client, "listDatabases", list_databases);
    registry.add(Kind::Client, "listDatabaseNames", list_database_names);
    registry.add(Kind::Client, "dropDatabase", drop_database);
    registry.lacks(
        Kind::Client,
        &["listDatabaseObjects"],
        "lists of database handles, which the specification makes optional",
    );
    registry.add(Kind::Client, "clientBulkWrite", bulk_write);
}

fn bulk_write<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let models: Vec<Document> = arguments.required("models")?;
    let models: Vec<WriteModel> = models.into_iter().map(model).collect::<Result<_, Stop>>()?;
    let verbose = arguments.option("verboseResults")?.unwrap_or(false);
    let mut options = BulkWriteOptions::default();
    fill!(options from arguments:
        ordered = "ordered", bypass_document_validation = "bypassDocumentValidation",
        let_vars = "let", comment = "comment", raw_data = "rawData");
    options.write_concern = arguments.write_concern()?;
    on_client(move |client, session| {
        let client = client.client()?;
        let operation = client.bulk_write(models).with_options(options);
        Ok(if verbose {
            let result = end!(F, operation.verbose_results(), session);
            result.map(|result| verbose_results(&result).into())
        } else {
            end!(F, operation, session).map(|result| summary(&result).into())
        })
    })
}

/// The counts of a client bulk write.
pub(crate) fn summary(result: &SummaryBulkWriteResult) -> Document {
    doc! {
        "insertedCount": result.inserted_count, "upsertedCount": result.upserted_count,
        "matchedCount": result.matched_count, "modifiedCount": result.modified_count,
        "deletedCount": result.deleted_count,
    }
}

/// The same, with the result of each write.
pub(crate) fn verbose_results(result: &VerboseBulkWriteResult) -> Document {
    fn by_position<T: Serialize>(results: &HashMap<usize, T>) -> Document {
        let result = |result| bson::serialize_to_bson(result).expect("a result is BSON");
        results.iter().map(|(index, of)| (index.to_string(), result(of))).collect()
    }
    let mut results = summary(&result.summary);
    results.insert("insertResults", by_position(&result.insert_results));
    results.insert("updateResults", by_position(&result.update_results));
    results.insert("deleteResults", by_position(&result.delete_results));
    results
}

fn close<F: Steps>(_: &mut Arguments) -> Read<F> {
    on_client(|client, _| {
        client.close();
        Ok(Ok(Answer::Nothing))
    })
}

fn append_metadata<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let mut given =
        arguments.nested("driverInfoOptions")?.ok_or("appendMetadata lacks driverInfoOptions")?;
    let name: String = given.required("name")?;
    let info = DriverInfo::builder().name(name);
    let info = info
        .version(given.option::<String>("version")?)
        .platform(given.option::<String>("platform")?);
    given.done()?;
    on_client(move |client, _| {
        Ok(client.client()?.append_metadata(info.build()).map(|()| Answer::Nothing))
    })
}

fn list_databases<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let mut options = ListDatabasesOptions::default();
    fill!(options from arguments: filter = "filter");
    on_client(move |client, session| {
        let client = client.client()?;
        let listed = end!(F, client.list_databases().with_options(options), session);
        let documents = listed.map(|databases| {
            let document = |database| bson::serialize_to_document(&database);
            databases.into_iter().map(document).collect::<Result<Vec<Document>, _>>()
        });
        match documents {
            Ok(documents) => Ok(Ok(Answer::Documents(documents.map_err(|e| e.to_string())?))),
            Err(error) => Ok(Err(error)),
        }
    })
}

fn list_database_names<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let mut options = ListDatabasesOptions::default();
    fill!(options from arguments:);
    on_client(move |client, session| {
        let client = client.client()?;
        let names = end!(F, client.list_database_names().with_options(options), session);
        Ok(names.map(|names| names.into_iter().map(Bson::String).collect::<Vec<_>>().into()))
    })
}

fn drop_database<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let name: String = arguments.required("database")?;
    on_client(move |client, session| {
        let database = client.client()?.database(&name);
        Ok(end!(F, database.drop(), session).map(|()| Answer::Nothing))
    })
}
