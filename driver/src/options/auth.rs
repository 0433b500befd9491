//! Credentials (specification "Authentication").

use std::fmt;

use bson::Document;
use serde::Deserialize;

use super::scram_keys::KeyCache;
use crate::error::{Error, Result};

/// A user and the means of authentication.
///
/// `Debug` hides the password and the values of the mechanism properties.
#[derive(Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Credential {
    /// The username. MONGODB-X509 takes it from the certificate if it is `None`.
    pub username: Option<String>,
    /// The database of the user. `None` means the mechanism's default: `admin` or `$external`.
    pub source: Option<String>,
    /// The password.
    pub password: Option<String>,
    /// The authentication mechanism. `None` negotiates SCRAM-SHA-256 or SCRAM-SHA-1 with the
    /// server.
    pub mechanism: Option<AuthMechanism>,
    /// Further properties of the mechanism.
    pub mechanism_properties: Option<Document>,
    /// The keys derived from the password.
    #[serde(skip)]
    pub(crate) keys: KeyCache,
}

builder! {
    /// Builds a [`Credential`].
    CredentialBuilder builds Credential {
        username: Option<String>,
        source: Option<String>,
        password: Option<String>,
        mechanism: Option<AuthMechanism>,
        mechanism_properties: Option<Document>,
    }
}

/// An authentication mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthMechanism {
    /// SCRAM-SHA-1: username and password, which is not sent in readable form.
    ScramSha1,
    /// SCRAM-SHA-256: as SCRAM-SHA-1 with a stronger hash, since MongoDB 4.0.
    ScramSha256,
    /// MONGODB-X509: the client certificate of the TLS handshake.
    MongoDbX509,
    /// GSSAPI: Kerberos. This driver parses its options, but does not support the mechanism.
    Gssapi,
    /// PLAIN: username and password in clear text, for LDAP. Use it with TLS only.
    Plain,
    /// MONGODB-AWS: AWS IAM. This driver parses its options, but does not support the mechanism.
    MongoDbAws,
    /// MONGODB-OIDC: OpenID Connect. This driver parses its options, but does not support the
    /// mechanism.
    MongoDbOidc,
}

impl fmt::Display for AuthMechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl AuthMechanism {
    /// The name in commands and connection strings.
    ///
    /// # Examples
    /// ```
    /// use driver::options::AuthMechanism;
    ///
    /// assert_eq!(AuthMechanism::ScramSha256.as_str(), "SCRAM-SHA-256");
    /// ```
    pub fn as_str(&self) -> &'static str {
        match self {
            AuthMechanism::ScramSha1 => "SCRAM-SHA-1",
            AuthMechanism::ScramSha256 => "SCRAM-SHA-256",
            AuthMechanism::MongoDbX509 => "MONGODB-X509",
            AuthMechanism::Gssapi => "GSSAPI",
            AuthMechanism::Plain => "PLAIN",
            AuthMechanism::MongoDbAws => "MONGODB-AWS",
            AuthMechanism::MongoDbOidc => "MONGODB-OIDC",
        }
    }

    /// The default database of the user. `database` is that of the connection string.
    pub(crate) fn default_source(mechanism: Option<Self>, database: Option<&str>) -> &str {
        match mechanism {
            None | Some(AuthMechanism::ScramSha1 | AuthMechanism::ScramSha256) => {
                database.unwrap_or("admin")
            }
            Some(AuthMechanism::Plain) => database.unwrap_or("$external"),
            Some(_) => "$external",
        }
    }
}

impl Credential {
    /// The database of the user.
    pub(crate) fn resolved_source(&self) -> &str {
        self.source
            .as_deref()
            .unwrap_or_else(|| AuthMechanism::default_source(self.mechanism, None))
    }

    /// A string property of the mechanism.
    pub(crate) fn property(&self, name: &str) -> Option<&str> {
        self.mechanism_properties.as_ref()?.get_str(name).ok()
    }

    /// Checks the parts against the mechanism's requirements (specification "Authentication",
    /// sections "MongoCredential Properties").
    ///
    /// # Errors
    /// `InvalidArgument` with the mechanism and the missing or surplus part.
    pub(crate) fn validate(&self) -> Result<()> {
        if self.source.as_deref() == Some("") {
            return self.wrong("authSource is empty; omit it for the default");
        }
        match self.mechanism {
            None | Some(AuthMechanism::ScramSha1 | AuthMechanism::ScramSha256) => {
                self.needs_user()?;
                self.takes_properties(&[])
            }
            Some(AuthMechanism::Plain) => {
                self.needs_user()?;
                if self.password.is_none() {
                    return self
                        .wrong("a password is required, as in mongodb://user:password@host");
                }
                self.takes_properties(&[])
            }
            Some(AuthMechanism::MongoDbX509) => {
                if self.password.is_some() {
                    return self
                        .wrong("takes no password; the client certificate authenticates the user");
                }
                self.needs_external()?;
                self.takes_properties(&[])
            }
            Some(AuthMechanism::Gssapi) => self.validate_gssapi(),
            Some(AuthMechanism::MongoDbAws) => {
                self.needs_external()?;
                if self.username.is_some() || self.password.is_some() {
                    return self.wrong(
                        "takes no username or password; the credentials come from the environment",
                    );
                }
                self.takes_properties(&[])
            }
            Some(AuthMechanism::MongoDbOidc) => self.validate_oidc(),
        }
    }

    fn validate_gssapi(&self) -> Result<()> {
        self.needs_user()?;
        self.needs_external()?;
        self.takes_properties(&[
            "SERVICE_NAME",
            "SERVICE_REALM",
            "SERVICE_HOST",
            "CANONICALIZE_HOST_NAME",
        ])?;
        match self.property("CANONICALIZE_HOST_NAME") {
            None | Some("none" | "forward" | "forwardAndReverse" | "true" | "false") => Ok(()),
            Some(other) => self.wrong(&format!(
                "CANONICALIZE_HOST_NAME must be none, forward or forwardAndReverse, \
                 but is {other:?}"
            )),
        }
    }

    fn validate_oidc(&self) -> Result<()> {
        self.needs_external()?;
        self.takes_properties(&["ENVIRONMENT", "TOKEN_RESOURCE", "ALLOWED_HOSTS"])?;
        if self.password.is_some() {
            return self.wrong("takes no password");
        }
        match self.property("ENVIRONMENT") {
            None => self.wrong("the property ENVIRONMENT is required"),
            Some(environment @ ("test" | "k8s")) if self.username.is_some() => {
                self.wrong(&format!("takes no username with ENVIRONMENT:{environment}"))
            }
            Some("test" | "k8s") => Ok(()),
            Some("azure" | "gcp") if self.property("TOKEN_RESOURCE").is_none() => {
                self.wrong("the property TOKEN_RESOURCE is required in this ENVIRONMENT")
            }
            Some("azure" | "gcp") => Ok(()),
            Some(other) => self
                .wrong(&format!("ENVIRONMENT must be test, azure, gcp or k8s, but is {other:?}")),
        }
    }

    fn needs_user(&self) -> Result<()> {
        match self.username.as_deref() {
            None | Some("") => {
                self.wrong("a username is required, as in mongodb://user:password@host")
            }
            Some(_) => Ok(()),
        }
    }

    fn needs_external(&self) -> Result<()> {
        match self.resolved_source() {
            "$external" => Ok(()),
            other => self.wrong(&format!("authSource must be $external, but is {other:?}")),
        }
    }

    fn wrong(&self, why: &str) -> Result<()> {
        let name = self.mechanism.map_or("authentication", |m| m.as_str());
        Err(Error::invalid_argument(format!("{name}: {why}")))
    }

    fn takes_properties(&self, known: &[&str]) -> Result<()> {
        let unknown = self
            .mechanism_properties
            .iter()
            .flat_map(Document::keys)
            .find(|key| !known.contains(&key.as_str()));
        match unknown {
            None => Ok(()),
            Some(key) => Err(Error::invalid_argument(format!(
                "{}: unknown property {key:?} in authMechanismProperties",
                self.mechanism.map_or("the default mechanism", |m| m.as_str()),
            ))),
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let properties = self.mechanism_properties.as_ref().map(|p| p.keys().collect::<Vec<_>>());
        f.debug_struct("Credential")
            .field("username", &self.username)
            .field("source", &self.source)
            .field("password", &self.password.as_ref().map(|_| "REDACTED"))
            .field("mechanism", &self.mechanism)
            .field("mechanism_properties", &properties)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use bson::doc;

    use super::*;

    #[test]
    fn debug_shows_no_secret() {
        let credential = Credential::builder()
            .username("monkey".to_owned())
            .password("banana".to_owned())
            .mechanism(AuthMechanism::MongoDbAws)
            .mechanism_properties(doc! { "AWS_SESSION_TOKEN": "mango" })
            .build();
        let shown = format!("{credential:?}");
        assert!(
            shown.contains("monkey") && !shown.contains("banana") && !shown.contains("mango"),
            "{shown}"
        );
    }
}
