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

/// A longer request is no `hello`.
const LONGEST_HELLO: usize = 64 * 1024;

/// The fields by which a client knows a member of a replica set.
const OF_MEMBERS: [&str; 18] = [
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

/// The greetings on one connection.
#[derive(Debug)]
pub(super) struct Greetings {
    service_id: Option<ObjectId>,
    /// Whether the client said `loadBalanced: true`.
    balanced: bool,
    /// The messages whose replies are to be rewritten.
    open: HashSet<i32>,
    lanes: [Lane; 2],
}

/// The bytes of one direction.
#[derive(Debug, Default)]
struct Lane {
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

impl Greetings {
    /// Those of a mongos, or of the backend `service_id` of a load balancer.
    pub(super) fn of(service_id: Option<ObjectId>) -> Greetings {
        Greetings { service_id, balanced: false, open: HashSet::new(), lanes: Default::default() }
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
        if header.opcode == OP_MSG && message[HEADER] & MORE_TO_COME != 0 {
            // The next reply answers this one.
            self.open.insert(header.id);
        }
        let Some(greeting) = message.get(body..).and_then(|mut body| {
            let greeting = Document::from_reader(&mut body).ok()?;
            greeting.get("ok").and_then(as_bool).filter(|ok| *ok).map(|_| greeting)
        }) else {
            return message;
        };
        let Some(length) = int(&message, body) else { return message };
        let Ok(presented) = self.presented(greeting).to_vec() else { return message };
        let mut rest = message.split_off(body + length as usize);
        message.truncate(body);
        if header.opcode == OP_MSG && message[HEADER] & CHECKSUM_PRESENT != 0 {
            message[HEADER] &= !CHECKSUM_PRESENT;
            rest.truncate(rest.len().saturating_sub(CHECKSUM));
        }
        message.extend(presented);
        message.append(&mut rest);
        let length = message.len() as i32;
        message[..4].copy_from_slice(&length.to_le_bytes());
        message
    }

    /// The greeting of a mongos.
    fn presented(&self, mut greeting: Document) -> Document {
        OF_MEMBERS.iter().for_each(|field| drop(greeting.remove(field)));
        for field in ["isWritablePrimary", "ismaster"] {
            if let Some(writable) = greeting.get_mut(field) {
                *writable = true.into();
            }
        }
        greeting.extend(doc! { "msg": "isdbgrid" });
        if let Some(id) = self.service_id.filter(|_| self.balanced) {
            greeting.extend(doc! { "serviceId": id });
        }
        greeting
    }
}

impl Rewriter for Greetings {
    fn rewrite(&mut self, direction: Direction, bytes: Vec<u8>) -> Vec<u8> {
        let mut lane = std::mem::take(&mut self.lanes[direction as usize]);
        let (mut rest, mut forwarded) = (&bytes[..], Vec::with_capacity(bytes.len()));
        while !rest.is_empty() {
            if lane.passing > 0 {
                let (now, later) = rest.split_at(lane.passing.min(rest.len()));
                forwarded.extend_from_slice(now);
                (lane.passing, rest) = (lane.passing - now.len(), later);
                continue;
            }
            let wanted = Header::of(&lane.held).map_or(HEADER, |header| header.length);
            let (now, later) = rest.split_at((wanted - lane.held.len()).min(rest.len()));
            lane.held.extend_from_slice(now);
            rest = later;
            let Some(header) = Header::of(&lane.held) else { continue };
            if !self.concerns(direction, header) {
                lane.passing = header.length - lane.held.len();
                forwarded.append(&mut lane.held);
            } else if lane.held.len() == header.length {
                let message = std::mem::take(&mut lane.held);
                match direction {
                    Direction::ToServer => {
                        self.request(header, &message);
                        forwarded.extend(message);
                    }
                    Direction::ToClient => forwarded.extend(self.reply(header, message)),
                }
            }
        }
        self.lanes[direction as usize] = lane;
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

    fn greeting() -> Document {
        doc! { "isWritablePrimary": false, "hosts": ["a:1"], "setName": "rs", "maxWireVersion": 17,
        "ok": 1.0 }
    }

    fn presented() -> Document {
        doc! { "isWritablePrimary": true, "maxWireVersion": 17, "ok": 1.0, "msg": "isdbgrid" }
    }

    /// Passes bytes one at a time.
    fn pass(greetings: &mut Greetings, direction: Direction, bytes: &[u8]) -> Vec<u8> {
        bytes.iter().flat_map(|byte| greetings.rewrite(direction, vec![*byte])).collect()
    }

    #[test]
    fn only_the_reply_to_hello_is_rewritten() {
        let mut greetings = Greetings::of(None);
        let requests = [
            op_msg(1, 0, 0, &doc! { "find": "hello" }),
            op_msg(2, 0, 0, &doc! { "hello": 1 }),
            op_msg(3, 0, 0, &doc! { "ping": 1 }),
        ]
        .concat();
        assert_eq!(pass(&mut greetings, Direction::ToServer, &requests), requests);
        let replies = |of_hello: &Document| {
            [
                op_msg(11, 1, 0, &greeting()),
                op_msg(12, 2, 0, of_hello),
                op_msg(13, 3, 0, &greeting()),
                op_msg(14, 2, 0, &greeting()),
            ]
            .concat()
        };
        let answered = pass(&mut greetings, Direction::ToClient, &replies(&greeting()));
        assert_eq!(answered, replies(&presented()));
    }

    #[test]
    fn further_replies_of_an_exchange_are_rewritten() {
        let mut greetings = Greetings::of(None);
        greetings.rewrite(Direction::ToServer, op_msg(1, 0, 0, &doc! { "isMaster": 1 }));
        for (id, response_to, flags) in [(11, 1, MORE_TO_COME), (12, 11, MORE_TO_COME), (13, 12, 0)]
        {
            let reply = op_msg(id, response_to, flags, &greeting());
            let rewritten = greetings.rewrite(Direction::ToClient, reply);
            assert_eq!(rewritten, op_msg(id, response_to, flags, &presented()));
        }
        let reply = op_msg(14, 13, 0, &greeting());
        assert_eq!(greetings.rewrite(Direction::ToClient, reply.clone()), reply);
    }

    #[test]
    fn legacy_hello_is_answered_in_its_own_format() {
        let mut greetings = Greetings::of(None);
        let mut query = vec![0; HEADER + 4];
        query.extend(b"admin.$cmd\0\0\0\0\0\xff\xff\xff\xff");
        doc! { "isMaster": 1 }.to_writer(&mut query).unwrap();
        greetings.rewrite(Direction::ToServer, finish(query, 1, 0, OP_QUERY, 0));
        let reply = |body: &Document| {
            let mut reply = vec![0; REPLY_BODY];
            body.to_writer(&mut reply).unwrap();
            finish(reply, 11, 1, OP_REPLY, 8)
        };
        let rewritten = greetings.rewrite(Direction::ToClient, reply(&greeting()));
        assert_eq!(rewritten, reply(&presented()));
    }

    #[test]
    fn checksum_of_a_rewritten_reply_is_left_out() {
        let mut greetings = Greetings::of(None);
        greetings.rewrite(Direction::ToServer, op_msg(1, 0, 0, &doc! { "hello": 1 }));
        let reply = op_msg(11, 1, CHECKSUM_PRESENT, &greeting());
        assert_eq!(greetings.rewrite(Direction::ToClient, reply), op_msg(11, 1, 0, &presented()));
    }

    #[test]
    fn service_id_is_for_clients_that_expect_a_balancer() {
        let id = ObjectId::new();
        for balanced in [false, true] {
            let mut greetings = Greetings::of(Some(id));
            let hello = doc! { "hello": 1, "loadBalanced": balanced };
            greetings.rewrite(Direction::ToServer, op_msg(1, 0, 0, &hello));
            let reply = greetings.rewrite(Direction::ToClient, op_msg(11, 1, 0, &greeting()));
            let mut expected = presented();
            if balanced {
                expected.extend(doc! { "serviceId": id });
            }
            assert_eq!(reply, op_msg(11, 1, 0, &expected));
        }
    }

    #[test]
    fn failed_hello_and_other_protocols_pass_unchanged() {
        let mut greetings = Greetings::of(None);
        greetings.rewrite(Direction::ToServer, op_msg(1, 0, 0, &doc! { "hello": 1 }));
        let refusal = op_msg(11, 1, 0, &doc! { "ok": 0.0, "hosts": [] });
        assert_eq!(greetings.rewrite(Direction::ToClient, refusal.clone()), refusal);
        for direction in [Direction::ToServer, Direction::ToClient] {
            let bytes = vec![0x16; 100_000];
            assert_eq!(greetings.rewrite(direction, bytes.clone()), bytes);
        }
    }
}
