//! Validates the DNS records of a `mongodb+srv` name (specification "Initial DNS Seedlist
//! Discovery").
//!
//! Forged DNS answers must not send the client and its credentials to other hosts. So the hosts
//! must share the domain of the name, and a TXT record can set only harmless options.

use super::bad;
use super::pairs::Pairs;
use crate::error::{Error, ErrorKind, Result};
use crate::options::ServerAddress;

/// The default service of the SRV records.
#[cfg_attr(not(feature = "dns"), allow(dead_code, reason = "used with SRV records"))]
pub(crate) const DEFAULT_SERVICE: &str = "mongodb";

/// The options that a TXT record may set.
const TXT_OPTIONS: [&str; 3] = ["authSource", "replicaSet", "loadBalanced"];

/// The DNS records of a name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Records {
    /// Target and port of each SRV record.
    pub(crate) hosts: Vec<(String, u16)>,
    /// Each TXT record, with its strings concatenated.
    pub(crate) texts: Vec<Vec<u8>>,
}

/// The seeds in the SRV records of `name`.
///
/// # Errors
/// `DnsResolve` if there are none, or if one is outside the domain of `name`.
pub(crate) fn seeds(name: &str, records: &Records) -> Result<Vec<ServerAddress>> {
    if records.hosts.is_empty() {
        return Err(unresolved(format!("the name {name:?} has no SRV records with hosts")));
    }
    let mut seeds = Vec::with_capacity(records.hosts.len());
    for (host, port) in &records.hosts {
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        if !shares_domain(name, &host) {
            return Err(unresolved(format!(
                "an SRV record of {name:?} has the host {host:?}, which is outside its domain"
            )));
        }
        let seed = ServerAddress::Tcp { host, port: *port };
        if !seeds.contains(&seed) {
            seeds.push(seed);
        }
    }
    Ok(seeds)
}

/// The hosts of `records` within the domain of `name`. Others are ignored.
#[cfg(feature = "dns")]
pub(crate) fn verified(name: &str, records: &Records) -> Vec<ServerAddress> {
    let one = |host: &(String, u16)| {
        seeds(name, &Records { hosts: vec![host.clone()], texts: Vec::new() })
    };
    let mut verified = Vec::new();
    for seed in records.hosts.iter().filter_map(|host| one(host).ok()).flatten() {
        if !verified.contains(&seed) {
            verified.push(seed);
        }
    }
    verified
}

/// Whether `host` is in the domain of `name`. For a name of three or more labels, the domain is the
/// name without its first label. A shorter name is the domain itself, and the host must be below
/// it.
fn shares_domain(name: &str, host: &str) -> bool {
    let domain = match name.split_once('.') {
        Some((_, domain)) if domain.contains('.') => domain,
        _ => name,
    };
    host.strip_suffix(domain).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
}

/// At most `max` of the seeds, chosen at random; 0 means all.
pub(crate) fn choose(mut seeds: Vec<ServerAddress>, max: u32) -> Vec<ServerAddress> {
    let max = usize::try_from(max).unwrap_or(usize::MAX);
    if max != 0 && max < seeds.len() {
        fastrand::shuffle(&mut seeds);
        seeds.truncate(max);
    }
    seeds
}

/// The options of the TXT record, if there is one.
///
/// # Errors
/// `DnsResolve` if there are several; `InvalidArgument` if it is malformed or sets another option.
pub(super) fn txt_options(name: &str, records: &Records) -> Result<Option<Pairs>> {
    let text = match records.texts.as_slice() {
        [] => return Ok(None),
        [text] => text,
        _ => return Err(unresolved(format!("the name {name:?} has more than one TXT record"))),
    };
    let text = std::str::from_utf8(text)
        .map_err(|_| unresolved(format!("the TXT record of {name:?} is not UTF-8")))?;
    let pairs = Pairs::parse(text)?;
    match pairs.first_other_than(&TXT_OPTIONS) {
        None => Ok(Some(pairs)),
        Some(other) => Err(bad(format_args!(
            "names {name:?}, whose TXT record sets {other:?}; it may only set authSource, \
             replicaSet and loadBalanced"
        ))),
    }
}

pub(crate) fn unresolved(message: String) -> Error {
    Error::new(ErrorKind::DnsResolve { message })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_hosts(hosts: &[&str]) -> Records {
        Records {
            hosts: hosts.iter().map(|host| ((*host).to_owned(), 1)).collect(),
            texts: Vec::new(),
        }
    }

    /// The prose tests of the specification.
    #[test]
    fn hosts_must_share_the_domain() {
        for (name, host, shares) in [
            ("localhost", "localhost.mongodb", false),
            ("mongo.local", "test_1.evil.local", false),
            ("blogs.mongodb.com", "blogs.evil.com", false),
            ("localhost", "localhost", false),
            ("mongo.local", "mongo.local", false),
            ("localhost", "test_1.cluster_1localhost", false),
            ("mongo.local", "test_1.my_hostmongo.local", false),
            ("blogs.mongodb.com", "cluster.testmongodb.com", false),
            ("localhost", "a.localhost", true),
            ("mongo.local", "a.mongo.local.", true),
            ("blogs.mongodb.com", "A.b.mongodb.com", true),
            ("blogs.mongodb.com", "mongodb.com", false),
            ("blogs.mongodb.com", ".mongodb.com", false),
            ("blogs.mongodb.com", "", false),
        ] {
            assert_eq!(seeds(name, &with_hosts(&[host])).is_ok(), shares, "{name} {host}");
        }
        assert!(seeds("a.b.c", &with_hosts(&[])).is_err());
        assert!(seeds("a.b.c", &with_hosts(&["x.b.c", "x.y.z"])).is_err());
    }

    #[test]
    fn choose_limits_the_number_of_seeds() {
        let all = seeds("a.b.c", &with_hosts(&["x.b.c", "y.b.c", "z.b.c"])).unwrap();
        for (max, len) in [(0, 3), (1, 1), (2, 2), (3, 3), (4, 3)] {
            let chosen = choose(all.clone(), max);
            assert_eq!(chosen.len(), len);
            assert!(chosen.iter().all(|seed| all.contains(seed)));
        }
    }

    #[test]
    fn txt_record_sets_only_harmless_options() {
        let txt = |texts: &[&str]| {
            let texts = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
            txt_options("a.b.c", &Records { hosts: Vec::new(), texts })
        };
        assert!(txt(&[]).unwrap().is_none());
        assert!(txt(&["replicaSet=a&authSource=b&loadBalanced=true"]).unwrap().is_some());
        for bad in [
            &["ssl=false"][..],
            &["authSource"],
            &["socketTimeoutMS=5"],
            &["a=b", "c=d"],
            &["replicaSet=%"],
        ] {
            assert!(txt(bad).is_err(), "{bad:?}");
        }
    }
}
