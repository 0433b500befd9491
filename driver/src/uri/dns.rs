//! DNS queries for the records of a `mongodb+srv` name.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;

use super::srv::{Records, unresolved};
use crate::error::Result;
use crate::rt::Runtime;

/// A DNS query.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// The name in the connection string.
    pub(crate) name: String,
    pub(crate) service: String,
    /// The name server to use instead of the system's.
    pub(crate) name_server: Option<SocketAddr>,
}

/// Queries the SRV and TXT records of a name. Returns them with their time to live.
///
/// Runs in the background of `runtime` for both APIs.
///
/// # Errors
/// `DnsResolve` with the name and the resolver's reason. Missing TXT records are not an error.
pub(crate) async fn lookup(question: Question, runtime: &Runtime) -> Result<(Records, Duration)> {
    let (give, answer) = tokio::sync::oneshot::channel();
    runtime.spawn(async move {
        // The caller may be gone.
        let _ = give.send(ask(&question).await);
    });
    answer.await.unwrap_or_else(|_| Err(unresolved("the runtime is shutting down".into())))
}

async fn ask(question: &Question) -> Result<(Records, Duration)> {
    let Question { name, service, name_server } = question;
    let failed = |what: &str, e: NetError| {
        unresolved(format!("cannot look up the {what} records of {name:?}: {e}"))
    };
    let builder = match name_server {
        None => TokioResolver::builder_tokio().map_err(|e| failed("SRV", e))?,
        Some(at) => {
            let (mut udp, mut tcp) = (ConnectionConfig::udp(), ConnectionConfig::tcp());
            (udp.port, tcp.port) = (at.port(), at.port());
            let server = NameServerConfig::new(at.ip(), true, vec![udp, tcp]);
            let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        }
    };
    let resolver = builder.build().map_err(|e| failed("SRV", e))?;
    let srv = resolver
        .srv_lookup(format!("_{service}._tcp.{name}."))
        .await
        .map_err(|e| failed("SRV", e))?;
    let txt = match resolver.txt_lookup(format!("{name}.")).await {
        Ok(txt) => Some(txt),
        Err(e) if e.is_no_records_found() => None,
        Err(e) => return Err(failed("TXT", e)),
    };
    let holds = srv.valid_until().saturating_duration_since(Instant::now());
    Ok((records(&srv, txt.as_ref()), holds))
}

fn records(srv: &Lookup, txt: Option<&Lookup>) -> Records {
    let mut records = Records::default();
    for record in srv.answers() {
        if let RData::SRV(srv) = &record.data {
            records.hosts.push((srv.target.to_ascii(), srv.port));
        }
    }
    for record in txt.map(Lookup::answers).unwrap_or_default() {
        if let RData::TXT(txt) = &record.data {
            records.texts.push(txt.txt_data.concat());
        }
    }
    records
}
