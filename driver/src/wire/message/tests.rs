//! The layout of requests, replies as servers send them, and malformed replies.

use bson::raw::cstr;
use bson::{RawDocument, doc, rawdoc};

use super::*;

fn reply(body: &RawDocument, flags: u32) -> Vec<u8> {
    let mut frame = Vec::new();
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(&77_i32.to_le_bytes());
    frame.extend_from_slice(&5_i32.to_le_bytes());
    frame.extend_from_slice(&OP_MSG.to_le_bytes());
    frame.extend_from_slice(&flags.to_le_bytes());
    frame.push(0);
    frame.extend_from_slice(body.as_bytes());
    patch_length(&mut frame, 0);
    frame
}

const SENT: RequestId = RequestId(5);

#[test]
fn request_has_the_layout_of_the_specification() {
    let mut buf = vec![1, 2, 3];
    let mut message = MessageWriter::begin(&mut buf, RequestId(9), Flags::NONE);
    message.body().str(cstr!("insert"), "c");
    let mut documents = message.sequence(cstr!("documents"));
    assert_eq!(documents.serialize(&rawdoc! { "a": 1 }).unwrap(), 12);
    assert_eq!(documents.serialize(&doc! { "b": 2 }).unwrap(), 12);
    documents.serialize(&5).unwrap_err();
    documents.serialize(&rawdoc! { "c": 3 }).unwrap();
    documents.take_back();
    documents.take_back();
    let write = |w: &mut DocWriter<'_>| {
        w.i32(cstr!("d"), 4);
        Ok(())
    };
    documents.write(write).unwrap();
    documents.write(|_| Err(Error::invalid_argument("no"))).unwrap_err();
    drop(documents);
    message.flag(Flags::MORE_TO_COME);
    finish(&mut buf, 1000).unwrap();

    assert_eq!(i32_at(&buf, 0), Some(buf.len() as i32));
    assert_eq!(request_id(&buf), RequestId(9));
    assert_eq!(i32_at(&buf, 8), Some(0));
    assert_eq!(i32_at(&buf, 12), Some(2013));
    assert_eq!(i32_at(&buf, 16), Some(2));
    let body = rawdoc! { "insert": "c" };
    assert_eq!(request_body(&buf).unwrap(), &*body);
    let at = 21 + body.as_bytes().len();
    assert_eq!(buf[20], 0);
    assert_eq!(buf[at], 1);
    let section = &buf[at + 1..];
    assert_eq!(i32_at(section, 0), Some(section.len() as i32));
    assert_eq!(&section[4..14], b"documents\0");
    let documents = [rawdoc! { "a": 1 }, rawdoc! { "b": 2 }, rawdoc! { "d": 4 }];
    let documents: Vec<u8> = documents.iter().flat_map(|d| d.as_bytes().to_vec()).collect();
    assert_eq!(&section[14..], documents);
}

#[test]
fn message_beyond_the_servers_limit_is_refused() {
    let mut message = vec![0; 101];
    let error = finish(&mut message, 100).unwrap_err().to_string();
    assert!(error.contains("101 bytes") && error.contains("maxMessageSizeBytes"), "{error}");
    finish(&mut message, 101).unwrap();
}

#[test]
fn reply_parses_with_any_known_flags() {
    let body = rawdoc! { "ok": 1.0 };
    for flags in [0, 2, 1 << 17] {
        let frame = reply(&body, flags);
        let parsed = parse(&frame, SENT).unwrap();
        assert_eq!(parsed.more_to_come, flags == 2);
        assert_eq!(parsed.id, RequestId(77));
        assert_eq!(&frame[parsed.body], body.as_bytes());
    }
    let mut frame = reply(&body, 1);
    frame.extend_from_slice(&[1, 2, 3, 4]);
    patch_length(&mut frame, 0);
    assert_eq!(&frame[parse(&frame, SENT).unwrap().body.clone()], body.as_bytes());
}

#[test]
fn malformed_reply_is_refused_with_the_reason() {
    let good = reply(&rawdoc! { "ok": 1.0 }, 0);
    let with = |at: usize, byte: u8| {
        let mut frame = good.clone();
        frame[at] = byte;
        frame
    };
    for (frame, reason) in [
        (good[..19].to_vec(), "too few"),
        (good[..good.len() - 1].to_vec(), "gives its length"),
        (with(12, 0), "opcode"),
        (with(8, 6), "answers request 6, and request 5 was sent"),
        (with(16, 4), "flag bits 0x4"),
        (with(20, 1), "document sequence"),
        (with(20, 2), "unknown kind 2"),
        (with(21, 4), "gives its length as 4"),
        (with(21, 5), "bytes follow its document"),
        (with(24, 0xFF), "gives its length as -"),
        (with(good.len() - 1, 1), "gives its length"),
        (with(16, 1), "gives its length"),
    ] {
        let error = parse(&frame, SENT).unwrap_err().to_string();
        assert!(error.contains(reason), "{error} lacks {reason}");
    }
}

/// Any bytes give an error or a body within them.
#[test]
fn garbled_replies_do_not_panic() {
    let good = reply(&rawdoc! { "ok": 1.0, "cursor": { "firstBatch": [{ "x": 1 }] } }, 0);
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..20_000 {
        let mut frame = good.clone();
        for _ in 0..random.usize(1..4) {
            let at = random.usize(..frame.len());
            frame[at] = random.u8(..);
        }
        frame.truncate(random.usize(..=frame.len()));
        if let Ok(reply) = parse(&frame, SENT) {
            assert!(reply.body.end <= frame.len());
        }
    }
}

#[test]
fn request_ids_of_two_connections_differ() {
    let (mut a, mut b) = (RequestIds::new(), RequestIds::new());
    let mut seen = std::collections::HashSet::new();
    for _ in 0..5000 {
        assert!(seen.insert(a.next()) && seen.insert(b.next()));
    }
}

#[test]
fn request_document_shows_sequences_as_arrays() {
    let mut buf = Vec::new();
    let mut message = MessageWriter::begin(&mut buf, RequestId(9), Flags::NONE);
    message.body().str(cstr!("insert"), "c");
    let mut documents = message.sequence(cstr!("documents"));
    documents.serialize(&rawdoc! { "a": 1 }).unwrap();
    documents.serialize(&rawdoc! { "b": 2 }).unwrap();
    drop(documents);
    drop(message.sequence(cstr!("none")));
    finish(&mut buf, 1000).unwrap();
    let request = request_document(&buf).unwrap();
    assert_eq!(request, doc! { "insert": "c", "documents": [{ "a": 1 }, { "b": 2 }], "none": [] });
    for cut in 0..buf.len() {
        let _ = request_document(&buf[..cut]);
    }
}
