//! Authenticates new connections (specification "Authentication").
//!
//! An [`Attempt`] begins with the `hello` of the handshake. There it asks for the user's mechanisms
//! if none is configured, and sends the first message of its mechanism (`speculativeAuthenticate`),
//! which saves a round trip. [`Attempt::finish`] continues with the server's reply, or starts over
//! if there is none. The mechanisms are pure functions on messages. Only this file and [`sasl`] use
//! a connection.

mod sasl;
mod scram;
mod x509;

use bson::raw::{RawDocument, RawDocumentBuf, cstr};

#[cfg(feature = "conformance")]
pub(crate) use self::scram::fuzz_scram;
use self::scram::{ClientFirst, Hash};
use super::establish::CommandTime;
use crate::error::{Error, Result};
use crate::options::{AuthMechanism, Credential, ServerApi};
use crate::pool::Connection;
use crate::rt::Runtime;
use crate::wire::DocWriter;

/// The authentication of one user on one connection.
pub(crate) struct Attempt<'a> {
    credential: &'a Credential,
    speculation: Option<Speculation>,
}

/// The speculative first message in `hello`.
enum Speculation {
    Scram(ClientFirst),
    X509,
}

/// The authentication fields in the reply to `hello`.
pub(crate) struct Offer {
    /// `saslSupportedMechs`.
    pub(crate) mechanisms: Option<Vec<String>>,
    /// `speculativeAuthenticate`: the reply to the speculative message.
    pub(crate) speculative: Option<RawDocumentBuf>,
}

/// The connection of an authentication.
pub(crate) struct Channel<'a> {
    pub(crate) connection: &'a mut Connection,
    pub(crate) runtime: &'a Runtime,
    pub(crate) time: CommandTime,
    pub(crate) server_api: Option<&'a ServerApi>,
}

/// Refuses unsupported mechanisms before any connection is made.
///
/// # Errors
/// `InvalidArgument` with the mechanism and the supported ones.
pub(crate) fn check(credential: &Credential) -> Result<()> {
    match credential.mechanism {
        Some(
            m @ (AuthMechanism::Gssapi | AuthMechanism::MongoDbAws | AuthMechanism::MongoDbOidc),
        ) => Err(Error::invalid_argument(format!(
            "this driver does not support {}; it supports SCRAM-SHA-256, SCRAM-SHA-1, MONGODB-X509 \
             and PLAIN",
            m.as_str()
        ))),
        Some(AuthMechanism::MongoDbX509) => Ok(()),
        _ if credential.password.is_none() => Err(Error::invalid_argument(
            "a username requires a password; write mongodb://user:password@host, or choose \
             MONGODB-X509",
        )),
        _ => Ok(()),
    }
}

impl<'a> Attempt<'a> {
    /// Prepares the first message.
    ///
    /// # Errors
    /// `Io` if the operating system provides no random bytes.
    pub(crate) fn new(credential: &'a Credential) -> Result<Self> {
        let speculation = match credential.mechanism {
            None | Some(AuthMechanism::ScramSha256) => {
                Some(Speculation::Scram(ClientFirst::new(Hash::Sha256, user(credential))?))
            }
            Some(AuthMechanism::ScramSha1) => {
                Some(Speculation::Scram(ClientFirst::new(Hash::Sha1, user(credential))?))
            }
            Some(AuthMechanism::MongoDbX509) => Some(Speculation::X509),
            Some(_) => None,
        };
        Ok(Attempt { credential, speculation })
    }

    /// Adds the authentication fields to `hello`.
    pub(crate) fn write(&self, hello: &mut DocWriter<'_>) {
        let source = self.credential.resolved_source();
        if self.credential.mechanism.is_none() {
            let asked = format!("{source}.{}", user(self.credential));
            hello.str(cstr!("saslSupportedMechs"), &asked);
        }
        match &self.speculation {
            None => {}
            Some(Speculation::Scram(first)) => {
                let mut start = hello.nested(cstr!("speculativeAuthenticate"));
                sasl::write_start(&mut start, first.hash().mechanism(), first.message().as_bytes());
                start.str(cstr!("db"), source);
            }
            Some(Speculation::X509) => {
                let mut authenticate = hello.nested(cstr!("speculativeAuthenticate"));
                x509::write(&mut authenticate, self.credential);
                authenticate.str(cstr!("db"), source);
            }
        }
    }

    /// Continues after `hello`. Returns the mechanism.
    ///
    /// # Errors
    /// `Authentication` if the server refuses the credential, or its signature is wrong; `Io`,
    /// `Command` and `InvalidResponse` as for every command.
    ///
    /// # Cancel safety
    /// The connection of a dropped future is unusable.
    pub(crate) async fn finish(
        self,
        offer: Offer,
        channel: &mut Channel<'_>,
    ) -> Result<AuthMechanism> {
        let credential = self.credential;
        match (self.speculation, offer.speculative) {
            (Some(Speculation::Scram(first)), Some(answer)) => {
                let mechanism = match first.hash() {
                    Hash::Sha1 => AuthMechanism::ScramSha1,
                    Hash::Sha256 => AuthMechanism::ScramSha256,
                };
                sasl::finish_scram(channel, credential, first, &answer).await?;
                Ok(mechanism)
            }
            (Some(Speculation::X509), Some(_)) => Ok(AuthMechanism::MongoDbX509),
            _ => {
                let mechanism = mechanism(credential, offer.mechanisms.as_deref());
                authenticate(mechanism, credential, channel).await?;
                Ok(mechanism)
            }
        }
    }
}

/// Reauthenticates a connection (`ReauthenticationRequired`) with the same mechanism. Sends no
/// `hello` (section "Reauthentication").
///
/// # Errors
/// Those of [`Attempt::finish`].
pub(crate) async fn reauthenticate(
    credential: &Credential,
    channel: &mut Channel<'_>,
) -> Result<()> {
    let used = channel.connection.description().mechanism;
    authenticate(used.unwrap_or_else(|| mechanism(credential, None)), credential, channel).await
}

/// Authenticates with `mechanism`, from its first message.
///
/// # Errors
/// Those of [`Attempt::finish`].
async fn authenticate(
    mechanism: AuthMechanism,
    credential: &Credential,
    channel: &mut Channel<'_>,
) -> Result<()> {
    match mechanism {
        AuthMechanism::ScramSha1 => sasl::scram(channel, credential, Hash::Sha1).await,
        AuthMechanism::ScramSha256 => sasl::scram(channel, credential, Hash::Sha256).await,
        AuthMechanism::MongoDbX509 => x509::authenticate(channel, credential).await,
        AuthMechanism::Plain => sasl::plain(channel, credential).await,
        AuthMechanism::Gssapi | AuthMechanism::MongoDbAws | AuthMechanism::MongoDbOidc => {
            check(credential)
        }
    }
}

/// The configured mechanism. By default SCRAM-SHA-256 if the server offers it to the user, and
/// SCRAM-SHA-1 otherwise (section "Default Authentication Methods").
fn mechanism(credential: &Credential, offered: Option<&[String]>) -> AuthMechanism {
    credential.mechanism.unwrap_or_else(|| {
        let is_offered = |name: &str| offered.unwrap_or_default().iter().any(|n| n == name);
        if is_offered("SCRAM-SHA-256") {
            AuthMechanism::ScramSha256
        } else {
            AuthMechanism::ScramSha1
        }
    })
}

fn user(credential: &Credential) -> &str {
    credential.username.as_deref().unwrap_or_default()
}

impl Channel<'_> {
    /// Runs one command of the authentication on `database`.
    ///
    /// # Errors
    /// Those of [`Connection::round_trip`]; `Authentication` with the server's message if it
    /// replies with an error.
    async fn command(
        &mut self,
        database: &str,
        credential: &Credential,
        write: impl FnOnce(&mut DocWriter<'_>),
    ) -> Result<&RawDocument> {
        {
            let mut message = self.connection.begin();
            let mut body = message.body();
            write(&mut body);
            if let Some(api) = self.server_api {
                api.write(&mut body);
            }
            body.str(cstr!("$db"), database);
        }
        self.connection.round_trip(self.runtime, self.time.deadline()).await?;
        let reply = self.connection.reply()?;
        match sasl::refusal(reply)? {
            None => Ok(reply),
            Some(refusal) => Err(refused(credential, refusal, reply)),
        }
    }
}

/// Converts the server's error to one about the user. A member that is shutting down refuses every
/// user, so its error is kept.
fn refused(
    credential: &Credential,
    refusal: crate::error::CommandError,
    reply: &RawDocument,
) -> Error {
    let message = format!(
        "user {:?} on database {:?}: {} ({}, code {}); check username, password, authSource \
             and authMechanism",
        credential.username.as_deref().unwrap_or("of the certificate"),
        credential.resolved_source(),
        refusal.message,
        refusal.code_name,
        refusal.code,
    );
    let command = Error::new(crate::error::ErrorKind::Command(refusal));
    let error = if command.is_state_change() { command } else { Error::authentication(message) };
    error.with_response(reply.to_owned())
}

#[cfg(test)]
mod tests;
