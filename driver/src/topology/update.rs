//! The effect of a new server description on the topology description.
//!
//! [`updated`] is a pure function of both: the table of the specification "Server Discovery And
//! Monitoring", section "TopologyType table", with one function per action. It uses no clock and no
//! I/O. The caller compares the descriptions to find added and removed servers.

use std::sync::Arc;

use bson::oid::ObjectId;

use crate::description::{ServerDescription, TopologyDescription, TopologyType};
use crate::error::Error;
use crate::options::ServerAddress;
use crate::types::{ServerType, TopologyVersion};
use crate::wire_version;

/// The number of removed servers whose reasons are kept.
const REASONS: usize = 8;

/// The description after that of a server has changed to `description`. `None` if that is ignored,
/// because its server was removed, or because it is older than the known state.
pub(crate) fn updated(
    old: &TopologyDescription,
    description: ServerDescription,
) -> Option<TopologyDescription> {
    let current = old.server(&description.address)?;
    if TopologyVersion::compare(current.topology_version, description.topology_version).is_gt() {
        return None;
    }
    let mut new = old.clone();
    let description = new.replace(description);
    match new.topology_type {
        TopologyType::Single | TopologyType::LoadBalanced => {}
        TopologyType::Unknown => new.update_unknown(&description),
        TopologyType::Sharded => new.update_sharded(&description),
        TopologyType::ReplicaSetNoPrimary => new.update_without_primary(&description),
        TopologyType::ReplicaSetWithPrimary => new.update_with_primary(&description),
    }
    new.summarize();
    Some(new)
}

/// The description with the hosts of the SRV records. Servers that are not in `addresses` are
/// removed. New ones are added at random, up to `max_hosts` in all; 0 means all (specification
/// "Polling SRV Records for mongos Discovery").
#[cfg(feature = "dns")]
pub(super) fn resolved(
    old: &TopologyDescription,
    addresses: &[ServerAddress],
    max_hosts: u32,
) -> TopologyDescription {
    let mut new = old.clone();
    new.servers.retain(|server| addresses.contains(&server.address));
    let missing =
        addresses.iter().filter(|address| new.server(address).is_none()).cloned().collect();
    let room = match max_hosts {
        0 => Some(0),
        max => max
            .checked_sub(u32::try_from(new.servers.len()).unwrap_or(u32::MAX))
            .filter(|room| *room > 0),
    };
    if let Some(room) = room {
        crate::uri::srv::choose(missing, room).iter().for_each(|address| new.add(address));
    }
    new.summarize();
    new
}

impl TopologyDescription {
    /// Replaces the description of the server. Returns the effective one.
    fn replace(&mut self, description: ServerDescription) -> Arc<ServerDescription> {
        let description = Arc::new(match self.topology_type {
            TopologyType::Single => self.verify_set_name(description),
            TopologyType::LoadBalanced => ServerDescription::load_balancer(description.address),
            _ => description,
        });
        if let Some(place) =
            self.servers.iter_mut().find(|server| server.address == description.address)
        {
            *place = Arc::clone(&description);
        }
        description
    }

    /// Section "Verifying setName with TopologyType Single".
    fn verify_set_name(&self, description: ServerDescription) -> ServerDescription {
        let Some(wanted) = self.set_name.as_deref() else { return description };
        if description.server_type == ServerType::Unknown
            || description.replica_set_name() == Some(wanted)
        {
            return description;
        }
        let error = Error::invalid_argument(format!(
            "the server {} {}",
            description.address,
            other_set(&description, wanted)
        ));
        ServerDescription {
            error: Some(error),
            last_update: description.last_update,
            ..ServerDescription::unknown(description.address)
        }
    }

    fn update_unknown(&mut self, description: &Arc<ServerDescription>) {
        match description.server_type {
            ServerType::Standalone => self.update_unknown_with_standalone(description),
            ServerType::Mongos => self.topology_type = TopologyType::Sharded,
            ServerType::RsPrimary => self.update_from_primary(description),
            ServerType::RsSecondary | ServerType::RsArbiter | ServerType::RsOther => {
                self.topology_type = TopologyType::ReplicaSetNoPrimary;
                self.update_from_member_without_primary(description);
            }
            ServerType::Unknown | ServerType::RsGhost | ServerType::LoadBalancer => {}
        }
    }

    fn update_sharded(&mut self, description: &ServerDescription) {
        if !matches!(description.server_type, ServerType::Mongos | ServerType::Unknown) {
            self.leave_out(&description.address, "it is not a mongos like the other servers");
        }
    }

    fn update_without_primary(&mut self, description: &Arc<ServerDescription>) {
        match description.server_type {
            ServerType::Standalone | ServerType::Mongos | ServerType::LoadBalancer => {
                self.leave_out_stranger(description)
            }
            ServerType::RsPrimary => self.update_from_primary(description),
            ServerType::RsSecondary | ServerType::RsArbiter | ServerType::RsOther => {
                self.update_from_member_without_primary(description);
            }
            ServerType::Unknown | ServerType::RsGhost => {}
        }
    }

    fn update_with_primary(&mut self, description: &Arc<ServerDescription>) {
        match description.server_type {
            ServerType::Standalone | ServerType::Mongos | ServerType::LoadBalancer => {
                self.leave_out_stranger(description)
            }
            ServerType::RsPrimary => self.update_from_primary(description),
            ServerType::RsSecondary | ServerType::RsArbiter | ServerType::RsOther => {
                self.update_from_member_with_primary(description);
            }
            ServerType::Unknown | ServerType::RsGhost => {}
        }
        self.check_if_has_primary();
    }

    /// Section "updateUnknownWithStandalone".
    fn update_unknown_with_standalone(&mut self, description: &ServerDescription) {
        if self.single_seed {
            self.topology_type = TopologyType::Single;
        } else {
            self.leave_out(
                &description.address,
                "it is a standalone, and more than one host was given",
            );
        }
    }

    /// Section "updateRSWithoutPrimary".
    fn update_from_member_without_primary(&mut self, description: &ServerDescription) {
        if !self.adopt_set_name(description) {
            return self.leave_out_stranger(description);
        }
        self.add_members(description);
        if let Some(me) = other_name(description) {
            self.leave_out_misnamed(description, me);
        }
    }

    /// Section "updateRSWithPrimaryFromMember".
    fn update_from_member_with_primary(&mut self, description: &ServerDescription) {
        if !self.adopt_set_name(description) {
            self.leave_out_stranger(description);
        } else if let Some(me) = other_name(description) {
            self.leave_out_misnamed(description, me);
        }
    }

    /// Section "updateRSFromPrimary".
    fn update_from_primary(&mut self, description: &Arc<ServerDescription>) {
        if !self.adopt_set_name(description) {
            self.leave_out_stranger(description);
        } else if self.is_stale_primary(description) {
            self.mark_stale(description);
        } else {
            self.invalidate_other_primaries(description);
            self.add_members(description);
            self.remove_strangers(description);
        }
        self.check_if_has_primary();
    }

    /// Adopts the set name of the first member. Returns false if the member belongs to another set.
    fn adopt_set_name(&mut self, description: &ServerDescription) -> bool {
        match &self.set_name {
            Some(known) => description.replica_set_name() == Some(known),
            None => {
                self.set_name = description.replica_set_name().map(str::to_owned);
                true
            }
        }
    }

    /// Whether a newer primary is known. If not, records this primary's election (section "Using
    /// electionId and setVersion to detect stale primaries").
    fn is_stale_primary(&mut self, description: &ServerDescription) -> bool {
        let (election_id, set_version) =
            (description.election_id(), description.replica_set_version());
        // From 6.0 on elections are ordered by `electionId` before `setVersion`.
        if description.max_wire_version() >= Some(wire_version::V6_0) {
            self.is_behind_by_election(election_id, set_version)
        } else {
            self.is_behind_by_set_version(election_id, set_version)
        }
    }

    /// The order of MongoDB 6.0 and later. A missing value is the lowest.
    fn is_behind_by_election(
        &mut self,
        election_id: Option<ObjectId>,
        set_version: Option<i64>,
    ) -> bool {
        let stale = (election_id, set_version) < (self.max_election_id, self.max_set_version);
        if !stale {
            self.max_election_id = election_id;
            self.max_set_version = set_version;
        }
        stale
    }

    /// The order before MongoDB 6.0. Only primaries with both values are compared.
    fn is_behind_by_set_version(
        &mut self,
        election_id: Option<ObjectId>,
        set_version: Option<i64>,
    ) -> bool {
        if let (Some(election_id), Some(set_version)) = (election_id, set_version) {
            if let (Some(max_election_id), Some(max_set_version)) =
                (self.max_election_id, self.max_set_version)
                && (max_set_version, max_election_id) > (set_version, election_id)
            {
                return true;
            }
            self.max_election_id = Some(election_id);
        }
        self.max_set_version = self.max_set_version.max(set_version);
        false
    }

    fn mark_stale(&mut self, description: &ServerDescription) {
        let tuple = |election_id: Option<ObjectId>, set_version: Option<i64>| {
            let election_id = election_id.map_or("null".to_owned(), |id| id.to_hex());
            let set_version = set_version.map_or("null".to_owned(), |version| version.to_string());
            format!("(electionId: {election_id}, setVersion: {set_version})")
        };
        self.forget(
            &description.address,
            &format!(
                "primary marked stale due to electionId/setVersion mismatch, {} is stale compared \
                 to {}",
                tuple(description.election_id(), description.replica_set_version()),
                tuple(self.max_election_id, self.max_set_version)
            ),
        );
    }

    fn invalidate_other_primaries(&mut self, description: &ServerDescription) {
        let other = |server: &&Arc<ServerDescription>| {
            server.server_type == ServerType::RsPrimary && server.address != description.address
        };
        while let Some(address) =
            self.servers.iter().find(other).map(|server| server.address.clone())
        {
            self.forget(&address, "primary marked stale due to discovery of newer primary");
        }
    }

    /// Makes a server unknown without a check.
    fn forget(&mut self, address: &ServerAddress, why: &str) {
        if let Some(server) = self.servers.iter_mut().find(|server| server.address == *address) {
            *server = Arc::new(ServerDescription {
                error: Some(Error::invalid_response(why)),
                last_update: server.last_update,
                ..ServerDescription::unknown(address.clone())
            });
        }
    }

    fn add_members(&mut self, description: &ServerDescription) {
        if let Some(hello) = &description.hello {
            hello.members().for_each(|address| self.add(address));
        }
    }

    fn remove_strangers(&mut self, description: &ServerDescription) {
        let Some(hello) = &description.hello else { return };
        let is_member = |address: &ServerAddress| hello.members().any(|member| member == address);
        let strangers: Vec<_> = self
            .servers()
            .map(|server| &server.address)
            .filter(|a| !is_member(a))
            .cloned()
            .collect();
        for stranger in strangers {
            self.leave_out(
                &stranger,
                format!("it is not a member according to the primary {}", description.address),
            );
        }
    }

    fn add(&mut self, address: &ServerAddress) {
        if self.server(address).is_none() {
            self.servers.push(Arc::new(ServerDescription::unknown(address.clone())));
            self.left_out.retain(|(left_out, _)| left_out != address);
        }
    }

    fn leave_out(&mut self, address: &ServerAddress, why: impl Into<Arc<str>>) {
        self.servers.retain(|server| server.address != *address);
        self.left_out.retain(|(left_out, _)| left_out != address);
        if self.left_out.len() == REASONS {
            self.left_out.remove(0);
        }
        self.left_out.push((address.clone(), why.into()));
    }

    /// Removes a server that is not a member of the set.
    fn leave_out_stranger(&mut self, description: &ServerDescription) {
        let why = match self.set_name.as_deref() {
            Some(wanted) => other_set(description, wanted),
            None => "it is not a member of a replica set like the other servers".to_owned(),
        };
        self.leave_out(&description.address, why);
    }

    /// Removes a member with an address that is not its own.
    fn leave_out_misnamed(&mut self, description: &ServerDescription, me: &ServerAddress) {
        self.leave_out(&description.address, format!("its address in the set is {me}"));
    }

    /// Section "checkIfHasPrimary".
    fn check_if_has_primary(&mut self) {
        self.topology_type = match self.primary() {
            Some(_) => TopologyType::ReplicaSetWithPrimary,
            None => TopologyType::ReplicaSetNoPrimary,
        };
    }
}

/// The member's own address, if it differs from the client's.
fn other_name(description: &ServerDescription) -> Option<&ServerAddress> {
    description.me().filter(|me| **me != description.address)
}

/// The reason why a server is not in the set `wanted`.
fn other_set(description: &ServerDescription, wanted: &str) -> String {
    match description.replica_set_name() {
        Some(found) => {
            format!(
                "belongs to the replica set {found:?}, not to {wanted:?}; see the option replicaSet"
            )
        }
        None => {
            format!(
                "belongs to no replica set, but {wanted:?} is required; see the option \
                 replicaSet"
            )
        }
    }
}
