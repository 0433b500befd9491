//! From an address to a stream: straight or through a proxy, in clear or encrypted.

use super::Stream;
use super::connect::connect;
use crate::deadline::Deadline;
use crate::error::Result;
use crate::options::{ClientOptions, ServerAddress, Tls};
use crate::rt::Runtime;

/// How one client reaches its servers.
#[derive(Clone, Debug)]
pub(crate) struct Connector {
    #[cfg(feature = "tls")]
    tls: Option<super::tls::TlsConnector>,
    #[cfg(feature = "socks5")]
    proxy: Option<crate::options::Socks5Proxy>,
}

impl Connector {
    /// # Errors
    /// `Tls` when the options of TLS cannot be used; `InvalidArgument` when the driver was built
    /// without what they need.
    pub(crate) fn new(options: &ClientOptions) -> Result<Self> {
        #[cfg(not(feature = "tls"))]
        if let Some(Tls::Enabled(_)) = options.tls {
            return Err(crate::error::Error::invalid_argument(
                "TLS is wanted, but the driver was built without the feature \"tls\"; add that feature to the dependency on driver",
            ));
        }
        #[cfg(not(feature = "socks5"))]
        if options.socks5_proxy.is_some() {
            return Err(crate::error::Error::invalid_argument(
                "a proxy is wanted, but the driver was built without the feature \"socks5\"; add that feature to the dependency on driver",
            ));
        }
        Ok(Connector {
            #[cfg(feature = "tls")]
            tls: match &options.tls {
                Some(Tls::Enabled(options)) => Some(super::tls::TlsConnector::new(options)?),
                Some(Tls::Disabled) | None => None,
            },
            #[cfg(feature = "socks5")]
            proxy: options.socks5_proxy.clone(),
        })
    }

    /// Opens a stream to `address`: a blocking one where `runtime` is blocking. Its socket has to
    /// stand by `socket_deadline`, its name to be found, and all else to be done, by
    /// `deadline`.
    ///
    /// # Errors
    /// `DnsResolve` when the name has no address, or is not found in time; `Io` when nothing
    /// listens, the proxy refuses, or a deadline passes (its kind is `TimedOut`); `Tls` when
    /// the handshake fails.
    ///
    /// Cancel safety: a dropped future leaves no socket behind.
    pub(crate) async fn connect(
        &self,
        address: &ServerAddress,
        runtime: &Runtime,
        socket_deadline: Deadline,
        deadline: Deadline,
    ) -> Result<Stream> {
        #[cfg(feature = "socks5")]
        let stream = match (&self.proxy, address) {
            (Some(proxy), ServerAddress::Tcp { host, port }) => {
                super::socks::connect(proxy, host, *port, runtime, socket_deadline, deadline)
                    .await?
            }
            _ => connect(address, runtime, deadline, socket_deadline).await?,
        };
        #[cfg(not(feature = "socks5"))]
        let stream = connect(address, runtime, deadline, socket_deadline).await?;
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            return tls.handshake(stream, address, runtime, deadline).await;
        }
        Ok(stream)
    }
}
