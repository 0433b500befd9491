//! The operations of clients.

use driver::options::DriverInfo;

use super::{Answer, Kind, Read, Registry, on_client};
use crate::unified::api::Api;
use crate::unified::arguments::Arguments;

pub(super) fn register<F: Api>(registry: &mut Registry<F>) {
    registry.add(Kind::Client, "close", close);
    registry.add(Kind::Client, "appendMetadata", append_metadata);
    registry.lacks(
        Kind::Client,
        &["listDatabases", "listDatabaseNames", "listDatabaseObjects"],
        "lists of databases, collections and indexes",
    );
    registry.lacks(Kind::Client, &["clientBulkWrite"], "bulk writes of a client");
    registry.lacks(Kind::Client, &["dropDatabase"], "dropping a database by its client");
}

fn close<F: Api>(_: &mut Arguments) -> Read<F> {
    on_client(|client| {
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
    on_client(move |client| {
        Ok(client.client()?.append_metadata(info.build()).map(|()| Answer::Nothing))
    })
}
