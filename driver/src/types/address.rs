//! Server addresses.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

/// The host and port, or the Unix domain socket, of one server.
///
/// Host names are compared in lower case, as servers do. [`parse`](ServerAddress::parse) and the
/// client convert them.
///
/// # Examples
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
        /// The name, or the IP address without brackets.
        host: String,
        /// The port, 27017 by default.
        port: u16,
    },
    /// A Unix domain socket.
    Unix {
        /// The path of the socket, which ends in `.sock`.
        path: PathBuf,
    },
}

impl ServerAddress {
    /// The default port.
    pub const DEFAULT_PORT: u16 = 27017;

    /// The same address in lower case, as servers report it.
    pub(crate) fn in_lower_case(&self) -> Self {
        match self {
            ServerAddress::Tcp { host, port } => {
                ServerAddress::Tcp { host: host.to_ascii_lowercase(), port: *port }
            }
            ServerAddress::Unix { .. } => self.clone(),
        }
    }

    /// The host name, or the path of a Unix domain socket.
    ///
    /// # Examples
    /// ```
    /// # fn main() -> driver::Result<()> {
    /// use driver::options::ServerAddress;
    ///
    /// let address = ServerAddress::parse("mongo.example:27018")?;
    /// assert_eq!((&*address.host(), address.port()), ("mongo.example", Some(27018)));
    /// let socket = ServerAddress::parse("/tmp/mongodb.sock")?;
    /// assert_eq!(socket.path(), Some("/tmp/mongodb.sock".as_ref()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn host(&self) -> std::borrow::Cow<'_, str> {
        match self {
            ServerAddress::Tcp { host, .. } => host.as_str().into(),
            ServerAddress::Unix { path } => path.to_string_lossy(),
        }
    }

    /// The port; `None` for a Unix domain socket.
    pub fn port(&self) -> Option<u16> {
        match self {
            ServerAddress::Tcp { port, .. } => Some(*port),
            ServerAddress::Unix { .. } => None,
        }
    }

    /// The path of a Unix domain socket; `None` for other addresses.
    pub fn path(&self) -> Option<&Path> {
        match self {
            ServerAddress::Tcp { .. } => None,
            ServerAddress::Unix { path } => Some(path),
        }
    }
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

impl From<SocketAddr> for ServerAddress {
    fn from(address: SocketAddr) -> Self {
        ServerAddress::Tcp { host: address.ip().to_string(), port: address.port() }
    }
}

/// `host:port`, or the path of a Unix domain socket.
impl Serialize for ServerAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
