//! Spans of operations, commands and transactions (specification "OpenTelemetry").
//!
//! An operation has an [`OperationSpan`], which is the current span while the operation's future is
//! polled ([`Spanned`]). Therefore a command finds its parent in the current context, and gets a
//! [`CommandSpan`] if that context belongs to an operation of the driver. Commands without an
//! operation, such as those of monitors, have no span.
//!
//! A client with telemetry has a [`Telemetry`]. Without it, or without the feature, no spans are
//! created.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll};

use bson::{Bson, Document};
use opentelemetry::global::BoxedTracer;
use opentelemetry::trace::{SpanKind, Status, TraceContextExt, Tracer};
use opentelemetry::{Context, InstrumentationScope, KeyValue};
use pin_project_lite::pin_project;

use super::{Core, SessionState};
use crate::error::{Error, ErrorKind, Result};
use crate::event::operation_id::OperationId;
use crate::options::{ClientOptions, OpentelemetryOptions};
use crate::pool::Connection;
use crate::types::ServerAddress;

/// The state of a client with telemetry.
pub(crate) struct Telemetry {
    tracer: BoxedTracer,
    /// The maximum length of `db.query.text`; 0 omits it.
    query_text_max_length: usize,
}

impl Telemetry {
    /// The state for a client with these options, if spans are enabled.
    pub(super) fn of(options: &ClientOptions) -> Option<Self> {
        let defaults = OpentelemetryOptions::default();
        let own = options.tracing.as_ref().unwrap_or(&defaults);
        if !own.is_enabled() {
            return None;
        }
        let scope = InstrumentationScope::builder(env!("CARGO_PKG_NAME"))
            .with_version(env!("CARGO_PKG_VERSION"))
            .build();
        Some(Telemetry {
            tracer: own.tracer(scope),
            query_text_max_length: own.query_text_max_length(),
        })
    }

    fn start(&self, name: String, attributes: Vec<KeyValue>, parent: &Context) -> Context {
        let builder = self.tracer.span_builder(name).with_kind(SpanKind::Client);
        let span = builder.with_attributes(attributes).start_with_context(&self.tracer, parent);
        parent.with_span(span)
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry").finish_non_exhaustive()
    }
}

/// The parent span of a later part of an operation, possibly in another task.
pub(crate) struct Parent(Context);

impl Parent {
    /// The current span.
    pub(crate) fn current() -> Self {
        Parent(Context::current())
    }
}

/// The namespace of an operation.
#[derive(Clone, Copy)]
pub(crate) struct Acts<'a> {
    /// The name of its method.
    pub(crate) operation: &'static str,
    pub(crate) db: &'a str,
    pub(crate) collection: Option<&'a str>,
}

/// Marks a context as that of an operation of the driver.
struct Operation {
    name: &'static str,
    db: Box<str>,
    /// Whether only the command contains the name of the collection.
    takes_collection: bool,
}

/// The span of a running operation.
pub(crate) struct OperationSpan {
    context: Option<Context>,
    /// Whether the span ends with this value. Otherwise it belongs to an operation of several
    /// commands.
    owned: bool,
}

impl OperationSpan {
    /// Starts the span of an operation, under that of the session's transaction or the current one.
    #[inline]
    pub(crate) fn begin(core: &Core, acts: Acts<'_>, session: Option<&SessionState>) -> Self {
        match &core.telemetry {
            None => OperationSpan { context: None, owned: false },
            Some(telemetry) => Self::begun(telemetry, acts, session, &Context::current()),
        }
    }

    /// Like [`begin`](Self::begin), for an operation that began under another current span.
    pub(crate) fn begin_under(
        parent: &Parent,
        core: &Core,
        acts: Acts<'_>,
        session: Option<&SessionState>,
    ) -> Self {
        match &core.telemetry {
            None => OperationSpan { context: None, owned: false },
            // A batch within an operation of several commands belongs to that operation.
            Some(_) if parent.0.get::<Operation>().is_some() => {
                OperationSpan { context: Some(parent.0.clone()), owned: false }
            }
            Some(telemetry) => Self::begun(telemetry, acts, session, &parent.0),
        }
    }

    #[cold]
    fn begun(
        telemetry: &Telemetry,
        acts: Acts<'_>,
        session: Option<&SessionState>,
        current: &Context,
    ) -> Self {
        let parent = session.and_then(|session| session.transaction_span()).unwrap_or(current);
        let (name, takes_collection) = operation_name(acts.operation, acts.collection);
        let (summary, mut attributes) = about(name, acts.db, acts.collection);
        attributes.push(KeyValue::new("db.operation.name", name));
        attributes.push(KeyValue::new("db.operation.summary", summary.clone()));
        let context = telemetry.start(summary, attributes, parent);
        let operation = Operation { name, db: acts.db.into(), takes_collection };
        OperationSpan { context: Some(context.with_value(operation)), owned: true }
    }

    /// Polls the operation with its span as the current one, and ends the span with it.
    #[inline]
    fn within<T>(&mut self, poll: impl FnOnce() -> Poll<Result<T>>) -> Poll<Result<T>> {
        let Some(context) = &self.context else { return poll() };
        let guard = context.clone().attach();
        let polled = poll();
        drop(guard);
        if let Poll::Ready(ended) = &polled {
            if self.owned {
                if let Err(error) = ended {
                    record(context, error);
                }
                context.span().end();
            }
            self.context = None;
        }
        polled
    }
}

impl Drop for OperationSpan {
    fn drop(&mut self) {
        if let Some(context) = self.context.as_ref().filter(|_| self.owned) {
            context.span().end();
        }
    }
}

pin_project! {
    /// The future of an operation, in its span and with its id for log messages.
    pub(crate) struct Spanned<F> {
        #[pin]
        future: F,
        span: OperationSpan,
        id: OperationId,
    }
}

impl<F> Spanned<F> {
    #[inline(always)]
    pub(crate) fn new(span: OperationSpan, future: F) -> Self {
        Spanned { future, span, id: OperationId::new() }
    }
}

impl<F: Future<Output = Result<T>>, T> Future for Spanned<F> {
    type Output = Result<T>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        this.span.within(|| this.id.during(|| this.future.poll(cx)))
    }
}

/// The span of a transaction, from its start until it is committed, aborted or abandoned.
#[derive(Clone, Default)]
pub(crate) struct TransactionSpan(Option<Arc<Ends>>);

/// A span that ends when it is dropped.
struct Ends(Context);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.span().end();
    }
}

impl TransactionSpan {
    pub(crate) fn begin(core: &Core) -> Self {
        let attributes = || vec![KeyValue::new("db.system.name", "mongodb")];
        TransactionSpan(core.telemetry.as_ref().map(|telemetry| {
            let current = Context::current();
            Arc::new(Ends(telemetry.start("transaction".to_owned(), attributes(), &current)))
        }))
    }

    /// The context of the operations of the transaction.
    pub(crate) fn context(&self) -> Option<&Context> {
        self.0.as_ref().map(|ends| &ends.0)
    }
}

/// The span of one command, from just before it is sent.
pub(super) struct CommandSpan(Context);

impl CommandSpan {
    /// Whether the current command gets a span.
    #[inline]
    pub(super) fn is_wanted(core: &Core) -> bool {
        core.telemetry.is_some()
            && Context::map_current(|current| current.get::<Operation>().is_some())
    }

    /// Starts the span of `command`.
    pub(super) fn begin(core: &Core, command: &Document, connection: &Connection) -> Option<Self> {
        let telemetry = core.telemetry.as_ref()?;
        let parent = Context::current();
        let operation = parent.get::<Operation>()?;
        let (name, target) = command.iter().next()?;
        let db = command.get_str("$db").unwrap_or_default();
        let collection = match name.as_str() {
            "getMore" => command.get_str("collection").ok(),
            _ => target.as_str(),
        };
        let collection = collection.filter(|_| db != "admin");
        if let Some(collection) = collection.filter(|_| operation.takes_collection) {
            rename(&parent, operation, collection);
        }
        let (summary, mut attributes) = about(name, db, collection);
        attributes.push(KeyValue::new("db.command.name", name.clone()));
        attributes.push(KeyValue::new("db.query.summary", summary));
        attributes.extend(of_connection(connection));
        if let Ok(lsid) = command.get_document("lsid") {
            let lsid = Bson::Document(lsid.clone()).into_relaxed_extjson().to_string();
            attributes.push(KeyValue::new("db.mongodb.lsid", lsid));
        }
        if let Ok(number) = command.get_i64("txnNumber") {
            attributes.push(KeyValue::new("db.mongodb.txn_number", number));
        }
        if name == "getMore"
            && let Some(id) = target.as_i64()
        {
            attributes.push(KeyValue::new("db.mongodb.cursor_id", id));
        }
        if telemetry.query_text_max_length > 0 {
            let text = query_text(command.clone(), telemetry.query_text_max_length);
            attributes.push(KeyValue::new("db.query.text", text));
        }
        Some(CommandSpan(telemetry.start(name.clone(), attributes, &parent)))
    }

    /// The command succeeded.
    pub(super) fn succeeded(self, reply: &Document) {
        let id = reply.get_document("cursor").and_then(|cursor| cursor.get_i64("id"));
        if let Some(id) = id.ok().filter(|id| *id != 0) {
            self.0.span().set_attribute(KeyValue::new("db.mongodb.cursor_id", id));
        }
        self.0.span().end();
    }

    /// The server refused it, or there was no reply.
    pub(super) fn failed(self, error: &Error) {
        record(&self.0, error);
        self.0.span().end();
    }
}

/// The name of the span, and the attributes for its database and collection.
fn about(name: &str, db: &str, collection: Option<&str>) -> (String, Vec<KeyValue>) {
    let mut attributes = vec![
        KeyValue::new("db.system.name", "mongodb"),
        KeyValue::new("db.namespace", db.to_owned()),
    ];
    let Some(collection) = collection else { return (format!("{name} {db}"), attributes) };
    attributes.push(KeyValue::new("db.collection.name", collection.to_owned()));
    (format!("{name} {db}.{collection}"), attributes)
}

/// Adds the collection of a command to the span of its operation.
#[cold]
fn rename(context: &Context, operation: &Operation, collection: &str) {
    let (summary, _) = about(operation.name, &operation.db, Some(collection));
    let span = context.span();
    span.update_name(summary.clone());
    span.set_attribute(KeyValue::new("db.collection.name", collection.to_owned()));
    span.set_attribute(KeyValue::new("db.operation.summary", summary));
}

fn of_connection(connection: &Connection) -> Vec<KeyValue> {
    let number = i64::try_from(connection.id()).unwrap_or(i64::MAX);
    let mut attributes = vec![KeyValue::new("db.mongodb.driver_connection_id", number)];
    match connection.address() {
        ServerAddress::Tcp { host, port, .. } => attributes.extend([
            KeyValue::new("server.address", host.to_string()),
            KeyValue::new("server.port", i64::from(*port)),
            KeyValue::new("network.transport", "tcp"),
        ]),
        other => attributes.extend([
            KeyValue::new("server.address", other.to_string()),
            KeyValue::new("network.transport", "unix"),
        ]),
    }
    if let Some(number) = connection.description().server_connection_id {
        attributes.push(KeyValue::new("db.mongodb.server_connection_id", number));
    }
    attributes
}

/// The command as JSON without the common fields, truncated to `length` characters.
fn query_text(mut command: Document, length: usize) -> String {
    for key in ["lsid", "$db", "$clusterTime", "signature"] {
        command.remove(key);
    }
    let mut text = Bson::Document(command).into_relaxed_extjson().to_string();
    if let Some((end, _)) = text.char_indices().nth(length) {
        text.truncate(end);
    }
    text
}

/// Records the error with which an operation or a command ended.
#[cold]
fn record(context: &Context, error: &Error) {
    let span = context.span();
    let message = error.to_string();
    span.set_attributes([
        KeyValue::new("exception.message", message.clone()),
        KeyValue::new("exception.type", kind_name(error.kind())),
        // The causes replace the stack trace, which is meaningless for a future.
        KeyValue::new("exception.stacktrace", causes(error)),
    ]);
    if let Some(code) = error.code() {
        span.set_attribute(KeyValue::new("db.response.status_code", code.to_string()));
    }
    span.set_status(Status::error(message));
}

fn kind_name(kind: &ErrorKind) -> String {
    let text = format!("{kind:?}");
    text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
}

fn causes(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text += &format!("\ncaused by: {inner}");
        cause = inner.source();
    }
    text
}

/// The specification's name for the operation of a method (section "Covered operations"), and
/// whether only its command names the collection.
fn operation_name(method: &'static str, collection: Option<&str>) -> (&'static str, bool) {
    let name = match method {
        "insert_one" | "insert_many" => "insert",
        "find" | "find_one" => "find",
        "update_one" | "update_many" | "replace_one" => "update",
        "delete_one" | "delete_many" => "delete",
        "find_one_and_update" | "find_one_and_replace" | "find_one_and_delete" => "findAndModify",
        // These methods have commands with other names.
        "count_documents" | "watch" | "list_search_indexes" => "aggregate",
        "estimated_document_count" => "count",
        "bulk_write" => "bulkWrite",
        "list_collections" | "list_collection_names" => "listCollections",
        "list_databases" | "list_database_names" => "listDatabases",
        "list_indexes" | "list_index_names" => "listIndexes",
        "create_index" | "create_indexes" => "createIndexes",
        "drop_index" | "drop_indexes" => "dropIndexes",
        "create_search_index" | "create_search_indexes" => "createSearchIndexes",
        "update_search_index" => "updateSearchIndex",
        "drop_search_index" => "dropSearchIndex",
        "drop" if collection.is_some() => "dropCollection",
        "drop" => "dropDatabase",
        "create_collection" => return ("createCollection", true),
        "modify_collection" => return ("modifyCollection", true),
        "rename" => "renameCollection",
        "run_command" => "runCommand",
        "run_cursor_command" => "runCursorCommand",
        "commit_transaction" => "commitTransaction",
        "abort_transaction" => "abortTransaction",
        "close" => "killCursors",
        other => other,
    };
    (name, false)
}

#[cfg(test)]
mod tests {
    use bson::doc;

    use super::*;

    #[test]
    fn query_text_is_cut_between_characters() {
        let command = doc! { "find": "ü", "$db": "d", "lsid": {}, "filter": { "x": 1 } };
        assert_eq!(query_text(command.clone(), 100), r#"{"find":"ü","filter":{"x":1}}"#);
        assert_eq!(query_text(command.clone(), 10), r#"{"find":"ü"#);
        assert_eq!(query_text(command, 9), r#"{"find":""#);
    }

    #[test]
    fn operations_have_the_names_of_the_specification() {
        assert_eq!(operation_name("find_one_and_delete", Some("c")).0, "findAndModify");
        assert_eq!(operation_name("drop", Some("c")).0, "dropCollection");
        assert_eq!(operation_name("drop", None).0, "dropDatabase");
        assert_eq!(operation_name("create_collection", None), ("createCollection", true));
        assert_eq!(operation_name("distinct", Some("c")).0, "distinct");
    }
}
