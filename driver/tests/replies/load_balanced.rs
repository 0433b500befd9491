//! Behind a load balancer, each connection may lead to another backend, so later commands of a
//! cursor use the cursor's connection. The test needs no real load balancer.

use std::sync::{Arc, Mutex};

use driver::bson::{Document, doc};
use driver::event::EventHandler;
use driver::event::command::CommandEvent;
use driver::options::ConnectionString;
use driver::{Client, Collection, sync};

use crate::server::{Answer, FakeServer};

/// The connection of each command.
type Seen = Arc<Mutex<Vec<(usize, String)>>>;

/// Each backend has one cursor of two batches, which other backends do not know.
fn balancer() -> (FakeServer, Seen) {
    let seen = Seen::default();
    let log = Arc::clone(&seen);
    let mut opened_by = None;
    let server = FakeServer::load_balancer(move |connection, command| {
        log.lock().unwrap().push((connection, command.to_owned()));
        match command {
            "find" => {
                opened_by = Some(connection);
                let batch = doc! { "id": 7_i64, "ns": "db.coll", "firstBatch": [{ "_id": 1 }] };
                Answer::Reply(doc! { "ok": 1, "cursor": batch })
            }
            "getMore" if opened_by != Some(connection) => {
                Answer::Reply(doc! { "ok": 0, "code": 43, "errmsg": "cursor id 7 not found" })
            }
            "getMore" => {
                let batch = doc! { "id": 0_i64, "ns": "db.coll", "nextBatch": [{ "_id": 2 }] };
                Answer::Reply(doc! { "ok": 1, "cursor": batch })
            }
            _ => Answer::Reply(doc! { "ok": 1, "n": 1 }),
        }
    });
    (server, seen)
}

fn connection_of(seen: &Seen, command: &str) -> usize {
    let seen = seen.lock().unwrap();
    let found = seen.iter().find(|(_, name)| name == command);
    found.unwrap_or_else(|| panic!("no {command} among {seen:?}")).0
}

fn has(seen: &Seen, command: &str) -> bool {
    seen.lock().unwrap().iter().any(|(_, name)| name == command)
}

#[tokio::test]
async fn cursor_behind_a_balancer_keeps_its_connection() {
    let (server, seen) = balancer();
    let client = Client::with_uri_str(server.uri()).await.unwrap();
    let coll: Collection<Document> = client.database("db").collection("coll");
    let mut cursor = coll.find(doc! {}).await.unwrap();
    assert!(cursor.advance().await.unwrap());
    // It would take the cursor's connection if that were idle.
    coll.delete_one(doc! {}).await.unwrap();
    assert!(cursor.advance().await.unwrap());
    assert_eq!(connection_of(&seen, "getMore"), connection_of(&seen, "find"));
    assert_ne!(connection_of(&seen, "delete"), connection_of(&seen, "find"));
    // The cursor has ended, so its connection is idle and the most recently used.
    drop(cursor);
    coll.update_one(doc! {}, doc! { "$set": { "x": 1 } }).await.unwrap();
    assert_eq!(connection_of(&seen, "update"), connection_of(&seen, "find"));
}

#[test]
fn blocking_cursor_behind_a_balancer_keeps_its_connection() {
    let (server, seen) = balancer();
    let client = sync::Client::with_uri_str(server.uri()).unwrap();
    let coll: sync::Collection<Document> = client.database("db").collection("coll");
    let mut cursor = coll.find(doc! {}).run().unwrap();
    assert!(cursor.advance().unwrap());
    coll.delete_one(doc! {}).run().unwrap();
    assert!(cursor.advance().unwrap());
    assert_eq!(connection_of(&seen, "getMore"), connection_of(&seen, "find"));
    assert_ne!(connection_of(&seen, "delete"), connection_of(&seen, "find"));
}

#[tokio::test]
async fn dropped_cursor_behind_a_balancer_is_killed_where_it_is() {
    let (server, seen) = balancer();
    let client = Client::with_uri_str(server.uri()).await.unwrap();
    let coll: Collection<Document> = client.database("db").collection("coll");
    let cursor = coll.find(doc! {}).await.unwrap();
    coll.delete_one(doc! {}).await.unwrap();
    drop(cursor);
    for _ in 0..500 {
        if has(&seen, "killCursors") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(connection_of(&seen, "killCursors"), connection_of(&seen, "find"));
}

/// A balancer whose backends have lost the cursor when they are asked for more.
fn forgetful() -> (FakeServer, Seen) {
    let seen = Seen::default();
    let log = Arc::clone(&seen);
    let server = FakeServer::load_balancer(move |connection, command| {
        log.lock().unwrap().push((connection, command.to_owned()));
        Answer::Reply(match command {
            "find" => {
                let batch = doc! { "id": 7_i64, "ns": "db.coll", "firstBatch": [{ "_id": 1 }] };
                doc! { "ok": 1, "cursor": batch }
            }
            "getMore" => doc! { "ok": 0, "code": 43, "errmsg": "cursor id 7 not found" },
            _ => doc! { "ok": 1 },
        })
    });
    (server, seen)
}

#[tokio::test]
async fn close_of_a_cursor_unknown_to_its_server() {
    let (server, seen) = forgetful();
    let client = Client::with_uri_str(server.uri()).await.unwrap();
    let coll: Collection<Document> = client.database("db").collection("coll");
    let mut cursor = coll.find(doc! {}).await.unwrap();
    assert!(cursor.advance().await.unwrap());
    assert_eq!(cursor.advance().await.unwrap_err().code(), Some(43));
    cursor.close().await.unwrap();
    assert!(!has(&seen, "killCursors"));
}

#[test]
fn blocking_close_of_a_cursor_unknown_to_its_server() {
    let (server, seen) = forgetful();
    let client = sync::Client::with_uri_str(server.uri()).unwrap();
    let coll: sync::Collection<Document> = client.database("db").collection("coll");
    let mut cursor = coll.find(doc! {}).run().unwrap();
    assert!(cursor.advance().unwrap());
    assert_eq!(cursor.advance().unwrap_err().code(), Some(43));
    cursor.close().run().unwrap();
    assert!(!has(&seen, "killCursors"));
}

/// A mongos sends a token with each reply in a transaction. With the last token, another mongos can
/// find the result of the transaction.
#[tokio::test]
async fn end_of_a_transaction_carries_the_last_recovery_token() {
    let mut replies = 0;
    let server = FakeServer::load_balancer(move |_, command| {
        let mut reply = doc! { "ok": 1, "n": 1 };
        if command == "insert" {
            replies += 1;
            reply.extend(doc! { "recoveryToken": { "reply": replies } });
        }
        Answer::Reply(reply)
    });
    let ended: Arc<Mutex<Vec<Document>>> = Arc::default();
    let log = Arc::clone(&ended);
    let mut options = ConnectionString::parse(server.uri()).unwrap().options;
    options.command_event_handler = Some(EventHandler::callback(move |event| {
        if let CommandEvent::Started(started) = event
            && started.command_name.ends_with("Transaction")
        {
            log.lock().unwrap().push(started.command);
        }
    }));
    let client = Client::with_options(options).unwrap();
    let coll: Collection<Document> = client.database("db").collection("coll");
    let mut session = client.start_session().await.unwrap();
    for commits in [true, false] {
        session.start_transaction().await.unwrap();
        for _ in 0..2 {
            coll.insert_one(doc! {}).session(&mut session).await.unwrap();
        }
        if commits {
            session.commit_transaction().await.unwrap();
        } else {
            session.abort_transaction().await.unwrap();
        }
    }
    let ended = ended.lock().unwrap();
    let token = |i: usize| ended[i].get_document("recoveryToken").unwrap().get_i32("reply");
    assert_eq!((token(0).unwrap(), token(1).unwrap()), (2, 4));
}
