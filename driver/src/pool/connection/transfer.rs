//! The transfer of messages over the stream of a connection.

use super::{Answer, Connection, State, no_reply};
use crate::error::{Error, ErrorKind, Result};
use crate::wire::compression::{self, Codec};
use crate::wire::message;

impl Connection {
    /// Completes the request and checks that it can be sent.
    ///
    /// # Errors
    /// `InvalidArgument` if it is larger than the server accepts. `Io` or `InvalidResponse` if the
    /// connection cannot take a request.
    pub(crate) fn ready_to_send(&mut self) -> Result<()> {
        message::finish(&mut self.write, self.description.max_message_size_bytes)
            .map_err(|error| error.at(&self.address))?;
        if self.read.len() > 0 {
            self.state = State::Broken;
            let surplus = self.read.len();
            return Err(Error::invalid_response(format!(
                "the server sent {surplus} unexpected bytes"
            ))
            .at(&self.address));
        }
        match self.state {
            State::Idle => Ok(()),
            State::Sending(_) | State::ReplyOwed(_) | State::Broken => Err(Error::io(
                "the connection cannot take a request",
                std::io::Error::from(std::io::ErrorKind::NotConnected),
            )
            .at(&self.address)),
        }
    }

    /// Writes the request. The connection stays idle until the first byte is written.
    pub(super) async fn transmit(&mut self, answer: Answer) -> Result<()> {
        self.sent = 0;
        self.packed.clear();
        if let Some(codec) = self.codec.filter(|_| Codec::is_allowed_for(&self.write)) {
            codec
                .compress(&self.write, &mut self.packed)
                .map_err(|cause| Error::io("cannot compress the request", cause))?;
        }
        self.send_rest(answer).await
    }

    /// Writes the rest of the request.
    pub(super) async fn send_rest(&mut self, answer: Answer) -> Result<()> {
        let failed = |cause| Error::io("cannot send the request", cause);
        let bytes = if self.packed.is_empty() { &self.write } else { &self.packed };
        while self.sent < bytes.len() {
            self.sent += self.stream.write(&bytes[self.sent..]).await.map_err(failed)?;
            self.state = State::Sending(answer);
        }
        self.stream.flush().await.map_err(failed)?;
        self.state = match answer {
            Answer::Yes => State::ReplyOwed(message::request_id(&self.write)),
            Answer::No => State::Idle,
        };
        Ok(())
    }

    /// Reads until the outstanding reply has arrived, and checks it.
    pub(super) async fn await_reply(&mut self) -> Result<()> {
        let State::ReplyOwed(request) = self.state else { return Err(no_reply()) };
        loop {
            if let Some(frame) = self.read.frame()? {
                let reply = if compression::is_compressed(frame) {
                    compression::decompress(frame, &mut self.unpacked)?;
                    message::parse(&self.unpacked, request)?
                } else {
                    message::parse(frame, request)?
                };
                let surplus = self.read.len() > self.read.next_len()?.unwrap_or_default();
                self.state = match (reply.more_to_come, surplus) {
                    (true, _) => State::ReplyOwed(reply.id),
                    (false, false) => State::Idle,
                    // The reply is valid, but the bytes after it belong to no request, so no later
                    // reply can be trusted.
                    (false, true) => State::Broken,
                };
                self.reply = Some(reply);
                return Ok(());
            }
            self.read_more().await?;
        }
    }

    /// Like [`await_reply`](Self::await_reply), but refuses a reply of more than `limit` bytes.
    pub(super) async fn drop_reply(&mut self, limit: usize) -> Result<()> {
        while self.read.len() < 4 {
            self.read_more().await?;
        }
        match self.read.next_len()? {
            Some(len) if len > limit => Err(Error::invalid_response(format!(
                "a reply of {len} bytes is too large to drain"
            ))),
            _ => self.await_reply().await,
        }
    }

    async fn read_more(&mut self) -> Result<()> {
        let n = self
            .stream
            .read(self.read.spare()?)
            .await
            .map_err(|cause| Error::io("cannot receive the reply", cause))?;
        if n == 0 {
            let cause = std::io::Error::new(
                std::io::ErrorKind::UnexpectedEof,
                "the server closed the connection",
            );
            return Err(Error::io("cannot receive the reply", cause));
        }
        self.read.filled(n);
        Ok(())
    }

    /// An error makes the connection unusable, except that a late reply stays outstanding.
    pub(super) fn settle(&mut self, done: Result<()>) -> Result<()> {
        done.map_err(|error| {
            if !(error.is_timeout() && matches!(self.state, State::ReplyOwed(_))) {
                self.state = State::Broken;
            }
            let error = if self.stream.was_interrupted() { self.interrupted(error) } else { error };
            error.at(&self.address)
        })
    }

    /// The error of an operation whose connection was interrupted after a failed check of the
    /// server.
    fn interrupted(&self, cause: Error) -> Error {
        let message =
            format!("Connection to {} interrupted due to server monitor timeout", self.address);
        Error::new(ErrorKind::ConnectionPoolCleared { message }).with_source(cause)
    }
}
