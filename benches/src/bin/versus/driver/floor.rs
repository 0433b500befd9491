//! The floor: the bytes of an operation on a bare socket.
//!
//! There is no pool, no session and no decoding. A request is built once and sent in one write, and
//! its reply is read to the end. Values that must be new each time (an `_id`, a transaction number)
//! are patched in place.

use driver::bson::{Document, RawDocumentBuf, Timestamp, doc, oid::ObjectId};
use std::io::{Read, Write};
use std::net::TcpStream as StdStream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Bytes before the body: header, flag bits, section kind.
const BODY: usize = 21;

/// One request, ready to be sent any number of times.
#[derive(Clone)]
pub(super) struct Request {
    bytes: Vec<u8>,
    /// The positions of the transaction number and the ObjectId, which must be new each time.
    fresh: Option<(usize, usize)>,
    number: i64,
}

impl Request {
    /// A command, with the fields that the driver adds on a replica set.
    pub(super) fn new(mut command: Document, db: &str) -> Self {
        command.insert("$db", db);
        command.insert("lsid", doc! { "id": driver::bson::Uuid::new() });
        command.insert(
            "$clusterTime",
            doc! {
                "clusterTime": Timestamp { time: 1, increment: 1 },
                "signature": {
                    "hash": driver::bson::Binary {
                        subtype: driver::bson::spec::BinarySubtype::Generic,
                        bytes: vec![0; 20],
                    },
                    "keyId": 0_i64,
                },
            },
        );
        Request { bytes: message(&command), fresh: None, number: 0 }
    }

    /// An insert of one document, whose `_id` and transaction number are new each time.
    pub(super) fn insert(collection: &str, mut document: Document, db: &str) -> Self {
        let (id, number) = (ObjectId::new(), 0x0123_4567_89ab_cdef_i64);
        let mut whole = doc! { "_id": id };
        whole.extend(std::mem::take(&mut document));
        let mut request =
            Self::new(doc! { "insert": collection, "documents": [whole], "txnNumber": number }, db);
        let find = |bytes: &[u8]| {
            request
                .bytes
                .windows(bytes.len())
                .position(|window| window == bytes)
                .expect("the bytes were just written")
        };
        request.fresh = Some((find(&number.to_le_bytes()), find(&id.bytes())));
        request
    }

    /// The same request from another session.
    pub(super) fn in_new_session(&self) -> Self {
        let mut request = self.clone();
        let marker = b"\x05id\0\x10\0\0\0\x04";
        let at = request.bytes.windows(marker.len()).position(|window| window == marker);
        let at = at.expect("every request has a session") + marker.len();
        request.bytes[at..at + 16].copy_from_slice(&driver::bson::Uuid::new().bytes());
        request
    }

    fn next(&mut self) -> &[u8] {
        if let Some((number, id)) = self.fresh {
            self.number += 1;
            self.bytes[number..number + 8].copy_from_slice(&self.number.to_le_bytes());
            self.bytes[id..id + 12].copy_from_slice(&ObjectId::new().bytes());
        }
        &self.bytes
    }
}

fn message(command: &Document) -> Vec<u8> {
    let body = RawDocumentBuf::try_from(command).expect("the command is BSON").into_bytes();
    let mut bytes = Vec::with_capacity(BODY + body.len());
    bytes.extend_from_slice(&((BODY + body.len()) as i32).to_le_bytes());
    bytes.extend_from_slice(&1_i32.to_le_bytes());
    bytes.extend_from_slice(&0_i32.to_le_bytes());
    bytes.extend_from_slice(&2013_i32.to_le_bytes());
    bytes.extend_from_slice(&[0; 5]);
    bytes.extend_from_slice(&body);
    bytes
}

/// The handshake that the specification "MongoDB Handshake" requires on every connection. It
/// identifies the client to the server, and the server logs that.
fn hello() -> Vec<u8> {
    let client = doc! {
        "driver": { "name": "driver", "version": env!("CARGO_PKG_VERSION") },
        "os": { "type": std::env::consts::OS, "architecture": std::env::consts::ARCH },
        "platform": "a bare socket",
    };
    message(&doc! { "isMaster": 1, "helloOk": true, "client": client, "$db": "admin" })
}

/// A bare connection under tokio.
pub(super) struct Bare {
    stream: TcpStream,
    reply: Vec<u8>,
}

impl Bare {
    pub(super) async fn connect(host: &str) -> Self {
        let stream = TcpStream::connect(host).await.expect("the server accepts connections");
        stream.set_nodelay(true).expect("TCP has this option");
        let mut bare = Bare { stream, reply: vec![0; 64 * 1024] };
        bare.exchange(&hello()).await;
        bare
    }

    /// Sends the request and reads its reply.
    pub(super) async fn round_trip(&mut self, request: &mut Request) {
        self.exchange(request.next()).await;
    }

    async fn exchange(&mut self, request: &[u8]) {
        self.stream.write_all(request).await.expect("the server takes the request");
        let mut have = 0;
        loop {
            let n = self.stream.read(&mut self.reply[have..]).await.expect("the server answers");
            assert!(n > 0, "the server closed the connection");
            have += n;
            if is_whole(&mut self.reply, have) {
                return;
            }
        }
    }
}

/// A bare connection that blocks its thread.
pub(super) struct BareBlocking {
    stream: StdStream,
    reply: Vec<u8>,
}

impl BareBlocking {
    pub(super) fn connect(host: &str) -> Self {
        let stream = StdStream::connect(host).expect("the server accepts connections");
        stream.set_nodelay(true).expect("TCP has this option");
        let mut bare = BareBlocking { stream, reply: vec![0; 64 * 1024] };
        bare.exchange(&hello());
        bare
    }

    /// Sends the request and reads its reply.
    pub(super) fn round_trip(&mut self, request: &mut Request) {
        self.exchange(request.next());
    }

    fn exchange(&mut self, request: &[u8]) {
        self.stream.write_all(request).expect("the server takes the request");
        let mut have = 0;
        loop {
            let n = self.stream.read(&mut self.reply[have..]).expect("the server answers");
            assert!(n > 0, "the server closed the connection");
            have += n;
            if is_whole(&mut self.reply, have) {
                return;
            }
        }
    }
}

/// Whether the first `have` bytes are a whole reply. Makes room for the reply if there is too
/// little.
fn is_whole(reply: &mut Vec<u8>, have: usize) -> bool {
    if have < 4 {
        return false;
    }
    let length =
        i32::from_le_bytes([reply[0], reply[1], reply[2], reply[3]]).unsigned_abs() as usize;
    if length > reply.len() {
        reply.resize(length, 0);
    }
    have >= length
}
