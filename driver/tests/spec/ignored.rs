//! The cases that need a component which cannot exist where these tests run.
//!
//! A line is the beginning of a trial's name and the missing component. Nothing stands here because it fails.

/// The cases of one file demand both that MONGODB-AWS takes credentials and that it refuses them. The text of the specification
/// ("Obtaining Credentials") decides for refusing, and the cases that demand this are run.
const BOTH_WAYS: &str = "a driver that takes MONGODB-AWS credentials, which other cases of this file and the specification's text forbid";

/// Beginnings of names, with the component that their cases need.
const MISSING: [(&str, &str); 2] = [
    ("auth/legacy/connection-string: should use username and password if specified (MONGODB-AWS)", BOTH_WAYS),
    (
        "auth/legacy/connection-string: should use username, password and session token if specified (MONGODB-AWS)",
        BOTH_WAYS,
    ),
];

/// The component that the trial `name` lacks.
pub(crate) fn missing_component(name: &str) -> Option<&'static str> {
    MISSING.iter().find(|(beginning, _)| name.starts_with(beginning)).map(|(_, component)| *component)
}

/// Operations of cases in the unified format that the driver does not have yet, by what it would need.
const MISSING_OPERATIONS: [(&str, &[&str]); 10] = [
    ("bulk writes of a collection", &["bulkWrite"]),
    ("bulk writes of a client", &["clientBulkWrite"]),
    ("find and modify", &["findOneAndDelete", "findOneAndReplace", "findOneAndUpdate"]),
    ("transactions", &["startTransaction", "commitTransaction", "abortTransaction", "withTransaction"]),
    ("change streams", &["createChangeStream"]),
    ("GridFS", &["download", "downloadByName", "upload", "delete", "rename"]),
    (
        "lists of databases, collections and indexes",
        &[
            "listDatabases",
            "listDatabaseNames",
            "listDatabaseObjects",
            "listCollections",
            "listCollectionObjects",
            "listIndexes",
            "listIndexNames",
        ],
    ),
    ("making and changing collections and indexes", &["createCollection", "createIndex", "modifyCollection"]),
    ("the deprecated commands count and mapReduce, which new drivers leave out", &["count", "mapReduce"]),
    ("a view of whether a session is dirty", &["assertSessionDirty", "assertSessionNotDirty"]),
];

/// The component that an operation of an `object` needs and the driver lacks.
pub(crate) fn missing_operation(
    object: Option<&str>,
    name: &str,
    arguments: &bson::Document,
) -> Option<String> {
    if (object, name) == (Some("database"), "aggregate") {
        return Some("the driver lacks aggregations of a whole database".into());
    }
    if arguments.contains_key("rawData") {
        return Some("the driver lacks operations on the raw buckets of time series".into());
    }
    let (component, _) = MISSING_OPERATIONS.iter().find(|(_, names)| names.contains(&name))?;
    Some(format!("the driver lacks {component}"))
}

/// The component that an entity needs and the driver lacks.
pub(crate) fn missing_entity(kind: &str, content: &bson::Document) -> Option<String> {
    match kind {
        "bucket" => Some("the driver lacks GridFS".into()),
        "session"
            if content
                .get_document("sessionOptions")
                .is_ok_and(|options| options.contains_key("snapshotTime")) =>
        {
            Some("the driver lacks snapshots of a time that the caller gives".into())
        }
        "client"
            if content
                .get_document("uriOptions")
                .is_ok_and(|options| options.contains_key("waitQueueSize")) =>
        {
            Some("the driver lacks the deprecated option waitQueueSize".into())
        }
        _ => None,
    }
}
