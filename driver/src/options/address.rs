//! Validation of server addresses.

use std::net::Ipv6Addr;

use crate::error::{Error, Result};
use crate::types::ServerAddress;

impl ServerAddress {
    /// Refuses an impossible address.
    ///
    /// # Errors
    /// `InvalidArgument` with the address and its fault.
    pub(crate) fn validate(&self) -> Result<()> {
        let bad = |why: &str| {
            Err(Error::invalid_argument(format!("the server address {:?} {why}", self.to_string())))
        };
        match self {
            ServerAddress::Tcp { host, port } => match fault_of_host(host) {
                Some(why) => bad(&why),
                None if *port == 0 => bad("has a port outside 1 to 65535"),
                None => Ok(()),
            },
            ServerAddress::Unix { path } if path.as_os_str().as_encoded_bytes().contains(&0) => {
                bad("contains '\\0', which is impossible in a path")
            }
            ServerAddress::Unix { .. } => Ok(()),
        }
    }
}

/// The error text for an impossible `host`. `None` for a host name or an IP address.
pub(crate) fn fault_of_host(host: &str) -> Option<String> {
    if host.is_empty() {
        return Some("names no host".to_owned());
    }
    if let Some(culprit) = impossible_in_host(host) {
        return Some(impossible(culprit));
    }
    let other = host.contains(':') && !is_ip6(host);
    other.then(|| "has a host with ':' that is not an IPv6 address".to_owned())
}

/// Whether `host` is an IPv6 address, with or without a zone.
pub(crate) fn is_ip6(host: &str) -> bool {
    let (address, zone) = host.split_once('%').unwrap_or((host, "none"));
    address.parse::<Ipv6Addr>().is_ok() && !zone.is_empty()
}

/// The first character of `host` that is impossible in host names and IP addresses. An address with
/// a zone contains a `%`.
pub(crate) fn impossible_in_host(host: &str) -> Option<char> {
    let is_ip6 = host.contains(':');
    host.chars().find(|c| match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '.' | '_' => false,
        ':' | '%' => !is_ip6,
        _ => c.is_ascii() || c.is_whitespace() || c.is_control(),
    })
}

/// The error text for a host that contains `culprit`.
fn impossible(culprit: char) -> String {
    let hint =
        if culprit == '/' { "; percent-encode it in the path of a Unix domain socket" } else { "" };
    format!("contains {culprit:?}, which is impossible in a host name{hint}")
}
