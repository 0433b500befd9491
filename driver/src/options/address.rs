//! Validation of server addresses.

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
            ServerAddress::Tcp { host, .. } if host.is_empty() => bad("names no host"),
            ServerAddress::Tcp { port: 0, .. } => bad("has a port outside 1 to 65535"),
            ServerAddress::Tcp { host, .. } => {
                impossible_in_host(host).map_or(Ok(()), |culprit| bad(&impossible(culprit)))
            }
            ServerAddress::Unix { path } if path.as_os_str().as_encoded_bytes().contains(&0) => {
                bad("contains '\\0', which is impossible in a path")
            }
            ServerAddress::Unix { .. } => Ok(()),
        }
    }
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
pub(crate) fn impossible(culprit: char) -> String {
    let hint =
        if culprit == '/' { "; percent-encode it in the path of a Unix domain socket" } else { "" };
    format!("contains {culprit:?}, which is impossible in a host name{hint}")
}
