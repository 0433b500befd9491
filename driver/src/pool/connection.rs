//! A connection: a stream with a buffer per direction, and the state of its current request.
//!
//! A request is written into the connection's buffer ([`begin`](Connection::begin)) and sent
//! ([`round_trip`](Connection::round_trip)). Its reply is read in place
//! ([`reply`](Connection::reply)). The [`state`](State) is updated before each step that a dropped
//! future could interrupt. So it is always known whether the connection is idle, has an unread
//! reply that can be drained, or is unusable.

mod description;
mod transfer;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bson::{Document, RawDocument};

pub(crate) use self::description::ConnectionDescription;
use super::generation::Generation;
use super::room::Room;
use crate::deadline::Deadline;
use crate::error::{Error, Result};
use crate::options::{AuthMechanism, ServerAddress};
use crate::rt::Runtime;
use crate::stream::Stream;
use crate::wire::compression::Codec;
use crate::wire::framing::ReadBuffer;
use crate::wire::message::{
    self, Flags, MessageWriter, Reply, RequestId, RequestIds, request_document,
};

/// The state after a completed or dropped future.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Every request has its reply.
    Idle,
    /// A request was sent partly. Its reply follows, if there is one.
    Sending(Answer),
    /// This request was sent, and its reply has not arrived completely.
    ReplyOwed(RequestId),
    /// Unexpected bytes arrived, or the stream failed. The connection is unusable.
    Broken,
}

/// Whether a request has a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Yes,
    No,
}

/// The callback for the reply of a dropped operation; see
/// [`when_drained`](Connection::when_drained).
type OnDrained = Box<dyn FnOnce(&mut Connection) + Send + Sync>;

/// An established connection to one server.
pub(crate) struct Connection {
    id: u64,
    address: Arc<ServerAddress>,
    generation: Generation,
    stream: Stream,
    state: State,
    ids: RequestIds,
    write: Vec<u8>,
    /// The compressor, and the compressed request; empty if the request is sent uncompressed.
    codec: Option<Codec>,
    packed: Vec<u8>,
    /// The number of bytes of the request that were sent.
    sent: usize,
    read: ReadBuffer,
    /// The decompressed reply; empty if it was not compressed.
    unpacked: Vec<u8>,
    /// The reply at the start of `read`, until the next request begins.
    reply: Option<Reply>,
    room: Room,
    socket_timeout: Option<Duration>,
    description: ConnectionDescription,
    on_drained: Vec<OnDrained>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Connection { id, address, generation, state, .. } = self;
        f.debug_struct("Connection")
            .field("id", id)
            .field("address", address)
            .field("generation", generation)
            .field("state", state)
            .finish_non_exhaustive()
    }
}

impl Connection {
    pub(super) fn new(
        id: u64,
        address: Arc<ServerAddress>,
        generation: Generation,
        stream: Stream,
    ) -> Self {
        Connection {
            id,
            address,
            generation,
            stream,
            state: State::Idle,
            ids: RequestIds::new(),
            write: Vec::new(),
            codec: None,
            packed: Vec::new(),
            sent: 0,
            read: ReadBuffer::new(),
            unpacked: Vec::new(),
            reply: None,
            room: Room::default(),
            socket_timeout: None,
            description: ConnectionDescription::unknown(),
            on_drained: Vec::new(),
        }
    }

    /// The id of the connection within its pool, from 1.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn address(&self) -> &ServerAddress {
        &self.address
    }

    /// The pool's generation when the connection was created.
    pub(crate) fn generation(&self) -> Generation {
        self.generation
    }

    pub(super) fn set_generation(&mut self, generation: Generation) {
        self.generation = generation;
    }

    pub(crate) fn description(&self) -> &ConnectionDescription {
        &self.description
    }

    pub(super) fn set_description(&mut self, description: ConnectionDescription) {
        self.description = description;
    }

    /// Records the mechanism that authenticated the connection.
    pub(super) fn set_mechanism(&mut self, mechanism: AuthMechanism) {
        self.description.mechanism = Some(mechanism);
    }

    /// Sets the timeout of one exchange. A `timeoutMS` overrides it.
    pub(super) fn set_socket_timeout(&mut self, socket_timeout: Option<Duration>) {
        self.socket_timeout = socket_timeout;
    }

    /// Compresses later requests.
    pub(super) fn set_codec(&mut self, codec: Codec) {
        self.codec = Some(codec);
    }

    /// Whether [`drain`](Self::drain) can make it idle again.
    pub(super) fn can_be_drained(&self) -> bool {
        matches!(self.state, State::Sending(_) | State::ReplyOwed(_)) && !self.more_to_come()
    }

    /// The size of the last request as it is sent.
    pub(super) fn request_len(&self) -> usize {
        if self.packed.is_empty() { self.write.len() } else { self.packed.len() }
    }

    /// Calls `receive` when the reply to a dropped operation has arrived. `receive` may read or
    /// take the reply. If the reply does not arrive in time, or the connection ends before,
    /// `receive` is dropped without a call.
    pub(crate) fn when_drained(
        &mut self,
        receive: impl FnOnce(&mut Connection) + Send + Sync + 'static,
    ) {
        self.on_drained.push(Box::new(receive));
    }

    /// Marks the connection as unusable, because the server has closed it or sends unexpected
    /// bytes.
    pub(crate) fn condemn(&mut self) {
        self.state = State::Broken;
    }

    /// Whether it can take the next request now.
    pub(crate) fn is_idle(&self) -> bool {
        self.state == State::Idle
    }

    /// Whether the server has neither closed the idle connection nor sent unexpected bytes.
    pub(super) fn is_quiet(&self) -> bool {
        self.stream.is_quiet()
    }

    /// Begins a new request in the connection's buffer. Discards the last reply.
    pub(crate) fn begin(&mut self) -> MessageWriter<'_> {
        self.discard_reply();
        MessageWriter::begin(&mut self.write, self.ids.next(), Flags::NONE)
    }

    /// Like [`begin`](Self::begin). Also returns the server's properties.
    pub(crate) fn compose(&mut self) -> (MessageWriter<'_>, &ConnectionDescription) {
        self.discard_reply();
        (MessageWriter::begin(&mut self.write, self.ids.next(), Flags::NONE), &self.description)
    }

    /// The id of the last request.
    pub(crate) fn request_id(&self) -> i32 {
        message::request_id(&self.write).0
    }

    /// The command of the current request for event handlers, with its document sequences as
    /// arrays.
    pub(crate) fn request_document(&self) -> Option<Document> {
        request_document(&self.write)
    }

    /// Sends the request and receives its reply.
    ///
    /// # Errors
    /// - `InvalidArgument` if the request is larger than the server accepts. Nothing was sent, and
    ///   the connection stays usable.
    /// - `Io` if the stream fails; its kind is `TimedOut` if `deadline` or `socketTimeoutMS`
    ///   expires.
    /// - `InvalidResponse` if the reply is malformed.
    ///
    /// # Cancel safety
    /// The connection records the state after a dropped future. The pool drains or closes it.
    pub(crate) async fn round_trip(&mut self, runtime: &Runtime, deadline: Deadline) -> Result<()> {
        self.ready_to_send()?;
        let deadline = deadline.within_older(self.socket_timeout);
        self.stream.set_deadline(deadline);
        let exchange = async {
            self.transmit(Answer::Yes).await?;
            self.await_reply().await
        };
        let done = runtime.timeout(deadline, exchange).await;
        self.settle(done.unwrap_or_else(|_| Err(timed_out("no reply arrived in time"))))
    }

    /// Sends a request without a reply.
    ///
    /// # Errors
    /// Those of [`round_trip`](Self::round_trip).
    ///
    /// # Cancel safety
    /// As for [`round_trip`](Self::round_trip).
    pub(crate) async fn send(&mut self, runtime: &Runtime, deadline: Deadline) -> Result<()> {
        self.ready_to_send()?;
        let deadline = deadline.within_older(self.socket_timeout);
        self.stream.set_deadline(deadline);
        let done = runtime.timeout(deadline, self.transmit(Answer::No)).await;
        self.settle(
            done.unwrap_or_else(|_| Err(timed_out("the request could not be sent in time"))),
        )
    }

    /// Whether the server has announced another reply, for [`receive`](Self::receive).
    pub(crate) fn more_to_come(&self) -> bool {
        self.reply.as_ref().is_some_and(|reply| reply.more_to_come)
    }

    /// Receives the next reply without a request.
    ///
    /// # Errors
    /// Those of [`round_trip`](Self::round_trip). After a timeout the reply is still outstanding.
    ///
    /// # Cancel safety
    /// Can be called again after its future was dropped.
    pub(crate) async fn receive(&mut self, runtime: &Runtime, deadline: Deadline) -> Result<()> {
        self.discard_reply();
        self.stream.set_deadline(deadline);
        let done = runtime.timeout(deadline, self.await_reply()).await;
        self.settle(done.unwrap_or_else(|_| Err(timed_out("no reply arrived in time"))))
    }

    /// Like [`receive`](Self::receive), within `socketTimeoutMS` if it applies.
    ///
    /// # Errors
    /// Those of [`receive`](Self::receive).
    pub(crate) async fn receive_next(
        &mut self,
        runtime: &Runtime,
        deadline: Deadline,
    ) -> Result<()> {
        self.receive(runtime, deadline.within_older(self.socket_timeout)).await
    }

    /// The last reply, until the next request begins.
    ///
    /// # Errors
    /// `InvalidResponse` if there is none.
    pub(crate) fn reply(&self) -> Result<&RawDocument> {
        let bytes = match (&self.reply, self.read.frame()) {
            (Some(reply), _) if !self.unpacked.is_empty() => self.unpacked.get(reply.body.clone()),
            (Some(reply), Ok(Some(frame))) => frame.get(reply.body.clone()),
            _ => None,
        };
        document(bytes.unwrap_or_default())
    }

    /// Takes the last reply out of the connection.
    ///
    /// # Errors
    /// Those of [`reply`](Self::reply).
    pub(crate) fn take_reply(&mut self) -> Result<OwnedReply> {
        let whole = self.read.next_len()?.unwrap_or_default();
        let Some(reply) = self.reply.take() else { return Err(no_reply()) };
        let frame = if self.unpacked.is_empty() {
            self.read.take(whole)
        } else {
            self.read.consume(whole);
            std::mem::take(&mut self.unpacked)
        };
        let owned = OwnedReply { frame, body: reply.body };
        owned.document()?;
        Ok(owned)
    }

    /// Sends the rest of the request and receives its reply of at most `limit` bytes, which makes
    /// the connection idle again.
    ///
    /// # Errors
    /// Those of [`receive`](Self::receive); also if the reply is larger than `limit`.
    ///
    /// # Cancel safety
    /// Can be called again after its future was dropped.
    pub(super) async fn drain(
        &mut self,
        runtime: &Runtime,
        deadline: Deadline,
        limit: usize,
    ) -> Result<()> {
        if let State::Sending(answer) = self.state {
            self.stream.set_deadline(deadline);
            let sent = runtime.timeout(deadline, self.send_rest(answer)).await;
            let late = || Err(timed_out("the request could not be sent in time"));
            self.settle(sent.unwrap_or_else(|_| late()))?;
        }
        while let State::ReplyOwed(_) = self.state {
            self.discard_reply();
            self.stream.set_deadline(deadline);
            let drained = runtime.timeout(deadline, self.drop_reply(limit)).await;
            self.settle(drained.unwrap_or_else(|_| Err(timed_out("no reply arrived in time"))))?;
            if self.more_to_come() {
                return Err(Error::invalid_response("the server keeps sending replies"));
            }
        }
        if !self.is_idle() {
            return Err(no_reply());
        }
        std::mem::take(&mut self.on_drained).into_iter().for_each(|receive| receive(self));
        Ok(())
    }

    fn discard_reply(&mut self) {
        if self.reply.take().is_some()
            && let Ok(Some(len)) = self.read.next_len()
        {
            self.read.consume(len);
        }
        self.unpacked.clear();
    }

    /// Ends the use of an idle connection: discards the reply and frees excess memory.
    #[inline]
    pub(super) fn reset(&mut self) {
        let reply =
            self.read.next_len().ok().flatten().unwrap_or_default().max(self.unpacked.len());
        let len = self.write.len().max(reply);
        let capacity = self
            .write
            .capacity()
            .max(self.read.room())
            .max(self.packed.capacity())
            .max(self.unpacked.capacity());
        self.discard_reply();
        self.write.clear();
        if let Some(room) = self.room.after(len, capacity) {
            self.shrink_to(room);
        }
    }

    /// The size of the connection's buffers.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        self.write.capacity() + self.read.room() + self.packed.capacity() + self.unpacked.capacity()
    }

    #[cold]
    fn shrink_to(&mut self, room: usize) {
        for buffer in [&mut self.write, &mut self.packed, &mut self.unpacked] {
            buffer.clear();
            buffer.shrink_to(room);
        }
        self.read.shrink_to(room);
    }
}

/// A reply that was moved out of its connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct OwnedReply {
    frame: Vec<u8>,
    body: std::ops::Range<usize>,
}

impl OwnedReply {
    /// A reply from these bytes.
    #[cfg(test)]
    pub(crate) fn of(frame: Vec<u8>) -> Self {
        let body = 0..frame.len();
        OwnedReply { frame, body }
    }

    /// # Errors
    /// `InvalidResponse` if it is not a document. [`Connection::take_reply`] returns only
    /// documents.
    pub(crate) fn document(&self) -> Result<&RawDocument> {
        document(self.frame.get(self.body.clone()).unwrap_or_default())
    }

    /// The bytes of the document. The positions of its parts relate to them.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.frame.get(self.body.clone()).unwrap_or_default()
    }
}

fn document(bytes: &[u8]) -> Result<&RawDocument> {
    match bytes {
        [] => Err(no_reply()),
        bytes => RawDocument::from_bytes(bytes).map_err(|e| Error::invalid_response(e.to_string())),
    }
}

fn no_reply() -> Error {
    Error::invalid_response("there is no reply to read")
}

fn timed_out(what: &str) -> Error {
    Error::io(what, std::io::Error::from(std::io::ErrorKind::TimedOut))
}
