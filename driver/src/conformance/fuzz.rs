//! The functions of the fuzz targets, which a test also runs on their corpora. Each takes any
//! bytes. None may panic or allocate memory that the bytes only claim.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Debug;

use bson::oid::ObjectId;
use bson::{
    Binary, Bson, DateTime, Decimal128, Document, RawBson, RawDocument, RawDocumentBuf, Timestamp,
    Uuid,
};
use serde::Deserialize;

use crate::decode;
use crate::options::{ConnectionString, HostInfo};
use crate::pool::auth::fuzz_scram;
use crate::uri::srv::Records;
use crate::wire::compression;
use crate::wire::framing::ReadBuffer;
use crate::wire::message::{self, RequestId};

/// Bytes of a server that arrive in pieces. The first byte is the size of the pieces.
pub fn framing(data: &[u8]) {
    let Some((piece, mut rest)) = data.split_first() else { return };
    let piece = usize::from(*piece) * 16 + 1;
    let mut buffer = ReadBuffer::new();
    while !rest.is_empty() {
        let Ok(spare) = buffer.spare() else { return };
        let n = spare.len().min(piece).min(rest.len());
        spare[..n].copy_from_slice(&rest[..n]);
        buffer.filled(n);
        rest = &rest[n..];
        while let Ok(Some(frame)) = buffer.frame() {
            let len = frame.len();
            let expected =
                frame.get(8..12).and_then(|four| four.try_into().ok()).map(i32::from_le_bytes);
            if let Ok(reply) = message::parse(frame, RequestId(expected.unwrap_or_default())) {
                assert!(reply.body.end <= len, "a reply ends beyond its frame");
                let body = bson::RawDocument::from_bytes(&frame[reply.body])
                    .map(|body| body.iter().count());
                drop(body);
            }
            buffer.consume(len);
        }
    }
}

/// A compressed message.
pub fn compressed(data: &[u8]) {
    let mut out = Vec::new();
    if compression::decompress(data, &mut out).is_ok() {
        let again = message::parse(&out, RequestId(0));
        drop(again);
    }
    assert!(out.len() <= crate::wire::MAX_MESSAGE_SIZE, "decompressed to {} bytes", out.len());
}

/// A connection string.
pub fn uri(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(read) = ConnectionString::parse(text) {
        assert!(read.host_info != HostInfo::HostIdentifiers(Vec::new()), "no hosts");
        let _ = format!("{read:?}");
    }
}

/// The server's messages of a SCRAM conversation, separated by the line `raw`.
pub fn scram(data: &[u8]) {
    fuzz_scram(data);
}

/// SRV and TXT records: the lines `S host port` and `T text`, after a line with the connection
/// string.
pub fn records(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.lines();
    let Ok(read) = ConnectionString::parse(lines.next().unwrap_or_default()) else { return };
    let mut records = Records::default();
    for line in lines {
        match line.split_at_checked(2) {
            Some(("S ", rest)) => {
                let (host, port) = rest.split_once(' ').unwrap_or((rest, "1"));
                records.hosts.push((host.to_owned(), port.parse().unwrap_or(27017)));
            }
            Some(("T ", rest)) => records.texts.push(rest.as_bytes().to_vec()),
            _ => {}
        }
    }
    let name = match &read.host_info {
        HostInfo::DnsRecord(name) => name.clone(),
        HostInfo::HostIdentifiers(_) => return,
    };
    if let Ok(resolved) = read.with_records(&records) {
        let domain = name.split_once('.').map_or(name.as_str(), |(_, domain)| domain);
        for host in &resolved.options.hosts {
            assert!(host.host().ends_with(domain), "{host} is outside {domain}");
        }
    }
}

/// A document of a reply, decoded into types of every shape. The result equals that of `bson` if
/// the type uses all fields, and never panics.
pub fn decode(data: &[u8]) {
    if decode::shallow(data).is_err() {
        // This document would exhaust the stack of `bson`.
        assert!(decode::from_slice::<Document>(data).is_err());
        if let Ok(raw) = RawDocument::from_bytes(data) {
            assert!(decode::document(raw).is_err());
        }
        return;
    }
    if let Ok(raw) = RawDocument::from_bytes(data) {
        let printed = |result: bson::error::Result<Document>| {
            format!("{:?}", result.map_err(|error| error.to_string()))
        };
        assert_eq!(printed(decode::document(raw)), printed(Document::try_from(raw)));
    }
    same::<Document>(data);
    same::<Bson>(data);
    same::<RawDocumentBuf>(data);
    same::<&RawDocument>(data);
    same::<BTreeMap<String, RawBson>>(data);
    lenient::<Shapes<'_>>(data);
    lenient::<Scalars>(data);
    lenient::<BTreeMap<String, Untagged>>(data);
    lenient::<Choice>(data);
}

/// The decoder accepts malformed bytes only in unused fields. These types use all fields. The keys
/// of errors are the decoder's own.
fn same<'de, T: Deserialize<'de> + Debug>(data: &'de [u8]) {
    let but_for_key = |mut error: bson::error::Error| {
        error.key = None;
        error.to_string()
    };
    let ours = decode::from_slice::<T>(data).map_err(but_for_key);
    let theirs = bson::deserialize_from_slice::<T>(data).map_err(but_for_key);
    assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
}

/// The decoder accepts all that `bson` accepts, with the same result.
fn lenient<'de, T: Deserialize<'de> + Debug>(data: &'de [u8]) {
    let ours = decode::from_slice::<T>(data);
    if let Ok(theirs) = bson::deserialize_from_slice::<T>(data) {
        assert_eq!(format!("{:?}", ours.ok()), format!("{:?}", Some(theirs)));
    }
}

#[derive(Debug, Deserialize)]
#[allow(dead_code, reason = "the fields are read by Debug, which is what results are compared by")]
struct Shapes<'a> {
    #[serde(borrow)]
    a: Option<&'a str>,
    #[serde(borrow)]
    b: Option<Cow<'a, str>>,
    c: Option<Vec<Option<Scalars>>>,
    d: Option<Choice>,
    e: Option<(i32, String)>,
    f: Option<Box<Shapes<'a>>>,
}

#[derive(Debug, Deserialize)]
#[allow(dead_code, reason = "as above")]
struct Scalars {
    #[serde(rename = "_id")]
    id: Option<ObjectId>,
    a: Option<u8>,
    b: Option<f32>,
    c: Option<DateTime>,
    d: Option<Decimal128>,
    e: Option<Binary>,
    f: Option<Uuid>,
    g: Option<Timestamp>,
}

#[derive(Debug, Deserialize)]
#[allow(dead_code, reason = "as above")]
enum Choice {
    Unit,
    Newtype(Bson),
    Pair(i32, Bson),
    Fields { a: i32 },
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
#[allow(dead_code, reason = "as above")]
enum Untagged {
    Number(i64),
    Text(String),
    Id(ObjectId),
    Numbers(Vec<i32>),
    Else(Bson),
}
