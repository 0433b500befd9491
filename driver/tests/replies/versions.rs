//! Options that an older server does not support.

use std::sync::{Arc, Mutex};

use driver::IndexModel;
use driver::bson::{Document, doc};
use driver::client::Client;
use driver::collection::Collection;
use driver::error::{Error, ErrorKind};
use driver::event::EventHandler;
use driver::event::command::CommandEvent;
use driver::options::{CommitQuorum, ConnectionString, Hint, SessionOptions, WriteConcern};

use crate::api::{Api, on_both_apis};
use crate::server::{Answer, FakeServer};

on_both_apis! {
    options_of_newer_servers_are_refused_unsent
    raw_data_is_sent_to_servers_that_know_it
}

const V4_2: i32 = 8;
const V8_0: i32 = 25;
const V8_2: i32 = 27;

/// A client of a server of that version, and its started commands.
fn client<F: Api>(server: &FakeServer) -> (Client<F>, Arc<Mutex<Vec<Document>>>) {
    let mut options = ConnectionString::parse(server.uri()).unwrap().options;
    let sent: Arc<Mutex<Vec<Document>>> = Arc::default();
    let log = Arc::clone(&sent);
    options.command_event_handler = Some(EventHandler::callback(move |event| {
        if let CommandEvent::Started(event) = event {
            log.lock().unwrap().push(event.command);
        }
    }));
    (F::open(options).unwrap(), sent)
}

fn of_version(version: i32) -> FakeServer {
    FakeServer::of_version(version, |_| Answer::Reply(doc! { "ok": 1, "n": 1 }))
}

fn incompatible(error: &Error) {
    assert!(matches!(error.kind(), ErrorKind::IncompatibleServer { .. }), "{error:?}");
    assert!(error.to_string().contains("MongoDB"), "{error}");
}

fn options_of_newer_servers_are_refused_unsent<F: Api>() {
    let server = of_version(V4_2);
    let (client, sent) = client::<F>(&server);
    let coll: Collection<Document, F> = client.database("db").collection("coll");
    let hint = || Hint::Name("by_a".to_owned());
    let set = || doc! { "$set": { "a": 1 } };
    incompatible(&F::end(coll.find_one_and_update(doc! {}, set()).hint(hint())).unwrap_err());
    incompatible(&F::end(coll.find_one_and_replace(doc! {}, doc! {}).hint(hint())).unwrap_err());
    incompatible(&F::end(coll.find_one_and_delete(doc! {}).hint(hint())).unwrap_err());
    let index = IndexModel::builder().keys(doc! { "a": 1 }).build();
    let create = coll.create_index(index).commit_quorum(CommitQuorum::Majority);
    incompatible(&F::end(create).unwrap_err());
    let unacknowledged = || WriteConcern::nodes(0);
    let delete = coll.delete_many(doc! {}).hint(hint()).write_concern(unacknowledged());
    incompatible(&F::end(delete).unwrap_err());
    let model = || coll.delete_one_model(doc! {}).hint(hint());
    let bulk = coll.bulk_write([model()]).write_concern(unacknowledged());
    let error = F::end(bulk).unwrap_err();
    assert!(error.to_string().contains("MongoDB 4.4"), "{error}");
    incompatible(&F::end(client.bulk_write([model()])).unwrap_err());
    let snapshot = SessionOptions::builder().snapshot(true).build();
    if let Ok(mut session) = F::session_with(&client, snapshot) {
        let find = coll.find_one(doc! {}).session(&mut session);
        let error = F::end(find).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::IncompatibleServer { .. }), "{error:?}");
    }
    assert_eq!(*sent.lock().unwrap(), [] as [Document; 0]);
}

fn raw_data_is_sent_to_servers_that_know_it<F: Api>() {
    for (version, expected) in [(V8_0, false), (V8_2, true)] {
        let server = of_version(version);
        let (client, sent) = client::<F>(&server);
        let coll: Collection<Document, F> = client.database("db").collection("coll");
        let _ = F::end(coll.insert_one(doc! {}).raw_data(true));
        let _ = F::end(coll.insert_many([doc! {}]).raw_data(true));
        let _ = F::end(coll.update_one(doc! {}, doc! { "$set": { "a": 1 } }).raw_data(true));
        let _ = F::end(coll.delete_one(doc! {}).raw_data(true));
        let _ = F::end(coll.find(doc! {}).raw_data(true));
        let _ = F::end(coll.find_one_and_delete(doc! {}).raw_data(true));
        let _ = F::end(coll.list_index_names().raw_data(true));
        let _ = F::end(coll.bulk_write([coll.delete_one_model(doc! {})]).raw_data(true));
        let _ = F::end(client.bulk_write([coll.delete_one_model(doc! {})]).raw_data(true));
        let sent = sent.lock().unwrap();
        assert_eq!(sent.len(), 9);
        for command in &*sent {
            assert_eq!(command.get_bool("rawData").is_ok(), expected, "{command}");
        }
    }
}
