//! Moving from the official `mongodb` crate: the differences, and the missing features.
//!
//! Names, builders and options are the same in both crates: replace the crate name. The tables list
//! the exceptions, one difference per row.
//!
//! # Differences
//!
//! | official crate | this crate |
//! |---|---|
//! | `match *error.kind { .. }` | `match error.kind() { .. }`, and methods: `is_duplicate_key`, `is_timeout`, `is_network`, `has_label` |
//! | `ErrorKind::Io(cause)` | `ErrorKind::Io { message, cause, .. }` |
//! | `Error::labels()` is a set | a slice; [`contains_label`](crate::error::Error::contains_label) looks one up |
//! | `ErrorKind::InvalidTlsConfig`, `ErrorKind::ProxyConnect` | `ErrorKind::Tls`, `ErrorKind::Io` |
//! | errors of kind `Transaction` and `SessionsNotSupported` | `InvalidArgument` and `IncompatibleServer`; the official kinds exist but are not used |
//! | errors of kind `Internal` | the kind exists but is not used |
//! | `labels()` and `contains_label` also look at the source of the error | an error has the labels of its source itself |
//! | `CommandError::base_backoff` | [`Error::base_backoff`](crate::error::Error::base_backoff) |
//! | `event::sdam::ServerDescription` and `ServerInfo` | one type: [`ServerDescription`](crate::ServerDescription), also called [`ServerInfo`](crate::ServerInfo) |
//! | each event for an async callback or a channel gets its own task | a channel with room gets events directly and in order |
//! | a panic in an event handler unwinds into the operation | the panic is caught; the event is lost |
//! | connection ids are `u32` | `u64` |
//! | the `port` of `ServerAddress::Tcp` is an `Option` | a `u16`; 27017 if none was given |
//! | a `ServerAddress` is serialized as an enum | as the string `host:port` |
//! | option structs are serialized without `timeout` | with it, as `timeoutMS` |
//! | the options of a `ConnectionString` are its own fields | they are in its field [`options`](crate::options::ConnectionString::options) |
//! | `ClientOptions` are equal if all but the handlers are | the [warnings](crate#warnings) must be equal too |
//! | `InsertManyError::write_errors` is an `Option` | a `Vec`, possibly empty |
//! | `InsertManyError::inserted_ids` is private | [public](crate::error::InsertManyError), so the error tells what was inserted |
//! | `drop_index` and `drop_indexes` do not report write concern errors | they report them as kind [`Write`](crate::error::ErrorKind::Write); the indexes were dropped nevertheless |
//! | `list_indexes` fails if the collection does not exist | the cursor is empty |
//! | `list_indexes` loses all options of an index if it cannot read one of them | flags and numbers may have any BSON type |
//! | `list_collections` fails if a number has an unexpected type, as for the oplog | numbers may have any BSON type |
//! | a commit quorum, or a `hint` of `find_one_and_*`, that the server does not support is `InvalidArgument` | [`IncompatibleServer`](crate::error::ErrorKind::IncompatibleServer) |
//! | `expire_after` drops fractions of a second | they are an error |
//! | no methods for `collMod` and `renameCollection` | [`Database::modify_collection`](crate::database::Database::modify_collection), [`Collection::rename`](crate::collection::Collection::rename) |
//! | operations are in `action` | in [`ops`](crate::ops), and also in [`action`](crate::action) |
//! | `Client::with_options(options)?` needs a runtime | the same; [`sync::Client`](crate::sync::Client) needs none |
//! | `sync` is a feature | always available |
//! | `bson` 2, or `bson` 3 with a feature | `bson` 3, as [`driver::bson`](crate::bson) |
//! | `rustls-tls`, `snappy-compression` and so on | [features](crate#features) `tls`, `snappy` and so on; `mongodb+srv://` needs `dns` |
//! | a dropped future can close its connection | the connection is reused, within [limits](crate#cancellation-and-timeouts) |
//! | `atlas_search` is always available | it needs the feature `atlas-search` |
//! | no `maxPoolSize=0` and no `waitQueueTimeoutMS` | both are supported |
//! | an unknown option in the connection string is an error | it is ignored with a [warning](crate#warnings), as the specification requires; [`parse_strictly`](crate::options::ConnectionString::parse_strictly) makes it an error |
//! | `shutdown()` waits until cursors and sessions are dropped, unless `.immediate(true)` is set | [`shutdown()`](crate::client::Client::shutdown) never waits for them, and `immediate` has no effect; on the server they expire |
//! | no bulk write on a collection | [`Collection::bulk_write`](crate::collection::Collection::bulk_write), on every server |
//! | `WriteModel::UpdateOne(UpdateOneModel::builder()..)` | the same, or shorter: `collection.update_one_model(filter, update).upsert(true)` |
//! | the `namespace` of a model is a `Namespace` | an `Option<Namespace>`; `None` is for the bulk write of a collection |
//! | `array_filters`, `collation` and `hint` of a model are BSON | `Vec<Document>`, [`Collation`](crate::options::Collation) and [`Hint`](crate::options::Hint) |
//! | `PartialBulkWriteResult` has variants for the client | it also has one for the collection |
//! | `BulkWriteError` lists write errors | [`BulkWriteError`](crate::error::BulkWriteError) also lists the models that were not tried and those that are unconfirmed |
//! | query plans with `run_command(doc! { "explain": .. })` | [`explain()`](crate::ops::Find::explain) on reads and writes |
//! | `next()`, `try_next()` and `try_collect()` of a cursor need the traits of `futures` | they are methods of the cursor, on both APIs; the traits work too |
//! | `find(..).batch()` in the async API | on both APIs: [`Find::batch`](crate::ops::Find::batch) |
//! | each batch is requested when it is needed | the same, or earlier: [`prefetch(true)`](crate::ops::Find::prefetch) requests one batch ahead, and the server streams all batches with [`CursorType::Exhaust`](crate::options::CursorType::Exhaust) |
//! | a cursor is killed on the server after it is dropped | the same; [`close()`](crate::cursor::Cursor::close) kills it and waits for the reply |
//! | a change stream ends if resuming fails | after a network error or a timeout, the next step tries to resume again |
//! | fragments of `$changeStreamSplitLargeEvent` are separate events | they are joined into one event |
//! | GridFS streams implement the traits of `futures` | those of tokio; with the [feature](crate#features) `futures-io` also those of `futures` |
//! | `close()` of an upload returns `std::io::Error` | [`Error`](crate::Error); `?` converts either into the other |
//! | a GridFS download cannot seek | [`GridFsDownloadStream`](crate::gridfs::GridFsDownloadStream) can, and can be limited to a range of bytes |
//! | a file is transferred by copying a stream | the same, or with [`upload_from`](crate::gridfs::GridFsBucket::upload_from) and [`download_to`](crate::gridfs::GridFsBucket::download_to) |
//! | the index on a bucket's chunks is not unique, and files smaller than a chunk do not create it | it is unique, and the first upload creates it |
//! | a failed upload removes all chunks with its file id, even those of another file | it leaves its chunks, as the specification requires; `abort()` removes them, and no others |
//! | missing metadata is stored as `null` | it is not stored |
//! | extra chunks are reported as missing chunks | as [`ExtraChunk`](crate::error::GridFsErrorKind::ExtraChunk); errors also name the file |
//! | `Aggregate<'a, Session, T>` | [`Aggregate<'a, T, F, S>`](crate::ops::Aggregate) |
//! | the future of `and_run2` cannot always be spawned | it can, also if the async closure borrows |
//! | the closure of `and_run2` returns the crate's error type | [`and_run2`](crate::session::StartTransaction::and_run2) takes any error type; if the compiler cannot infer it, write `Ok::<_, driver::Error>(())` |
//! | `sync` has `and_run(closure)` | the same, and [`and_run2`](crate::session::StartTransaction::and_run2) with any error type |
//!
//! # Missing features
//!
//! - Client-side encryption.
//! - Authentication by MONGODB-AWS, MONGODB-OIDC and GSSAPI.
//!
//! [`run_command`](crate::database::Database::run_command) runs commands that have no method, such
//! as `reIndex`:
//!
//! ```no_run
//! # use driver::bson::doc;
//! # async fn example(client: driver::Client) -> driver::Result<()> {
//! client.database("library").run_command(doc! { "reIndex": "books" }).await?;
//! # Ok(())
//! # }
//! ```
