//! Waits for a suitable server.
//!
//! Only the monitors check servers. A waiter wakes them, waits until its snapshot is replaced, and
//! tries again. Any number of waiters causes no more checks than one.

use std::sync::Arc;

use super::checks::CheckNumber;
use super::deployment::Deployment;
use super::either::either;
use super::selection::Criteria;
use super::server::{Selected, Server};
use super::snapshot::Topology;
use crate::deadline::Deadline;
use crate::description::{TopologyDescription, TopologyType};
use crate::error::{Error, ErrorKind, Result};
use crate::options::{ReadPreference, SelectionCriteria, ServerAddress};
use crate::types::ServerType;

/// Like [`Deployment::select`], after the first attempt failed.
pub(super) async fn until_selected(
    deployment: &Deployment,
    criteria: Criteria<'_>,
    deprioritized: &[ServerAddress],
    deadline: Deadline,
) -> Result<Selected> {
    let limit = deployment.options().server_selection_timeout();
    let whole = deadline;
    let deadline = whole.within(Some(limit));
    let try_once = deployment.options().server_selection_try_once();
    let mut asked = Asked::default();
    loop {
        let topology = deployment.snapshot();
        if let Some(selected) = topology.select(criteria, deprioritized)? {
            return Ok(selected);
        }
        if deployment.is_closed() {
            return Err(Error::new(ErrorKind::Shutdown));
        }
        asked.ask(&topology, try_once);
        let changed = topology.superseded().wait();
        let waited = async {
            if try_once {
                either(changed, asked.all_answered()).await;
            } else {
                changed.await;
            }
        };
        let over = deployment.runtime().timeout(deadline, waited).await.is_err();
        let given_up = over || (try_once && asked.is_answered(&deployment.snapshot()));
        if given_up {
            // A change at the last moment still counts.
            let topology = deployment.snapshot();
            return match topology.select(criteria, deprioritized)? {
                Some(selected) => Ok(selected),
                None => {
                    let when = if !over {
                        "in one more check (serverSelectionTryOnce)".to_owned()
                    } else if deadline == whole {
                        "within the operation's timeoutMS".to_owned()
                    } else {
                        format!("within serverSelectionTimeoutMS ({} ms)", limit.as_millis())
                    };
                    Err(none_found(criteria, &topology, &when))
                }
            };
        }
    }
}

/// The requested checks.
#[derive(Default)]
struct Asked(Vec<(Arc<Server>, CheckNumber)>);

impl Asked {
    /// Wakes the waiting monitors. If there is only one more check, requests a check of every
    /// server.
    fn ask(&mut self, topology: &Topology, try_once: bool) {
        for server in topology.servers() {
            if !try_once {
                server.checks().nudge();
            } else if !self.0.iter().any(|(known, _)| Arc::ptr_eq(known, server)) {
                self.0.push((Arc::clone(server), server.checks().refresh()));
            }
        }
    }

    /// Waits for the requested check of each server.
    async fn all_answered(&self) {
        for (server, check) in &self.0 {
            server.checks().ended(*check).await;
        }
    }

    /// Whether each server of the snapshot was checked since the request.
    fn is_answered(&self, topology: &Topology) -> bool {
        topology.servers().iter().all(|server| {
            self.0.iter().any(|(known, check)| {
                Arc::ptr_eq(known, server) && server.checks().has_ended(*check)
            })
        })
    }
}

fn none_found(criteria: Criteria<'_>, topology: &Topology, when: &str) -> Error {
    let description = topology.description();
    let outcome = match criteria.under(description) {
        wanted if description.topology_type() == TopologyType::Single => {
            why_unsuitable(description, wanted).to_owned()
        }
        SelectionCriteria::ReadPreference(ReadPreference::Primary) => {
            "no primary was found".to_owned()
        }
        other => format!("no server for {other} was found"),
    };
    let message = format!("{outcome} {when}; what is known: {description}");
    Error::new(ErrorKind::ServerSelection { message })
}

/// The reason why the only server of a deployment is not selected. Every read preference accepts it
/// in any role.
fn why_unsuitable(description: &TopologyDescription, wanted: &SelectionCriteria) -> &'static str {
    let answered = |error: &Error| !error.is_network() && !error.is_timeout();
    match description.servers().next() {
        Some(server) if server.server_type().is_data_bearing() => match wanted {
            SelectionCriteria::Predicate(_) => "the predicate did not accept the server",
            SelectionCriteria::ReadPreference(_) => "the server cannot be used",
        },
        Some(server)
            if server.server_type() != ServerType::Unknown
                || server.error().is_some_and(answered) =>
        {
            "the server cannot be used"
        }
        _ => "the server did not answer",
    }
}
