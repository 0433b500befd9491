//! The suitable servers for an operation (specification "Server Selection", section "Rules for
//! server selection").
//!
//! Pure functions over a description. A server is identified by its position. The order of the
//! filters is that of the specification: deprioritized servers, mode, staleness, tags, latency
//! window. [`less_busy`] selects one of the rest.

use std::time::Duration;

use crate::description::{ServerDescription, TopologyDescription, TopologyType};
use crate::options::{ReadPreference, SelectionCriteria, ServerAddress, TagSet};
use crate::types::ServerType;
use crate::wire_version;

/// The primary.
pub(crate) const PRIMARY: &SelectionCriteria =
    &SelectionCriteria::ReadPreference(ReadPreference::Primary);

/// The criteria of an operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Criteria<'a> {
    asked: &'a SelectionCriteria,
    /// Whether the operation is an aggregation with `$out` or `$merge`.
    writes: bool,
}

impl<'a> Criteria<'a> {
    /// The criteria of an aggregation that writes. Secondaries since 5.0 forward its writes to the
    /// primary.
    pub(crate) fn of_writing_aggregate(asked: &'a SelectionCriteria) -> Self {
        Criteria { asked, writes: true }
    }

    /// The effective criteria under `description`: for an aggregation that writes, the primary
    /// while an available server is older than 5.0 (specification "CRUD", section "Read preferences
    /// and server selection").
    pub(crate) fn under(self, description: &TopologyDescription) -> &'a SelectionCriteria {
        if self.is_overruled(description) { PRIMARY } else { self.asked }
    }

    /// Whether the primary overrides the requested criteria.
    pub(crate) fn is_overruled(self, description: &TopologyDescription) -> bool {
        let is_old = |server: &ServerDescription| {
            server.max_wire_version().is_some_and(|version| version < wire_version::V5_0)
        };
        self.writes && description.servers().any(is_old)
    }
}

impl<'a> From<&'a SelectionCriteria> for Criteria<'a> {
    fn from(asked: &'a SelectionCriteria) -> Self {
        Criteria { asked, writes: false }
    }
}

impl TopologyDescription {
    /// Whether a server is known that suits `selection_criteria`. Without criteria, whether the
    /// primary is known.
    ///
    /// # Examples
    /// ```no_run
    /// use driver::options::ReadPreference;
    ///
    /// # fn example(client: driver::Client) {
    /// let secondary = ReadPreference::secondary(None).into();
    /// if !client.topology().has_readable_server(Some(secondary)) {
    ///     println!("reads have to wait");
    /// }
    /// # }
    /// ```
    pub fn has_readable_server(&self, selection_criteria: Option<SelectionCriteria>) -> bool {
        let criteria = selection_criteria.unwrap_or(ReadPreference::Primary.into());
        !suitable(self, &criteria, &[]).is_empty()
    }

    /// Whether a server is known that takes writes.
    ///
    /// # Examples
    /// ```no_run
    /// # fn example(client: driver::Client) {
    /// if !client.topology().has_writable_server() {
    ///     println!("writes have to wait");
    /// }
    /// # }
    /// ```
    pub fn has_writable_server(&self) -> bool {
        let suitable = suitable(self, PRIMARY, &[]);
        let takes_writes = |i: &usize| {
            use ServerType::{LoadBalancer, Mongos, RsPrimary, Standalone};
            let server_type = self.servers[*i].server_type();
            matches!(server_type, LoadBalancer | Mongos | RsPrimary | Standalone)
        };
        suitable.iter().any(takes_writes)
    }
}

/// The servers that match `criteria` and are within the latency window. Servers at `deprioritized`
/// are included only if no other is suitable.
pub(crate) fn select(
    description: &TopologyDescription,
    criteria: &SelectionCriteria,
    deprioritized: &[ServerAddress],
    local_threshold: Duration,
) -> Vec<usize> {
    let suitable = suitable(description, criteria, deprioritized);
    in_latency_window(description, suitable, local_threshold)
}

/// The servers that match `criteria`, with any latency. Servers at `deprioritized` are included
/// only if no other is suitable.
pub(crate) fn suitable(
    description: &TopologyDescription,
    criteria: &SelectionCriteria,
    deprioritized: &[ServerAddress],
) -> Vec<usize> {
    let all: Vec<usize> = (0..description.servers.len()).collect();
    if !deprioritized.is_empty() {
        let preferred = all
            .iter()
            .copied()
            .filter(|&i| !deprioritized.contains(&description.servers[i].address))
            .collect();
        let found = by_criteria(description, criteria, preferred);
        if !found.is_empty() {
            return found;
        }
    }
    by_criteria(description, criteria, all)
}

/// The `candidates` whose average round-trip time is within `threshold` of the lowest.
pub(crate) fn in_latency_window(
    description: &TopologyDescription,
    mut candidates: Vec<usize>,
    threshold: Duration,
) -> Vec<usize> {
    let rtt = |i: &usize| description.servers[*i].average_round_trip_time().unwrap_or_default();
    if let Some(shortest) = candidates.iter().map(rtt).min() {
        let longest = shortest.saturating_add(threshold);
        candidates.retain(|i| rtt(i) <= longest);
    }
    candidates
}

/// The less busy of two random candidates, or the only one (section "operationCount").
pub(crate) fn less_busy(candidates: &[usize], operations: impl Fn(usize) -> u32) -> Option<usize> {
    match *candidates {
        [] => None,
        [only] => Some(only),
        [..] => {
            let first = fastrand::usize(..candidates.len());
            let other = (first + fastrand::usize(1..candidates.len())) % candidates.len();
            let (first, other) = (candidates[first], candidates[other]);
            Some(if operations(other) < operations(first) { other } else { first })
        }
    }
}

fn by_criteria(
    description: &TopologyDescription,
    criteria: &SelectionCriteria,
    candidates: Vec<usize>,
) -> Vec<usize> {
    match criteria {
        SelectionCriteria::ReadPreference(preference) => {
            by_read_preference(description, preference, candidates)
        }
        SelectionCriteria::Predicate(predicate) => {
            let fits = |i: &usize| {
                let server = &description.servers[*i];
                server.server_type.is_data_bearing() && predicate(server)
            };
            candidates.into_iter().filter(fits).collect()
        }
    }
}

fn by_read_preference(
    description: &TopologyDescription,
    preference: &ReadPreference,
    candidates: Vec<usize>,
) -> Vec<usize> {
    let of_type = |wanted: &[ServerType]| -> Vec<usize> {
        let fits = |i: &usize| wanted.contains(&description.servers[*i].server_type);
        candidates.iter().copied().filter(fits).collect()
    };
    match description.topology_type {
        TopologyType::Unknown => Vec::new(),
        TopologyType::Single => {
            let known = |i: &usize| description.servers[*i].server_type != ServerType::Unknown;
            candidates.iter().copied().filter(known).collect()
        }
        TopologyType::LoadBalanced => of_type(&[ServerType::LoadBalancer]),
        TopologyType::Sharded => of_type(&[ServerType::Mongos]),
        TopologyType::ReplicaSetNoPrimary | TopologyType::ReplicaSetWithPrimary => {
            let eligible = |candidates: Vec<usize>| {
                let fresh = fresh_enough(description, candidates, preference.max_staleness());
                first_matching_tags(description, fresh, preference.tag_sets())
            };
            let primary = || of_type(&[ServerType::RsPrimary]);
            let secondaries = || eligible(of_type(&[ServerType::RsSecondary]));
            let or = |found: Vec<usize>, otherwise: &dyn Fn() -> Vec<usize>| {
                if found.is_empty() { otherwise() } else { found }
            };
            match preference {
                ReadPreference::Primary => primary(),
                ReadPreference::Secondary { .. } => secondaries(),
                ReadPreference::PrimaryPreferred { .. } => or(primary(), &secondaries),
                ReadPreference::SecondaryPreferred { .. } => or(secondaries(), &primary),
                ReadPreference::Nearest { .. } => {
                    eligible(of_type(&[ServerType::RsPrimary, ServerType::RsSecondary]))
                }
            }
        }
    }
}

/// Section "maxStalenessSeconds": the candidates that lag by at most `limit`.
fn fresh_enough(
    description: &TopologyDescription,
    candidates: Vec<usize>,
    limit: Option<Duration>,
) -> Vec<usize> {
    let Some(limit) = limit else { return candidates };
    let (limit, check_interval) = (millis(limit), millis(description.heartbeat_freq));
    let fresh = |i: &usize| {
        let server = &description.servers[*i];
        server.server_type != ServerType::RsSecondary
            || staleness(description, server)
                .is_some_and(|lag| lag.saturating_add(check_interval) <= limit)
    };
    candidates.into_iter().filter(fresh).collect()
}

/// The estimated lag of a secondary at its last check, in milliseconds. Negative if the clocks
/// differ.
fn staleness(description: &TopologyDescription, secondary: &ServerDescription) -> Option<i64> {
    let written =
        |server: &ServerDescription| server.last_write_date().map(|date| date.timestamp_millis());
    match description.primary() {
        Some(primary) => {
            let since = match (secondary.last_update, primary.last_update) {
                (Some(s), Some(p)) if s >= p => millis(s - p),
                (Some(s), Some(p)) => -millis(p - s),
                _ => return None,
            };
            Some(since.saturating_add(written(primary)?.saturating_sub(written(secondary)?)))
        }
        None => {
            let secondaries =
                description.servers().filter(|s| s.server_type == ServerType::RsSecondary);
            let latest = secondaries.filter_map(written).max()?;
            Some(latest.saturating_sub(written(secondary)?))
        }
    }
}

/// Section "tag_sets": the candidates that match the first set with any match.
fn first_matching_tags(
    description: &TopologyDescription,
    candidates: Vec<usize>,
    tag_sets: &[TagSet],
) -> Vec<usize> {
    if tag_sets.is_empty() {
        return candidates;
    }
    let carrying = |wanted: &TagSet| -> Vec<usize> {
        candidates.iter().copied().filter(|&i| carries(&description.servers[i], wanted)).collect()
    };
    tag_sets.iter().map(carrying).find(|found| !found.is_empty()).unwrap_or_default()
}

fn carries(server: &ServerDescription, wanted: &TagSet) -> bool {
    let Some(tags) = server.tags() else { return wanted.is_empty() };
    wanted.iter().all(|(key, value)| tags.get(key) == Some(value))
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::description::RoundTrip;
    use crate::handshake::HelloReply;
    use crate::options::ReadPreferenceOptions;

    #[test]
    fn longest_heartbeat_frequency_does_not_overflow() {
        let options = ReadPreferenceOptions::builder().max_staleness(Duration::MAX).build();
        let preference = ReadPreference::nearest(options);
        preference.validate(Duration::MAX).unwrap();
        let hello = HelloReply {
            set_name: Some("rs".into()),
            secondary: true,
            last_write_date: Some(bson::DateTime::MAX),
            ..HelloReply::default()
        };
        let address = ServerAddress::parse("a:1").unwrap();
        let server =
            ServerDescription::checked(address, hello, RoundTrip::default(), Instant::now());
        let description = TopologyDescription {
            heartbeat_freq: Duration::MAX,
            ..TopologyDescription::of(TopologyType::ReplicaSetNoPrimary, vec![server])
        };
        let found = suitable(&description, &preference.into(), &[]);
        assert_eq!(found, [0], "fresh enough for any limit");
    }

    /// A lag of 90 s, and one interval between two checks.
    #[test]
    fn has_readable_server_respects_the_heartbeat_frequency() {
        let secondary = |address: &str, written: i64| {
            let hello = HelloReply {
                set_name: Some("rs".into()),
                secondary: true,
                last_write_date: Some(bson::DateTime::from_millis(written)),
                tags: [("written".to_owned(), written.to_string())].into(),
                ..HelloReply::default()
            };
            let address = ServerAddress::parse(address).unwrap();
            ServerDescription::checked(address, hello, RoundTrip::default(), Instant::now())
        };
        let servers = vec![secondary("fresh:1", 90_000), secondary("late:1", 0)];
        let mut description = TopologyDescription::of(TopologyType::ReplicaSetNoPrimary, servers);
        let options = ReadPreferenceOptions::builder()
            .max_staleness(Duration::from_secs(110))
            .tag_sets(vec![[("written".to_owned(), "0".to_owned())].into()])
            .build();
        let preference = ReadPreference::secondary(options);
        for (seconds, found) in [(10, true), (20, true), (21, false), (60, false)] {
            description.heartbeat_freq = Duration::from_secs(seconds);
            let criteria = Some(preference.clone().into());
            assert_eq!(description.has_readable_server(criteria), found, "{seconds} s");
        }
    }

    /// Specification "CRUD", section "Read preferences and server selection".
    #[test]
    fn old_server_sends_writing_aggregates_to_the_primary() {
        let checked = |address: &str, max_wire_version| {
            let hello = HelloReply { max_wire_version, ..HelloReply::default() };
            let address = ServerAddress::parse(address).unwrap();
            ServerDescription::checked(address, hello, RoundTrip::default(), Instant::now())
        };
        let unknown = || ServerDescription::unknown(ServerAddress::parse("u:1").unwrap());
        let asked = SelectionCriteria::from(ReadPreference::secondary(None));
        for (servers, overruled) in [
            (vec![], false),
            (vec![unknown()], false),
            (vec![unknown(), checked("a:1", 13)], false),
            (vec![unknown(), checked("a:1", 9)], true),
            (vec![checked("a:1", 17), checked("b:1", 12)], true),
        ] {
            let description = TopologyDescription::of(TopologyType::ReplicaSetNoPrimary, servers);
            let criteria = Criteria::of_writing_aggregate(&asked);
            assert_eq!(criteria.is_overruled(&description), overruled, "{description}");
            assert_eq!(*criteria.under(&description) == asked, !overruled, "{description}");
            assert_eq!(*Criteria::from(&asked).under(&description), asked, "a mere read");
        }
    }

    #[test]
    fn less_busy_of_two_is_selected_and_ties_are_random() {
        let busy = [3, 1, 2];
        for _ in 0..200 {
            assert_eq!(less_busy(&[0, 1], |i| busy[i]), Some(1));
            assert_ne!(
                less_busy(&[0, 1, 2], |i| busy[i]),
                Some(0),
                "the busiest of three is never selected"
            );
        }
        let mut seen = [false; 3];
        while seen != [true; 3] {
            seen[less_busy(&[0, 1, 2], |_| 7).unwrap()] = true;
        }
    }
}
