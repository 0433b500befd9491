//! The SOCKS5 proxy of a client.

use std::fmt;

use serde::Deserialize;

/// A SOCKS5 proxy (specification "SOCKS5 Support").
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Socks5Proxy {
    /// The host name or IP address of the proxy.
    pub host: String,
    /// The port of the proxy. Default: 1080.
    pub port: Option<u16>,
    /// Username and password, if the proxy requires them.
    pub authentication: Option<(String, String)>,
}

builder! {
    /// Builds a [`Socks5Proxy`].
    Socks5ProxyBuilder builds Socks5Proxy {
        host: String,
        port: Option<u16>,
        authentication: Option<(String, String)>,
    }
}

impl Socks5Proxy {
    /// The default port.
    pub const DEFAULT_PORT: u16 = 1080;
}

impl fmt::Debug for Socks5Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socks5Proxy")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("authentication", &self.authentication.as_ref().map(|_| "REDACTED"))
            .finish()
    }
}
