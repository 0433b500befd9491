//! The operations of clients.

use bson::{Bson, Document};
use driver::options::{DriverInfo, ListDatabasesOptions};

use super::{Answer, Kind, Read, Registry, end, on_client};
use crate::unified::api::Api;
use crate::unified::arguments::{Arguments, fill};

pub(super) fn register<F: Api>(registry: &mut Registry<F>) {
    registry.add(Kind::Client, "close", close);
    registry.add(Kind::Client, "appendMetadata", append_metadata);
    registry.add(Kind::Client, "listDatabases", list_databases);
    registry.add(Kind::Client, "listDatabaseNames", list_database_names);
    registry.add(Kind::Client, "dropDatabase", drop_database);
    registry.lacks(
        Kind::Client,
        &["listDatabaseObjects"],
        "lists of handles of databases, which the specification leaves to the driver",
    );
    registry.lacks(Kind::Client, &["clientBulkWrite"], "bulk writes of a client");
}

fn close<F: Api>(_: &mut Arguments) -> Read<F> {
    on_client(|client, _| {
        client.close();
        Ok(Ok(Answer::Nothing))
    })
}

fn append_metadata<F: Api>(arguments: &mut Arguments) -> Read<F> {
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

fn list_databases<F: Api>(arguments: &mut Arguments) -> Read<F> {
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

fn list_database_names<F: Api>(arguments: &mut Arguments) -> Read<F> {
    let mut options = ListDatabasesOptions::default();
    fill!(options from arguments:);
    on_client(move |client, session| {
        let client = client.client()?;
        let names = end!(F, client.list_database_names().with_options(options), session);
        Ok(names.map(|names| names.into_iter().map(Bson::String).collect::<Vec<_>>().into()))
    })
}

fn drop_database<F: Api>(arguments: &mut Arguments) -> Read<F> {
    let name: String = arguments.required("database")?;
    on_client(move |client, session| {
        let database = client.client()?.database(&name);
        Ok(end!(F, database.drop(), session).map(|()| Answer::Nothing))
    })
}
