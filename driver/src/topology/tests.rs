//! Deployments of real servers, seen from inside.

use std::sync::Arc;
use std::time::Duration;

use testbed::{ReplicaSet, Standalone};

use super::*;
use crate::deadline::Deadline;
use crate::error::Result;
use crate::options::{ClientOptions, ReadPreference, SelectionCriteria};
use crate::rt::Runtime;

async fn open(uri: &str) -> Arc<Deployment> {
    let options = ClientOptions::parse(uri).await.unwrap();
    Deployment::open(Arc::new(options), Runtime::current().unwrap()).unwrap()
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(30))
}

async fn select(deployment: &Deployment, preference: ReadPreference) -> Result<Selected> {
    deployment.select(&preference.into(), &[], soon()).await
}

#[tokio::test]
async fn a_standalone_is_found_and_serves_everything() {
    let server = Standalone::start().unwrap();
    let deployment = open(&server.uri()).await;
    for preference in
        [ReadPreference::Primary, ReadPreference::secondary(None), ReadPreference::nearest(None)]
    {
        let selected = select(&deployment, preference).await.unwrap();
        assert_eq!(selected.address().to_string(), server.host());
    }
    assert_eq!(deployment.description().topology_type(), TopologyType::Single);
}

#[tokio::test]
async fn a_whole_set_is_discovered_from_one_member() {
    let set = ReplicaSet::start(3).unwrap();
    let seed = set.host(set.secondaries()[0]).unwrap();
    let deployment = open(&format!("mongodb://{seed}/?replicaSet={}", set.name())).await;
    let primary = select(&deployment, ReadPreference::Primary).await.unwrap();
    assert_eq!(primary.address().to_string(), set.host(set.primary().unwrap()).unwrap());
    deployment.wait_for_refresh(soon()).await.unwrap();
    let description = deployment.description();
    assert_eq!(description.servers().len(), 3);
    assert!(description.servers().all(|server| server.server_type().is_data_bearing()), "{description}");
    assert!(description.logical_session_timeout().is_some());
    let secondary = select(&deployment, ReadPreference::secondary(None)).await.unwrap();
    assert_ne!(secondary.address(), primary.address());
    assert_eq!((primary.operations(), secondary.operations()), (1, 1));
    drop(secondary);
    assert!(select(&deployment, ReadPreference::secondary(None)).await.is_ok());
}

#[tokio::test]
async fn a_new_primary_is_found_when_the_old_one_is_killed() {
    let set = ReplicaSet::start(3).unwrap();
    let deployment = open(&set.uri()).await;
    let old = select(&deployment, ReadPreference::Primary).await.unwrap();
    let old = old.address().clone();
    let criteria = SelectionCriteria::Predicate({
        let old = old.clone();
        Arc::new(move |server| server.server_type() == ServerType::RsPrimary && *server.address() != old)
    });
    let killed = set.primary().unwrap();
    set.kill(killed).unwrap();
    let new = deployment.select(&criteria, &[], soon()).await.unwrap();
    assert_ne!(*new.address(), old);
    set.restart(killed).unwrap();
    let back = SelectionCriteria::Predicate(Arc::new(move |server| *server.address() == old));
    deployment.select(&back, &[], soon()).await.unwrap();
}
