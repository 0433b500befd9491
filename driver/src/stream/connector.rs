//! Opens a stream to an address: directly or through a proxy, with or without TLS.

use super::Stream;
use super::connect::connect;
use crate::deadline::Deadline;
use crate::error::Result;
use crate::options::{ClientOptions, ServerAddress, Tls};
use crate::rt::Runtime;

/// The transport configuration of one client: TLS and proxy.
#[derive(Clone, Debug)]
pub(crate) struct Connector {
    #[cfg(feature = "tls")]
    tls: Option<super::tls::TlsConnector>,
    #[cfg(feature = "socks5")]
    proxy: Option<crate::options::Socks5Proxy>,
}

impl Connector {
    /// # Errors
    /// `Tls` for unusable TLS options; `InvalidArgument` if the options need a feature that was not
    /// built in.
    pub(crate) fn new(options: &ClientOptions) -> Result<Self> {
        #[cfg(not(feature = "tls"))]
        if let Some(Tls::Enabled(_)) = options.tls {
            return Err(crate::error::Error::invalid_argument(
                "TLS needs the feature \"tls\"; add it to the dependency on driver",
            ));
        }
        #[cfg(not(feature = "socks5"))]
        if options.socks5_proxy.is_some() {
            return Err(crate::error::Error::invalid_argument(
                "a proxy needs the feature \"socks5\"; add it to the dependency on driver",
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

    /// Opens a stream to `address`: a blocking one if `runtime` is blocking. The socket must
    /// connect by `socket_deadline`. Name resolution, proxy and TLS handshakes must end by
    /// `deadline`.
    ///
    /// # Errors
    /// - `DnsResolve` if the name has no address, or does not resolve in time.
    /// - `Io` if the server or the proxy refuses, or a deadline passes (its kind is `TimedOut`).
    /// - `Tls` if the TLS handshake fails.
    ///
    /// # Cancel safety
    /// A dropped future closes its socket.
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
