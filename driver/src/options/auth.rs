//! Who a client says it is (specification "Authentication").

use std::fmt;

use bson::Document;

use super::scram_keys::KeyCache;
use crate::error::{Error, Result};

/// A user, and how the user is proven.
///
/// `Debug` does not show the password, and of the mechanism's properties only the names.
#[derive(Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Credential {
    /// The name of the user. MONGODB-X509 takes it from the certificate where it is left out.
    pub username: Option<String>,
    /// The database that knows the user; none: the mechanism's default, `admin` or `$external`.
    pub source: Option<String>,
    /// The password.
    pub password: Option<String>,
    /// How the user is proven; none: SCRAM-SHA-256 or SCRAM-SHA-1, whichever the server says the
    /// user has.
    pub mechanism: Option<AuthMechanism>,
    /// What the mechanism wants to know besides.
    pub mechanism_properties: Option<Document>,
    /// What was derived from the password.
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

/// How a user is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthMechanism {
    /// SCRAM-SHA-1: name and password, of which nothing readable crosses the wire.
    ScramSha1,
    /// SCRAM-SHA-256: the same with the stronger hash; servers from 4.0 on.
    ScramSha256,
    /// MONGODB-X509: the certificate that the client shows in the TLS handshake.
    MongoDbX509,
    /// GSSAPI: Kerberos. This driver reads the options, but cannot authenticate with it.
    Gssapi,
    /// PLAIN: name and password in clear, for LDAP; use it over TLS.
    Plain,
    /// MONGODB-AWS: AWS IAM. This driver reads the options, but cannot authenticate with it.
    MongoDbAws,
    /// MONGODB-OIDC: OpenID Connect. This driver reads the options, but cannot authenticate with
    /// it.
    MongoDbOidc,
}

impl AuthMechanism {
    const ALL: [AuthMechanism; 7] = [
        AuthMechanism::ScramSha1,
        AuthMechanism::ScramSha256,
        AuthMechanism::MongoDbX509,
        AuthMechanism::Gssapi,
        AuthMechanism::Plain,
        AuthMechanism::MongoDbAws,
        AuthMechanism::MongoDbOidc,
    ];

    /// The name that commands and connection strings give it.
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

    /// The mechanism called `name`.
    ///
    /// # Errors
    /// `InvalidArgument` for a name that is not one of the above, which the error lists.
    pub(crate) fn named(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|mechanism| mechanism.as_str() == name).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(AuthMechanism::as_str).collect();
            Error::invalid_argument(format!(
                "unknown authMechanism {name:?}; known are {}",
                known.join(", ")
            ))
        })
    }

    /// The database of the user where the credential names none, `database` being that of the
    /// connection string.
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
    /// The database that knows the user.
    pub(crate) fn resolved_source(&self) -> &str {
        self.source
            .as_deref()
            .unwrap_or_else(|| AuthMechanism::default_source(self.mechanism, None))
    }

    /// A mechanism property that is a string.
    pub(crate) fn property(&self, name: &str) -> Option<&str> {
        self.mechanism_properties.as_ref()?.get_str(name).ok()
    }

    /// Checks that the parts are those that the mechanism wants
    /// (specification "Authentication", sections "MongoCredential Properties").
    ///
    /// # Errors
    /// `InvalidArgument`, naming the mechanism and the part that lacks or must not be.
    pub(crate) fn validate(&self) -> Result<()> {
        let name = self.mechanism.map_or("authentication", |m| m.as_str());
        let wrong = |why: &str| Err(Error::invalid_argument(format!("{name}: {why}")));
        if self.source.as_deref() == Some("") {
            return wrong("authSource is empty; leave it out for the default");
        }
        let wants_user = || match self.username.as_deref() {
            None | Some("") => wrong("a user name is needed, as in mongodb://user:password@host"),
            Some(_) => Ok(()),
        };
        let wants_external = || match self.resolved_source() {
            "$external" => Ok(()),
            other => wrong(&format!("authSource must be $external, but is {other:?}")),
        };
        match self.mechanism {
            None | Some(AuthMechanism::ScramSha1 | AuthMechanism::ScramSha256) => {
                wants_user()?;
                self.takes_properties(&[])
            }
            Some(AuthMechanism::Plain) => {
                wants_user()?;
                if self.password.is_none() {
                    return wrong("a password is needed, as in mongodb://user:password@host");
                }
                self.takes_properties(&[])
            }
            Some(AuthMechanism::MongoDbX509) => {
                if self.password.is_some() {
                    return wrong("takes no password: the client's certificate is the proof");
                }
                wants_external()?;
                self.takes_properties(&[])
            }
            Some(AuthMechanism::Gssapi) => {
                wants_user()?;
                wants_external()?;
                self.takes_properties(&[
                    "SERVICE_NAME",
                    "SERVICE_REALM",
                    "SERVICE_HOST",
                    "CANONICALIZE_HOST_NAME",
                ])?;
                match self.property("CANONICALIZE_HOST_NAME") {
                    None | Some("none" | "forward" | "forwardAndReverse" | "true" | "false") => {
                        Ok(())
                    }
                    Some(other) => wrong(&format!(
                        "CANONICALIZE_HOST_NAME must be none, forward or forwardAndReverse, but is {other:?}"
                    )),
                }
            }
            Some(AuthMechanism::MongoDbAws) => {
                wants_external()?;
                if self.username.is_some() || self.password.is_some() {
                    return wrong(
                        "takes no user name or password: the credentials come from the environment",
                    );
                }
                self.takes_properties(&[])
            }
            Some(AuthMechanism::MongoDbOidc) => {
                wants_external()?;
                self.takes_properties(&["ENVIRONMENT", "TOKEN_RESOURCE", "ALLOWED_HOSTS"])?;
                if self.password.is_some() {
                    return wrong("takes no password");
                }
                match self.property("ENVIRONMENT") {
                    None => wrong("the property ENVIRONMENT is needed"),
                    Some(environment @ ("test" | "k8s")) if self.username.is_some() => {
                        wrong(&format!("takes no user name with ENVIRONMENT:{environment}"))
                    }
                    Some("test" | "k8s") => Ok(()),
                    Some("azure" | "gcp") if self.property("TOKEN_RESOURCE").is_none() => {
                        wrong("the property TOKEN_RESOURCE is needed in this ENVIRONMENT")
                    }
                    Some("azure" | "gcp") => Ok(()),
                    Some(other) => wrong(&format!(
                        "ENVIRONMENT must be test, azure, gcp or k8s, but is {other:?}"
                    )),
                }
            }
        }
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
