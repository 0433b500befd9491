//! A minimal client for server commands: sends one `OP_MSG` and reads one.
//!
//! The testbed cannot use the driver, because its tests test the driver.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};

use bson::{Document, doc};

const OP_MSG: i32 = 2013;
const HEADER: usize = 16;
/// Header, flag bits and the kind byte of the body section.
const PREFIX: usize = HEADER + 4 + 1;
/// The maximum size of a reply.
const LARGEST: usize = 48_000_000;

/// A connection to one server.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    last_request: i32,
}

impl Connection {
    pub(crate) fn open(port: u16, patience: Duration) -> io::Result<Connection> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let stream = TcpStream::connect_timeout(&address, patience)?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream, last_request: 0 })
    }

    /// Whether the server has neither closed the connection nor sent unexpected bytes.
    pub(crate) fn is_quiet(&self) -> bool {
        let peek = || -> io::Result<usize> {
            self.stream.set_nonblocking(true)?;
            let peeked = self.stream.peek(&mut [0]);
            self.stream.set_nonblocking(false)?;
            peeked
        };
        matches!(peek(), Err(error) if error.kind() == ErrorKind::WouldBlock)
    }

    /// Sends `command` to the database `db` and returns the reply, even if its `ok` is 0.
    pub(crate) fn round_trip(
        &mut self,
        db: &str,
        command: &Document,
        patience: Duration,
    ) -> io::Result<Document> {
        let mut body = command.clone();
        body.insert("$db", db);
        let body = body.to_vec().map_err(io::Error::other)?;

        self.last_request = self.last_request.wrapping_add(1);
        let mut message = Vec::with_capacity(PREFIX + body.len());
        for number in [(PREFIX + body.len()) as i32, self.last_request, 0, OP_MSG, 0] {
            message.extend(number.to_le_bytes());
        }
        message.push(0);
        message.extend(body);

        self.stream.set_write_timeout(Some(patience))?;
        self.stream.set_read_timeout(Some(patience))?;
        self.stream.write_all(&message)?;
        self.read_reply()
    }

    fn read_reply(&mut self) -> io::Result<Document> {
        let mut prefix = [0; PREFIX];
        self.stream.read_exact(&mut prefix)?;
        let number = |at: usize| {
            i32::from_le_bytes([prefix[at], prefix[at + 1], prefix[at + 2], prefix[at + 3]])
        };
        let length = usize::try_from(number(0)).unwrap_or(0);
        if !(PREFIX..=LARGEST).contains(&length)
            || number(8) != self.last_request
            || number(12) != OP_MSG
            || number(HEADER) != 0
            || prefix[PREFIX - 1] != 0
        {
            return Err(io::Error::new(ErrorKind::InvalidData, "the reply is not a plain OP_MSG"));
        }
        let mut body = vec![0; length - PREFIX];
        self.stream.read_exact(&mut body)?;
        Document::from_reader(&body[..])
            .map_err(|error| io::Error::new(ErrorKind::InvalidData, error))
    }
}

/// The `hello` of a server to another. A `failCommand` fail point for clients neither matches nor
/// counts it.
pub(crate) fn hello() -> Document {
    doc! { "hello": 1, "internalClient": { "minWireVersion": 0, "maxWireVersion": 0x7fff } }
}
