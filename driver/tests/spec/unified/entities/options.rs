//! The options of entities.

use bson::{Bson, Document};
use driver::options::{
    GridFsBucketOptions, ReadConcern, SelectionCriteria, ServerApi, SessionOptions, WriteConcern,
};

use crate::unified::arguments::Arguments;
use crate::unified::format::{
    BucketDefinition, ClientDefinition, EntityDefinition, HandleOptions, ServerApiDefinition,
    SessionDefinition,
};
use crate::unified::operations::transactions::nested_options;
use crate::unified::stop::Stop;

/// Checks that the driver has all components of an entity.
///
/// # Errors
/// The missing component, or a field that this runner does not know.
pub(crate) fn lacks(definition: &EntityDefinition) -> Result<(), Stop> {
    match definition {
        EntityDefinition::Client(own) => lacking_client(own),
        EntityDefinition::ClientEncryption(_) => {
            Err(Stop::lacks("client-side field level encryption"))
        }
        EntityDefinition::Database(own) => concerns(&own.database_options).map(drop),
        EntityDefinition::Collection(own) => concerns(&own.collection_options).map(drop),
        EntityDefinition::Session(own) => session_options(own).map(drop),
        EntityDefinition::Bucket(own) => bucket_options(own).map(drop),
        EntityDefinition::Thread(_) => Ok(()),
    }
}

pub(super) fn lacking_client(definition: &ClientDefinition) -> Result<(), Stop> {
    if definition.uri_options.contains_key("waitQueueSize") {
        return Err(Stop::lacks("the deprecated option waitQueueSize"));
    }
    if definition.auto_encrypt_opts.is_some() {
        return Err(Stop::lacks("client-side field level encryption"));
    }
    Ok(())
}

pub(super) type Concerns = (Option<SelectionCriteria>, Option<ReadConcern>, Option<WriteConcern>);

pub(super) fn concerns(options: &HandleOptions) -> Result<Concerns, Stop> {
    let mut given = Document::new();
    let fields = [
        ("readPreference", &options.read_preference),
        ("readConcern", &options.read_concern),
        ("writeConcern", &options.write_concern),
    ];
    for (key, value) in fields {
        given.extend(value.as_ref().map(|value| (key.to_owned(), Bson::from(value.clone()))));
    }
    let mut given = Arguments::of("the options of a database or collection", given);
    let concerns = (given.selection()?, given.read_concern()?, given.write_concern()?);
    given.done()?;
    Ok(concerns)
}

pub(super) fn bucket_options(definition: &BucketDefinition) -> Result<GridFsBucketOptions, Stop> {
    let mut given = Arguments::of("bucketOptions", definition.bucket_options.clone());
    let mut options = GridFsBucketOptions::default();
    options.bucket_name = given.option("bucketName")?;
    options.chunk_size_bytes = given.option("chunkSizeBytes")?;
    // Digests were removed from the specification.
    let _: Option<bool> = given.option("disableMD5")?;
    options.selection_criteria = given.selection()?;
    options.read_concern = given.read_concern()?;
    options.write_concern = given.write_concern()?;
    options.timeout = given.millis("timeoutMS")?;
    given.done()?;
    Ok(options)
}

pub(super) fn session_options(definition: &SessionDefinition) -> Result<SessionOptions, Stop> {
    let mut given = Arguments::of("sessionOptions", definition.session_options.clone());
    let mut options = SessionOptions::default();
    options.causal_consistency = given.option("causalConsistency")?;
    options.snapshot = given.option("snapshot")?;
    // Looked up where the session is created.
    let _: Option<String> = given.option("snapshotTime")?;
    options.default_timeout = given.millis("defaultTimeoutMS")?;
    options.default_transaction_options =
        given.option("defaultTransactionOptions")?.map(nested_options).transpose()?;
    given.done()?;
    Ok(options)
}

pub(super) fn server_api(definition: &ServerApiDefinition) -> Result<ServerApi, String> {
    let version = Bson::String(definition.version.clone());
    let mut api = ServerApi::default();
    api.version = bson::deserialize_from_bson(version).map_err(|e| e.to_string())?;
    (api.strict, api.deprecation_errors) = (definition.strict, definition.deprecation_errors);
    Ok(api)
}

pub(super) fn percent_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() {
                (byte as char).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}
