//! The router in front of a real replica set.

use std::io::{Read, Write};
use std::net::TcpStream;

use testbed::bson::{Document, doc};
use testbed::{ErrorKind, Router, shared_replica_set};

const HEADER: usize = 16;

/// Runs a command over a connection.
fn run(mut stream: &TcpStream, command: Document) -> Document {
    let body = command.to_vec().unwrap();
    let mut message = Vec::new();
    for number in [(HEADER + 5 + body.len()) as i32, 1, 0, 2013, 0] {
        message.extend(number.to_le_bytes());
    }
    message.push(0);
    message.extend(body);
    stream.write_all(&message).unwrap();
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut reply = vec![0; i32::from_le_bytes(length) as usize - 4];
    stream.read_exact(&mut reply).unwrap();
    Document::from_reader(&reply[HEADER + 1..]).unwrap()
}

fn hello() -> Document {
    doc! { "hello": 1, "loadBalanced": true, "$db": "admin" }
}

fn primary() -> String {
    let set = shared_replica_set().unwrap();
    set.host(set.wait_for_primary().unwrap()).unwrap()
}

#[test]
fn member_behind_a_router_looks_like_a_mongos() {
    let router = Router::mongos(&primary()).unwrap();
    let direct = run(&TcpStream::connect(primary()).unwrap(), hello());
    assert!(direct.contains_key("setName") && !direct.contains_key("msg"), "{direct}");
    let stream = TcpStream::connect(router.host()).unwrap();
    let routed = run(&stream, hello());
    assert_eq!(routed.get_str("msg").unwrap(), "isdbgrid");
    assert!(!routed.contains_key("setName") && !routed.contains_key("serviceId"), "{routed}");
    assert_eq!(routed.get("maxWireVersion"), direct.get("maxWireVersion"));
    // The member itself answers everything else.
    let status = run(&stream, doc! { "replSetGetStatus": 1, "$db": "admin" });
    assert_eq!(status.get_i32("myState").unwrap(), 1, "{status}");
    assert_eq!(router.uri(), format!("mongodb://{}/", router.host()));
}

#[test]
fn balancer_leads_to_its_backends_in_turn() {
    let primary = primary();
    let balancer = Router::load_balancer(&[&primary, &primary]).unwrap();
    let ids: Vec<_> = (0..4)
        .map(|_| run(&TcpStream::connect(balancer.host()).unwrap(), hello()))
        .map(|greeting| greeting.get_object_id("serviceId").unwrap())
        .collect();
    assert!(ids[0] != ids[1] && ids[..2] == ids[2..], "{ids:?}");
    assert!(balancer.uri().ends_with("/?loadBalanced=true"));
}

#[test]
fn router_leads_new_connections_to_another_member() {
    let set = shared_replica_set().unwrap();
    let router = Router::mongos(&primary()).unwrap();
    let secondary = (0..set.len()).map(|i| set.host(i).unwrap()).find(|host| *host != primary());
    router.lead_to(&secondary.unwrap()).unwrap();
    let stream = TcpStream::connect(router.host()).unwrap();
    let greeting = run(&stream, hello());
    assert!(greeting.get_bool("isWritablePrimary").unwrap());
    let status = run(&stream, doc! { "replSetGetStatus": 1, "$db": "admin" });
    assert_eq!(status.get_i32("myState").unwrap(), 2, "{status}");
}

#[test]
fn router_refuses_malformed_members() {
    for refused in [Router::mongos("localhost"), Router::load_balancer(&[])] {
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Argument);
    }
}
