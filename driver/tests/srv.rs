//! A client of a `mongodb+srv` name whose DNS records change, with a name server on loopback. Both
//! APIs.
//!
//! The hosts must be within the domain of the name and on this machine. `127.0.0.1` and the name
//! `cluster.0.0.1` satisfy both.

use std::collections::BTreeSet;
use std::net::{SocketAddr, UdpSocket};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use driver::bson::{Document, doc};
use driver::conformance::dns::{ask_again, resolve};
use driver::options::{ClientOptions, ServerAddress};
use driver::{Client, Result, TopologyDescription, TopologyType, sync};
use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::rdata::SRV;
use hickory_proto::rr::{Name, RData, Record, RecordType};
use socket2::{Domain, Socket, Type};
use testbed::{ReplicaSet, eventually};

const URI: &str = "mongodb+srv://cluster.0.0.1/?tls=false&heartbeatFrequencyMS=500";

/// A name server with changeable answers. It ends with the process.
struct NameServer {
    address: SocketAddr,
    says: Arc<Mutex<Says>>,
}

/// The answers of the name server.
#[derive(Default)]
struct Says {
    ports: Vec<u16>,
    asked: usize,
}

impl NameServer {
    fn start(ports: &[u16]) -> NameServer {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let says = Arc::new(Mutex::new(Says { ports: ports.to_vec(), asked: 0 }));
        let knows = says.clone();
        std::thread::spawn(move || {
            let mut bytes = [0; 1500];
            while let Ok((n, from)) = socket.recv_from(&mut bytes) {
                let query = Message::from_vec(&bytes[..n]).unwrap();
                let reply =
                    answer(query, &mut knows.lock().unwrap_or_else(PoisonError::into_inner));
                socket.send_to(&reply.to_vec().unwrap(), from).unwrap();
            }
        });
        NameServer { address, says }
    }

    fn say(&self, ports: &[u16]) {
        self.says.lock().unwrap().ports = ports.to_vec();
    }

    fn asked(&self) -> usize {
        self.says.lock().unwrap().asked
    }

    /// The options of a client that polls the name server at the shortest interval.
    async fn options(&self) -> ClientOptions {
        let mut options = resolve(URI, self.address).await.unwrap().options;
        ask_again(&mut options, self.address, Duration::from_millis(20));
        options
    }
}

/// Without ports the name does not exist.
fn answer(mut query: Message, says: &mut Says) -> Message {
    let asked = query.queries.first().cloned().unwrap();
    query.metadata.message_type = MessageType::Response;
    query.metadata.authoritative = true;
    query.edns = None;
    query.additionals.clear();
    let is_srv = asked.query_type() == RecordType::SRV;
    says.asked += usize::from(is_srv);
    let ports = if is_srv { says.ports.as_slice() } else { &[] };
    query.metadata.response_code =
        if ports.is_empty() { ResponseCode::NXDomain } else { ResponseCode::NoError };
    for port in ports {
        let record = SRV::new(0, 0, *port, Name::from_str("127.0.0.1.").unwrap());
        // The record expires at once.
        query.add_answer(Record::from_rdata(asked.name().clone(), 0, RData::SRV(record)));
    }
    query
}

/// Unused ports, reserved for the life of this process.
fn dead_ports<const N: usize>() -> [u16; N] {
    std::array::from_fn(|_| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let port = socket.local_addr().unwrap().as_socket_ipv4().unwrap().port();
        std::mem::forget(socket);
        port
    })
}

fn ports(topology: &TopologyDescription) -> BTreeSet<u16> {
    topology.servers().filter_map(|server| server.address().port()).collect()
}

/// Hosts are added and removed. A missing answer changes nothing. Once the hosts are a replica set,
/// which reports its own members, the client works and ignores the name server.
fn follow(
    names: &NameServer,
    topology: &dyn Fn() -> Arc<TopologyDescription>,
    insert: &dyn Fn() -> Result<()>,
) {
    let [one, other, third] = dead_ports();
    for now in [&[one, other][..], &[other], &[third, one, other], &[third]] {
        names.say(now);
        eventually("the hosts are those of the records", || {
            ports(&topology()) == now.iter().copied().collect()
        });
    }
    names.say(&[]);
    let asked = names.asked();
    eventually("the name server has been asked in vain, twice", || names.asked() >= asked + 2);
    assert_eq!(ports(&topology()), [third].into());

    let set = ReplicaSet::start(1).unwrap();
    let host = ServerAddress::parse(set.host(0).unwrap()).unwrap();
    names.say(&[third, host.port().unwrap()]);
    insert().unwrap();
    assert_eq!(topology().topology_type(), TopologyType::ReplicaSetWithPrimary);
    assert_eq!(ports(&topology()), [host.port().unwrap()].into());
    names.say(&[third]);
    insert().unwrap();
    assert_eq!(ports(&topology()), [host.port().unwrap()].into());
}

#[test]
fn async_client_follows_its_srv_records() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let names = NameServer::start(&dead_ports::<1>());
    let client = runtime.block_on(async { Client::with_options(names.options().await).unwrap() });
    let coll = client.database("srv").collection::<Document>("async");
    follow(&names, &|| client.topology(), &|| {
        runtime.block_on(async { coll.insert_one(doc! {}).await }).map(drop)
    });
}

#[test]
fn blocking_client_follows_its_srv_records() {
    let names = NameServer::start(&dead_ports::<1>());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let client = sync::Client::with_options(runtime.block_on(names.options())).unwrap();
    drop(runtime);
    let coll = client.database("srv").collection::<Document>("blocking");
    follow(&names, &|| client.topology(), &|| coll.insert_one(doc! {}).run().map(drop));
}
