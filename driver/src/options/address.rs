//! Where a server listens.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The host and port, or the Unix domain socket, of one server.
///
/// Host names are kept in lower case, as servers compare them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ServerAddress {
    /// A host name or IP address, and a port.
    #[non_exhaustive]
    Tcp {
        /// The name, or the address without brackets.
        host: String,
        /// The port; 27017 where none is written.
        port: u16,
    },
    /// A Unix domain socket.
    #[non_exhaustive]
    Unix {
        /// The path of the socket, which ends in `.sock`.
        path: PathBuf,
    },
}

impl ServerAddress {
    /// The port of a server whose address names none.
    pub const DEFAULT_PORT: u16 = 27017;

    /// Reads `host`, `host:port`, `[::1]:port` or `/path/to/mongodb.sock`, without percent-encoding. A path has at least one slash;
    /// `mongodb.sock` is a host name, `./mongodb.sock` is a path.
    ///
    /// # Errors
    /// `InvalidArgument`, naming the address and what is wrong with it.
    pub fn parse(address: impl AsRef<str>) -> Result<Self> {
        let address = address.as_ref();
        let bad = |why: &str| Error::invalid_argument(format!("the server address {address:?} {why}"));
        if address.ends_with(".sock") && address.contains('/') {
            return Ok(ServerAddress::Unix { path: PathBuf::from(address) });
        }
        let (host, port) = match address.strip_prefix('[') {
            Some(rest) => {
                let (host, after) = rest.split_once(']').ok_or_else(|| bad("has '[' without ']'"))?;
                match after.strip_prefix(':') {
                    Some(port) => (host, Some(port)),
                    None if after.is_empty() => (host, None),
                    None => return Err(bad("has text between ']' and ':'")),
                }
            }
            None => match address.split_once(':') {
                Some((_, port)) if port.contains(':') => {
                    return Err(bad(
                        "has more than one ':'; write an IPv6 address in brackets, such as [::1]:27017",
                    ));
                }
                Some((host, port)) => (host, Some(port)),
                None => (address, None),
            },
        };
        if host.is_empty() {
            return Err(bad("names no host"));
        }
        if host.contains(['/', '@', '?', '#']) {
            return Err(bad(
                "contains a character that no host name may have; percent-encode it where it belongs to a path",
            ));
        }
        let port = match port {
            None => Self::DEFAULT_PORT,
            Some(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => digits
                .parse()
                .ok()
                .filter(|port| *port != 0)
                .ok_or_else(|| bad("has a port outside 1 to 65535"))?,
            Some(_) => return Err(bad("has a port that is not a number")),
        };
        Ok(ServerAddress::Tcp { host: host.to_ascii_lowercase(), port })
    }

    /// The host name; for a Unix domain socket its path.
    pub fn host(&self) -> std::borrow::Cow<'_, str> {
        match self {
            ServerAddress::Tcp { host, .. } => host.as_str().into(),
            ServerAddress::Unix { path } => path.to_string_lossy(),
        }
    }

    /// The port; none for a Unix domain socket.
    pub fn port(&self) -> Option<u16> {
        match self {
            ServerAddress::Tcp { port, .. } => Some(*port),
            ServerAddress::Unix { .. } => None,
        }
    }

    /// The path of a Unix domain socket.
    pub fn path(&self) -> Option<&Path> {
        match self {
            ServerAddress::Tcp { .. } => None,
            ServerAddress::Unix { path } => Some(path),
        }
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServerAddress::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            ServerAddress::Tcp { host, port } => write!(f, "{host}:{port}"),
            ServerAddress::Unix { path } => write!(f, "{}", path.display()),
        }
    }
}

impl std::str::FromStr for ServerAddress {
    type Err = Error;

    fn from_str(address: &str) -> Result<Self> {
        Self::parse(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_back_as_they_are_written() {
        for (written, read) in [
            ("Mongo.Example", "mongo.example:27017"),
            ("localhost:1", "localhost:1"),
            ("[::1]", "[::1]:27017"),
            ("[::1]:27018", "[::1]:27018"),
            ("/tmp/mongodb-27017.sock", "/tmp/mongodb-27017.sock"),
        ] {
            assert_eq!(ServerAddress::parse(written).unwrap().to_string(), read);
        }
    }

    #[test]
    fn a_bad_address_is_named_in_the_error() {
        for bad in
            ["", ":27017", "a:", "a:0", "a:65536", "a:b", "a:1:2", "[::1", "[::1]x", "::1", "a/b", "a:+1"]
        {
            let error = ServerAddress::parse(bad).unwrap_err().to_string();
            assert!(error.contains(&format!("{bad:?}")), "{error}");
        }
    }
}
