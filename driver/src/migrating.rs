//! Moving from the official `mongodb` crate: the differences, and the missing features.
//!
//! Most names, builders and options are the same in both crates. Most programs that use `bson` 3
//! need only this line. Their `use` lines stay the same:
//!
//! ```toml
//! mongodb = { package = "driver", path = "...", features = ["dns", "tls"] }
//! ```
//!
//! The first table lists the differences, one per row. The second table lists all methods of the
//! official handles, with their places here.
//!
//! # Differences
//!
//! | official crate | this crate |
//! |---|---|
//! | `bson` 2 by default, or `bson` 3 with a feature | `bson` 3, as [`driver::bson`](crate::bson) |
//! | `rustls-tls` and `dns-resolver` are on by default | `tls` and `dns` are off by default: add `features = ["tls", "dns"]` for Atlas |
//! | `sync`, `snappy-compression`, `socks5-proxy` and so on | `sync` is always available; the other [features](crate#features) are `snappy`, `socks5` and so on |
//! | `match *error.kind { .. }` | `match error.kind() { .. }`, and methods: `is_duplicate_key`, `is_timeout`, `is_network`, `has_label` |
//! | `ErrorKind::Io(cause)` | `ErrorKind::Io { message, cause, .. }` |
//! | `Error::labels()` is a set, which includes the labels of the source | a slice; an error carries the labels of its source, and [`contains_label`](crate::error::Error::contains_label) looks one up |
//! | `ErrorKind::InvalidTlsConfig`, `ErrorKind::ProxyConnect` | `ErrorKind::Tls`, `ErrorKind::Io` |
//! | errors of kind `Transaction` and `SessionsNotSupported` | `InvalidArgument` and `IncompatibleServer`; the official kinds exist but are not used |
//! | errors of kind `Internal` | the kind exists but is not used |
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
//! | `ClientOptions::tracing_max_document_length_bytes` | [`tracing_max_document_length`](field@crate::options::ClientOptions::tracing_max_document_length) |
//! | `ResolverConfig` names the DNS servers | the system's DNS servers are used |
//! | `AuthMechanism::MongoDbCr` | does not exist: no supported server has it |
//! | `ConnectionClosedReason::Dropped` | does not exist: the connection of a dropped operation is reused |
//! | `GridFsErrorKind::WriteInProgress` | does not exist: a dropped write has taken all of its bytes, or none |
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
//! | `Client::with_options(options)?` needs a runtime | the async client needs one, but [`sync::Client`](crate::sync::Client) does not |
//! | a dropped future can close its connection | the connection is reused, within [limits](crate#cancellation-and-timeouts) |
//! | `atlas_search` is always available | it needs the feature `atlas-search` |
//! | no `maxPoolSize=0` and no `waitQueueTimeoutMS` | both are supported |
//! | an unknown option in the connection string is an error | it is ignored with a [warning](crate#warnings), as the specification requires; [`parse_strictly`](crate::options::ConnectionString::parse_strictly) makes it an error |
//! | `shutdown()` waits until cursors and sessions are dropped, unless `.immediate(true)` is set | [`shutdown()`](crate::client::Client::shutdown) never waits for them, and `immediate` has no effect; on the server they expire |
//! | no bulk write on a collection | [`Collection::bulk_write`](crate::collection::Collection::bulk_write), on every server |
//! | `WriteModel::UpdateOne(UpdateOneModel::builder()..)` | there is a shorter form: `collection.update_one_model(filter, update).upsert(true)` |
//! | the `namespace` of a model is a `Namespace` | an `Option<Namespace>`; `None` is for the bulk write of a collection |
//! | `array_filters`, `collation` and `hint` of a model are BSON | `Vec<Document>`, [`Collation`](crate::options::Collation) and [`Hint`](crate::options::Hint) |
//! | `PartialBulkWriteResult` has variants for the client | it also has one for the collection |
//! | `BulkWriteError` lists write errors | [`BulkWriteError`](crate::error::BulkWriteError) also lists the models that were not tried and those that are unconfirmed |
//! | query plans with `run_command(doc! { "explain": .. })` | [`explain()`](crate::ops::Find::explain) on reads and writes |
//! | `next()`, `try_next()` and `try_collect()` of a cursor need the traits of `futures` | they are methods of the cursor, on both APIs; the traits work too |
//! | `find(..).batch()` in the async API | on both APIs: [`Find::batch`](crate::ops::Find::batch) |
//! | each batch is requested when it is needed | this is the default; [`prefetch(true)`](crate::ops::Find::prefetch) requests one batch ahead, and the server streams all batches with [`CursorType::Exhaust`](crate::options::CursorType::Exhaust) |
//! | a cursor is killed on the server after it is dropped | [`close()`](crate::cursor::Cursor::close) also kills it, and waits for the reply |
//! | a change stream ends if resuming fails | after a network error or a timeout, the next step tries to resume again |
//! | fragments of `$changeStreamSplitLargeEvent` are separate events | they are joined into one event |
//! | GridFS streams implement the traits of `futures` | those of tokio; with the [feature](crate#features) `futures-io` also those of `futures` |
//! | `close()` of an upload returns `std::io::Error` | [`Error`](crate::Error); `?` converts either into the other |
//! | a GridFS download cannot seek | [`GridFsDownloadStream`](crate::gridfs::GridFsDownloadStream) can, and can be limited to a range of bytes |
//! | a file is transferred by copying a stream | there are also [`upload_from`](crate::gridfs::GridFsBucket::upload_from) and [`download_to`](crate::gridfs::GridFsBucket::download_to) |
//! | the index on a bucket's chunks is not unique, and files smaller than a chunk do not create it | it is unique, and the first upload creates it |
//! | a failed upload removes all chunks with its file id, even those of another file | it leaves its chunks, as the specification requires; `abort()` removes them, and no others |
//! | missing metadata is stored as `null` | it is not stored |
//! | extra chunks are reported as missing chunks | as [`ExtraChunk`](crate::error::GridFsErrorKind::ExtraChunk); errors also name the file |
//! | `Aggregate<'a, Session, T>` | [`Aggregate<'a, T, F, S>`](crate::ops::Aggregate) |
//! | the future of `and_run2` cannot always be spawned | it can, also if the async closure borrows |
//! | the closure of `and_run2` returns the crate's error type | [`and_run2`](crate::session::StartTransaction::and_run2) takes any error type; if the compiler cannot infer it, write `Ok::<_, driver::Error>(())` |
//! | `sync` has `and_run(closure)` | there is also [`and_run2`](crate::session::StartTransaction::and_run2) with any error type |
//!
//! # All methods
//!
//! The methods of the official handles, and their places here. Names, builders, options and results
//! are the same on both APIs, except for the differences above.
//!
//! | official crate | this crate |
//! |---|---|
//! | `Client::{with_uri_str, with_options}` | [`with_uri_str`](crate::client::Client::with_uri_str), [`with_options`](crate::client::Client::with_options) |
//! | `Client::{database, database_with_options, default_database}` | [`database`](crate::client::Client::database), [`database_with_options`](crate::client::Client::database_with_options), [`default_database`](crate::client::Client::default_database) |
//! | `Client::{list_databases, list_database_names}` | [`list_databases`](crate::client::Client::list_databases), [`list_database_names`](crate::client::Client::list_database_names) |
//! | `Client::{bulk_write, watch, start_session}` | [`bulk_write`](crate::client::Client::bulk_write), [`watch`](crate::client::Client::watch), [`start_session`](crate::client::Client::start_session) |
//! | `Client::{selection_criteria, read_concern, write_concern, append_metadata}` | [`selection_criteria`](crate::client::Client::selection_criteria), [`read_concern`](crate::client::Client::read_concern), [`write_concern`](crate::client::Client::write_concern), [`append_metadata`](crate::client::Client::append_metadata) |
//! | `Client::{shutdown, warm_connection_pool}` | [`shutdown`](crate::client::Client::shutdown), [`warm_connection_pool`](crate::client::Client::warm_connection_pool) |
//! | `Client::encrypted_builder` | missing: client-side encryption |
//! | `ClientOptions::{parse, builder}` | [`parse`](crate::options::ClientOptions::parse), [`builder`](crate::options::ClientOptions::builder) |
//! | `ConnectionString::parse` | [`parse`](crate::options::ConnectionString::parse) |
//! | `Database::{client, name, selection_criteria, read_concern, write_concern}` | [`client`](crate::database::Database::client), [`name`](crate::database::Database::name), [`selection_criteria`](crate::database::Database::selection_criteria), [`read_concern`](crate::database::Database::read_concern), [`write_concern`](crate::database::Database::write_concern) |
//! | `Database::{collection, collection_with_options, gridfs_bucket}` | [`collection`](crate::database::Database::collection), [`collection_with_options`](crate::database::Database::collection_with_options), [`gridfs_bucket`](crate::database::Database::gridfs_bucket) |
//! | `Database::{create_collection, list_collections, list_collection_names, drop}` | [`create_collection`](crate::database::Database::create_collection), [`list_collections`](crate::database::Database::list_collections), [`list_collection_names`](crate::database::Database::list_collection_names), [`drop`](crate::database::Database::drop) |
//! | `Database::{aggregate, watch}` | [`aggregate`](crate::database::Database::aggregate), [`watch`](crate::database::Database::watch) |
//! | `Database::{run_command, run_raw_command, run_cursor_command, run_raw_cursor_command}` | [`run_command`](crate::database::Database::run_command), [`run_raw_command`](crate::database::Database::run_raw_command), [`run_cursor_command`](crate::database::Database::run_cursor_command), [`run_raw_cursor_command`](crate::database::Database::run_raw_cursor_command) |
//! | `Collection::{client, name, namespace, clone_with_type}` | [`client`](crate::collection::Collection::client), [`name`](crate::collection::Collection::name), [`namespace`](crate::collection::Collection::namespace), [`clone_with_type`](crate::collection::Collection::clone_with_type) |
//! | `Collection::{selection_criteria, read_concern, write_concern}` | [`selection_criteria`](crate::collection::Collection::selection_criteria), [`read_concern`](crate::collection::Collection::read_concern), [`write_concern`](crate::collection::Collection::write_concern) |
//! | `Collection::{insert_one, insert_many}` | [`insert_one`](crate::collection::Collection::insert_one), [`insert_many`](crate::collection::Collection::insert_many) |
//! | `Collection::{update_one, update_many, replace_one}` | [`update_one`](crate::collection::Collection::update_one), [`update_many`](crate::collection::Collection::update_many), [`replace_one`](crate::collection::Collection::replace_one) |
//! | `Collection::{delete_one, delete_many}` | [`delete_one`](crate::collection::Collection::delete_one), [`delete_many`](crate::collection::Collection::delete_many) |
//! | `Collection::{find, find_one, distinct}` | [`find`](crate::collection::Collection::find), [`find_one`](crate::collection::Collection::find_one), [`distinct`](crate::collection::Collection::distinct) |
//! | `Collection::{find_one_and_update, find_one_and_replace, find_one_and_delete}` | [`find_one_and_update`](crate::collection::Collection::find_one_and_update), [`find_one_and_replace`](crate::collection::Collection::find_one_and_replace), [`find_one_and_delete`](crate::collection::Collection::find_one_and_delete) |
//! | `Collection::{aggregate, watch, count_documents, estimated_document_count}` | [`aggregate`](crate::collection::Collection::aggregate), [`watch`](crate::collection::Collection::watch), [`count_documents`](crate::collection::Collection::count_documents), [`estimated_document_count`](crate::collection::Collection::estimated_document_count) |
//! | `Collection::{insert_one_model, replace_one_model}` | [`insert_one_model`](crate::collection::Collection::insert_one_model), [`replace_one_model`](crate::collection::Collection::replace_one_model) |
//! | `Collection::{create_index, create_indexes, list_indexes, list_index_names}` | [`create_index`](crate::collection::Collection::create_index), [`create_indexes`](crate::collection::Collection::create_indexes), [`list_indexes`](crate::collection::Collection::list_indexes), [`list_index_names`](crate::collection::Collection::list_index_names) |
//! | `Collection::{drop, drop_index, drop_indexes}` | [`drop`](crate::collection::Collection::drop), [`drop_index`](crate::collection::Collection::drop_index), [`drop_indexes`](crate::collection::Collection::drop_indexes) |
//! | `Collection::{create_search_index, create_search_indexes, list_search_indexes}` | [`create_search_index`](crate::collection::Collection::create_search_index), [`create_search_indexes`](crate::collection::Collection::create_search_indexes), [`list_search_indexes`](crate::collection::Collection::list_search_indexes) |
//! | `Collection::{update_search_index, drop_search_index}` | [`update_search_index`](crate::collection::Collection::update_search_index), [`drop_search_index`](crate::collection::Collection::drop_search_index) |
//! | `ClientSession::{client, id, cluster_time, operation_time, snapshot_time}` | [`client`](crate::session::ClientSession::client), [`id`](crate::session::ClientSession::id), [`cluster_time`](crate::session::ClientSession::cluster_time), [`operation_time`](crate::session::ClientSession::operation_time), [`snapshot_time`](crate::session::ClientSession::snapshot_time) |
//! | `ClientSession::{advance_cluster_time, advance_operation_time}` | [`advance_cluster_time`](crate::session::ClientSession::advance_cluster_time), [`advance_operation_time`](crate::session::ClientSession::advance_operation_time) |
//! | `ClientSession::{start_transaction, commit_transaction, abort_transaction}` | [`start_transaction`](crate::session::ClientSession::start_transaction), [`commit_transaction`](crate::session::ClientSession::commit_transaction), [`abort_transaction`](crate::session::ClientSession::abort_transaction) |
//! | `StartTransaction::{and_run, and_run2}` | [`and_run`](crate::session::StartTransaction::and_run), [`and_run2`](crate::session::StartTransaction::and_run2) |
//! | `Cursor::{advance, current, has_next, deserialize_current, with_type}` | [`advance`](crate::cursor::Cursor::advance), [`current`](crate::cursor::Cursor::current), [`has_next`](crate::cursor::Cursor::has_next), [`deserialize_current`](crate::cursor::Cursor::deserialize_current), [`with_type`](crate::cursor::Cursor::with_type) |
//! | `SessionCursor::{advance, current, deserialize_current, with_type, next, stream, iter}` | [`advance`](crate::cursor::SessionCursor::advance), [`current`](crate::cursor::SessionCursor::current), [`deserialize_current`](crate::cursor::SessionCursor::deserialize_current), [`with_type`](crate::cursor::SessionCursor::with_type), [`next`](crate::cursor::SessionCursor::next), [`stream`](crate::cursor::SessionCursor::stream), [`iter`](crate::cursor::SessionCursor::iter) |
//! | `SessionRawBatchCursor::stream` | [`stream`](crate::cursor::SessionRawBatchCursor::stream) |
//! | `RawBatch::{doc_slices, as_raw_document}` | [`doc_slices`](crate::cursor::RawBatch::doc_slices), [`as_raw_document`](crate::cursor::RawBatch::as_raw_document) |
//! | `ChangeStream::{is_alive, next_if_any, resume_token, with_type}` | [`is_alive`](crate::change_stream::ChangeStream::is_alive), [`next_if_any`](crate::change_stream::ChangeStream::next_if_any), [`resume_token`](crate::change_stream::ChangeStream::resume_token), [`with_type`](crate::change_stream::ChangeStream::with_type) |
//! | `SessionChangeStream::{is_alive, next, next_if_any, resume_token, with_type}` | [`is_alive`](crate::change_stream::SessionChangeStream::is_alive), [`next`](crate::change_stream::SessionChangeStream::next), [`next_if_any`](crate::change_stream::SessionChangeStream::next_if_any), [`resume_token`](crate::change_stream::SessionChangeStream::resume_token), [`with_type`](crate::change_stream::SessionChangeStream::with_type) |
//! | `GridFsBucket::{selection_criteria, read_concern, write_concern}` | [`selection_criteria`](crate::gridfs::GridFsBucket::selection_criteria), [`read_concern`](crate::gridfs::GridFsBucket::read_concern), [`write_concern`](crate::gridfs::GridFsBucket::write_concern) |
//! | `GridFsBucket::{open_upload_stream, open_download_stream, open_download_stream_by_name}` | [`open_upload_stream`](crate::gridfs::GridFsBucket::open_upload_stream), [`open_download_stream`](crate::gridfs::GridFsBucket::open_download_stream), [`open_download_stream_by_name`](crate::gridfs::GridFsBucket::open_download_stream_by_name) |
//! | `GridFsBucket::{find, find_one, rename, rename_by_name, delete, delete_by_name, drop}` | [`find`](crate::gridfs::GridFsBucket::find), [`find_one`](crate::gridfs::GridFsBucket::find_one), [`rename`](crate::gridfs::GridFsBucket::rename), [`rename_by_name`](crate::gridfs::GridFsBucket::rename_by_name), [`delete`](crate::gridfs::GridFsBucket::delete), [`delete_by_name`](crate::gridfs::GridFsBucket::delete_by_name), [`drop`](crate::gridfs::GridFsBucket::drop) |
//! | `GridFsUploadStream::{id, abort}` | [`id`](crate::gridfs::GridFsUploadStream::id), [`abort`](crate::gridfs::GridFsUploadStream::abort) |
//! | `ClientEncryption::{new, builder, encrypt, encrypt_expression, decrypt}` | missing: client-side encryption |
//! | `ClientEncryption::{create_data_key, create_encrypted_collection}` | missing: client-side encryption |
//! | `ClientEncryption::{get_key, get_keys, get_key_by_alt_name, delete_key}` | missing: client-side encryption |
//! | `ClientEncryption::{add_key_alt_name, remove_key_alt_name}` | missing: client-side encryption |
//!
//! # Missing features
//!
//! - Client-side encryption, with `encrypted_fields` of collections.
//! - Authentication by MONGODB-AWS, MONGODB-OIDC and GSSAPI, with their two fields of `Credential`.
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
