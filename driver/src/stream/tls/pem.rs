//! Reads certificates and keys from PEM files.

use std::borrow::Cow;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use pkcs8::EncryptedPrivateKeyInfoRef;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::tls_error;
use crate::error::Result;
use crate::options::TlsOptions;

/// The client's certificate chain, its own certificate first, and its key.
pub(super) type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// The authorities that the options name; `None` if they name none.
///
/// # Errors
/// `Tls` with the name of the file if it cannot be read or contains no certificate.
pub(super) fn authorities(options: &TlsOptions) -> Result<Option<Vec<CertificateDer<'static>>>> {
    match content("tlsCAFile", options.ca_file_path.as_deref(), options.ca_pem.as_deref())? {
        None => Ok(None),
        Some(pem) => certificates("tlsCAFile", &pem).map(Some),
    }
}

/// The client identity that the options name; `None` if they name none.
///
/// # Errors
/// `Tls` with the name of the file if it cannot be read, contains no certificate or no key, or the
/// password does not decrypt the key.
pub(super) fn identity(options: &TlsOptions) -> Result<Option<Identity>> {
    const OPTION: &str = "tlsCertificateKeyFile";
    let path = options.cert_key_file_path.as_deref();
    let Some(pem) = content(OPTION, path, options.cert_key_pem.as_deref())? else {
        return Ok(None);
    };
    let certificates = certificates(OPTION, &pem)?;
    let key = match encrypted_key(&pem) {
        Some(encrypted) => {
            decrypt(encrypted, options.tls_certificate_key_file_password.as_deref())?
        }
        None => PrivateKeyDer::from_pem_slice(&pem).map_err(|e| {
            tls_error(format!(
                "{OPTION} contains no usable private key ({e}); PKCS#8 (also encrypted), PKCS#1 \
                 and SEC1 are supported"
            ))
        })?,
    };
    Ok(Some((certificates, key)))
}

fn content<'a>(
    option: &str,
    path: Option<&Path>,
    pem: Option<&'a [u8]>,
) -> Result<Option<Cow<'a, [u8]>>> {
    match (pem, path) {
        (Some(pem), _) => Ok(Some(Cow::Borrowed(pem))),
        (None, None) => Ok(None),
        (None, Some(path)) => std::fs::read(path)
            .map(|pem| Some(Cow::Owned(pem)))
            .map_err(|e| tls_error(format!("{option}: cannot read {}: {e}", path.display()))),
    }
}

fn certificates(option: &str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<std::result::Result<_, _>>()
        .map_err(|e| tls_error(format!("{option} is not a PEM file: {e}")))?;
    if certificates.is_empty() {
        return Err(tls_error(format!("{option} contains no certificate")));
    }
    Ok(certificates)
}

/// The base64 text of an encrypted key, if the file contains one.
fn encrypted_key(pem: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(pem).ok()?;
    let (_, after) = text.split_once("-----BEGIN ENCRYPTED PRIVATE KEY-----")?;
    after.split_once("-----END ENCRYPTED PRIVATE KEY-----").map(|(key, _)| key)
}

fn decrypt(encrypted: &str, password: Option<&[u8]>) -> Result<PrivateKeyDer<'static>> {
    let unusable =
        |why: String| tls_error(format!("the encrypted key of tlsCertificateKeyFile {why}"));
    let password =
        password.ok_or_else(|| unusable("needs tlsCertificateKeyFilePassword".into()))?;
    let text: String = encrypted.split_whitespace().collect();
    let der = BASE64.decode(text).map_err(|e| unusable(format!("is not base64: {e}")))?;
    let key = EncryptedPrivateKeyInfoRef::try_from(der.as_slice())
        .map_err(|e| unusable(format!("is not a PKCS#8 structure: {e}")))?;
    let key = key.decrypt(password).map_err(|e| {
        unusable(format!("cannot be decrypted with tlsCertificateKeyFilePassword: {e}"))
    })?;
    Ok(PrivatePkcs8KeyDer::from(key.as_bytes().to_vec()).into())
}
