//! The options of clients, databases, collections and sessions.
//!
//! [`ClientOptions`] has all options of a connection string and a few more. Its parts (read
//! preference, concerns, credential, TLS) have one file each. `validate` checks the combinations.

mod address;
mod auth;
mod client;
mod collation;
mod collection;
mod concerns;
pub(crate) mod form;
mod index;
pub(crate) mod lenient;
#[cfg(feature = "opentelemetry")]
mod opentelemetry;
mod operation;
mod proxy;
mod read_concern;
mod read_preference;
pub(crate) mod scram_keys;
mod search_index;
mod selection;
mod server_api;
mod session;
mod tls;
mod validate;
mod write_concern;
mod write_model;

pub(crate) use self::address::{fault_of_host, impossible_in_host, is_ip6};
pub use self::auth::{AuthMechanism, Credential, CredentialBuilder};
pub use self::client::{ClientOptions, ClientOptionsBuilder, ServerMonitoringMode};
pub use self::collation::{
    Collation, CollationAlternate, CollationBuilder, CollationCaseFirst, CollationMaxVariable,
    CollationStrength,
};
pub use self::collection::{
    ChangeStreamPreAndPostImages, ChangeStreamPreAndPostImagesBuilder, ClusteredIndex,
    ClusteredIndexBuilder, ExpireAfter, IndexModification, IndexModificationBuilder,
    IndexOptionDefaults, IndexOptionDefaultsBuilder, TimeseriesGranularity, TimeseriesModification,
    TimeseriesModificationBuilder, TimeseriesOptions, TimeseriesOptionsBuilder, ValidationAction,
    ValidationLevel,
};
pub(crate) use self::concerns::Concerns;
pub use self::index::{
    CommitQuorum, IndexModel, IndexModelBuilder, IndexOptions, IndexOptionsBuilder, IndexVersion,
    Sphere2DIndexVersion, TextIndexVersion,
};
pub(crate) use self::lenient::whole_seconds;
#[cfg(feature = "opentelemetry")]
pub use self::opentelemetry::{OpentelemetryOptions, OpentelemetryOptionsBuilder};
pub use self::operation::{
    CollectionOptions, CollectionOptionsBuilder, CursorTimeoutMode, CursorType, DatabaseOptions,
    DatabaseOptionsBuilder, ExplainVerbosity, Hint, ReturnDocument, UpdateModifications,
};
pub use self::proxy::{Socks5Proxy, Socks5ProxyBuilder};
pub use self::read_concern::{ReadConcern, ReadConcernLevel};
pub use self::read_preference::{
    HedgedReadOptions, HedgedReadOptionsBuilder, ReadPreference, ReadPreferenceOptions,
    ReadPreferenceOptionsBuilder, TagSet,
};
pub use self::search_index::{SearchIndexModel, SearchIndexModelBuilder, SearchIndexType};
pub use self::selection::{Predicate, SelectionCriteria};
pub use self::server_api::{ServerApi, ServerApiBuilder, ServerApiVersion};
pub use self::session::{
    SessionOptions, SessionOptionsBuilder, TransactionOptions, TransactionOptionsBuilder,
};
#[cfg(feature = "tls")]
pub use self::tls::RustlsConfig;
pub use self::tls::{Tls, TlsOptions, TlsOptionsBuilder};
pub(crate) use self::validate::{MIN_HEARTBEAT_FREQUENCY, forbidden_in_database};
pub use self::write_concern::{Acknowledgment, WriteConcern, WriteConcernBuilder};
pub use self::write_model::{
    DeleteManyModel, DeleteManyModelBuilder, DeleteOneModel, DeleteOneModelBuilder, InsertOneModel,
    InsertOneModelBuilder, ModelDocument, ReplaceOneModel, ReplaceOneModelBuilder, UpdateManyModel,
    UpdateManyModelBuilder, UpdateOneModel, UpdateOneModelBuilder, WriteModel,
};
pub use crate::gridfs::delete::{
    GridFsDeleteByNameOptions, GridFsDeleteByNameOptionsBuilder, GridFsDeleteOptions,
    GridFsDeleteOptionsBuilder,
};
pub use crate::gridfs::download::{
    GridFsDownloadByNameOptions, GridFsDownloadByNameOptionsBuilder, GridFsDownloadOptions,
    GridFsDownloadOptionsBuilder,
};
pub use crate::gridfs::drop::{GridFsDropOptions, GridFsDropOptionsBuilder};
pub use crate::gridfs::find::{
    GridFsFindOneOptions, GridFsFindOneOptionsBuilder, GridFsFindOptions, GridFsFindOptionsBuilder,
};
pub use crate::gridfs::rename::{
    GridFsRenameByNameOptions, GridFsRenameByNameOptionsBuilder, GridFsRenameOptions,
    GridFsRenameOptionsBuilder,
};
pub use crate::gridfs::upload::{GridFsUploadOptions, GridFsUploadOptionsBuilder};
pub use crate::gridfs::{GridFsBucketOptions, GridFsBucketOptionsBuilder};
pub use crate::ops::{
    AggregateOptions, AggregateOptionsBuilder, BulkWriteOptions, BulkWriteOptionsBuilder,
    ChangeStreamOptions, ChangeStreamOptionsBuilder, CollectionBulkWriteOptions,
    CollectionBulkWriteOptionsBuilder, CountOptions, CountOptionsBuilder, CreateCollectionOptions,
    CreateCollectionOptionsBuilder, CreateIndexOptions, CreateIndexOptionsBuilder,
    CreateSearchIndexOptions, CreateSearchIndexOptionsBuilder, DeleteOptions, DeleteOptionsBuilder,
    DistinctOptions, DistinctOptionsBuilder, DropCollectionOptions, DropCollectionOptionsBuilder,
    DropDatabaseOptions, DropDatabaseOptionsBuilder, DropIndexOptions, DropIndexOptionsBuilder,
    DropSearchIndexOptions, DropSearchIndexOptionsBuilder, EstimatedDocumentCountOptions,
    EstimatedDocumentCountOptionsBuilder, ExplainOptions, ExplainOptionsBuilder,
    FindOneAndDeleteOptions, FindOneAndDeleteOptionsBuilder, FindOneAndReplaceOptions,
    FindOneAndReplaceOptionsBuilder, FindOneAndUpdateOptions, FindOneAndUpdateOptionsBuilder,
    FindOneOptions, FindOneOptionsBuilder, FindOptions, FindOptionsBuilder,
    FullDocumentBeforeChangeType, FullDocumentType, InsertManyOptions, InsertManyOptionsBuilder,
    InsertOneOptions, InsertOneOptionsBuilder, ListCollectionsOptions,
    ListCollectionsOptionsBuilder, ListDatabasesOptions, ListDatabasesOptionsBuilder,
    ListIndexesOptions, ListIndexesOptionsBuilder, ListSearchIndexOptions,
    ListSearchIndexOptionsBuilder, ModifyCollectionOptions, ModifyCollectionOptionsBuilder,
    RenameCollectionOptions, RenameCollectionOptionsBuilder, ReplaceOptions, ReplaceOptionsBuilder,
    RunCommandOptions, RunCommandOptionsBuilder, RunCursorCommandOptions,
    RunCursorCommandOptionsBuilder, UpdateOptions, UpdateOptionsBuilder, UpdateSearchIndexOptions,
    UpdateSearchIndexOptionsBuilder,
};
pub use crate::types::{Compressor, DriverInfo, DriverInfoBuilder, ServerAddress};
pub use crate::uri::{ConnectionString, HostInfo, ParseConnectionString};
