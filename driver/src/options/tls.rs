//! The TLS options.

use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;

/// Whether connections use TLS.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub enum Tls {
    /// With TLS.
    Enabled(TlsOptions),
    /// Without TLS.
    Disabled,
}

/// The options of TLS. The defaults are secure.
#[derive(Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct TlsOptions {
    /// A PEM file with the trusted certificate authorities. Default: those of the system.
    pub ca_file_path: Option<PathBuf>,
    /// The content of such a file, as an alternative to the path.
    pub ca_pem: Option<Vec<u8>>,
    /// A PEM file with the client's certificate and private key.
    pub cert_key_file_path: Option<PathBuf>,
    /// The content of such a file, as an alternative to the path.
    pub cert_key_pem: Option<Vec<u8>>,
    /// The password of an encrypted private key.
    pub tls_certificate_key_file_password: Option<Vec<u8>>,
    /// Accepts any certificate. An attacker between client and server can then read and change all
    /// data.
    pub allow_invalid_certificates: Option<bool>,
    /// Accepts a valid certificate of another host.
    pub allow_invalid_hostnames: Option<bool>,
    /// `tlsInsecure`: both of the above.
    pub insecure: Option<bool>,
    /// `tlsDisableCertificateRevocationCheck`. Has no effect: this driver does not check for
    /// revoked certificates.
    pub disable_certificate_revocation_check: Option<bool>,
    /// `tlsDisableOCSPEndpointCheck`. Has no effect, for the same reason.
    pub disable_ocsp_endpoint_check: Option<bool>,
    /// A complete configuration, which overrides all other fields.
    #[cfg(feature = "tls")]
    #[serde(skip)]
    pub rustls_config: Option<RustlsConfig>,
}

/// The caller's own `rustls::ClientConfig`. Equals only its own clones.
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
