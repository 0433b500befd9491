//! A deployment without monitors. The test cases report the replies of its servers.

use std::sync::{Arc, Mutex, PoisonError};

use bson::RawDocument;

use crate::description::TopologyDescription;
use crate::error::{Error, Result};
use crate::event::EventHandler;
use crate::event::sdam::SdamEvent;
use crate::exec::{ReplyHeader, failure};
use crate::options::{ClientOptions, ServerAddress};
use crate::pool::Stage;
use crate::topology::conformance::Unwatched;

/// The failure of an operation.
pub enum Failure<'a> {
    /// The socket failed.
    Network,
    /// A timeout.
    Timeout,
    /// This reply of the server.
    Command(&'a RawDocument),
}

/// The time of the failure.
#[derive(Clone, Copy)]
pub enum When {
    /// During the handshake.
    BeforeHandshake,
    /// On an established connection.
    AfterHandshake,
}

/// A deployment without monitors.
pub struct Topology {
    inner: Unwatched,
    events: Arc<Mutex<Vec<SdamEvent>>>,
}

impl Topology {
    /// Creates the deployment of a client with these options.
    ///
    /// # Errors
    /// `InvalidArgument` for invalid options.
    pub fn open(mut options: ClientOptions) -> Result<Self> {
        let events = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&events);
        options.sdam_event_handler = Some(EventHandler::callback(move |event| {
            log.lock().unwrap_or_else(PoisonError::into_inner).push(event);
        }));
        Ok(Topology { inner: Unwatched::open(options)?, events })
    }

    /// Reports the reply to a check of the server at `address`. An empty one means that the socket
    /// failed.
    ///
    /// # Errors
    /// `InvalidArgument` for an invalid address.
    pub fn checked(&self, address: &str, reply: &RawDocument) -> Result<()> {
        let broken = || {
            Error::io("the check failed", std::io::Error::from(std::io::ErrorKind::ConnectionReset))
        };
        let reply = if reply.is_empty() { Err(broken()) } else { Ok(reply) };
        self.inner.checked(&ServerAddress::parse(address)?, reply);
        Ok(())
    }

    /// Reports the failure of an operation on the server at `address`, on a connection of
    /// `generation`; `None` means the pool's current one.
    ///
    /// # Errors
    /// `InvalidArgument` for an invalid address; `InvalidResponse` for a malformed reply.
    pub fn failed(
        &self,
        address: &str,
        generation: Option<u32>,
        failure: &Failure<'_>,
        when: When,
    ) -> Result<()> {
        let stage = match when {
            When::BeforeHandshake => Stage::Connect,
            When::AfterHandshake => Stage::Operation,
        };
        let io = |kind: std::io::ErrorKind| {
            Error::io("the operation failed", std::io::Error::from(kind))
        };
        let error = match failure {
            Failure::Network => Some(io(std::io::ErrorKind::ConnectionReset)),
            Failure::Timeout => Some(io(std::io::ErrorKind::TimedOut)),
            Failure::Command(reply) => refusal(reply)?,
        };
        if let Some(mut error) = error {
            if stage == Stage::Connect && error.is_network() {
                error.add_label(crate::error::SYSTEM_OVERLOADED_ERROR);
            }
            self.inner.failed(&ServerAddress::parse(address)?, generation, &error, stage);
        }
        Ok(())
    }

    /// The current description.
    pub fn description(&self) -> Arc<TopologyDescription> {
        self.inner.description()
    }

    /// The generation of the pool of the server at `address`, if it belongs to the deployment.
    ///
    /// # Errors
    /// `InvalidArgument` for an invalid address.
    pub fn generation(&self, address: &str) -> Result<Option<u32>> {
        Ok(self.inner.generation(&ServerAddress::parse(address)?))
    }

    /// The events since the last call.
    pub fn take_events(&self) -> Vec<SdamEvent> {
        std::mem::take(&mut *self.events.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The error in a reply, as the executor finds it: that of the command, or else that of its write
/// concern.
fn refusal(reply: &RawDocument) -> Result<Option<Error>> {
    let header = ReplyHeader::of(reply)?;
    if header.is_ok() {
        failure::of_write_concern(&header, reply)
    } else {
        Ok(Some(failure::of_command(&header, reply)))
    }
}
