//! What is known of one server: the outcome of its latest check, and how long its answers take.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bson::oid::ObjectId;

use crate::error::Error;
use crate::handshake::HelloReply;
use crate::types::ServerAddress;
use crate::types::{ServerType, TopologyVersion};

/// The round-trip times of one server's checks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RoundTrip {
    /// The moving average.
    pub(crate) average: Duration,
    /// The shortest of the last ten; zero until there are two.
    pub(crate) minimum: Duration,
}

/// What the client knows of one server.
///
/// An immutable value: a check or an error makes a new one.
#[derive(Clone)]
pub struct ServerDescription {
    pub(crate) address: ServerAddress,
    pub(crate) server_type: ServerType,
    pub(crate) hello: Option<Arc<HelloReply>>,
    pub(crate) error: Option<Error>,
    pub(crate) topology_version: Option<TopologyVersion>,
    pub(crate) round_trip: Option<RoundTrip>,
    pub(crate) last_update: Option<Instant>,
}

impl ServerDescription {
    /// Nothing is known yet.
    pub(crate) fn unknown(address: ServerAddress) -> Self {
        ServerDescription {
            address,
            server_type: ServerType::Unknown,
            hello: None,
            error: None,
            topology_version: None,
            round_trip: None,
            last_update: None,
        }
    }

    /// A check succeeded with `hello` at `now`.
    pub(crate) fn checked(
        address: ServerAddress,
        hello: HelloReply,
        round_trip: RoundTrip,
        now: Instant,
    ) -> Self {
        ServerDescription {
            address,
            server_type: hello.server_type(),
            topology_version: hello.topology_version,
            hello: Some(Arc::new(hello)),
            error: None,
            round_trip: Some(round_trip),
            last_update: Some(now),
        }
    }

    /// A check or an operation failed with `error`, which came with `topology_version` if the
    /// server sent it.
    pub(crate) fn failed(
        address: ServerAddress,
        error: Error,
        topology_version: Option<TopologyVersion>,
        now: Instant,
    ) -> Self {
        ServerDescription {
            error: Some(error),
            topology_version,
            last_update: Some(now),
            ..Self::unknown(address)
        }
    }

    /// A load balancer is never checked, and always there.
    pub(crate) fn load_balancer(address: ServerAddress) -> Self {
        ServerDescription { server_type: ServerType::LoadBalancer, ..Self::unknown(address) }
    }

    /// The same server with a role that was not learnt from a reply.
    pub(crate) fn with_type(mut self, server_type: ServerType) -> Self {
        self.server_type = server_type;
        self
    }

    /// The address by which the client reaches the server.
    pub fn address(&self) -> &ServerAddress {
        &self.address
    }

    /// The server's role when it was last heard of.
    pub fn server_type(&self) -> ServerType {
        self.server_type
    }

    /// Why the server is [`Unknown`](ServerType::Unknown), if it was reached for at all.
    pub fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }

    /// The moving average of the time that a check takes. None while the server is unknown.
    pub fn average_round_trip_time(&self) -> Option<Duration> {
        self.round_trip.map(|rtt| rtt.average)
    }

    /// The shortest of the last ten round trips; zero until there were two. None while the server
    /// is unknown.
    pub fn min_round_trip_time(&self) -> Option<Duration> {
        self.round_trip.map(|rtt| rtt.minimum)
    }

    /// When the server was last heard of, by the client's clock.
    pub fn last_update_time(&self) -> Option<Instant> {
        self.last_update
    }

    /// When the member last wrote, by the server's clock.
    pub fn last_write_date(&self) -> Option<bson::DateTime> {
        self.hello.as_ref()?.last_write_date
    }

    /// The name that the member knows itself by.
    pub fn me(&self) -> Option<&ServerAddress> {
        self.hello.as_ref()?.me.as_ref()
    }

    /// The members that hold data and may become primary, as this one knows them.
    pub fn hosts(&self) -> &[ServerAddress] {
        self.hello.as_ref().map_or(&[], |hello| &hello.hosts)
    }

    /// The members that hold data and never become primary, as this one knows them.
    pub fn passives(&self) -> &[ServerAddress] {
        self.hello.as_ref().map_or(&[], |hello| &hello.passives)
    }

    /// The members that only vote, as this one knows them.
    pub fn arbiters(&self) -> &[ServerAddress] {
        self.hello.as_ref().map_or(&[], |hello| &hello.arbiters)
    }

    /// The member that this one takes for the primary.
    pub fn primary(&self) -> Option<&ServerAddress> {
        self.hello.as_ref()?.primary.as_ref()
    }

    /// The name of the replica set.
    pub fn replica_set_name(&self) -> Option<&str> {
        self.hello.as_ref()?.set_name.as_deref()
    }

    /// The version of the replica set's configuration.
    pub fn replica_set_version(&self) -> Option<i64> {
        self.hello.as_ref()?.set_version
    }

    /// The election that made the member primary.
    pub fn election_id(&self) -> Option<ObjectId> {
        self.hello.as_ref()?.election_id
    }

    /// The member's tags.
    pub fn tags(&self) -> Option<&BTreeMap<String, String>> {
        self.hello.as_ref().map(|hello| &hello.tags)
    }

    /// The oldest version of the wire protocol that the server speaks, where it has said so.
    pub fn min_wire_version(&self) -> Option<i32> {
        self.hello.as_ref().map(|hello| hello.min_wire_version)
    }

    /// The newest version of the wire protocol that the server speaks, where it has said so.
    pub fn max_wire_version(&self) -> Option<i32> {
        self.hello.as_ref().map(|hello| hello.max_wire_version)
    }

    /// How long the server keeps an unused session.
    pub fn logical_session_timeout(&self) -> Option<Duration> {
        self.hello.as_ref()?.logical_session_timeout
    }

    /// How fresh this is.
    pub fn topology_version(&self) -> Option<TopologyVersion> {
        self.topology_version
    }

    /// Whether nothing that the specification compares differs (section "Server Description
    /// Equality").
    pub(crate) fn says_the_same(&self, other: &ServerDescription) -> bool {
        let error = |d: &ServerDescription| d.error.as_ref().map(ToString::to_string);
        self.address == other.address
            && self.server_type == other.server_type
            && self.topology_version == other.topology_version
            && match (&self.hello, &other.hello) {
                (Some(a), Some(b)) => a.says_the_same(b),
                (a, b) => a.is_none() == b.is_none(),
            }
            && error(self) == error(other)
    }
}

impl fmt::Debug for ServerDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("ServerDescription");
        debug.field("address", &format_args!("{}", self.address)).field("type", &self.server_type);
        if let Some(error) = &self.error {
            debug.field("error", &format_args!("{error}"));
        }
        if let Some(rtt) = self.round_trip {
            debug.field("average_rtt", &rtt.average);
        }
        debug.finish_non_exhaustive()
    }
}

impl fmt::Display for ServerDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (ServerType::Unknown, Some(error)) = (self.server_type, &self.error) {
            // Many an error names the server itself.
            let (address, why) = (self.address.to_string(), error.kind().to_string());
            return match why.contains(&address) {
                true => f.write_str(&why),
                false => write!(f, "{address}: {why}"),
            };
        }
        write!(f, "{} ({}", self.address, self.server_type)?;
        match (&self.error, self.round_trip) {
            (Some(error), _) => write!(f, ": {error})"),
            (None, Some(rtt)) => write!(f, ", {:.1} ms)", rtt.average.as_secs_f64() * 1e3),
            (None, None) => f.write_str(", not checked yet)"),
        }
    }
}
