//! A router in front of real members: a client sees a mongos, or a load balancer.
//!
//! It is a byte-level [`Proxy`] that rewrites the replies to `hello` (also under its former name,
//! as an OP_QUERY, and with further replies in the same exchange). All other bytes pass unchanged
//! in both directions, so a real server answers every command. A member refuses the commands of a
//! mongos, and has no chunks.

mod hello;

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use bson::oid::ObjectId;

use crate::{
    error::{Error, Result},
    proxy::{self, Proxy, Rewriter, Route},
};
use hello::HelloRewriter;

/// A mongos or a load balancer, on its own port on 127.0.0.1, with real members behind it.
/// Dropping it resets its connections.
///
/// ```no_run
/// use testbed::{ReplicaSet, Router};
/// let set = ReplicaSet::start(1)?;
/// let primary = set.host(set.wait_for_primary()?)?;
/// // A client of this connection string sees a sharded cluster with two mongos.
/// let (one, other) = (Router::mongos(&primary)?, Router::mongos(&primary)?);
/// println!("mongodb://{},{}/", one.host(), other.host());
/// // Behind this one, every other connection leads to the second backend.
/// let balancer = Router::load_balancer(&[&primary, &primary])?;
/// println!("{}", balancer.uri());
/// # Ok::<(), testbed::Error>(())
/// ```
#[derive(Debug)]
pub struct Router {
    proxy: Proxy,
    backends: Arc<Backends>,
}

#[derive(Debug)]
struct Backends {
    all: Mutex<Vec<Backend>>,
    connections: AtomicUsize,
}

#[derive(Clone, Copy, Debug)]
struct Backend {
    member: SocketAddr,
    /// Its id, if it is behind a load balancer.
    service_id: Option<ObjectId>,
}

impl Router {
    /// Presents `member`, an IP address with a port, as a mongos.
    ///
    /// # Errors
    /// `member` is malformed, or no port is free.
    pub fn mongos(member: &str) -> Result<Router> {
        Router::to(vec![Backend { member: proxy::address(member)?, service_id: None }])
    }

    /// A load balancer that leads its connections to the backends in turn. Each item of `members`
    /// is one backend with its own `serviceId`; a member may be several backends.
    ///
    /// # Errors
    /// `members` is empty, one of them is malformed, or no port is free.
    pub fn load_balancer(members: &[&str]) -> Result<Router> {
        if members.is_empty() {
            return Err(Error::argument("a load balancer needs at least one backend"));
        }
        let backend = |member: &&str| {
            Ok(Backend { member: proxy::address(member)?, service_id: Some(ObjectId::new()) })
        };
        Router::to(members.iter().map(backend).collect::<Result<_>>()?)
    }

    fn to(backends: Vec<Backend>) -> Result<Router> {
        let backends =
            Arc::new(Backends { all: Mutex::new(backends), connections: AtomicUsize::new(0) });
        Ok(Router { proxy: Proxy::on(backends.clone())?, backends })
    }

    /// Leads new connections to `member`. The backends of a load balancer keep their ids.
    ///
    /// # Errors
    /// `member` is malformed.
    pub fn lead_to(&self, member: &str) -> Result<()> {
        let member = proxy::address(member)?;
        let mut backends = self.backends.all.lock().unwrap_or_else(PoisonError::into_inner);
        backends.iter_mut().for_each(|backend| backend.member = member);
        Ok(())
    }

    /// `127.0.0.1:port`.
    pub fn host(&self) -> String {
        self.proxy.host()
    }

    /// A connection string with this router alone.
    pub fn uri(&self) -> String {
        let backends = self.backends.all.lock().unwrap_or_else(PoisonError::into_inner);
        let balanced = backends.iter().any(|backend| backend.service_id.is_some());
        format!("mongodb://{}/{}", self.host(), if balanced { "?loadBalanced=true" } else { "" })
    }

    /// The proxy, for faults and counts.
    pub fn proxy(&self) -> &Proxy {
        &self.proxy
    }
}

impl Route for Backends {
    fn next(&self) -> (SocketAddr, Option<Box<dyn Rewriter>>) {
        let turn = self.connections.fetch_add(1, Ordering::Relaxed);
        let backends = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let Backend { member, service_id } = backends[turn % backends.len()];
        (member, Some(Box::new(HelloRewriter::new(service_id))))
    }
}
