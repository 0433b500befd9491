//! Whether and how connections are encrypted.

use std::fmt;
use std::path::PathBuf;

/// Whether connections are encrypted.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Tls {
    /// They are.
    Enabled(TlsOptions),
    /// They are not.
    Disabled,
}

/// How connections are encrypted. Every field left out has the safe value.
#[derive(Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct TlsOptions {
    /// A PEM file of the certificate authorities to trust; none: those that the system trusts.
    pub ca_file_path: Option<PathBuf>,
    /// The content of such a file, instead of its path.
    pub ca_pem: Option<Vec<u8>>,
    /// A PEM file of the client's certificate and private key.
    pub cert_key_file_path: Option<PathBuf>,
    /// The content of such a file, instead of its path.
    pub cert_key_pem: Option<Vec<u8>>,
    /// The password of that private key, where it is encrypted.
    pub tls_certificate_key_file_password: Option<Vec<u8>>,
    /// Accept any certificate. Whoever sits between client and server can then read and change
    /// everything.
    pub allow_invalid_certificates: Option<bool>,
    /// Accept a valid certificate of another host.
    pub allow_invalid_hostnames: Option<bool>,
    /// `tlsInsecure`: both of the above.
    pub insecure: Option<bool>,
    /// `tlsDisableCertificateRevocationCheck`. Accepted and without effect: this driver does not
    /// ask whether a certificate was revoked.
    pub disable_certificate_revocation_check: Option<bool>,
    /// `tlsDisableOCSPEndpointCheck`. Accepted and without effect, as above.
    pub disable_ocsp_endpoint_check: Option<bool>,
    /// A ready configuration, which overrides all of the above.
    #[cfg(feature = "tls")]
    pub rustls_config: Option<RustlsConfig>,
}

/// A `rustls::ClientConfig` of the caller's making. Equal only to its own clones.
#[cfg(feature = "tls")]
#[derive(Clone)]
pub struct RustlsConfig(pub(crate) std::sync::Arc<rustls::ClientConfig>);

#[cfg(feature = "tls")]
impl From<std::sync::Arc<rustls::ClientConfig>> for RustlsConfig {
    fn from(config: std::sync::Arc<rustls::ClientConfig>) -> Self {
        RustlsConfig(config)
    }
}

#[cfg(feature = "tls")]
impl PartialEq for RustlsConfig {
    fn eq(&self, other: &Self) -> bool {
        std::sync::Arc::ptr_eq(&self.0, &other.0)
    }
}

#[cfg(feature = "tls")]
impl fmt::Debug for RustlsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RustlsConfig")
    }
}

builder! {
    /// Builds [`TlsOptions`].
    TlsOptionsBuilder builds TlsOptions {
        ca_file_path: Option<PathBuf>,
        ca_pem: Option<Vec<u8>>,
        cert_key_file_path: Option<PathBuf>,
        cert_key_pem: Option<Vec<u8>>,
        tls_certificate_key_file_password: Option<Vec<u8>>,
        allow_invalid_certificates: Option<bool>,
        allow_invalid_hostnames: Option<bool>,
        insecure: Option<bool>,
        disable_certificate_revocation_check: Option<bool>,
        disable_ocsp_endpoint_check: Option<bool>,
        #[cfg(feature = "tls")]
        rustls_config: Option<RustlsConfig>,
    }
}

impl From<TlsOptions> for Tls {
    fn from(options: TlsOptions) -> Self {
        Tls::Enabled(options)
    }
}

impl fmt::Debug for TlsOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsOptions")
            .field("ca_file_path", &self.ca_file_path)
            .field("ca_pem", &self.ca_pem.as_ref().map(Vec::len))
            .field("cert_key_file_path", &self.cert_key_file_path)
            .field("cert_key_pem", &self.cert_key_pem.as_ref().map(|_| "REDACTED"))
            .field(
                "tls_certificate_key_file_password",
                &self.tls_certificate_key_file_password.as_ref().map(|_| "REDACTED"),
            )
            .field("allow_invalid_certificates", &self.allow_invalid_certificates)
            .field("allow_invalid_hostnames", &self.allow_invalid_hostnames)
            .field("insecure", &self.insecure)
            .field(
                "disable_certificate_revocation_check",
                &self.disable_certificate_revocation_check,
            )
            .field("disable_ocsp_endpoint_check", &self.disable_ocsp_endpoint_check)
            .finish_non_exhaustive()
    }
}
