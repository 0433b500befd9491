//! Finds the replies to `hello` in the bytes of one connection, and rewrites them.
//!
//! Messages that cannot be a `hello` or a reply to one pass as they arrive. The others are held
//! until they are complete.

use std::collections::HashSet;

use bson::{Document, RawDocument, doc, oid::ObjectId};

use crate::proxy::{Direction, Rewriter};

const HEADER: usize = 16;
const OP_REPLY: i32 = 1;
const OP_QUERY: i32 = 2004;
const OP_MSG: i32 = 2013;

/// The document of an OP_MSG whose first section is the body.
const MSG_BODY: usize = HEADER + 5;
/// The document of an OP_REPLY.
const REPLY_BODY: usize = HEADER + 20;

const CHECKSUM_PRESENT: u8 = 1;
const MORE_TO_COME: u8 = 1 << 1;
const CHECKSUM: usize = 4;

/// The maximum length of a `hello`. Longer requests pass unread.
const LONGEST_HELLO: usize = 64 * 1024;

/// The fields that only members of replica sets have.
const REPLICA_SET_FIELDS: [&str; 18] = [
    "arbiterOnly",
    "arbiters",
    "electionId",
    "hidden",
    "hosts",
    "isreplicaset",
    "lastWrite",
    "me",
    "passive",
    "passives",
    "primary",
    "secondary",
    "secondaryDelaySecs",
    "setName",
    "setVersion",
    "slaveDelay",
    "tags",
    "buildIndexes",
];

/// Rewrites the replies to `hello` on one connection.
#[derive(Debug)]
pub(super) struct HelloRewriter {
    service_id: Option<ObjectId>,
    /// Whether the client said `loadBalanced: true`.
    balanced: bool,
    /// The messages whose replies are to be rewritten.
    open: HashSet<i32>,
    directions: [DirectionState; 2],
}

/// The state of one direction.
#[derive(Debug, Default)]
struct DirectionState {
    /// The beginning of a message.
    held: Vec<u8>,
    /// The length of the rest of a message that passes unchanged.
    passing: usize,
}

#[derive(Clone, Copy)]
struct Header {
    length: usize,
    id: i32,
    response_to: i32,
    opcode: i32,
}

impl Header {
    fn of(message: &[u8]) -> Option<Header> {
        let at = |i| int(message, i);
        let length = usize::try_from(at(0)?).ok()?.max(HEADER);
        Some(Header { length, id: at(4)?, response_to: at(8)?, opcode: at(12)? })
    }
}

impl HelloRewriter {
    /// Presents the server as a mongos, or as the backend `service_id` of a load balancer.
    pub(super) fn new(service_id: Option<ObjectId>) -> HelloRewriter {
        HelloRewriter {
            service_id,
            balanced: false,
            open: HashSet::new(),
            directions: Default::default(),
        }
    }

    /// Whether the message must be seen as a whole.
    fn concerns(&self, direction: Direction, header: Header) -> bool {
        match direction {
            Direction::ToServer => {
                matches!(header.opcode, OP_MSG | OP_QUERY) && header.length <= LONGEST_HELLO
            }
            Direction::ToClient => self.open.contains(&header.response_to),
        }
    }

    fn request(&mut self, header: Header, message: &[u8]) {
        let Some(command) = command(header, message) else { return };
        let Some(Ok((name, _))) = command.iter().next() else { return };
        if name == "hello" || name.as_str().eq_ignore_ascii_case("ismaster") {
            self.open.insert(header.id);
            self.balanced |= command.get_bool("loadBalanced").unwrap_or(false);
        }
    }

    fn reply(&mut self, header: Header, mut message: Vec<u8>) -> Vec<u8> {
        self.open.remove(&header.response_to);
        let body = match header.opcode {
            OP_MSG => MSG_BODY,
            OP_REPLY => REPLY_BODY,
            _ => return message,
        };
        // A reply without flags is malformed. It passes, and its client reports it.
        let Some(&flags) = message.get(HEADER) else { return message };
        if header.opcode == OP_MSG && flags & MORE_TO_COME != 0 {
            // The next reply answers this one.
            self.open.insert(header.id);
        }
        let Some(hello) = message.get(body..).and_then(|mut body| {
            let hello = Document::from_reader(&mut body).ok()?;
            hello.get("ok").and_then(as_bool).filter(|ok| *ok).map(|_| hello)
        }) else {
            return message;
        };
        let Some(length) = int(&message, body) else { return message };
        let Ok(rewritten) = self.as_mongos(hello).to_vec() else { return message };
        let mut rest = message.split_off(body + length as usize);
        message.truncate(body);
        if header.opcode == OP_MSG && flags & CHECKSUM_PRESENT != 0 {
            message[HEADER] &= !CHECKSUM_PRESENT;
            rest.truncate(rest.len().saturating_sub(CHECKSUM));
        }
        message.extend(rewritten);
        message.append(&mut rest);
        let length = message.len() as i32;
        message[..4].copy_from_slice(&length.to_le_bytes());
        message
    }

    /// The reply as a mongos would send it.
    fn as_mongos(&self, mut hello: Document) -> Document {
        REPLICA_SET_FIELDS.iter().for_each(|field| drop(hello.remove(field)));
        for field in ["isWritablePrimary", "ismaster"] {
            if let Some(writable) = hello.get_mut(field) {
                *writable = true.into();
            }
        }
        hello.extend(doc! { "msg": "isdbgrid" });
        if let Some(id) = self.service_id.filter(|_| self.balanced) {
            hello.extend(doc! { "serviceId": id });
        }
        hello
    }
}

impl Rewriter for HelloRewriter {
    fn rewrite(&mut self, direction: Direction, bytes: Vec<u8>) -> Vec<u8> {
        let mut state = std::mem::take(&mut self.directions[direction as usize]);
        let (mut rest, mut forwarded) = (&bytes[..], Vec::with_capacity(bytes.len()));
        while !rest.is_empty() {
            if state.passing > 0 {
                let (now, later) = rest.split_at(state.passing.min(rest.len()));
                forwarded.extend_from_slice(now);
                (state.passing, rest) = (state.passing - now.len(), later);
                continue;
            }
            let wanted = Header::of(&state.held).map_or(HEADER, |header| header.length);
            let (now, later) = rest.split_at((wanted - state.held.len()).min(rest.len()));
            state.held.extend_from_slice(now);
            rest = later;
            let Some(header) = Header::of(&state.held) else { continue };
            if !self.concerns(direction, header) {
                state.passing = header.length - state.held.len();
                forwarded.append(&mut state.held);
            } else if state.held.len() == header.length {
                let message = std::mem::take(&mut state.held);
                match direction {
                    Direction::ToServer => {
                        self.request(header, &message);
                        forwarded.extend(message);
                    }
                    Direction::ToClient => forwarded.extend(self.reply(header, message)),
                }
            }
        }
        self.directions[direction as usize] = state;
        forwarded
    }
}

/// The command of a request.
fn command(header: Header, message: &[u8]) -> Option<&RawDocument> {
    let start = match header.opcode {
        OP_MSG => MSG_BODY,
        // Flags, the namespace up to its zero byte, and two numbers.
        _ => {
            let namespace = HEADER + 4;
            let end = message.get(namespace..)?.iter().position(|byte| *byte == 0)?;
            namespace + end + 1 + 8
        }
    };
    let length = usize::try_from(int(message, start)?).ok()?;
    RawDocument::from_bytes(message.get(start..start.checked_add(length)?)?).ok()
}

fn int(bytes: &[u8], at: usize) -> Option<i32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    bytes.try_into().ok().map(i32::from_le_bytes)
}

fn as_bool(value: &bson::Bson) -> Option<bool> {
    match value {
        bson::Bson::Double(number) => Some(*number != 0.0),
        bson::Bson::Int32(number) => Some(*number != 0),
        bson::Bson::Int64(number) => Some(*number != 0),
        bson::Bson::Boolean(flag) => Some(*flag),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn op_msg(id: i32, response_to: i32, flags: u8, body: &Document) -> Vec<u8> {
        let mut message = vec![0; MSG_BODY];
        body.to_writer(&mut message).unwrap();
        if flags & CHECKSUM_PRESENT != 0 {
            message.extend([1, 2, 3, 4]);
        }
        finish(message, id, response_to, OP_MSG, flags)
    }

    fn finish(mut message: Vec<u8>, id: i32, response_to: i32, opcode: i32, flags: u8) -> Vec<u8> {
        let length = message.len() as i32;
        for (i, number) in [length, id, response_to, opcode, flags.into()].into_iter().enumerate() {
            message[4 * i..4 * i + 4].copy_from_slice(&number.to_le_bytes());
        }
        message
    }

    fn hello_reply() -> Document {
        doc! { "isWritablePrimary": false, "hosts": ["a:1"], "setName": "rs", "maxWireVersion": 17,
        "ok": 1.0 }
    }

    fn mongos_reply() -> Document {
        doc! { "isWritablePrimary": true, "maxWireVersion": 17, "ok": 1.0, "msg": "isdbgrid" }
    }

    /// Passes bytes one at a time.
    fn pass(rewriter: &mut HelloRewriter, direction: Direction, bytes: &[u8]) -> Vec<u8> {
        bytes.iter().flat_map(|byte| rewriter.rewrite(direction, vec![*byte])).collect()
    }

    #[test]
    fn only_the_reply_to_hello_is_rewritten() {
        let mut rewriter = HelloRewriter::new(None);
        let requests = [
            op_msg(1, 0, 0, &doc! { "find": "hello" }),
            op_msg(2, 0, 0, &doc! { "hello": 1 }),
            op_msg(3, 0, 0, &doc! { "ping": 1 }),
        ]
        .concat();
        assert_eq!(pass(&mut rewriter, Direction::ToServer, &requests), requests);
        let replies = |of_hello: &Document| {
            [
                op_msg(11, 1, 0, &hello_reply()),
                op_msg(12, 2, 0, of_hello),
                op_msg(13, 3, 0, &hello_reply()),
                op_msg(14, 2, 0, &hello_reply()),
            ]
            .concat()
        };
        let answered = pass(&mut rewriter, Direction::ToClient, &replies(&hello_reply()));
        assert_eq!(answered, replies(&mongos_reply()));
    }

    #[test]
    fn further_replies_of_an_exchange_are_rewritten() {
        let mut rewriter = HelloRewriter::new(None);
        rewriter.rewrite(Direction::ToServer, op_msg(1, 0, 0, &doc! { "isMaster": 1 }));
        for (id, response_to, flags) in [(11, 1, MORE_TO_COME), (12, 11, MORE_TO_COME), (13, 12, 0)]
        {
            let reply = op_msg(id, response_to, flags, &hello_reply());
            let rewritten = rewriter.rewrite(Direction::ToClient, reply);
            assert_eq!(rewritten, op_msg(id, response_to, flags, &mongos_reply()));
        }
        let reply = op_msg(14, 13, 0, &hello_reply());
        assert_eq!(rewriter.rewrite(Direction::ToClient, reply.clone()), reply);
    }

    #[test]
    fn legacy_hello_is_answered_in_its_own_format() {
        let mut rewriter = HelloRewriter::new(None);
        let mut query = vec![0; HEADER + 4];
        query.extend(b"admin.$cmd\0\0\0\0\0\xff\xff\xff\xff");
        doc! { "isMaster": 1 }.to_writer(&mut query).unwrap();
        rewriter.rewrite(Direction::ToServer, finish(query, 1, 0, OP_QUERY, 0));
        let reply = |body: &Document| {
            let mut reply = vec![0; REPLY_BODY];
            body.to_writer(&mut reply).unwrap();
            finish(reply, 11, 1, OP_REPLY, 8)
        };
        let rewritten = rewriter.rewrite(Direction::ToClient, reply(&hello_reply()));
        assert_eq!(rewritten, reply(&mongos_reply()));
    }

    #[test]
    fn checksum_of_a_rewritten_reply_is_left_out() {
        let mut rewriter = HelloRewriter::new(None);
        rewriter.rewrite(Direction::ToServer, op_msg(1, 0, 0, &doc! { "hello": 1 }));
        let reply = op_msg(11, 1, CHECKSUM_PRESENT, &hello_reply());
        assert_eq!(rewriter.rewrite(Direction::ToClient, reply), op_msg(11, 1, 0, &mongos_reply()));
    }

    #[test]
    fn service_id_is_for_clients_that_expect_a_balancer() {
        let id = ObjectId::new();
        for balanced in [false, true] {
            let mut rewriter = HelloRewriter::new(Some(id));
            let hello = doc! { "hello": 1, "loadBalanced": balanced };
            rewriter.rewrite(Direction::ToServer, op_msg(1, 0, 0, &hello));
            let reply = rewriter.rewrite(Direction::ToClient, op_msg(11, 1, 0, &hello_reply()));
            let mut expected = mongos_reply();
            if balanced {
                expected.extend(doc! { "serviceId": id });
            }
            assert_eq!(reply, op_msg(11, 1, 0, &expected));
        }
    }

    #[test]
    fn reply_without_a_body_passes_unchanged() {
        let mut rewriter = HelloRewriter::new(None);
        rewriter.rewrite(Direction::ToServer, op_msg(1, 0, 0, &doc! { "hello": 1 }));
        let mut bare = Vec::new();
        for number in [HEADER as i32, 11, 1, OP_MSG] {
            bare.extend(number.to_le_bytes());
        }
        assert_eq!(rewriter.rewrite(Direction::ToClient, bare.clone()), bare);
    }

    #[test]
    fn failed_hello_and_other_protocols_pass_unchanged() {
        let mut rewriter = HelloRewriter::new(None);
        rewriter.rewrite(Direction::ToServer, op_msg(1, 0, 0, &doc! { "hello": 1 }));
        let refusal = op_msg(11, 1, 0, &doc! { "ok": 0.0, "hosts": [] });
        assert_eq!(rewriter.rewrite(Direction::ToClient, refusal.clone()), refusal);
        for direction in [Direction::ToServer, Direction::ToClient] {
            let bytes = vec![0x16; 100_000];
            assert_eq!(rewriter.rewrite(direction, bytes.clone()), bytes);
        }
    }
}
