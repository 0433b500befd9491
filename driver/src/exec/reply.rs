//! A reply in its connection's buffer.
//!
//! Results are decoded directly from that buffer. Dropping the reply checks the connection in and
//! then returns the implicit session.

use std::time::Duration;

use bson::RawDocument;

use super::batch::{self, Batch};
use super::header::ReplyHeader;
use super::session_pool::ServerSession;
use super::{Core, PinnedTo};
use crate::deadline::Deadline;
use crate::error::{Error, Result};
use crate::options::ServerAddress;
use crate::pool::{Lease, PinnedFor};
use crate::topology::Selected;
use crate::wire;

/// The reply to an operation.
///
/// The order of the fields is their drop order.
pub(crate) struct Reply<'c> {
    pub(super) connection: Lease,
    pub(super) header: ReplyHeader,
    pub(super) lease: LeasedSession<'c>,
    pub(super) selected: Selected,
    /// The deadline of the operation.
    pub(super) deadline: Deadline,
}

impl Reply<'_> {
    /// The document of the reply; empty for an unacknowledged write.
    pub(crate) fn document(&self) -> &RawDocument {
        self.connection.reply().unwrap_or_else(|_| wire::empty_document())
    }

    /// The header of the reply.
    pub(crate) fn header(&self) -> &ReplyHeader {
        &self.header
    }

    /// The address of the server.
    pub(crate) fn host(&self) -> &ServerAddress {
        self.selected.address()
    }

    /// The deadline of the operation.
    pub(crate) fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// The target of later commands. Behind a load balancer, the connection stays checked out for
    /// them.
    pub(crate) fn pin(&mut self) -> PinnedTo {
        PinnedTo::to(&self.selected, &mut self.connection, PinnedFor::Cursor)
    }

    /// The number of matched, inserted, deleted or counted documents; 0 for an unacknowledged
    /// write.
    ///
    /// # Errors
    /// `InvalidResponse` if the reply has no such number.
    pub(crate) fn n(&self) -> Result<u64> {
        self.header.n().ok_or_else(|| Error::invalid_response("it has no n").at(self.host()))
    }

    /// The bytes of the first document in the cursor's batch.
    ///
    /// # Errors
    /// `InvalidResponse` if there is no batch.
    pub(crate) fn first(&self) -> Result<Option<&[u8]>> {
        batch::first(&self.header, self.document()).map_err(|error| error.at(self.host()))
    }

    /// Takes the reply as the batch of a cursor.
    ///
    /// # Errors
    /// `InvalidResponse` if there is no batch.
    pub(crate) fn take_batch(&mut self) -> Result<Batch> {
        Batch::receive(&self.header, &mut self.connection)
            .map_err(|error| error.at(self.selected.address()))
    }

    /// Like [`take_batch`](Self::take_batch). Also returns the connection if the server sends the
    /// next batch on it (exhaust).
    ///
    /// # Errors
    /// Those of [`take_batch`](Self::take_batch).
    pub(crate) fn into_stream(mut self) -> Result<(Batch, Option<Lease>)> {
        let streams = self.connection.more_to_come();
        let batch = self.take_batch()?;
        Ok((batch, streams.then_some(self.connection)))
    }

    /// Keeps the implicit session for a cursor.
    pub(crate) fn keep_session(&mut self) -> Option<ServerSession> {
        self.lease.session.take()
    }
}

/// The implicit session of one operation.
pub(super) struct LeasedSession<'c> {
    pub(super) core: &'c Core,
    pub(super) session: Option<ServerSession>,
    /// The session timeout that the server of the operation has reported.
    pub(super) timeout: Option<Duration>,
}

impl Drop for LeasedSession<'_> {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            self.core.sessions.give(session, self.timeout);
        }
    }
}
