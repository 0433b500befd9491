//! The traits of the official crate's types. That it compiles is the test.

use std::fmt::{Debug, Display};
use std::hash::Hash;
use std::str::FromStr;

use driver::bson::{Document, RawDocumentBuf};
use driver::change_stream::event::*;
use driver::error::*;
use driver::event::EventHandler;
use driver::event::cmap::*;
use driver::event::command::*;
use driver::event::sdam::*;
use driver::gridfs::FilesCollectionDocument;
use driver::options::*;
use driver::results::*;
use driver::{ClusterTime, IndexModel, Namespace, SearchIndexModel, SearchIndexType, ServerInfo};
use driver::{ServerType, SessionCursor, TopologyType};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Names what every listed type must have.
macro_rules! have {
    ($bound:path: $($Type:ty),* $(,)?) => {{
        fn has<T: $bound>() {}
        $( has::<$Type>(); )*
    }};
}

trait ReadAndWritten: Serialize + DeserializeOwned {}
impl<T: Serialize + DeserializeOwned> ReadAndWritten for T {}

trait Text: FromStr + Display {}
impl<T: FromStr + Display> Text for T {}

#[test]
fn types_are_read_and_written() {
    have!(ReadAndWritten:
        // Options.
        AggregateOptions, BulkWriteOptions, ChangeStreamOptions, ChangeStreamPreAndPostImages,
        ClusteredIndex, Collation, CollationAlternate, CollationCaseFirst, CollationMaxVariable,
        CollationStrength, CommitQuorum, CreateCollectionOptions, CreateIndexOptions, DeleteOptions,
        DistinctOptions, DriverInfo, DropCollectionOptions, DropDatabaseOptions, DropIndexOptions,
        EstimatedDocumentCountOptions, FindOptions, FullDocumentBeforeChangeType, FullDocumentType,
        HedgedReadOptions, Hint, IndexOptionDefaults, IndexOptions, IndexVersion, InsertManyOptions,
        ListCollectionsOptions, ListDatabasesOptions, ListIndexesOptions, ReadConcern,
        ReadConcernLevel, ReadPreference, ReadPreferenceOptions, ServerApi, ServerApiVersion,
        ServerMonitoringMode, Sphere2DIndexVersion, TextIndexVersion, TimeseriesGranularity,
        TimeseriesOptions, TransactionOptions, UpdateModifications, ValidationAction,
        ValidationLevel, WriteConcern, Acknowledgment,
        // Models.
        InsertOneModel, UpdateOneModel, UpdateManyModel, ReplaceOneModel, DeleteOneModel,
        DeleteManyModel, IndexModel, SearchIndexModel, SearchIndexType,
        // Names and servers.
        Namespace, ServerAddress, ServerType, TopologyType, ClusterTime,
        // Errors.
        CommandError, WriteConcernError, WriteError, IndexedWriteError, InsertManyError,
        WriteFailure,
        // Events of pools and servers.
        PoolCreatedEvent, ConnectionPoolOptions, PoolReadyEvent, PoolClearedEvent, PoolClosedEvent,
        ConnectionCreatedEvent, ConnectionReadyEvent, ConnectionClosedEvent,
        ConnectionClosedReason, ConnectionCheckoutStartedEvent, ConnectionCheckoutFailedEvent,
        ConnectionCheckoutFailedReason, ConnectionCheckedOutEvent, ConnectionCheckedInEvent,
        ServerOpeningEvent, ServerClosedEvent, TopologyOpeningEvent, TopologyClosedEvent,
        ServerHeartbeatStartedEvent,
        // Change streams and results.
        ResumeToken, ChangeStreamEvent<Document>, UpdateDescription, TruncatedArray,
        OperationType, ChangeNamespace, ChangeNamespaceType, FilesCollectionDocument,
        CollectionType, CollectionSpecification, CollectionSpecificationInfo,
        DatabaseSpecification,
    );
    have!(DeserializeOwned:
        ClientOptions, CollectionOptions, ConnectionString, CountOptions, Credential, CursorType,
        DatabaseOptions, FindOneAndDeleteOptions, FindOneAndReplaceOptions,
        FindOneAndUpdateOptions, FindOneOptions, GridFsBucketOptions, GridFsDownloadByNameOptions,
        GridFsFindOneOptions, GridFsFindOptions, GridFsUploadOptions, InsertOneOptions,
        ListSearchIndexOptions, ReplaceOptions, ReturnDocument, RunCursorCommandOptions,
        SelectionCriteria, SessionOptions,
        Socks5Proxy, Tls, TlsOptions, UpdateOptions,
    );
    have!(Serialize:
        ConnectionString, HostInfo, WriteModel, PartialBulkWriteResult, InsertOneResult,
        InsertManyResult, UpdateResult,
        DeleteResult, SummaryBulkWriteResult, VerboseBulkWriteResult, ServerInfo<'static>,
        CommandStartedEvent, CommandSucceededEvent, CommandFailedEvent, CommandEvent,
        ServerDescriptionChangedEvent, TopologyDescriptionChangedEvent,
        ServerHeartbeatSucceededEvent, ServerHeartbeatFailedEvent, SdamEvent, TopologyDescription,
    );
}

#[test]
fn types_are_text() {
    have!(Text:
        Namespace, ServerAddress, ServerApiVersion, ServerType, TopologyType, AuthMechanism,
        CollationAlternate, CollationCaseFirst, CollationMaxVariable, ConnectionString,
    );
    have!(Display:
        CollationStrength, CommandError, Error, ErrorKind, ReadPreference, SelectionCriteria,
        ServerInfo<'static>, TopologyDescription,
    );
    have!(TryFrom<u32>: CollationStrength);
    have!(FromStr: Compressor);
    have!(TryFrom<&'static str>: ConnectionString, Namespace, TopologyType, ServerType);
    have!(TryFrom<String>: ConnectionString);
    have!(TryFrom<&'static String>: ConnectionString);
}

#[test]
fn types_are_compared_copied_and_made_by_default() {
    have!(PartialEq:
        Acknowledgment, ClientOptions, ClusteredIndex, CollectionType, CommitQuorum, Compressor,
        ConnectionString, Credential, DatabaseSpecification, DriverInfo, HedgedReadOptions, Hint,
        HostInfo, IndexOptionDefaults, Namespace, ReadConcern, ReadConcernLevel, ReadPreference,
        ReadPreferenceOptions, SelectionCriteria, ServerAddress, ServerApi, ServerApiVersion,
        ServerMonitoringMode, ServerType, Socks5Proxy, TimeseriesGranularity, TimeseriesOptions,
        Tls, TlsOptions, TopologyType, ValidationAction, ValidationLevel, WriteConcern,
        WriteConcernError, WriteError, IndexedWriteError, PoolCreatedEvent, CmapEvent,
        ServerOpeningEvent, ServerClosedEvent, ResumeToken, ChangeStreamEvent<Document>,
        UpdateDescription, OperationType, CreateIndexResult, CreateIndexesResult,
    );
    have!(Hash: Namespace, ServerAddress, DriverInfo);
    have!(Eq: Namespace, ServerAddress, ServerType, TopologyType, DriverInfo, OperationType);
    have!(Copy: ServerType, TopologyType, CursorType, CollationStrength, CollationAlternate);
    have!(Ord: ClusterTime);
    have!(Default:
        AggregateOptions, BulkWriteOptions, BulkWriteError, ChangeStreamOptions,
        ChangeStreamPreAndPostImages, ClientOptions, ClusteredIndex, Collation, CollectionOptions,
        ConnectionString, CountOptions, CreateCollectionOptions, CreateIndexOptions, Credential,
        DatabaseOptions, DeleteOptions, DistinctOptions, FindOneAndDeleteOptions,
        FindOneAndReplaceOptions, FindOneAndUpdateOptions, FindOneOptions, FindOptions,
        GridFsBucketOptions, GridFsDownloadByNameOptions, GridFsFindOneOptions, GridFsFindOptions,
        GridFsUploadOptions, HostInfo, IndexModel, IndexOptions, InsertManyOptions,
        InsertOneOptions, ReadPreferenceOptions, ReplaceOptions, RunCommandOptions,
        RunCursorCommandOptions, SearchIndexModel, ServerAddress, ServerType, SessionOptions,
        TlsOptions, TopologyType, TransactionOptions, UpdateOptions, WriteConcern,
        InsertOneResult, InsertManyResult, UpdateResult, DeleteResult, CreateIndexResult,
        CreateIndexesResult, SummaryBulkWriteResult, VerboseBulkWriteResult, CollectionType,
        CollectionSpecification, CollectionSpecificationInfo, DatabaseSpecification,
        ConnectionPoolOptions,
    );
    have!(Clone: Error, ErrorKind, EventHandler<CommandEvent>, ServerInfo<'static>);
}

#[test]
fn types_are_made_of_others() {
    have!(From<FindOneOptions>: FindOptions);
    have!(From<ErrorKind>: Error);
    have!(std::error::Error: Error, ErrorKind);
    have!(From<IndexedWriteError>: WriteError);
    have!(From<CollationStrength>: u32);
    have!(From<PoolCreatedEvent>: CmapEvent);
    have!(From<PoolReadyEvent>: CmapEvent);
    have!(From<PoolClearedEvent>: CmapEvent);
    have!(From<PoolClosedEvent>: CmapEvent);
    have!(From<ConnectionCreatedEvent>: CmapEvent);
    have!(From<ConnectionReadyEvent>: CmapEvent);
    have!(From<ConnectionClosedEvent>: CmapEvent);
    have!(From<ConnectionCheckoutStartedEvent>: CmapEvent);
    have!(From<ConnectionCheckoutFailedEvent>: CmapEvent);
    have!(From<ConnectionCheckedOutEvent>: CmapEvent);
    have!(From<ConnectionCheckedInEvent>: CmapEvent);
    have!(From<std::io::Error>: Error, ErrorKind);
    have!(From<std::io::ErrorKind>: ErrorKind);
    have!(From<driver::bson::error::Error>: Error, ErrorKind);
    have!(From<std::net::SocketAddr>: ServerAddress);
    have!(From<TlsOptions>: Tls);
    have!(From<ReadPreference>: SelectionCriteria);
    have!(From<ReadConcernLevel>: ReadConcern);
    have!(From<Acknowledgment>: WriteConcern);
    have!(From<&'static str>: Acknowledgment);
    have!(From<String>: Acknowledgment);
    have!(From<u32>: Acknowledgment);
    have!(From<Document>: UpdateModifications);
    have!(From<Vec<Document>>: UpdateModifications);
    have!(From<InsertOneModel>: WriteModel);
    have!(From<UpdateOneModel>: WriteModel);
    have!(From<UpdateManyModel>: WriteModel);
    have!(From<ReplaceOneModel>: WriteModel);
    have!(From<DeleteOneModel>: WriteModel);
    have!(From<DeleteManyModel>: WriteModel);
    have!(From<tokio::sync::mpsc::Sender<SdamEvent>>: EventHandler<SdamEvent>);
    have!(From<tokio::sync::mpsc::Sender<CmapEvent>>: EventHandler<CmapEvent>);
}

#[test]
fn cursors_and_errors_cross_threads() {
    trait Shared: Send + Sync {}
    impl<T: Send + Sync> Shared for T {}
    have!(Shared:
        SessionCursor<Document>, driver::Cursor<RawDocumentBuf>, driver::sync::Cursor<Document>,
        driver::sync::SessionCursor<Document>, driver::ClientSession, Error, ClientOptions,
    );
    have!(Debug: Error, ServerInfo<'static>, EventHandler<CommandEvent>);
}

fn again<T: Serialize + DeserializeOwned>(value: &T) -> T {
    let bson = driver::bson::serialize_to_document(value).unwrap();
    driver::bson::deserialize_from_document(bson).unwrap()
}

#[test]
fn models_are_written_and_read_again() {
    let model = UpdateOneModel::builder()
        .namespace(Namespace::new("shop", "stock"))
        .filter(driver::bson::doc! { "_id": "pear" })
        .update(driver::bson::doc! { "$inc": { "left": -1 } })
        .upsert(true)
        .build();
    assert_eq!(again(&model), model);
    let written = serde_json::to_value(WriteModel::from(model)).unwrap();
    assert_eq!((&written["namespace"], &written["upsert"]), (&"shop.stock".into(), &true.into()));
    let insert = InsertOneModel::new(driver::bson::doc! { "_id": 1 });
    assert_eq!(again(&insert), insert);
}

#[test]
fn enums_of_collations_and_compressors_are_text() {
    assert_eq!("non-ignorable".parse::<CollationAlternate>().unwrap().as_str(), "non-ignorable");
    assert_eq!(CollationCaseFirst::Upper.to_string(), "upper");
    assert_eq!("space".parse::<CollationMaxVariable>().unwrap(), CollationMaxVariable::Space);
    assert_eq!(CollationStrength::try_from(2).unwrap(), CollationStrength::Secondary);
    assert!(CollationStrength::try_from(6).unwrap_err().to_string().contains("1 to 5"));
    assert_eq!(CollationStrength::Identical.to_string(), "5");
    assert_eq!("zlib".parse::<Compressor>().unwrap(), Compressor::Zlib { level: None });
    assert!("lz4".parse::<Compressor>().unwrap_err().to_string().contains("snappy, zlib, zstd"));
    assert_eq!(ConnectionString::default().to_string(), "mongodb://localhost:27017");
}

#[test]
fn preferences_and_cluster_times_are_read_again() {
    let seconds = std::time::Duration::from_secs(120);
    let options = ReadPreferenceOptions::builder().max_staleness(seconds).build();
    assert_eq!(again(&options), options);
    let written = serde_json::to_value(ReadPreference::nearest(options)).unwrap();
    assert_eq!(written["maxStalenessSeconds"], 120);
    let time = |increment| {
        let timestamp = driver::bson::Timestamp { time: 7, increment };
        driver::bson::doc! { "clusterTime": timestamp, "signature": { "keyId": 1_i64 } }
    };
    let read = |increment| {
        driver::bson::deserialize_from_document::<ClusterTime>(time(increment)).unwrap()
    };
    assert_eq!(driver::bson::serialize_to_document(&read(2)).unwrap(), time(2));
    assert!(read(1) < read(2) && read(2) == read(2));
    let wrong = driver::bson::doc! { "clusterTime": "noon" };
    assert!(driver::bson::deserialize_from_document::<ClusterTime>(wrong).is_err());
}
