//! Where a server listens.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The host and port, or the Unix domain socket, of one server.
///
/// Host names are compared in lower case, as servers compare them: [`parse`](ServerAddress::parse) and a client turn them into it.
///
/// ```
/// use driver::options::ServerAddress;
///
/// # fn main() -> driver::Result<()> {
/// let address = ServerAddress::Tcp { host: "mongo.example".to_owned(), port: 27017 };
/// assert_eq!(address, ServerAddress::parse("mongo.example")?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ServerAddress {
    /// A host name or IP address, and a port.
    Tcp {
        /// The name, or the address without brackets.
        host: String,
        /// The port; 27017 where none is written.
        port: u16,
    },
    /// A Unix domain socket.
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
            let address = ServerAddress::Unix { path: PathBuf::from(address) };
            return address.validate().map(|()| address);
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
        if let Some(culprit) = impossible_in_host(host) {
            return Err(bad(&impossible(culprit)));
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

    /// Refuses an address that no server can have.
    ///
    /// # Errors
    /// `InvalidArgument`, naming the address and what is wrong with it.
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
                bad("contains '\\0', which no path may have")
            }
            ServerAddress::Unix { .. } => Ok(()),
        }
    }

    /// The same address, as servers write it.
    pub(crate) fn in_lower_case(&self) -> Self {
        match self {
            ServerAddress::Tcp { host, port } => {
                ServerAddress::Tcp { host: host.to_ascii_lowercase(), port: *port }
            }
            ServerAddress::Unix { .. } => self.clone(),
        }
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

/// The first character of `host` that neither a host name nor an IP address can have. In addresses with a zone there is a `%`.
pub(crate) fn impossible_in_host(host: &str) -> Option<char> {
    let is_ip6 = host.contains(':');
    host.chars().find(|c| match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '.' | '_' => false,
        ':' | '%' => !is_ip6,
        _ => c.is_ascii() || c.is_whitespace() || c.is_control(),
    })
}

fn impossible(culprit: char) -> String {
    let hint =
        if culprit == '/' { "; percent-encode it where it belongs to the path of a socket" } else { "" };
    format!("contains {culprit:?}, which no host name may have{hint}")
}

/// `localhost:27017`.
impl Default for ServerAddress {
    fn default() -> Self {
        ServerAddress::Tcp { host: "localhost".to_owned(), port: Self::DEFAULT_PORT }
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
    fn impossible_character_is_named_in_the_error() {
        for (address, culprit) in [
            ("local host", "' '"),
            ("localhost ", "' '"),
            ("local\0host:1", "'\\0'"),
            ("local\nhost", "'\\n'"),
            ("a\\b", "'\\\\'"),
            ("a\"b", "'\"'"),
            ("a%b", "'%'"),
            ("a\u{a0}b", "'\\u{a0}'"),
            ("[::1 ]:1", "' '"),
            ("/tmp/a\0.sock", "'\\0'"),
        ] {
            let error = ServerAddress::parse(address).unwrap_err().to_string();
            assert!(error.contains(culprit), "{error}");
        }
        for address in ["b\u{fc}cher.example", "under_score", "[fe80::1%eth0]:1", "127.0.0.1"] {
            ServerAddress::parse(address).unwrap();
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
