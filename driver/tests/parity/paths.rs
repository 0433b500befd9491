//! The paths of the official crate's public items. That it compiles is the test.

#![allow(unused_imports, reason = "the paths are the test")]

use driver::action::gridfs::{
    Delete as _, DeleteByName, Drop as _, Find as _, FindOne as _, OpenDownloadStream,
    OpenDownloadStreamByName, OpenUploadStream, Rename, RenameByName,
};
use driver::action::{
    AbortTransaction, Action, Aggregate, BulkWrite, CommitTransaction, CountDocuments,
    CreateCollection, CreateIndex, CreateSearchIndex, Delete, Distinct, DropCollection,
    DropDatabase, DropIndex, DropSearchIndex, EstimatedDocumentCount, ExplicitSession, Find,
    FindOne, FindOneAndDelete, FindOneAndReplace, FindOneAndUpdate, ImplicitSession, InsertMany,
    InsertOne, ListCollections, ListDatabases, ListIndexes, ListNames, ListSearchIndexes,
    ListSpecifications, Multiple, ParseConnectionString, ReplaceOne, RunCommand, RunCursorCommand,
    Shutdown, Single, StartSession, StartTransaction, Update, UpdateSearchIndex,
    WarmConnectionPool, Watch,
};
use driver::atlas_search::facet::{Date, Facet, Number, String as _};
use driver::atlas_search::{
    AtlasSearch, AtlasSearchMeta, Autocomplete, BsonNumber, Compound, DocumentOrArray,
    EmbeddedDocument, Equals, Exists, GeoShape, GeoWithin, MatchCriteria, MoreLikeThis, Near,
    NearOrigin, Phrase, QueryString, Range, RangeValue, Regex, Relation, SearchIn, SearchOperator,
    SearchOperatorParam, SearchString, StringOrArray, Text, TokenOrder, Wildcard, autocomplete,
    compound, embedded_document, equals, exists, facet, geo_shape, geo_within, more_like_this,
    near, phrase, query_string, range, regex, search, search_in, search_meta, text, wildcard,
};
use driver::change_stream::ChangeStream;
use driver::change_stream::event::{
    ChangeNamespace, ChangeNamespaceType, ChangeStreamEvent, OperationType, ResumeToken,
    TruncatedArray, UpdateDescription,
};
use driver::change_stream::session::SessionChangeStream;
use driver::error::{
    BulkWriteError, CommandError, Error, ErrorKind, GridFsErrorKind, GridFsFileIdentifier,
    IndexedWriteError, InsertManyError, NO_WRITES_PERFORMED, PartialBulkWriteResult,
    RESUMABLE_CHANGE_STREAM_ERROR, RETRYABLE_ERROR, RETRYABLE_WRITE_ERROR, Result,
    SYSTEM_OVERLOADED_ERROR, TRANSIENT_TRANSACTION_ERROR, UNKNOWN_TRANSACTION_COMMIT_RESULT,
    WriteConcernError, WriteError, WriteFailure,
};
use driver::event::EventHandler;
use driver::event::cmap::{
    CmapEvent, CmapEventHandler, ConnectionCheckedInEvent, ConnectionCheckedOutEvent,
    ConnectionCheckoutFailedEvent, ConnectionCheckoutFailedReason, ConnectionCheckoutStartedEvent,
    ConnectionClosedEvent, ConnectionClosedReason, ConnectionCreatedEvent, ConnectionPoolOptions,
    ConnectionReadyEvent, PoolClearedEvent, PoolClosedEvent, PoolCreatedEvent, PoolReadyEvent,
};
use driver::event::command::{
    CommandEvent, CommandEventHandler, CommandFailedEvent, CommandStartedEvent,
    CommandSucceededEvent, ConnectionInfo,
};
use driver::event::sdam::{
    SdamEvent, SdamEventHandler, ServerClosedEvent, ServerDescription,
    ServerDescriptionChangedEvent, ServerHeartbeatFailedEvent, ServerHeartbeatStartedEvent,
    ServerHeartbeatSucceededEvent, ServerOpeningEvent, TopologyClosedEvent, TopologyDescription,
    TopologyDescriptionChangedEvent, TopologyOpeningEvent,
};
use driver::gridfs::{
    FilesCollectionDocument, GridFsBucket, GridFsDownloadStream, GridFsUploadStream,
};
use driver::options::{
    Acknowledgment, AggregateOptions, AuthMechanism, BulkWriteOptions, ChangeStreamOptions,
    ChangeStreamPreAndPostImages, ClientOptions, ClusteredIndex, Collation, CollationAlternate,
    CollationCaseFirst, CollationMaxVariable, CollationStrength, CollectionOptions, CommitQuorum,
    Compressor, ConnectionString, CountOptions, CreateCollectionOptions, CreateIndexOptions,
    CreateSearchIndexOptions, Credential, CursorType, DatabaseOptions, DeleteManyModel,
    DeleteOneModel, DeleteOptions, DistinctOptions, DriverInfo, DropCollectionOptions,
    DropDatabaseOptions, DropIndexOptions, DropSearchIndexOptions, EstimatedDocumentCountOptions,
    FindOneAndDeleteOptions, FindOneAndReplaceOptions, FindOneAndUpdateOptions, FindOneOptions,
    FindOptions, FullDocumentBeforeChangeType, FullDocumentType, GridFsBucketOptions,
    GridFsDownloadByNameOptions, GridFsFindOneOptions, GridFsFindOptions, GridFsUploadOptions,
    HedgedReadOptions, Hint, HostInfo, IndexOptionDefaults, IndexOptions, IndexVersion,
    InsertManyOptions, InsertOneModel, InsertOneOptions, ListCollectionsOptions,
    ListDatabasesOptions, ListIndexesOptions, ListSearchIndexOptions, ReadConcern,
    ReadConcernLevel, ReadPreference, ReadPreferenceOptions, ReplaceOneModel, ReplaceOptions,
    ReturnDocument, RunCommandOptions, RunCursorCommandOptions, SelectionCriteria, ServerAddress,
    ServerApi, ServerApiVersion, ServerMonitoringMode, SessionOptions, Socks5Proxy,
    Sphere2DIndexVersion, TextIndexVersion, TimeseriesGranularity, TimeseriesOptions, Tls,
    TlsOptions, TransactionOptions, UpdateManyModel, UpdateModifications, UpdateOneModel,
    UpdateOptions, UpdateSearchIndexOptions, ValidationAction, ValidationLevel, WriteConcern,
    WriteModel,
};
use driver::raw_batch_cursor::{
    RawBatch, RawBatchCursor, SessionRawBatchCursor, SessionRawBatchCursorStream,
};
use driver::results::{
    CollectionSpecification, CollectionSpecificationInfo, CollectionType, CreateIndexResult,
    CreateIndexesResult, DatabaseSpecification, DeleteResult, InsertManyResult, InsertOneResult,
    SummaryBulkWriteResult, UpdateResult, VerboseBulkWriteResult,
};
use driver::{
    BoxFuture, Client, ClientSession, ClusterTime, Collection, Cursor, Database, IndexModel,
    Namespace, SearchIndexModel, SearchIndexType, ServerInfo, ServerType, SessionCursor,
    SessionCursorStream, TopologyType, bson, sync,
};

mod blocking {
    use driver::sync::gridfs::{GridFsBucket, GridFsDownloadStream, GridFsUploadStream};
    use driver::sync::{
        ChangeStream, Client, ClientSession, Collection, Cursor, Database, SessionChangeStream,
        SessionCursor, SessionCursorIter,
    };
}
