//! A fake server with scripted replies that no real server sends.
//!
//! It speaks OP_MSG on a port of 127.0.0.1 and answers `hello` as a standalone server. A script
//! answers all other commands.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use driver::bson::oid::ObjectId;
use driver::bson::{Document, RawDocument, doc};

const HEADER: usize = 16;

/// The server's reaction to a command.
pub(crate) enum Answer {
    Reply(Document),
    /// Closes the connection.
    Close,
    /// Never replies.
    Silence,
}

/// Gets the number of the connection and the name of the command.
type Script = dyn FnMut(usize, &str) -> Answer + Send;

/// A server with a script. Dropping it ends it.
pub(crate) struct FakeServer {
    host: String,
    options: &'static str,
    ended: Arc<AtomicBool>,
}

impl FakeServer {
    /// A server with the same reply to every command except `hello`.
    pub(crate) fn that_says(reply: Document) -> Self {
        Self::start(move |_| Answer::Reply(reply.clone()))
    }

    /// A server that calls `script` with the name of each command except `hello`.
    pub(crate) fn start(script: impl FnMut(&str) -> Answer + Send + 'static) -> Self {
        Self::of_version(17, script)
    }

    /// A server that reports this as its maximum wire version.
    pub(crate) fn of_version(
        max_wire_version: i32,
        mut script: impl FnMut(&str) -> Answer + Send + 'static,
    ) -> Self {
        let greeting = move || greeting(max_wire_version);
        Self::run("directConnection=true", greeting, move |_, name| script(name))
    }

    /// A load balancer that leads each connection to another backend. It asks `script` with the
    /// number of the connection as well, from 0.
    pub(crate) fn load_balancer(
        script: impl FnMut(usize, &str) -> Answer + Send + 'static,
    ) -> Self {
        Self::run("loadBalanced=true", behind_balancer, script)
    }

    fn run(
        options: &'static str,
        greeting: impl Fn() -> Document + Send + 'static,
        script: impl FnMut(usize, &str) -> Answer + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let ended = Arc::new(AtomicBool::new(false));
        let (script, over): (Arc<Mutex<Script>>, _) =
            (Arc::new(Mutex::new(script)), Arc::clone(&ended));
        thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                if over.load(Ordering::Acquire) {
                    return;
                }
                let (stream, script) = (stream.unwrap(), Arc::clone(&script));
                let greeting = greeting();
                thread::spawn(move || drop(serve(stream, &greeting, number, &script)));
            }
        });
        FakeServer { host, options, ended }
    }

    pub(crate) fn uri(&self) -> String {
        format!("mongodb://{}/?{}", self.host, self.options)
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Release);
        // Wakes the accepting thread.
        drop(TcpStream::connect(&self.host));
    }
}

fn serve(
    mut stream: TcpStream,
    greeting: &Document,
    number: usize,
    script: &Mutex<Script>,
) -> io::Result<()> {
    loop {
        let mut header = [0; HEADER];
        stream.read_exact(&mut header)?;
        let at = |i: usize| i32::from_le_bytes(header[i..i + 4].try_into().unwrap());
        let mut body = vec![0; at(0) as usize - HEADER];
        stream.read_exact(&mut body)?;
        let name = name_of(&body, at(12));
        let hello = name.eq_ignore_ascii_case("hello") || name.eq_ignore_ascii_case("isMaster");
        let answer = if hello {
            Answer::Reply(greeting.clone())
        } else {
            script.lock().unwrap_or_else(PoisonError::into_inner)(number, &name)
        };
        match answer {
            Answer::Reply(reply) => stream.write_all(&message(&reply, at(4), at(12)))?,
            Answer::Close => return Ok(()),
            Answer::Silence => {}
        }
    }
}

/// The first field of the command. An OP_QUERY contains only `hello`.
fn name_of(body: &[u8], opcode: i32) -> String {
    if opcode != 2013 {
        return "hello".into();
    }
    let length = i32::from_le_bytes(body[5..9].try_into().unwrap()) as usize;
    let command = RawDocument::from_bytes(&body[5..5 + length]).unwrap();
    command.iter().next().unwrap().unwrap().0.as_str().to_owned()
}

fn greeting(max_wire_version: i32) -> Document {
    doc! {
        "ok": 1, "isWritablePrimary": true, "ismaster": true, "helloOk": true,
        "minWireVersion": 0, "maxWireVersion": max_wire_version,
        "maxBsonObjectSize": 16 * 1024 * 1024,
        "maxMessageSizeBytes": 48_000_000, "maxWriteBatchSize": 100_000,
    }
}

fn behind_balancer() -> Document {
    let mut greeting = greeting(17);
    greeting.extend(doc! {
        "msg": "isdbgrid", "serviceId": ObjectId::new(), "logicalSessionTimeoutMinutes": 30,
    });
    greeting
}

fn message(reply: &Document, request: i32, opcode: i32) -> Vec<u8> {
    let mut message = vec![0; HEADER];
    match opcode {
        2013 => message.extend([0; 5]),
        // OP_REPLY: flags, cursor id, position, one document.
        _ => message.extend([8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]),
    }
    message.extend(driver::bson::serialize_to_vec(reply).unwrap());
    let length = message.len() as i32;
    message[..4].copy_from_slice(&length.to_le_bytes());
    message[8..12].copy_from_slice(&request.to_le_bytes());
    let answered: i32 = if opcode == 2013 { 2013 } else { 1 };
    message[12..16].copy_from_slice(&answered.to_le_bytes());
    message
}
