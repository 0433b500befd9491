//! Authentication on a replica set: wrong passwords, unusual passwords, missing rights, and users
//! who are removed while connected. Both APIs.

#[allow(dead_code, reason = "not every test uses all of it")]
#[path = "operations/api.rs"]
mod api;

use std::sync::OnceLock;

use driver::Result;
use driver::bson::{Document, doc};
use driver::client::Client;
use driver::error::Error;
use driver::options::{AuthMechanism, ClientOptions, Credential, ServerAddress};
use testbed::ReplicaSet;

use crate::api::{Api, on_both_apis};

/// The replica set of this process. Its first user is `root`.
fn set() -> &'static ReplicaSet {
    static SET: OnceLock<ReplicaSet> = OnceLock::new();
    SET.get_or_init(|| {
        let set = ReplicaSet::builder().members(3).guarded().start().unwrap();
        make(&set, doc! { "createUser": "root", "pwd": "root", "roles": ["root"] });
        set
    })
}

/// Runs a user management command and waits until every member has it.
fn make(set: &ReplicaSet, mut command: Document) {
    command.insert("writeConcern", doc! { "w": 3 });
    set.admin(set.wait_for_primary().unwrap(), command).unwrap();
}

/// A user with read and write rights on all databases.
fn user(name: &str, password: &str) -> Document {
    doc! { "createUser": name, "pwd": password, "roles": ["readWriteAnyDatabase"] }
}

fn insert<F: Api>(client: &Client<F>) -> Result<()> {
    let coll = client.database("users").collection::<Document>("c");
    F::end(coll.insert_one(doc! {})).map(drop)
}

fn count<F: Api>(client: &Client<F>) -> Result<u64> {
    F::end(client.database("users").collection::<Document>("c").count_documents(doc! {}))
}

fn command<F: Api>(client: &Client<F>, command: Document) -> Result<Document> {
    F::end(client.database("admin").run_command(command))
}

/// A name that only the test of this API uses.
fn name_of<F: Api>(name: &str) -> String {
    format!("{name}-{}", std::any::type_name::<F>())
}

/// The options of a client that authenticates as `user`, if given.
fn options(user: Option<(&str, &str)>) -> ClientOptions {
    let hosts: Vec<_> =
        set().hosts().iter().map(|host| ServerAddress::parse(host).unwrap()).collect();
    let credential = user.map(|(name, password)| {
        Credential::builder().username(name.to_owned()).password(password.to_owned()).build()
    });
    ClientOptions::builder()
        .hosts(hosts)
        .repl_set_name(set().name().to_owned())
        .credential(credential)
        .build()
}

fn client<F: Api>(name: &str, password: &str) -> Client<F> {
    F::open(options(Some((name, password)))).unwrap()
}

/// Asserts that the operation was refused for its user, at once and not by a timeout.
#[track_caller]
fn is_refused<T>(outcome: Result<T>) -> Error {
    let error = outcome.err().expect("the operation is refused");
    assert!(error.is_auth() && !error.is_timeout() && !error.is_network(), "{error:?}");
    assert!(
        matches!(
            (error.code(), error.code_name()),
            (Some(18), Some("AuthenticationFailed")) | (Some(13), _)
        ),
        "{error:?}"
    );
    error
}

on_both_apis! {
    wrong_password_is_an_authentication_error
    passwords_may_have_any_letters
    each_mechanism_proves_the_user
    unauthorized_command_costs_no_connection
    removed_user_loses_its_rights_while_connected
    changed_password_holds_for_new_connections
    unauthenticated_user_is_refused
}

fn wrong_password_is_an_authentication_error<F: Api>() {
    let client = client::<F>("root", "banana");
    let error = is_refused(insert(&client));
    assert!(error.to_string().contains("AuthenticationFailed"), "{error}");
    let host = error.host().expect("the error names the server").to_string();
    assert!(
        set().hosts().contains(&host) && !format!("{error} {error:?}").contains("banana"),
        "{error:?}"
    );
    // The second attempt fails as well.
    is_refused(insert(&client));
}

/// Passwords that SASLprep maps to the same string are equal: it removes a soft hyphen,
/// replaces a Roman four by "IV", and composes letters.
fn passwords_may_have_any_letters<F: Api>() {
    let name = name_of::<F>;
    for (user_name, stored, given) in [
        (name("bär,=%:/@"), "pässwörd/:@%", "pässwörd/:@%"),
        (name("猿"), "泳ぐ猿", "泳ぐ猿"),
        (name("IX"), "IX", "I\u{AD}X"),
        (name("four"), "IV", "\u{2163}"),
        (name("composed"), "caf\u{E9}", "cafe\u{301}"),
    ] {
        make(set(), user(&user_name, stored));
        insert(&client::<F>(&user_name, given)).unwrap_or_else(|e| panic!("{user_name}: {e}"));
        is_refused(insert(&client::<F>(&user_name, &format!("{given}!"))));
    }
}

fn each_mechanism_proves_the_user<F: Api>() {
    for (mechanism, other, stored) in [
        (AuthMechanism::ScramSha1, AuthMechanism::ScramSha256, "SCRAM-SHA-1"),
        (AuthMechanism::ScramSha256, AuthMechanism::ScramSha1, "SCRAM-SHA-256"),
    ] {
        let name = name_of::<F>(stored);
        let mut command = user(&name, "secret");
        command.insert("mechanisms", vec![stored]);
        make(set(), command);
        let with = |mechanism: Option<AuthMechanism>| {
            let mut options = options(Some((&name, "secret")));
            options.credential.as_mut().unwrap().mechanism = mechanism;
            insert(&F::open(options).unwrap())
        };
        with(Some(mechanism)).unwrap();
        // Negotiated with the server, which supports only this one.
        with(None).unwrap();
        is_refused(with(Some(other)));
    }
}

fn unauthorized_command_costs_no_connection<F: Api>() {
    let name = name_of::<F>("reader");
    make(set(), doc! { "createUser": &name, "pwd": "r", "roles": ["readAnyDatabase"] });
    let mut options = options(Some((&name, "r")));
    options.max_pool_size = Some(1);
    let (handler, events) = driver::event::EventHandler::queue();
    options.cmap_event_handler = Some(handler);
    let client = F::open(options).unwrap();
    count(&client).unwrap();
    for _ in 0..3 {
        // Unauthorized.
        assert_eq!(is_refused(insert(&client)).code(), Some(13));
    }
    count(&client).unwrap();
    let mut opened = 0;
    while let Ok(event) = events.try_get() {
        opened +=
            usize::from(matches!(event, driver::event::cmap::CmapEvent::ConnectionCreated(_)));
    }
    assert_eq!(opened, 1, "all went over one connection");
}

fn removed_user_loses_its_rights_while_connected<F: Api>() {
    let name = name_of::<F>("guest");
    make(set(), user(&name, "guest"));
    let guest = client::<F>(&name, "guest");
    insert(&guest).unwrap();
    let root = client::<F>("root", "root");
    command(&root, doc! { "dropUser": &name, "writeConcern": { "w": 3 } }).unwrap();
    is_refused(insert(&guest));
    is_refused(insert(&client::<F>(&name, "guest")));
    // The new user is another one. The old connection stays without rights or is replaced.
    make(set(), user(&name, "again"));
    insert(&client::<F>(&name, "again")).unwrap();
}

fn changed_password_holds_for_new_connections<F: Api>() {
    let name = name_of::<F>("changing");
    make(set(), user(&name, "old"));
    insert(&client::<F>(&name, "old")).unwrap();
    make(set(), doc! { "updateUser": &name, "pwd": "new" });
    is_refused(insert(&client::<F>(&name, "old")));
    insert(&client::<F>(&name, "new")).unwrap();
}

/// An unauthenticated client discovers the set, but its operations are refused.
fn unauthenticated_user_is_refused<F: Api>() {
    let client = F::open(options(None)).unwrap();
    assert_eq!(is_refused(insert(&client)).code(), Some(13));
    assert_eq!(is_refused(count(&client)).code(), Some(13));
    command(&client, doc! { "hello": 1 }).unwrap();
}
