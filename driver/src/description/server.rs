//! The description of one server: the result of its last check, and its round-trip times.

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
    /// The exponentially weighted moving average.
    pub(crate) average: Duration,
    /// The lowest of the last ten samples; zero until there are two.
    pub(crate) minimum: Duration,
}

/// The client's view of one server.
///
/// An immutable value: a check or an error creates a new one.
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
    /// The description of a server before its first check.
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

    /// The description after a successful check with the reply `hello` at `now`.
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

    /// The description after a check or an operation failed with `error`. The server may have sent
    /// `topology_version` with it.
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

    /// The description of a load balancer, which is never checked and always available.
    pub(crate) fn load_balancer(address: ServerAddress) -> Self {
        ServerDescription { server_type: ServerType::LoadBalancer, ..Self::unknown(address) }
    }

    /// The same description with a server type that no reply has reported.
    #[cfg(feature = "conformance")]
    pub(crate) fn with_type(mut self, server_type: ServerType) -> Self {
        self.server_type = server_type;
        self
    }

    /// The address that the client uses for the server.
    ///
    /// # Examples
    /// ```no_run
    /// # fn example(client: driver::Client) {
    /// for server in client.topology().servers() {
    ///     println!("{} is a {}", server.address(), server.server_type());
    ///     println!("  a reply takes {:?}", server.average_round_trip_time());
    ///     println!("  at best {:?}", server.min_round_trip_time());
    ///     println!("  checked at {:?}", server.last_update_time());
    ///     println!("  last write at {:?}", server.last_write_date());
    ///     println!("  member of {:?}: {:?}", server.replica_set_name(), server.hosts());
    ///     println!("  {:?}, {:?}", server.passives(), server.arbiters());
    ///     println!("  version {:?} of it", server.replica_set_version());
    ///     println!("  calls itself {:?}, with the tags {:?}", server.me(), server.tags());
    ///     println!("  its primary is {:?}", server.primary());
    ///     println!("  elected as {:?}", server.election_id());
    ///     println!("  speaks {:?} to {:?}", server.min_wire_version(), server.max_wire_version());
    ///     println!("  sessions end after {:?}", server.logical_session_timeout());
    ///     if let Some(error) = server.error() {
    ///         println!("  the last check failed: {error} ({:?})", server.topology_version());
    ///     }
    /// }
    /// # }
    /// ```
    pub fn address(&self) -> &ServerAddress {
        &self.address
    }

    /// The type of the server at its last check.
    pub fn server_type(&self) -> ServerType {
        self.server_type
    }

    /// The error that made the server [`Unknown`](ServerType::Unknown), if there was one.
    pub fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }

    /// The moving average of the round-trip time. `None` while the server is unknown.
    pub fn average_round_trip_time(&self) -> Option<Duration> {
        self.round_trip.map(|rtt| rtt.average)
    }

    /// The lowest of the last ten round-trip times; zero until there are two. `None` while the
    /// server is unknown.
    pub fn min_round_trip_time(&self) -> Option<Duration> {
        self.round_trip.map(|rtt| rtt.minimum)
    }

    /// The time of the last update, on the client's clock.
    pub fn last_update_time(&self) -> Option<Instant> {
        self.last_update
    }

    /// The date of the member's last write, on the server's clock.
    pub fn last_write_date(&self) -> Option<bson::DateTime> {
        self.hello.as_ref()?.last_write_date
    }

    /// The member's own name for itself.
    pub fn me(&self) -> Option<&ServerAddress> {
        self.hello.as_ref()?.me.as_ref()
    }

    /// The data-bearing members that can become primary, as this member reports them.
    pub fn hosts(&self) -> &[ServerAddress] {
        self.hello.as_ref().map_or(&[], |hello| &hello.hosts)
    }

    /// The data-bearing members that cannot become primary, as this member reports them.
    pub fn passives(&self) -> &[ServerAddress] {
        self.hello.as_ref().map_or(&[], |hello| &hello.passives)
    }

    /// The arbiters, as this member reports them.
    pub fn arbiters(&self) -> &[ServerAddress] {
        self.hello.as_ref().map_or(&[], |hello| &hello.arbiters)
    }

    /// The primary, as this member reports it.
    pub fn primary(&self) -> Option<&ServerAddress> {
        self.hello.as_ref()?.primary.as_ref()
    }

    /// The name of the replica set.
    pub fn replica_set_name(&self) -> Option<&str> {
        self.hello.as_ref()?.set_name.as_deref()
    }

    /// The version of the replica set configuration.
    pub fn replica_set_version(&self) -> Option<i64> {
        self.hello.as_ref()?.set_version
    }

    /// The id of the election that made the member primary.
    pub fn election_id(&self) -> Option<ObjectId> {
        self.hello.as_ref()?.election_id
    }

    /// The tags of the member.
    pub fn tags(&self) -> Option<&BTreeMap<String, String>> {
        self.hello.as_ref().map(|hello| &hello.tags)
    }

    /// The lowest wire version of the server, if it has reported one.
    pub fn min_wire_version(&self) -> Option<i32> {
        self.hello.as_ref().map(|hello| hello.min_wire_version)
    }

    /// The highest wire version of the server, if it has reported one.
    pub fn max_wire_version(&self) -> Option<i32> {
        self.hello.as_ref().map(|hello| hello.max_wire_version)
    }

    /// The time after which the server expires an unused session.
    pub fn logical_session_timeout(&self) -> Option<Duration> {
        self.hello.as_ref()?.logical_session_timeout
    }

    /// The topology version of this description.
    pub fn topology_version(&self) -> Option<TopologyVersion> {
        self.topology_version
    }

    /// Whether both descriptions are equal by the specification's rules (section "Server
    /// Description Equality").
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
            // The error message often names the server itself.
            let (address, why) = (self.address.to_string(), error.kind().to_string());
            return if why.contains(&address) {
                f.write_str(&why)
            } else {
                write!(f, "{address}: {why}")
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
