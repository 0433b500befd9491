//! Cursors with dropped steps, with expired timeouts, or never read to their end.

mod kills;
mod sessions;
mod shutdown;
mod steps;
mod timeouts;
mod unsent;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use driver::bson::{Document, doc};
use driver::options::{ClientOptions, CursorType, ServerAddress};
use driver::{Client, Collection, Cursor};
use futures_util::StreamExt;
use testbed::{Standalone, shared_standalone};

/// Far longer than any step here, so only a hang reaches it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Longer than the driver waits for a late reply while nobody polls the cursor. The longest wait is
/// three seconds: one for the reply, and one for each of two polls.
const LONGER_THAN_UNPOLLED: Duration = Duration::from_secs(4);

fn server() -> &'static Standalone {
    shared_standalone().unwrap()
}

/// A name that no other test uses.
fn name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("cursors_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

fn options(server: &Standalone) -> ClientOptions {
    let mut options = ClientOptions::default();
    options.hosts = vec![ServerAddress::parse(server.host()).unwrap()];
    options
}

/// A client with one connection.
fn one_connection() -> ClientOptions {
    let mut options = options(server());
    options.max_pool_size = Some(1);
    options
}

async fn capped(client: &Client) -> Collection<Document> {
    let database = client.database(&name());
    database.run_command(doc! { "create": "log", "capped": true, "size": 65536 }).await.unwrap();
    let log = database.collection("log");
    log.insert_one(doc! { "_id": -1 }).await.unwrap();
    log
}

/// A cursor at the current end of the collection.
async fn tail(log: &Collection<Document>, max_await_time: Duration) -> Cursor<Document> {
    let tail =
        log.find(doc! {}).cursor_type(CursorType::TailableAwait).max_await_time(max_await_time);
    let mut cursor = tail.await.unwrap();
    assert!(cursor.advance().await.unwrap());
    cursor
}

async fn in_time<F: IntoFuture>(what: F) -> F::Output {
    tokio::time::timeout(PATIENCE, what.into_future()).await.expect("it hangs")
}

/// The fail point applies to the whole server.
static FAULTS: toro::Lock<()> = toro::Lock::new(());

#[derive(Clone, Copy)]
enum Step {
    Advance,
    Stream,
}

async fn next(cursor: &mut Cursor<Document>, step: Step) -> i32 {
    match step {
        Step::Advance => assert!(cursor.advance().await.unwrap()),
        Step::Stream => {
            return StreamExt::next(cursor).await.unwrap().unwrap().get_i32("_id").unwrap();
        }
    }
    cursor.current().get_i32("_id").unwrap()
}
