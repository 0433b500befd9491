//! Small programs in the style of the official crate. With its crate name, each of them compiles
//! and behaves in the same way there.

mod clients;
mod events;
mod paths;
mod traits;

use std::collections::HashSet;
use std::time::Duration;

use driver::action::Action;
use driver::bson::{Bson, Document, doc};
use driver::error::{self, Error, ErrorKind};
use driver::options::{
    AuthMechanism, ClientOptions, CollectionOptions, ConnectionString, Credential, CursorType,
    FindOneOptions, FindOptions, HostInfo, ReadConcern, ReadPreference, SelectionCriteria,
    ServerAddress, ServerApi, ServerApiVersion, ServerMonitoringMode, SessionOptions, Tls,
    TransactionOptions, UpdateModifications, WriteConcern,
};
use driver::{
    Client, ClusterTime, Namespace, ServerType, SessionCursor, SessionCursorStream, TopologyType,
    sync,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use testbed::shared_standalone;

fn uri() -> String {
    shared_standalone().unwrap().uri().to_owned()
}

fn options() -> ClientOptions {
    ClientOptions::parse(uri()).run().unwrap()
}

fn json<T: Serialize>(value: T) -> serde_json::Value {
    serde_json::to_value(value).unwrap()
}

fn of_json<T: DeserializeOwned>(value: serde_json::Value) -> T {
    serde_json::from_value(value).unwrap()
}

// ---- values as text

#[test]
fn namespaces_are_read_and_written_as_text() {
    let namespace: Namespace = "zoo.monkeys.old".parse().unwrap();
    assert_eq!((&*namespace.db, &*namespace.coll), ("zoo", "monkeys.old"));
    assert_eq!(Namespace::try_from("a.b").unwrap(), Namespace::new("a", "b"));
    assert_eq!(json(&namespace), "zoo.monkeys.old");
    assert_eq!(of_json::<Namespace>(json(&namespace)), namespace);
    for bad in ["", "zoo", "zoo.", ".monkeys"] {
        let error = bad.parse::<Namespace>().unwrap_err().to_string();
        assert!(error.contains(&format!("{bad:?}")), "{error}");
    }
}

#[test]
fn enums_are_read_and_written_by_their_names() {
    assert_eq!("RSPrimary".parse::<ServerType>().unwrap(), ServerType::RsPrimary);
    assert_eq!(json(ServerType::RsPrimary), "RSPrimary");
    assert_eq!(of_json::<TopologyType>("Sharded".into()), TopologyType::Sharded);
    assert_eq!(TopologyType::try_from("Single").unwrap().to_string(), "Single");
    assert_eq!("SCRAM-SHA-256".parse::<AuthMechanism>().unwrap(), AuthMechanism::ScramSha256);
    assert_eq!("1".parse::<ServerApiVersion>().unwrap(), ServerApiVersion::V1);
    assert_eq!(of_json::<CursorType>("tailableAwait".into()), CursorType::TailableAwait);
    assert_eq!(of_json::<ServerMonitoringMode>("Poll".into()), ServerMonitoringMode::Poll);
    let error = "Primary".parse::<ServerType>().unwrap_err().to_string();
    assert!(error.contains("\"Primary\"") && error.contains("RSPrimary"), "{error}");
}

#[test]
fn server_addresses_are_read_and_written_as_text() {
    let address: ServerAddress = "mongo.example:27018".parse().unwrap();
    assert_eq!(json(&address), "mongo.example:27018");
    assert_eq!(of_json::<ServerAddress>(json(&address)), address);
    let parts = serde_json::json!({ "host": "mongo.example", "port": 27018 });
    assert_eq!(of_json::<ServerAddress>(parts), address);
    assert_eq!(ServerAddress::default().to_string(), "localhost:27017");
    let socket: std::net::SocketAddr = "[::1]:27018".parse().unwrap();
    assert_eq!(ServerAddress::from(socket).to_string(), "[::1]:27018");
}

// ---- options

#[test]
fn options_of_operations_are_read_and_written() {
    let form = serde_json::json!({
        "batchSize": 7, "maxTimeMS": 1500, "sort": { "a": 1 }, "let": { "x": 2 },
        "cursorType": "tailable", "readConcern": { "level": "majority" }, "hint": "by_a",
        "timeoutMS": 2000, "unknown": true,
    });
    let options: FindOptions = of_json(form);
    assert_eq!(
        (options.batch_size, options.max_time),
        (Some(7), Some(Duration::from_millis(1500)))
    );
    assert_eq!(options.let_vars, Some(doc! { "x": 2 }));
    assert_eq!(options.timeout, Some(Duration::from_secs(2)));
    assert_eq!(options.read_concern, Some(ReadConcern::majority()));
    assert_eq!(of_json::<FindOptions>(json(&options)), options);
    let wrong = serde_json::from_value::<FindOptions>(serde_json::json!({ "batchSize": "many" }));
    assert!(wrong.unwrap_err().to_string().contains("batchSize"));
    // BSON is read and written as well.
    let bson = driver::bson::serialize_to_document(&options).unwrap();
    assert_eq!(bson.get_i64("maxTimeMS").unwrap(), 1500);
    assert_eq!(driver::bson::deserialize_from_document::<FindOptions>(bson).unwrap(), options);
}

#[test]
fn options_of_find_one_become_options_of_find() {
    let one = FindOneOptions::builder().skip(3_u64).sort(doc! { "a": 1 }).build();
    let options = FindOptions::from(one);
    assert_eq!((options.skip, options.sort), (Some(3), Some(doc! { "a": 1 })));
}

#[test]
fn options_of_handles_and_sessions_are_read() {
    let options: CollectionOptions = of_json(serde_json::json!({
        "writeConcern": { "w": "majority" }, "selectionCriteria": { "mode": "nearest" },
    }));
    assert_eq!(options.write_concern, Some(WriteConcern::majority()));
    let nearest = SelectionCriteria::from(ReadPreference::Nearest { options: None });
    assert_eq!(options.selection_criteria, Some(nearest));
    let session: SessionOptions = of_json(serde_json::json!({ "snapshot": true }));
    assert_eq!(session.snapshot, Some(true));
    let transaction: TransactionOptions = of_json(serde_json::json!({
        "maxCommitTimeMS": 5, "readPreference": { "mode": "primary" },
    }));
    assert_eq!(transaction.max_commit_time, Some(Duration::from_millis(5)));
    assert_eq!(transaction.selection_criteria, Some(ReadPreference::Primary.into()));
    let api: ServerApi = of_json(serde_json::json!({ "version": "1", "strict": true }));
    assert_eq!((api.version, api.strict), (ServerApiVersion::V1, Some(true)));
    let update: UpdateModifications = of_json(serde_json::json!([{ "$set": { "a": 1 } }]));
    assert_eq!(update, UpdateModifications::Pipeline(vec![doc! { "$set": { "a": 1_i32 } }]));
}

#[test]
fn client_options_are_read_and_compared() {
    let form = serde_json::json!({
        "hosts": ["a:1", { "host": "b", "port": 2 }], "appName": "zoo", "maxPoolSize": 5,
        "credential": { "username": "mabel", "mechanism": "SCRAM-SHA-1" }, "tls": "Disabled",
    });
    let options: ClientOptions = of_json(form.clone());
    assert_eq!(options.hosts.iter().map(ToString::to_string).collect::<Vec<_>>(), ["a:1", "b:2"]);
    let credential = options.credential.clone().unwrap();
    assert_eq!(credential.mechanism, Some(AuthMechanism::ScramSha1));
    assert_eq!(options.tls, Some(Tls::Disabled));
    assert_eq!(options, of_json::<ClientOptions>(form));
    let mut other = options.clone();
    other.app_name = None;
    assert_ne!(options, other);
    assert_eq!(Credential::default().username, None);
}

#[test]
fn connection_strings_are_arguments() {
    let text = "mongodb://mongo.example:27018/zoo?appName=mabel";
    let read: ConnectionString = text.parse().unwrap();
    assert_eq!(read.to_string(), text);
    assert_eq!(of_json::<ConnectionString>(text.into()), read);
    assert!(matches!(&read.host_info, HostInfo::HostIdentifiers(hosts) if hosts.len() == 1));
    let options = ClientOptions::parse(read).run().unwrap();
    assert_eq!(options, ClientOptions::parse(text).run().unwrap());
    assert_eq!(options, ClientOptions::parse(text.to_owned()).run().unwrap());
    assert!(matches!(
        ClientOptions::parse("http://localhost").run().unwrap_err().kind(),
        ErrorKind::InvalidArgument { .. }
    ));
}

#[tokio::test]
async fn connection_strings_are_awaited() {
    let options = ClientOptions::parse("mongodb://mongo.example/zoo").await.unwrap();
    assert_eq!(options.default_database.as_deref(), Some("zoo"));
}

// ---- errors

#[test]
fn errors_of_a_program_come_back_to_it() {
    #[derive(Debug, PartialEq)]
    struct SoldOut(u32);

    let error = Error::custom(SoldOut(7));
    assert_eq!(error.get_custom::<SoldOut>(), Some(&SoldOut(7)));
    assert_eq!(error.get_custom::<String>(), None);
    assert_eq!(Error::custom("sold out".to_owned()).to_string(), "sold out");
    assert!(matches!(error.clone().kind(), ErrorKind::Custom(_)));
    assert_eq!(error.base_backoff(), None);
}

#[test]
fn kinds_and_errors_of_the_system_become_errors() {
    fn read() -> driver::error::Result<Vec<u8>> {
        Ok(std::fs::read("/there/is/no/such/file")?)
    }
    assert!(read().unwrap_err().is_network());
    let timeout = Error::from(ErrorKind::from(std::io::ErrorKind::TimedOut));
    assert!(timeout.is_timeout());
    assert!(matches!(Error::from(ErrorKind::Shutdown).kind(), ErrorKind::Shutdown));
}

#[test]
fn labels_have_public_names() {
    let labels: HashSet<&str> = [
        error::RETRYABLE_WRITE_ERROR,
        error::TRANSIENT_TRANSACTION_ERROR,
        error::UNKNOWN_TRANSACTION_COMMIT_RESULT,
        error::SYSTEM_OVERLOADED_ERROR,
        error::RETRYABLE_ERROR,
        error::NO_WRITES_PERFORMED,
        error::RESUMABLE_CHANGE_STREAM_ERROR,
    ]
    .into();
    assert_eq!(labels.len(), 7);
}

#[test]
fn server_errors_are_read_from_replies() {
    let reply = serde_json::json!({
        "code": 26, "codeName": "NamespaceNotFound", "errmsg": "ns not found", "ok": 0,
    });
    let error: error::CommandError = of_json(reply);
    assert_eq!((error.code, &*error.message), (26, "ns not found"));
    assert_eq!(json(&error)["codeName"], "NamespaceNotFound");
    let write: error::WriteError =
        of_json(serde_json::json!({ "code": 11000, "errmsg": "dup", "errInfo": { "a": 1 } }));
    assert_eq!(write.details.unwrap().len(), 1);
}

// ---- operations

#[tokio::test]
async fn options_are_set_on_a_condition() {
    let client = Client::with_options(options()).unwrap();
    let collection = client.database("parity").collection::<Document>("optional");
    collection.drop().await.unwrap();
    collection.insert_many((0..5).map(|n| doc! { "n": n })).await.unwrap();
    for (limit, count) in [(None, 5), (Some(2), 2)] {
        let counted = collection.count_documents(doc! {}).optional(limit, |a, l| a.limit(l));
        assert_eq!(counted.await.unwrap(), count);
    }
}

#[tokio::test]
async fn session_cursors_are_streams() {
    use futures_util::TryStreamExt;
    let client = Client::with_options(options()).unwrap();
    let collection = client.database("parity").collection::<Document>("stream");
    collection.drop().await.unwrap();
    collection.insert_many((0..5).map(|n| doc! { "n": n })).await.unwrap();
    let mut session = client.start_session().await.unwrap();
    let mut cursor: SessionCursor<Document> =
        collection.find(doc! {}).batch_size(2).session(&mut session).await.unwrap();
    let stream: SessionCursorStream<'_, Document> = cursor.stream(&mut session);
    assert_eq!(stream.try_collect::<Vec<_>>().await.unwrap().len(), 5);
    let time: Option<&ClusterTime> = session.cluster_time();
    assert!(time.is_none(), "a standalone server has no cluster time");
}

// ---- GridFS

#[tokio::test]
async fn gridfs_streams_have_the_traits_of_futures() {
    use driver::action::gridfs::OpenUploadStream;
    use driver::gridfs::{GridFsBucket, GridFsDownloadStream, GridFsUploadStream};
    use driver::options::{GridFsBucketOptions, GridFsUploadOptions};
    use futures_util::io::{AsyncReadExt, AsyncWriteExt};

    async fn copy(bucket: &GridFsBucket, id: Bson) -> std::io::Result<Vec<u8>> {
        let mut download: GridFsDownloadStream = bucket.open_download_stream(id).await?;
        let mut bytes = Vec::new();
        download.read_to_end(&mut bytes).await?;
        Ok(bytes)
    }

    let client = Client::with_options(options()).unwrap();
    let named = GridFsBucketOptions::builder().bucket_name("async".to_string()).build();
    let bucket = client.database("parity").gridfs_bucket(named);
    bucket.drop().await.unwrap();
    let options = GridFsUploadOptions::builder().chunk_size_bytes(4).build();
    let open: OpenUploadStream<'_> = bucket.open_upload_stream("file").with_options(options);
    let mut upload: GridFsUploadStream = open.await.unwrap();
    upload.write_all(b"hello world").await.unwrap();
    upload.flush().await.unwrap();
    upload.close().await.unwrap();
    let id = upload.id().clone();
    let mut download = bucket.open_download_stream(id.clone()).await.unwrap();
    let copied = futures_util::io::copy(&mut download, &mut futures_util::io::sink()).await;
    assert_eq!(copied.unwrap(), 11);
    assert_eq!(copy(&bucket, id.clone()).await.unwrap(), b"hello world");
    bucket.delete(id.clone()).await.unwrap();
    assert_eq!(copy(&bucket, id).await.unwrap_err().kind(), std::io::ErrorKind::NotFound);
    let mut upload = bucket.open_upload_stream("dropped").id("mabel".into()).await.unwrap();
    upload.write_all(b"hello").await.unwrap();
    upload.abort().await.unwrap();
}

#[test]
fn gridfs_streams_of_the_blocking_api_read_and_write() {
    use driver::error::{GridFsErrorKind, GridFsFileIdentifier};
    use driver::sync::gridfs::{FilesCollectionDocument, GridFsBucket, GridFsUploadStream};
    use std::io::{Read, Write};

    fn write(upload: &mut GridFsUploadStream) -> error::Result<()> {
        upload.write_all(b"hello world")?;
        upload.close()
    }

    let client = sync::Client::with_options(options()).unwrap();
    let bucket: GridFsBucket = client.database("parity").gridfs_bucket(None);
    bucket.drop().run().unwrap();
    let mut upload = bucket.open_upload_stream("file").run().unwrap();
    write(&mut upload).unwrap();
    let error = write(&mut upload).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::GridFs(GridFsErrorKind::UploadStreamClosed)));
    let file: FilesCollectionDocument = bucket.find_one(doc! {}).run().unwrap().unwrap();
    assert_eq!((file.length, file.chunk_size_bytes, &file.id), (11, 255 * 1024, upload.id()));
    let mut text = String::new();
    let mut download = bucket.open_download_stream_by_name("file").revision(-1).run().unwrap();
    download.read_to_string(&mut text).unwrap();
    assert_eq!(text, "hello world");
    let error = bucket.rename_by_name("other", "another").run().unwrap_err();
    match error.kind() {
        ErrorKind::GridFs(GridFsErrorKind::FileNotFound {
            identifier: GridFsFileIdentifier::Filename(name),
            ..
        }) => assert_eq!(name, "other"),
        other => panic!("{other:?}"),
    }
}
