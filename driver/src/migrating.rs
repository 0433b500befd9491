//! From the official `mongodb` crate to this one: what differs, and what is not here yet.
//!
//! What both have goes by the same names, with the same builders and options: change the name of
//! the crate. The tables below list the rest, one row for each difference.
//!
//! # What differs
//!
//! | there | here |
//! |---|---|
//! | `match *error.kind { .. }` | `match error.kind() { .. }`, and methods that ask: `is_duplicate_key`, `is_timeout`, `is_network`, `has_label` |
//! | `ErrorKind::Io(cause)` | `ErrorKind::Io { message, cause, .. }` |
//! | `Error::labels()` is a set | it is a slice; [`contains_label`](crate::error::Error::contains_label) asks for one |
//! | `ErrorKind::InvalidTlsConfig`, `ErrorKind::ProxyConnect` | `ErrorKind::Tls`, `ErrorKind::Io` |
//! | errors of the kinds `Transaction`, `SessionsNotSupported`, `Internal` | the kinds exist, the errors are `InvalidArgument`, `IncompatibleServer`; there are none of the third |
//! | `Error::labels()` and `contains_label` look at the source too | an error carries the labels of what ended it |
//! | `CommandError::base_backoff` | [`Error::base_backoff`](crate::error::Error::base_backoff) |
//! | `event::sdam::ServerDescription` and `ServerInfo` | one type: [`ServerDescription`](crate::ServerDescription), also called [`ServerInfo`](crate::ServerInfo) |
//! | an event with an async callback, or for a channel, is always a task of its own | a channel with room takes it at once, in order |
//! | a panic in an event handler reaches the operation | it is caught; the event is lost |
//! | ids of connections are `u32` | they are `u64` |
//! | `ServerAddress::Tcp { port, .. }` is an `Option` | it is a `u16`, 27017 where none was given |
//! | a `ServerAddress` is serialized as an enum | as `host:port`, as it is read |
//! | option structs are written without `timeout`, and read without it | with it, as `timeoutMS` |
//! | the options in a `ConnectionString` are its fields | they are in its field [`options`](crate::options::ConnectionString::options) |
//! | `ClientOptions` compare by everything but handlers | and by the [warnings](crate#warnings) |
//! | `InsertManyError::write_errors` is an `Option` | it is a `Vec`, empty where there is none |
//! | `InsertManyError::inserted_ids` is private | it is public: what was done is in the error ([`InsertManyError`](crate::error::InsertManyError)) |
//! | write concern errors of `drop_index` and `drop_indexes` are not reported | they are errors of kind [`Write`](crate::error::ErrorKind::Write), as those of `create_index`; the index was dropped all the same |
//! | `list_indexes` of a collection that does not exist is an error | the cursor is empty |
//! | `list_indexes` loses all options of an index where it cannot read one; `list_collections` fails at numbers of another type, such as those of the oplog | flags and numbers are read in whichever type they are |
//! | a commit quorum, or a `hint` of `find_one_and_*`, for a server that is too old is `InvalidArgument` | it is [`IncompatibleServer`](crate::error::ErrorKind::IncompatibleServer) |
//! | fractions of a second in `expire_after` are cut off | they are refused |
//! | no `collMod`, no `renameCollection` | [`Database::modify_collection`](crate::database::Database::modify_collection), [`Collection::rename`](crate::collection::Collection::rename) |
//! | operations are in `action` | in [`ops`](crate::ops), which is also called [`action`](crate::action) |
//! | `Client::with_options(options)?` inside a runtime only | the same, and [`sync::Client`](crate::sync::Client) without any |
//! | `sync` is a feature | it is always there |
//! | `bson` 2, or 3 by a feature | `bson` 3, as [`driver::bson`](crate::bson) |
//! | `rustls-tls`, `snappy-compression` and so on | [features](crate#features) `tls`, `snappy` and so on; `mongodb+srv://` wants `dns` |
//! | a dropped future may cost a connection | it does not, within [bounds](crate#when-nobody-waits-any-more) |
//! | `atlas_search` is always there | it is a feature, `atlas-search` |
//! | `maxPoolSize=0`, `waitQueueTimeoutMS` | are honoured |
//! | a misspelt option in the connection string is an error | it is left out with a warning, as the specification asks: [look at them](crate#warnings), or be [strict](crate::options::ConnectionString::parse_strictly) |
//! | `shutdown()` waits until cursors and sessions are dropped; `.immediate(true)` does not | [`shutdown()`](crate::client::Client::shutdown) never waits for them, and `immediate` has no effect; what is left of them ends on the server by itself |
//! | there is no bulk write of a collection | [`Collection::bulk_write`](crate::collection::Collection::bulk_write), on every server |
//! | `WriteModel::UpdateOne(UpdateOneModel::builder()..)` | the same; or shorter: `collection.update_one_model(filter, update).upsert(true)`, and so for deletes |
//! | the `namespace` of a model is a `Namespace` | it is an `Option`: models without one are for the bulk write of a collection |
//! | `array_filters`, `collation` and `hint` of a model are BSON | they are `Vec<Document>`, [`Collation`](crate::options::Collation) and [`Hint`](crate::options::Hint), as in other options |
//! | `PartialBulkWriteResult` is of a client | it has a variant for the bulk write of a collection; [`BulkWriteError`](crate::error::BulkWriteError) also tells which models were not tried, and of which it is not known |
//! | plans by `run_command(doc! { "explain": .. })` | [`explain()`](crate::ops::Find::explain) on reads and writes |
//! | `cursor.next()`, `try_next()`, `try_collect()` by `futures` | the same, and without it: cursors have them on both APIs |
//! | `find(..).batch()` in the async API | on both APIs: [`Find::batch`](crate::ops::Find::batch) |
//! | each batch is fetched when it is needed | the same, or ahead: [`prefetch(true)`](crate::ops::Find::prefetch), or unasked: [`CursorType::Exhaust`](crate::options::CursorType::Exhaust) |
//! | a cursor ends on the server when it is dropped | or at once, by [`close()`](crate::cursor::Cursor::close) |
//! | a failed resumption ends a change stream | a network error or a timeout does not: the next step tries again |
//! | fragments of `$changeStreamSplitLargeEvent` come one by one | they come as one event |
//! | the streams of GridFS have the traits of futures | those of tokio, and with the [feature](crate#features) `futures-io` those of futures too |
//! | `close()` of an upload gives an error of input and output | it is a method of the stream and gives an [`Error`](crate::Error); `?` makes either of the other |
//! | a GridFS download cannot be moved | it can: [`GridFsDownloadStream`](crate::gridfs::GridFsDownloadStream) seeks, and opens for a range of bytes |
//! | files go by copying a stream | the same, or [`upload_from`](crate::gridfs::GridFsBucket::upload_from) and [`download_to`](crate::gridfs::GridFsBucket::download_to) |
//! | the index of a bucket's chunks is not unique, and files of less than a chunk create none | it is unique, and the first file creates it |
//! | a failed upload removes all chunks of its id, those of another file too | it leaves its chunks, as the specification asks, and `abort()` removes them and no others |
//! | metadata that was not given is stored as `null` | it is left out |
//! | extra chunks are reported as missing ones | as [`ExtraChunk`](crate::error::GridFsErrorKind::ExtraChunk); errors name the file too |
//! | `Aggregate<'a, Session, T>` | [`Aggregate<'a, T, F, S>`](crate::ops::Aggregate) |
//! | `and_run2` takes an async closure, and its future cannot be spawned everywhere | it can: [`and_run2`](crate::session::StartTransaction::and_run2) takes an async closure that borrows, and its error is of your own type; where that type is unclear, name it: `Ok::<_, driver::Error>(())` |
//! | `sync`: `and_run(closure)` | the same, and [`and_run2`](crate::session::StartTransaction::and_run2) with an error of your own type |
//!
//! # Not here yet
//!
//! | of | is missing |
//! |---|---|
//! | the crate | client-side encryption |
//! | authentication | MONGODB-AWS, MONGODB-OIDC, GSSAPI |
//!
//! Commands without a method of their own run by
//! [`run_command`](crate::database::Database::run_command), such as `reIndex`:
//!
//! ```no_run
//! # use driver::bson::doc;
//! # async fn example(client: driver::Client) -> driver::Result<()> {
//! client.database("library").run_command(doc! { "reIndex": "books" }).await?;
//! # Ok(())
//! # }
//! ```
