//! Clients as a whole: shutdown, pools, and the servers that they know.

use std::sync::Arc;

use driver::bson::{Document, doc};
use driver::error::ErrorKind;
use driver::options::{ClientOptions, SelectionCriteria};
use driver::{BoxFuture, Client, ServerInfo, ServerType, sync};

use crate::options;

#[tokio::test]
async fn client_is_shut_down_and_fails_then() {
    let client = Client::with_options(options()).unwrap();
    client.clone().shutdown().immediate(true).await;
    let error = client.list_database_names_or_ping().await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Shutdown), "{error}");
}

#[test]
fn blocking_client_is_shut_down_and_fails_then() {
    let client = sync::Client::with_options(options()).unwrap();
    client.clone().shutdown().immediate(false).run();
    let error = client.database("admin").run_command(doc! { "ping": 1 }).run().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Shutdown), "{error}");
}

trait Ping {
    fn list_database_names_or_ping(&self) -> BoxFuture<'_, driver::error::Result<Document>>;
}

impl Ping for Client {
    fn list_database_names_or_ping(&self) -> BoxFuture<'_, driver::error::Result<Document>> {
        Box::pin(async { self.database("admin").run_command(doc! { "ping": 1 }).await })
    }
}

fn warmable() -> ClientOptions {
    let mut options = options();
    options.min_pool_size = Some(5);
    options
}

#[tokio::test]
async fn pools_are_filled_before_they_are_needed() {
    let client = Client::with_options(warmable()).unwrap();
    client.warm_connection_pool().await;
    let [pool] = &client.pool_metrics()[..] else { panic!("one server, one pool") };
    assert!(pool.idle + pool.in_use >= 5, "{pool:?}");
    assert_eq!((pool.waiting, pool.generation), (0, 0));
}

#[test]
fn pools_of_a_blocking_client_are_filled() {
    let client = sync::Client::with_options(warmable()).unwrap();
    client.warm_connection_pool().run();
    let [pool] = &client.pool_metrics()[..] else { panic!("one server, one pool") };
    assert!(pool.idle + pool.in_use >= 5, "{pool:?}");
    // Does nothing for a client without `minPoolSize`.
    let client = sync::Client::with_options(options()).unwrap();
    client.warm_connection_pool().run();
    assert!(client.pool_metrics().iter().all(|pool| pool.idle == 0));
}

#[test]
fn request_counts_as_a_connection_in_use() {
    let client = sync::Client::with_options(options()).unwrap();
    let request = client.start_request();
    client.database("admin").run_command(doc! { "ping": 1 }).run().unwrap();
    assert_eq!(client.pool_metrics()[0].in_use, 1);
    drop(request);
    assert_eq!((client.pool_metrics()[0].in_use, client.pool_metrics()[0].idle), (0, 1));
}

#[tokio::test]
async fn predicates_see_the_server() {
    let client = Client::with_options(options()).unwrap();
    let standalone = SelectionCriteria::Predicate(Arc::new(|server: &ServerInfo<'_>| {
        server.server_type() == ServerType::Standalone
    }));
    let admin = client.database("admin");
    admin.run_command(doc! { "ping": 1 }).selection_criteria(standalone).await.unwrap();
    assert!(client.topology().has_writable_server());
    assert!(client.topology().has_readable_server(None));
    let none = SelectionCriteria::Predicate(Arc::new(|_: &ServerInfo<'_>| false));
    assert!(!client.topology().has_readable_server(Some(none)));
}
