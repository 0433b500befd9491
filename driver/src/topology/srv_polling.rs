//! Polls the SRV records of a `mongodb+srv` name while its hosts may be mongos routers
//! (specification "Polling SRV Records for mongos Discovery").
//!
//! The members of a replica set report each other, but routers do not, so only DNS has new ones.
//! The records are polled when they expire, at the earliest after a minute, or at the interval of
//! server checks after an invalid answer. An error changes nothing.

use std::ops::ControlFlow;
use std::sync::{Arc, Weak};
use std::time::Duration;

use toro::Event;

use super::deployment::Deployment;
use crate::deadline::Deadline;
use crate::description::TopologyType;
use crate::error::Result;
use crate::options::ClientOptions;
use crate::rt::Runtime;
use crate::uri::dns::{self, Question};
use crate::uri::srv::{self, Records};

/// The minimum interval of polling.
const SHORTEST: Duration = Duration::from_secs(60);

/// Starts polling in the background if the client's hosts are from SRV records.
pub(super) fn start(
    deployment: Weak<Deployment>,
    options: &ClientOptions,
    runtime: Runtime,
    ended: Arc<Event>,
) {
    let Some(name) = options.srv_host.clone().filter(|_| !options.load_balanced()) else { return };
    let service =
        options.srv_service_name.clone().unwrap_or_else(|| srv::DEFAULT_SERVICE.to_owned());
    let name_server = options.srv_rescan.map(|(name_server, _)| name_server);
    let question = Question { name, service, name_server };
    let shortest = shortest(options);
    let asker = runtime.clone();
    runtime.spawn(async move {
        let mut interval = shortest;
        loop {
            if asker.timeout(Deadline::after(interval), ended.wait()).await.is_ok() {
                return;
            }
            let answer = dns::lookup(question.clone(), &asker).await;
            let Some(deployment) = deployment.upgrade() else { return };
            match deployment.rescanned(&question.name, answer) {
                ControlFlow::Continue(next) => interval = next,
                ControlFlow::Break(()) => return,
            }
        }
    });
}

fn shortest(options: &ClientOptions) -> Duration {
    options.srv_rescan.map_or(SHORTEST, |(_, shortest)| shortest)
}

/// Whether the SRV records are polled for a deployment of this type.
pub(super) fn may_change(topology_type: TopologyType) -> bool {
    matches!(topology_type, TopologyType::Unknown | TopologyType::Sharded)
}

impl Deployment {
    /// Applies the records of `name`. Returns the time of the next poll, or `None` if polling ends.
    fn rescanned(
        &self,
        name: &str,
        answer: Result<(Records, Duration)>,
    ) -> ControlFlow<(), Duration> {
        if !may_change(self.description().topology_type()) || self.is_closed() {
            return ControlFlow::Break(());
        }
        let Ok((records, holds)) = answer else {
            return ControlFlow::Continue(self.options().heartbeat_freq());
        };
        let hosts = srv::verified(name, &records);
        if hosts.is_empty() {
            return ControlFlow::Continue(self.options().heartbeat_freq());
        }
        let max_hosts = self.options().srv_max_hosts.unwrap_or(0);
        self.take_in_hosts(&hosts, max_hosts);
        ControlFlow::Continue(holds.max(shortest(self.options())))
    }
}

#[cfg(test)]
mod tests {
    use super::super::deployment::Watched;
    use super::*;
    use crate::error::Error;
    use crate::options::ServerAddress;

    const NAME: &str = "test1.test.build.10gen.cc";

    fn records(ports: &[u16]) -> Result<(Records, Duration)> {
        let hosts =
            ports.iter().map(|port| ("localhost.test.build.10gen.cc.".to_owned(), *port)).collect();
        Ok((Records { hosts, texts: Vec::new() }, Duration::from_secs(5)))
    }

    fn deployment(ports: &[u16], max_hosts: u32) -> Arc<Deployment> {
        let host = |port: &u16| {
            ServerAddress::parse(format!("localhost.test.build.10gen.cc:{port}")).unwrap()
        };
        let options = ClientOptions {
            hosts: ports.iter().map(host).collect(),
            srv_max_hosts: Some(max_hosts),
            ..ClientOptions::default()
        };
        Deployment::open_watched(Arc::new(options), Runtime::blocking().unwrap(), Watched::No)
            .unwrap()
    }

    fn ports(deployment: &Deployment) -> Vec<u16> {
        let mut ports: Vec<u16> =
            deployment.description().servers().filter_map(|s| s.address().port()).collect();
        ports.sort_unstable();
        ports
    }

    /// The prose tests 1 to 4 and 11 to 13 of the specification.
    #[test]
    fn hosts_are_added_and_removed_within_the_limit() {
        for (max_hosts, found, expected) in [
            (0, &[27017, 27018, 27019][..], &[27017, 27018, 27019][..]),
            (0, &[27017], &[27017]),
            (0, &[27018], &[27018]),
            (0, &[27019, 27020], &[27019, 27020]),
            (2, &[27019, 27020], &[27019, 27020]),
        ] {
            let deployment = deployment(&[27017, 27018], max_hosts);
            let next = deployment.rescanned(NAME, records(found));
            assert_eq!(next, ControlFlow::Continue(SHORTEST));
            assert_eq!(ports(&deployment), expected);
        }
        let deployment = deployment(&[27017, 27018], 2);
        let _ = deployment.rescanned(NAME, records(&[27017, 27019, 27020]));
        let found = ports(&deployment);
        assert!(found.len() == 2 && found[0] == 27017, "{found:?}");
    }

    /// The prose tests 5 to 8: invalid answers change nothing.
    #[test]
    fn invalid_answers_change_nothing() {
        let foreign =
            Records { hosts: vec![("localhost.evil.com".to_owned(), 1)], texts: Vec::new() };
        for answer in [
            Err(Error::timeout("the name service is down")),
            records(&[]),
            Ok((foreign, Duration::from_secs(5))),
        ] {
            let deployment = deployment(&[27017, 27018], 0);
            let next = deployment.rescanned(NAME, answer);
            assert_eq!(next, ControlFlow::Continue(deployment.options().heartbeat_freq()));
            assert_eq!(ports(&deployment), [27017, 27018]);
        }
        let deployment = deployment(&[27017], 0);
        let (mut mixed, holds) = records(&[27018]).unwrap();
        mixed.hosts.push(("localhost.evil.com".to_owned(), 27019));
        let _ = deployment.rescanned(NAME, Ok((mixed, holds)));
        assert_eq!(ports(&deployment), [27018], "the foreign host is ignored, the others are used");
    }

    #[test]
    fn replica_sets_are_not_polled() {
        let options =
            ClientOptions { repl_set_name: Some("rs".into()), ..ClientOptions::default() };
        let set =
            Deployment::open_watched(Arc::new(options), Runtime::blocking().unwrap(), Watched::No)
                .unwrap();
        assert_eq!(set.rescanned(NAME, records(&[1])), ControlFlow::Break(()));
        let closed = deployment(&[27017], 0);
        closed.shutdown();
        assert_eq!(closed.rescanned(NAME, records(&[1])), ControlFlow::Break(()));
    }
}
