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
    /// A PEM file of the client's certificate and private key.
    pub cert_key_file_path: Option<PathBuf>,
    /// The password of that private key, where it is encrypted.
    pub tls_certificate_key_file_password: Option<Vec<u8>>,
    /// Accept any certificate. Whoever sits between client and server can then read and change everything.
    pub allow_invalid_certificates: Option<bool>,
    /// Accept a valid certificate of another host.
    pub allow_invalid_hostnames: Option<bool>,
    /// `tlsInsecure`: both of the above.
    pub insecure: Option<bool>,
    /// `tlsDisableCertificateRevocationCheck`: do not ask whether the certificate was revoked.
    pub disable_certificate_revocation_check: Option<bool>,
    /// `tlsDisableOCSPEndpointCheck`: do not ask an OCSP responder whether the certificate was revoked.
    pub disable_ocsp_endpoint_check: Option<bool>,
}

builder! {
    /// Builds [`TlsOptions`].
    TlsOptionsBuilder builds TlsOptions {
        ca_file_path: Option<PathBuf>,
        cert_key_file_path: Option<PathBuf>,
        tls_certificate_key_file_password: Option<Vec<u8>>,
        allow_invalid_certificates: Option<bool>,
        allow_invalid_hostnames: Option<bool>,
        insecure: Option<bool>,
        disable_certificate_revocation_check: Option<bool>,
        disable_ocsp_endpoint_check: Option<bool>,
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
            .field("cert_key_file_path", &self.cert_key_file_path)
            .field(
                "tls_certificate_key_file_password",
                &self.tls_certificate_key_file_password.as_ref().map(|_| "REDACTED"),
            )
            .field("allow_invalid_certificates", &self.allow_invalid_certificates)
            .field("allow_invalid_hostnames", &self.allow_invalid_hostnames)
            .field("insecure", &self.insecure)
            .field("disable_certificate_revocation_check", &self.disable_certificate_revocation_check)
            .field("disable_ocsp_endpoint_check", &self.disable_ocsp_endpoint_check)
            .finish()
    }
}
