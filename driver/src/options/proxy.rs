//! The SOCKS5 proxy through which a client reaches its servers.

use std::fmt;

/// A SOCKS5 proxy (specification "SOCKS5 support").
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Socks5Proxy {
    /// The name or address of the proxy.
    pub host: String,
    /// Its port; 1080 where none is given.
    pub port: Option<u16>,
    /// User name and password, where the proxy wants them.
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
    /// The port of a proxy that names none.
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
