//! The prose tests of the specification "Authentication" on a real server, on both APIs, and tests
//! without a server.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use bson::doc;
use testbed::Standalone;

use super::*;
use crate::deadline::Deadline;
use crate::options::ClientOptions;
use crate::pool::{Establisher, Generation, Purpose};
use crate::rt;

#[test]
fn negotiation_selects_the_stronger_mechanism() {
    let negotiated = Credential::builder().username("u".to_owned()).build();
    let offered = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<Vec<_>>();
    let both = offered(&["SCRAM-SHA-1", "SCRAM-SHA-256", "unheard of"]);
    assert_eq!(mechanism(&negotiated, Some(&both)), AuthMechanism::ScramSha256);
    assert_eq!(mechanism(&negotiated, Some(&offered(&["SCRAM-SHA-1"]))), AuthMechanism::ScramSha1);
    assert_eq!(mechanism(&negotiated, Some(&[])), AuthMechanism::ScramSha1);
    assert_eq!(mechanism(&negotiated, None), AuthMechanism::ScramSha1);
    let chosen = Credential { mechanism: Some(AuthMechanism::Plain), ..negotiated };
    assert_eq!(mechanism(&chosen, Some(&both)), AuthMechanism::Plain);
}

#[test]
fn unsupported_mechanisms_are_refused_without_a_connection() {
    let with =
        |mechanism| Credential::builder().username("u".to_owned()).mechanism(mechanism).build();
    for mechanism in [AuthMechanism::Gssapi, AuthMechanism::MongoDbAws, AuthMechanism::MongoDbOidc]
    {
        assert!(check(&with(mechanism)).unwrap_err().to_string().contains(mechanism.as_str()));
    }
    assert!(check(&with(AuthMechanism::ScramSha256)).unwrap_err().to_string().contains("password"));
    assert!(check(&with(AuthMechanism::MongoDbX509)).is_ok());
}

/// A server with several users.
///
/// It does not require authentication, so that its users can be created. Clients that authenticate
/// are still checked, and `connectionStatus` reports the authenticated users.
fn server() -> &'static Standalone {
    static SERVER: OnceLock<Standalone> = OnceLock::new();
    SERVER.get_or_init(|| {
        let server = Standalone::start().unwrap();
        for (user, password, mechanisms) in [
            ("sha1", "sha1", &["SCRAM-SHA-1"][..]),
            ("sha256", "sha256", &["SCRAM-SHA-256"]),
            ("both", "both", &["SCRAM-SHA-1", "SCRAM-SHA-256"]),
            ("IX", "IX", &["SCRAM-SHA-256"]),
            ("\u{2168}", "\u{2163}", &["SCRAM-SHA-256"]),
            ("a,b=c:d@e/f", "p:@/%,=?#", &["SCRAM-SHA-1", "SCRAM-SHA-256"]),
        ] {
            server
                .admin(doc! { "createUser": user, "pwd": password, "roles": ["root"],
                "mechanisms": mechanisms })
                .unwrap();
        }
        server
    })
}

/// A connection of `credential` to [`server`], and what establishes further ones.
async fn established(
    credential: &Credential,
    runtime: &Runtime,
) -> Result<(Connection, Establisher)> {
    let options = ClientOptions::builder()
        .hosts(vec![crate::options::ServerAddress::parse(server().host())?])
        .credential(credential.clone())
        .build();
    let address = Arc::new(options.hosts[0].clone());
    let establisher = Establisher::new(Arc::new(options), runtime.clone())?;
    let connecting = establisher.establish(
        &address,
        1,
        Generation::FIRST,
        Purpose::Application,
        Deadline::NEVER,
    );
    let connection = connecting.await.map_err(|failure| failure.error)?;
    Ok((connection, establisher))
}

/// The authenticated users of a connection that was established with `credential`.
fn authenticated_users(credential: &Credential, runtime: Runtime) -> Result<Vec<String>> {
    rt::block_on(async {
        let (mut connection, _establisher) = established(credential, &runtime).await?;
        users(&mut connection, &runtime).await
    })
}

async fn users(connection: &mut Connection, runtime: &Runtime) -> Result<Vec<String>> {
    {
        let mut message = connection.begin();
        let mut body = message.body();
        body.i32(cstr!("connectionStatus"), 1);
        body.str(cstr!("$db"), "admin");
    }
    connection.round_trip(runtime, Deadline::NEVER).await?;
    let status: bson::Document = connection.reply()?.try_into().map_err(Error::deserialization)?;
    let users = status.get_document("authInfo").unwrap().get_array("authenticatedUsers").unwrap();
    Ok(users
        .iter()
        .map(|user| user.as_document().unwrap().get_str("user").unwrap().to_owned())
        .collect())
}

/// Runs `claim` on the runtimes of both APIs.
fn on_both_apis(claim: impl Fn(Runtime)) {
    let tokio = tokio::runtime::Runtime::new().unwrap();
    let _entered = tokio.enter();
    claim(Runtime::current().unwrap());
    claim(Runtime::blocking().unwrap());
}

fn credential(user: &str, password: &str, mechanism: Option<AuthMechanism>) -> Credential {
    Credential::builder()
        .username(user.to_owned())
        .password(password.to_owned())
        .mechanism(mechanism)
        .build()
}

const SHA1: Option<AuthMechanism> = Some(AuthMechanism::ScramSha1);
const SHA256: Option<AuthMechanism> = Some(AuthMechanism::ScramSha256);

#[test]
fn users_authenticate_by_each_mechanism_and_by_negotiation() {
    on_both_apis(|runtime| {
        for (user, mechanism) in [
            ("sha1", SHA1),
            ("sha1", None),
            ("sha256", SHA256),
            ("sha256", None),
            ("both", SHA1),
            ("both", SHA256),
            ("both", None),
        ] {
            assert_eq!(
                authenticated_users(&credential(user, user, mechanism), runtime.clone()).unwrap(),
                [user]
            );
        }
    });
}

#[test]
fn names_and_passwords_can_have_any_characters() {
    on_both_apis(|runtime| {
        for (user, password) in [
            ("IX", "IX"),
            ("IX", "I\u{AD}X"),
            ("\u{2168}", "IV"),
            ("\u{2168}", "I\u{AD}V"),
            ("a,b=c:d@e/f", "p:@/%,=?#"),
        ] {
            assert_eq!(
                authenticated_users(&credential(user, password, None), runtime.clone()).unwrap(),
                [user]
            );
        }
    });
}

#[test]
fn failed_authentication_does_not_reveal_the_password() {
    on_both_apis(|runtime| {
        for (user, password, mechanism) in [
            ("sha1", "sha1", SHA256),
            ("sha256", "sha256", SHA1),
            ("both", "banana", None),
            ("nobody", "banana", None),
            ("both", "banana", SHA1),
            ("both", "banana", Some(AuthMechanism::Plain)),
            ("\u{2168}", "\u{2168}", None),
        ] {
            let error =
                authenticated_users(&credential(user, password, mechanism), runtime.clone())
                    .unwrap_err();
            assert!(error.is_auth() && !error.is_network(), "{user}: {error}");
            let text = format!("{error} {error:?}");
            assert!(text.contains(user) && !text.contains("banana"), "{text}");
            assert!(error.host().is_some() && error.server_response().is_some(), "{error:?}");
        }
    });
}

/// Negotiation selects the stronger of two mechanisms. The client expects that, so the first
/// message to a user without it is wasted.
#[test]
fn negotiation_selects_sha256_and_saves_a_round_trip() {
    on_both_apis(|runtime| {
        let last_request = |user: &str| {
            let credential = credential(user, user, None);
            let established = rt::block_on(established(&credential, &runtime));
            established.unwrap().0.request_id()
        };
        // Each connection begins with a block of consecutive ids.
        let count = |user| last_request(user) % 1024;
        assert_eq!((count("sha256"), count("both"), count("sha1")), (2, 2, 3));
    });
}

/// The keys are derived once per user and salt, for any number of connections. So a connection
/// fails if its keys are spoilt in the cache.
#[test]
fn keys_are_derived_once() {
    on_both_apis(|runtime| {
        let credential = credential("both", "both", None);
        for _ in 0..2 {
            authenticated_users(&credential.clone(), runtime.clone()).unwrap();
        }
        assert_eq!(credential.keys.spoil(), 1);
        let error = authenticated_users(&credential.clone(), runtime).unwrap_err();
        assert!(error.is_auth(), "{error}");
    });
}

#[test]
fn connection_is_reauthenticated_without_a_hello() {
    on_both_apis(|runtime| {
        rt::block_on(async {
            let credential = credential("sha1", "sha1", None);
            let (mut connection, establisher) = established(&credential, &runtime).await.unwrap();
            {
                let mut message = connection.begin();
                let mut body = message.body();
                body.i32(cstr!("logout"), 1);
                body.str(cstr!("$db"), "admin");
            }
            connection.round_trip(&runtime, Deadline::NEVER).await.unwrap();
            assert!(users(&mut connection, &runtime).await.unwrap().is_empty());
            let last = connection.request_id();
            establisher.reauthenticate(&mut connection, Deadline::NEVER).await.unwrap();
            // The ids of a connection's requests are consecutive: saslStart, saslContinue.
            assert_eq!(connection.request_id(), last + 2);
            assert_eq!(users(&mut connection, &runtime).await.unwrap(), ["sha1"]);
        });
    });
}

/// Nonces are never reused.
#[test]
fn nonces_differ() {
    let messages: HashSet<_> =
        (0..100).map(|_| ClientFirst::new(Hash::Sha256, "u").unwrap().message()).collect();
    assert_eq!(messages.len(), 100);
}
