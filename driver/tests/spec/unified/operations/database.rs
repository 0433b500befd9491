//! The operations of databases on their collections.

use bson::{Bson, Document};
use driver::options::ListCollectionNamesOptions;

use super::{Answer, Kind, Read, Registry, end, on_database};
use crate::unified::api::Api;
use crate::unified::arguments::{Arguments, fill};

pub(super) fn register<F: Api>(registry: &mut Registry<F>) {
    registry.add(Kind::Database, "listCollectionNames", list_collection_names);
    registry.add(Kind::Database, "dropCollection", drop_collection);
    registry.lacks(
        Kind::Database,
        &["listCollections", "listCollectionObjects"],
        "lists of databases, collections and indexes",
    );
    registry.lacks(
        Kind::Database,
        &["createCollection", "modifyCollection"],
        "making and changing collections and indexes",
    );
    registry.lacks(
        Kind::Collection,
        &["rename", "drop"],
        "making and changing collections and indexes",
    );
}

fn list_collection_names<F: Api>(arguments: &mut Arguments) -> Read<F> {
    let mut options = ListCollectionNamesOptions::default();
    fill!(options from arguments:
        filter = "filter", authorized_collections = "authorizedCollections",
        batch_size = "batchSize", comment = "comment");
    on_database(move |database, session| {
        let operation = database.list_collection_names().with_options(options);
        let names = end!(F, operation, session)?;
        Ok(names.into_iter().map(Bson::String).collect::<Vec<_>>().into())
    })
}

fn drop_collection<F: Api>(arguments: &mut Arguments) -> Read<F> {
    let name: String = arguments.required("collection")?;
    on_database(move |database, session| {
        let collection = database.collection::<Document>(&name);
        end!(F, collection.drop(), session).map(|()| Answer::Nothing)
    })
}
