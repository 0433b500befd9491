//! The change from one description of the deployment to the next, as a value.
//!
//! A [`Transition`] is a pure function of the known description and a new one. It uses no clock and
//! no server, and calls no foreign code. `Deployment::perform` performs it.

use std::sync::Arc;

use bson::oid::ObjectId;

use super::update;
use crate::description::{ServerDescription, TopologyDescription};
use crate::error::Error;
use crate::event::sdam::*;
use crate::pool::Interrupt;
use crate::types::{ServerAddress, ServerType};

/// The next description, and the consequences of the change.
#[derive(Debug)]
pub(super) struct Transition {
    pub(super) description: Arc<TopologyDescription>,
    /// The change of the pool of the server that the new description is about.
    pub(super) pool: Option<(ServerAddress, PoolChange)>,
    /// The events, in order.
    pub(super) events: Vec<SdamEvent>,
    /// Primaries that another primary has replaced. They are checked at once, and must reply soon.
    pub(super) stale_primaries: Vec<ServerAddress>,
    /// Other servers that are unknown after an election. One of them may be the previous primary.
    /// Those with running operations must reply soon, too.
    pub(super) unknown_after_election: Vec<ServerAddress>,
}

/// The effect of a new description of a server on its pool.
#[derive(Debug)]
pub(super) enum PoolChange {
    Keep,
    /// Makes the pool ready before the new snapshot is visible, so that an operation that selects
    /// the server finds its pool ready.
    Ready,
    /// Clears the pool when the old snapshot is no longer visible, so that an operation that the
    /// pool refuses selects another server.
    Clear(Error, Interrupt),
}

impl Transition {
    /// The first description of a deployment. `listener` is the id of the topology, if events have
    /// a handler.
    pub(super) fn opening(
        description: TopologyDescription,
        listener: Option<ObjectId>,
    ) -> Transition {
        let new = Arc::new(description);
        let events = match listener {
            None => Vec::new(),
            Some(topology_id) => {
                let empty = Arc::new(TopologyDescription::empty());
                let opening = SdamEvent::TopologyOpening(TopologyOpeningEvent { topology_id });
                [opening, description_changed(topology_id, &empty, &new)]
                    .into_iter()
                    .chain(new.servers().map(|server| server_opening(topology_id, server)))
                    .collect()
            }
        };
        Transition {
            description: new,
            pool: None,
            events,
            stale_primaries: Vec::new(),
            unknown_after_election: Vec::new(),
        }
    }

    /// The effects of a new `description` of a server. `None` if it is ignored.
    pub(super) fn of_description(
        old: &Arc<TopologyDescription>,
        description: ServerDescription,
        pool: PoolChange,
        listener: Option<ObjectId>,
    ) -> Option<Transition> {
        let address = description.address().clone();
        let new = update::updated(old, description)?;
        Some(Transition { pool: Some((address, pool)), ..Self::to(old, new, listener) })
    }

    /// The change to another description.
    pub(super) fn to(
        old: &Arc<TopologyDescription>,
        new: TopologyDescription,
        listener: Option<ObjectId>,
    ) -> Transition {
        let new = Arc::new(new);
        let is_unknown = |server: &&ServerDescription| server.server_type() == ServerType::Unknown;
        let was_primary = |server: &&ServerDescription| {
            old.server(server.address()).is_some_and(|s| s.server_type() == ServerType::RsPrimary)
        };
        let has_primary = new.primary().is_some();
        let (stale_primaries, others): (Vec<_>, Vec<_>) =
            new.servers().filter(|server| has_primary && is_unknown(server)).partition(was_primary);
        let addresses = |servers: Vec<&ServerDescription>| {
            servers.into_iter().map(|server| server.address().clone()).collect()
        };
        Transition {
            pool: None,
            events: listener.map_or(Vec::new(), |id| events(id, old, &new)),
            stale_primaries: addresses(stale_primaries),
            unknown_after_election: if is_election(old, &new) {
                addresses(others)
            } else {
                Vec::new()
            },
            description: new,
        }
    }

    /// The end of a deployment: an empty description, and the last events.
    pub(super) fn closing(
        old: &Arc<TopologyDescription>,
        listener: Option<ObjectId>,
    ) -> Transition {
        let mut transition = Self::to(old, TopologyDescription::empty(), listener);
        transition.events.extend(
            listener
                .map(|topology_id| SdamEvent::TopologyClosed(TopologyClosedEvent { topology_id })),
        );
        transition
    }
}

/// Whether the set has elected a primary since `old`. Each election has its own id, so a primary
/// that was only unreachable for a while does not count as newly elected.
fn is_election(old: &TopologyDescription, new: &TopologyDescription) -> bool {
    new.primary().is_some()
        && old.max_election_id.is_some()
        && old.max_election_id != new.max_election_id
}

/// The events of a change: first those of the servers, then that of the topology.
fn events(
    topology_id: ObjectId,
    old: &Arc<TopologyDescription>,
    new: &Arc<TopologyDescription>,
) -> Vec<SdamEvent> {
    let of_known = |known: &Arc<ServerDescription>| {
        let Some(now) = new.servers.iter().find(|now| now.address() == known.address()) else {
            let address = known.address().clone();
            return Some(SdamEvent::ServerClosed(ServerClosedEvent { topology_id, address }));
        };
        (!now.says_the_same(known)).then(|| {
            SdamEvent::ServerDescriptionChanged(Box::new(ServerDescriptionChangedEvent {
                topology_id,
                address: known.address().clone(),
                previous_description: ServerDescription::clone(known),
                new_description: ServerDescription::clone(now),
            }))
        })
    };
    let opened = new.servers().filter(|now| old.server(now.address()).is_none());
    let changed = (!new.says_the_same(old)).then(|| description_changed(topology_id, old, new));
    old.servers
        .iter()
        .filter_map(of_known)
        .chain(opened.map(|server| server_opening(topology_id, server)))
        .chain(changed)
        .collect()
}

fn server_opening(topology_id: ObjectId, server: &ServerDescription) -> SdamEvent {
    let address = server.address().clone();
    SdamEvent::ServerOpening(ServerOpeningEvent { topology_id, address })
}

fn description_changed(
    topology_id: ObjectId,
    old: &Arc<TopologyDescription>,
    new: &Arc<TopologyDescription>,
) -> SdamEvent {
    SdamEvent::TopologyDescriptionChanged(Box::new(TopologyDescriptionChangedEvent {
        topology_id,
        previous_description: Arc::clone(old),
        new_description: Arc::clone(new),
    }))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::description::{RoundTrip, TopologyType};
    use crate::handshake::HelloReply;
    use crate::types::ServerType;

    fn address(name: &str) -> ServerAddress {
        ServerAddress::parse(format!("{name}:1")).unwrap()
    }

    fn election(number: u8) -> ObjectId {
        ObjectId::from_bytes([number; 12])
    }

    /// A member of a set of three whose `hello` says what `adjust` makes of it.
    fn member(name: &str, adjust: impl FnOnce(&mut HelloReply)) -> ServerDescription {
        let mut hello = HelloReply {
            set_name: Some("rs".into()),
            hosts: ["a", "b", "c"].map(address).to_vec(),
            max_wire_version: 17,
            ..HelloReply::default()
        };
        adjust(&mut hello);
        ServerDescription::checked(address(name), hello, RoundTrip::default(), Instant::now())
    }

    fn primary(name: &str, number: u8) -> ServerDescription {
        member(name, |hello| {
            hello.writable_primary = true;
            hello.election_id = Some(election(number));
            hello.set_version = Some(1);
        })
    }

    fn secondary(name: &str) -> ServerDescription {
        member(name, |hello| hello.secondary = true)
    }

    fn lost(name: &str) -> ServerDescription {
        ServerDescription::failed(address(name), Error::timeout("lost"), None, Instant::now())
    }

    /// The set after each of these descriptions.
    fn set(members: impl IntoIterator<Item = ServerDescription>) -> Arc<TopologyDescription> {
        let seeds = ["a", "b", "c"].map(address);
        let initial = TopologyDescription::initial(
            TopologyType::ReplicaSetNoPrimary,
            &seeds,
            None,
            Duration::from_secs(10),
        );
        members.into_iter().fold(Arc::new(initial), |old, member| step(&old, member).description)
    }

    fn step(old: &Arc<TopologyDescription>, description: ServerDescription) -> Transition {
        Transition::of_description(old, description, PoolChange::Keep, Some(election(0))).unwrap()
    }

    /// The kinds of events, and the servers that they name.
    fn names(events: &[SdamEvent]) -> Vec<String> {
        let name = |event: &SdamEvent| match event {
            SdamEvent::TopologyOpening(_) => "opening".to_owned(),
            SdamEvent::TopologyDescriptionChanged(_) => "changed".to_owned(),
            SdamEvent::TopologyClosed(_) => "closed".to_owned(),
            SdamEvent::ServerOpening(e) => format!("{} opening", e.address),
            SdamEvent::ServerDescriptionChanged(e) => format!("{} changed", e.address),
            SdamEvent::ServerClosed(e) => format!("{} closed", e.address),
            other => panic!("{other:?}"),
        };
        events.iter().map(name).collect()
    }

    #[test]
    fn primary_of_an_older_election_is_not_believed() {
        for max_wire_version in [13, 17] {
            let of_version = |name, number| {
                member(name, |hello| {
                    hello.writable_primary = true;
                    hello.election_id = Some(election(number));
                    hello.set_version = Some(1);
                    hello.max_wire_version = max_wire_version;
                })
            };
            let now = set([of_version("b", 2), of_version("a", 1)]);
            let types = ["a", "b"].map(|name| now.server(&address(name)).unwrap().server_type());
            assert_eq!(types, [ServerType::Unknown, ServerType::RsPrimary]);
        }
    }

    #[test]
    fn newer_primary_makes_the_old_one_stale() {
        let old = set([secondary("b"), secondary("c"), primary("a", 1)]);
        let transition = step(&old, primary("b", 2));
        assert_eq!(transition.stale_primaries, [address("a")]);
        assert_eq!(transition.unknown_after_election, []);
        assert_eq!(names(&transition.events), ["a:1 changed", "b:1 changed", "changed"]);
    }

    #[test]
    fn primary_lost_before_the_election_is_unknown_after_it() {
        let old = set([secondary("b"), secondary("c"), primary("a", 1), lost("a")]);
        let transition = step(&old, primary("b", 2));
        assert_eq!(transition.stale_primaries, []);
        assert_eq!(transition.unknown_after_election, [address("a")]);
        // Another description of the new primary is not an election.
        assert_eq!(step(&transition.description, primary("b", 2)).unknown_after_election, []);
    }

    #[test]
    fn returning_primary_is_no_election() {
        let old = set([secondary("b"), primary("a", 1), lost("c"), lost("a")]);
        let transition = step(&old, primary("a", 1));
        assert_eq!(transition.description.primary().unwrap().address(), &address("a"));
        assert_eq!(transition.unknown_after_election, []);
        // A reconfiguration by the same primary is none either.
        let mut reconfigured = HelloReply::clone(primary("a", 1).hello.as_deref().unwrap());
        reconfigured.set_version = Some(2);
        let description = member("a", |hello| *hello = reconfigured);
        assert_eq!(step(&old, description).unknown_after_election, []);
    }

    #[test]
    fn reelected_primary_is_an_election() {
        let old = set([secondary("b"), primary("a", 1), lost("c"), secondary("a")]);
        let transition = step(&old, primary("a", 2));
        assert_eq!(transition.unknown_after_election, [address("c")]);
    }

    #[test]
    fn first_primary_is_no_election() {
        let old = set([secondary("b"), secondary("c"), lost("c")]);
        assert_eq!(step(&old, primary("a", 1)).unknown_after_election, []);
    }

    #[test]
    fn description_of_an_unknown_server_is_ignored() {
        let old = set([primary("a", 1)]);
        let transition = Transition::of_description(&old, secondary("d"), PoolChange::Ready, None);
        assert!(transition.is_none());
    }

    #[test]
    fn events_report_added_and_removed_servers() {
        let opening = Transition::opening((*set([])).clone(), Some(election(0)));
        assert_eq!(
            names(&opening.events),
            ["opening", "changed", "a:1 opening", "b:1 opening", "c:1 opening"]
        );
        let description = member("a", |hello| {
            hello.writable_primary = true;
            hello.hosts = ["a", "b", "d"].map(address).to_vec();
        });
        let transition = step(&opening.description, description);
        assert_eq!(
            names(&transition.events),
            ["a:1 changed", "c:1 closed", "d:1 opening", "changed"]
        );
        let closing = Transition::closing(&transition.description, Some(election(0)));
        assert_eq!(
            names(&closing.events),
            ["a:1 closed", "b:1 closed", "d:1 closed", "changed", "closed"]
        );
    }

    #[test]
    fn events_without_listeners_are_not_built() {
        let opening = Transition::opening((*set([])).clone(), None);
        let closing = Transition::closing(&opening.description, None);
        assert!(opening.events.is_empty() && closing.events.is_empty());
    }
}
