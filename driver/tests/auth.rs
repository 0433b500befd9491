//! Authentication on a replica set: wrong passwords, unusual passwords, missing rights, and users
//! who are removed while connected. Both APIs.

use std::sync::{LazyLock, OnceLock};

use driver::bson::{Document, doc};
use driver::error::Error;
use driver::options::{AuthMechanism, ClientOptions, Credential, ServerAddress};
use driver::{Result, sync};
use testbed::ReplicaSet;

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

/// The operations of the tests on a client of either API.
trait Mode: Sized {
    const NAME: &'static str;
    fn open(options: ClientOptions) -> Result<Self>;
    fn insert(&self) -> Result<()>;
    fn count(&self) -> Result<u64>;
    fn command(&self, command: Document) -> Result<Document>;
}

struct Asynchronous(driver::Client);
struct Blocking(sync::Client);

static RUNTIME: LazyLock<tokio::runtime::Runtime> =
    LazyLock::new(|| tokio::runtime::Runtime::new().unwrap());

impl Mode for Asynchronous {
    const NAME: &'static str = "asynchronous";

    fn open(options: ClientOptions) -> Result<Self> {
        let _context = RUNTIME.enter();
        driver::Client::with_options(options).map(Asynchronous)
    }

    fn insert(&self) -> Result<()> {
        let coll = self.0.database("users").collection::<Document>("c");
        RUNTIME.block_on(async { coll.insert_one(doc! {}).await }).map(drop)
    }

    fn count(&self) -> Result<u64> {
        let coll = self.0.database("users").collection::<Document>("c");
        RUNTIME.block_on(async { coll.count_documents(doc! {}).await })
    }

    fn command(&self, command: Document) -> Result<Document> {
        RUNTIME.block_on(async { self.0.database("admin").run_command(command).await })
    }
}

impl Mode for Blocking {
    const NAME: &'static str = "blocking";

    fn open(options: ClientOptions) -> Result<Self> {
        sync::Client::with_options(options).map(Blocking)
    }

    fn insert(&self) -> Result<()> {
        self.0.database("users").collection::<Document>("c").insert_one(doc! {}).run().map(drop)
    }

    fn count(&self) -> Result<u64> {
        self.0.database("users").collection::<Document>("c").count_documents(doc! {}).run()
    }

    fn command(&self, command: Document) -> Result<Document> {
        self.0.database("admin").run_command(command).run()
    }
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

fn client<F: Mode>(name: &str, password: &str) -> F {
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

macro_rules! on_both_apis {
    ($($name:ident)*) => {$(
        mod $name {
            #[test]
            fn asynchronously() {
                super::cases::$name::<super::Asynchronous>();
            }

            #[test]
            fn blocking() {
                super::cases::$name::<super::Blocking>();
            }
        }
    )*};
}

on_both_apis! {
    a_wrong_password_is_named_as_such
    passwords_of_any_letters_are_the_same_to_both_sides
    each_mechanism_proves_the_user
    what_the_user_may_not_do_is_refused_and_costs_no_connection
    a_user_removed_while_connected_loses_its_rights
    a_changed_password_holds_for_new_connections
    nobody_may_do_nothing
}

mod cases {
    use super::*;

    pub(super) fn a_wrong_password_is_named_as_such<F: Mode>() {
        let client = client::<F>("root", "banana");
        let error = is_refused(client.insert());
        assert!(error.to_string().contains("AuthenticationFailed"), "{error}");
        let host = error.host().expect("the error names the server").to_string();
        assert!(
            set().hosts().contains(&host) && !format!("{error} {error:?}").contains("banana"),
            "{error:?}"
        );
        // The second attempt fails as well.
        is_refused(client.insert());
    }

    /// Passwords that SASLprep maps to the same string are equal: it removes a soft hyphen,
    /// replaces a Roman four by "IV", and composes letters.
    pub(super) fn passwords_of_any_letters_are_the_same_to_both_sides<F: Mode>() {
        let name = |of: &str| format!("{of}-{}", F::NAME);
        for (user_name, stored, given) in [
            (name("bär,=%:/@"), "pässwörd/:@%", "pässwörd/:@%"),
            (name("猿"), "泳ぐ猿", "泳ぐ猿"),
            (name("IX"), "IX", "I\u{AD}X"),
            (name("four"), "IV", "\u{2163}"),
            (name("composed"), "caf\u{E9}", "cafe\u{301}"),
        ] {
            make(set(), user(&user_name, stored));
            client::<F>(&user_name, given).insert().unwrap_or_else(|e| panic!("{user_name}: {e}"));
            is_refused(client::<F>(&user_name, &format!("{given}!")).insert());
        }
    }

    pub(super) fn each_mechanism_proves_the_user<F: Mode>() {
        for (mechanism, other, stored) in [
            (AuthMechanism::ScramSha1, AuthMechanism::ScramSha256, "SCRAM-SHA-1"),
            (AuthMechanism::ScramSha256, AuthMechanism::ScramSha1, "SCRAM-SHA-256"),
        ] {
            let name = format!("only-{stored}-{}", F::NAME);
            let mut command = user(&name, "secret");
            command.insert("mechanisms", vec![stored]);
            make(set(), command);
            let with = |mechanism: Option<AuthMechanism>| {
                let mut options = options(Some((&name, "secret")));
                options.credential.as_mut().unwrap().mechanism = mechanism;
                F::open(options).unwrap().insert()
            };
            with(Some(mechanism)).unwrap();
            // Negotiated with the server, which supports only this one.
            with(None).unwrap();
            is_refused(with(Some(other)));
        }
    }

    pub(super) fn what_the_user_may_not_do_is_refused_and_costs_no_connection<F: Mode>() {
        let name = format!("reader-{}", F::NAME);
        make(set(), doc! { "createUser": &name, "pwd": "r", "roles": ["readAnyDatabase"] });
        let mut options = options(Some((&name, "r")));
        options.max_pool_size = Some(1);
        let (handler, events) = driver::event::EventHandler::queue();
        options.cmap_event_handler = Some(handler);
        let client = F::open(options).unwrap();
        client.count().unwrap();
        for _ in 0..3 {
            // Unauthorized.
            assert_eq!(is_refused(client.insert()).code(), Some(13));
        }
        client.count().unwrap();
        let mut opened = 0;
        while let Ok(event) = events.try_get() {
            opened +=
                usize::from(matches!(event, driver::event::cmap::CmapEvent::ConnectionCreated(_)));
        }
        assert_eq!(opened, 1, "all went over one connection");
    }

    pub(super) fn a_user_removed_while_connected_loses_its_rights<F: Mode>() {
        let name = format!("guest-{}", F::NAME);
        make(set(), user(&name, "guest"));
        let guest = client::<F>(&name, "guest");
        guest.insert().unwrap();
        let root = client::<F>("root", "root");
        root.command(doc! { "dropUser": &name, "writeConcern": { "w": 3 } }).unwrap();
        is_refused(guest.insert());
        is_refused(client::<F>(&name, "guest").insert());
        // The new user is another one. The old connection stays without rights or is replaced.
        make(set(), user(&name, "again"));
        client::<F>(&name, "again").insert().unwrap();
    }

    pub(super) fn a_changed_password_holds_for_new_connections<F: Mode>() {
        let name = format!("changing-{}", F::NAME);
        make(set(), user(&name, "old"));
        client::<F>(&name, "old").insert().unwrap();
        make(set(), doc! { "updateUser": &name, "pwd": "new" });
        is_refused(client::<F>(&name, "old").insert());
        client::<F>(&name, "new").insert().unwrap();
    }

    /// An unauthenticated client discovers the set, but its operations are refused.
    pub(super) fn nobody_may_do_nothing<F: Mode>() {
        let client = F::open(options(None)).unwrap();
        assert_eq!(is_refused(client.insert()).code(), Some(13));
        assert_eq!(is_refused(client.count()).code(), Some(13));
        client.command(doc! { "hello": 1 }).unwrap();
    }
}
