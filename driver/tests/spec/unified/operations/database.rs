//! The operations of databases on their collections.

use std::time::Duration;

use bson::{Bson, Document};
use driver::options::{
    CreateCollectionOptions, DropCollectionOptions, ListCollectionsOptions,
    ModifyCollectionOptions, RenameCollectionOptions,
};

use super::{Answer, Kind, Read, Registry, end, on_collection, on_database};
use crate::unified::Steps;
use crate::unified::arguments::{Arguments, fill};
use crate::unified::stop::Stop;

pub(super) fn register<F: Steps>(registry: &mut Registry<F>) {
    registry.add(Kind::Database, "listCollectionNames", list_collection_names);
    registry.add(Kind::Database, "dropCollection", drop_collection);
    registry.add(Kind::Database, "listCollections", list_collections);
    registry.add(Kind::Database, "createCollection", create_collection);
    registry.add(Kind::Database, "modifyCollection", modify_collection);
    registry.add(Kind::Collection, "rename", rename);
    registry.add(Kind::Collection, "drop", drop);
    registry.lacks(
        Kind::Database,
        &["listCollectionObjects"],
        "lists of collection handles, which the specification makes optional",
    );
}

fn list_collection_names<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let options = list_options(arguments)?;
    on_database(move |database, session| {
        let operation = database.list_collection_names().with_options(options);
        let names = end!(F, operation, session)?;
        Ok(names.into_iter().map(Bson::String).collect::<Vec<_>>().into())
    })
}

fn list_collections<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let options = list_options(arguments)?;
    on_database(move |database, session| {
        let operation = database.list_collections().with_options(options);
        let documents = match session {
            None => F::end(operation).and_then(|cursor| F::collect(cursor.with_type())),
            Some(session) => F::end(operation.session(&mut *session))
                .and_then(|cursor| F::collect_in(cursor.with_type(), session)),
        };
        documents.map(Answer::Documents)
    })
}

fn list_options(arguments: &mut Arguments) -> Result<ListCollectionsOptions, Stop> {
    let mut options = ListCollectionsOptions::default();
    fill!(options from arguments:
        filter = "filter", authorized_collections = "authorizedCollections",
        batch_size = "batchSize", comment = "comment",
        raw_data = "rawData", timeout_mode = "timeoutMode");
    Ok(options)
}

fn create_collection<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let name: String = arguments.required("collection")?;
    let mut options = CreateCollectionOptions::default();
    fill!(options from arguments:
        capped = "capped", size = "size", max = "max", view_on = "viewOn", pipeline = "pipeline",
        timeseries = "timeseries",
        change_stream_pre_and_post_images = "changeStreamPreAndPostImages",
        clustered_index = "clusteredIndex");
    options.expire_after_seconds = arguments.option("expireAfterSeconds")?.map(Duration::from_secs);
    on_database(move |database, session| {
        let operation = database.create_collection(name.as_str()).with_options(options);
        end!(F, operation, session).map(|()| Answer::Collection(database.collection(&name)))
    })
}

fn modify_collection<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let name: String = arguments.required("collection")?;
    let mut options = ModifyCollectionOptions::default();
    fill!(options from arguments:
        index = "index", validator = "validator",
        change_stream_pre_and_post_images = "changeStreamPreAndPostImages");
    on_database(move |database, session| {
        let operation = database.modify_collection(name).with_options(options);
        end!(F, operation, session).map(|()| Answer::Nothing)
    })
}

fn rename<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let to: String = arguments.required("to")?;
    let mut options = RenameCollectionOptions::default();
    fill!(options from arguments: drop_target = "dropTarget");
    on_collection(move |collection, session| {
        let operation = collection.rename(to).with_options(options);
        end!(F, operation, session).map(|_| Answer::Nothing)
    })
}

fn drop<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let mut options = DropCollectionOptions::default();
    fill!(options from arguments:);
    on_collection(move |collection, session| {
        end!(F, collection.drop().with_options(options), session).map(|()| Answer::Nothing)
    })
}

fn drop_collection<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let name: String = arguments.required("collection")?;
    on_database(move |database, session| {
        let collection = database.collection::<Document>(&name);
        end!(F, collection.drop(), session).map(|()| Answer::Nothing)
    })
}
