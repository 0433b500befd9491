//! TLS over either kind of socket, by rustls.
//!
//! Builds the configuration from the options, once per client, and explains handshake failures.
//! Certificates are not checked for revocation.

mod pem;
mod session;
mod verify;

use std::future::poll_fn;
use std::io;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{AlertDescription, CertificateError, ClientConfig, RootCertStore};

pub(crate) use self::session::TlsStream;
use super::{Stream, Transport};
use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind, Result};
use crate::options::{ServerAddress, TlsOptions};
use crate::rt::Runtime;

/// Opens the TLS sessions of one client.
#[derive(Clone)]
pub(crate) struct TlsConnector {
    config: Arc<ClientConfig>,
}

impl std::fmt::Debug for TlsConnector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsConnector")
    }
}

impl TlsConnector {
    /// # Errors
    /// `Tls` with the name of the option if a file cannot be read or used.
    pub(crate) fn new(options: &TlsOptions) -> Result<Self> {
        let config = match &options.rustls_config {
            Some(config) => config.0.clone(),
            None => Arc::new(configure(options)?),
        };
        Ok(TlsConnector { config })
    }

    /// Encrypts `stream`. The server's certificate must be for the host of `address`.
    ///
    /// # Errors
    /// `Tls` with the fault of the certificate; `Io` if the socket fails or `deadline` passes.
    pub(super) async fn handshake(
        &self,
        mut stream: Stream,
        address: &ServerAddress,
        runtime: &Runtime,
        deadline: Deadline,
    ) -> Result<Stream> {
        let host = match address {
            ServerAddress::Tcp { host, .. } => host.clone(),
            ServerAddress::Unix { .. } => "localhost".to_owned(),
        };
        let name = ServerName::try_from(host.clone()).map_err(|_| {
            tls_error(format!("{host:?} is not a valid host name for a certificate"))
        })?;
        stream.set_deadline(deadline);
        let shared = stream.shared.clone();
        let plain = match stream.transport {
            Transport::Plain(plain) => plain,
            encrypted @ Transport::Tls(_) => return Ok(Stream { transport: encrypted, shared }),
        };
        let mut tls = TlsStream::new(plain, self.config.clone(), name)
            .map_err(|cause| explain(cause, &host))?;
        let handshake = runtime.timeout(deadline, poll_fn(|cx| tls.poll_handshake(cx))).await;
        handshake
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(|cause| explain(cause, &host))?;
        Ok(Stream { transport: Transport::Tls(Box::new(tls)), shared })
    }
}

fn tls_error(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Tls { message: message.into() })
}

fn configure(options: &TlsOptions) -> Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|e| tls_error(e.to_string()))?;
    let insecure = options.insecure.unwrap_or(false);
    let any_certificate = insecure || options.allow_invalid_certificates.unwrap_or(false);
    let any_name = insecure || options.allow_invalid_hostnames.unwrap_or(false);
    let builder = if any_certificate {
        builder.dangerous().with_custom_certificate_verifier(verify::any_certificate(provider))
    } else if any_name {
        let verifier = verify::any_name(roots(options)?, provider)?;
        builder.dangerous().with_custom_certificate_verifier(verifier)
    } else {
        builder.with_root_certificates(roots(options)?)
    };
    match pem::identity(options)? {
        None => Ok(builder.with_no_client_auth()),
        Some((certificates, key)) => {
            builder.with_client_auth_cert(certificates, key).map_err(|e| {
                tls_error(format!("the client's certificate and key cannot be used: {e}"))
            })
        }
    }
}

/// The trusted certificate authorities: those of the options, or else the system's.
fn roots(options: &TlsOptions) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    match pem::authorities(options)? {
        Some(authorities) => {
            for authority in authorities {
                roots.add(authority).map_err(|e| {
                    tls_error(format!("tlsCAFile contains an unusable certificate: {e}"))
                })?;
            }
        }
        None => {
            let native = rustls_native_certs::load_native_certs();
            let (added, _) = roots.add_parsable_certificates(native.certs);
            if added == 0 {
                return Err(tls_error(
                    "no certificate authority of the system could be read; set tlsCAFile",
                ));
            }
        }
    }
    Ok(roots)
}

/// Explains why the handshake with `host` failed.
fn explain(cause: io::Error, host: &str) -> Error {
    let Some(error) = cause.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>())
    else {
        return Error::io(format!("the TLS handshake with {host:?} failed"), cause);
    };
    let why = match error {
        rustls::Error::InvalidCertificate(certificate) => match certificate {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "has expired".to_owned()
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "is not valid yet".to_owned()
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                format!("is not for the host {host:?}")
            }
            CertificateError::UnknownIssuer => {
                "was issued by an untrusted authority; trust it with tlsCAFile".to_owned()
            }
            CertificateError::BadSignature => {
                "was signed by an untrusted authority that has the name of a trusted one; \
                 check tlsCAFile"
                    .to_owned()
            }
            other => format!("cannot be accepted: {other}"),
        },
        rustls::Error::AlertReceived(
            AlertDescription::CertificateRequired | AlertDescription::HandshakeFailure,
        ) => {
            return tls_error(format!(
                "the server {host:?} refused the handshake; it may require a client certificate \
             (tlsCertificateKeyFile)"
            ));
        }
        rustls::Error::InvalidMessage(_) => {
            return tls_error(format!("the server {host:?} does not use TLS; remove tls=true"));
        }
        other => return tls_error(format!("the handshake with {host:?} failed: {other}")),
    };
    tls_error(format!("the server's certificate {why}")).with_source(cause)
}

#[cfg(test)]
mod tests;
