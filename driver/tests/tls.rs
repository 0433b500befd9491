//! A replica set with authentication, TLS and compression. Both APIs.
#![cfg(all(feature = "tls", feature = "zstd"))]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use driver::bson::spec::BinarySubtype;
use driver::bson::{Binary, Document, doc};
use driver::error::{Error, ErrorKind};
use driver::event::EventHandler;
use driver::event::cmap::CmapEvent;
use driver::options::ClientOptions;
use driver::{Client, sync};
use futures_util::FutureExt;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use testbed::ReplicaSet;

const PASSWORD: &str = "p%C3%A4ssw%C3%B6rd%2F%3A";

struct Locked {
    set: ReplicaSet,
    ca: PathBuf,
}

/// The replica set of this process. Its first user is `root`.
fn locked() -> &'static Locked {
    static SET: OnceLock<Locked> = OnceLock::new();
    SET.get_or_init(|| {
        let folder = format!("secure-{}", std::process::id());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        let (ca, identity) = (folder.join("ca.pem"), folder.join("server.pem"));
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        std::fs::write(&ca, issuer.pem()).unwrap();
        let own = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let certificate = params.signed_by(&own, &issuer).unwrap();
        std::fs::write(&identity, format!("{}{}", certificate.pem(), own.serialize_pem())).unwrap();
        let set = ReplicaSet::builder()
            .members(3)
            .guarded()
            // The testbed itself connects without TLS.
            .args(["--tlsMode", "allowTLS", "--tlsAllowConnectionsWithoutCertificates"])
            .args(["--tlsCertificateKeyFile", identity.to_str().unwrap()])
            .args(["--tlsCAFile", ca.to_str().unwrap()])
            .start()
            .unwrap();
        let primary = set.wait_for_primary().unwrap();
        let root = doc! {
            "createUser": "root", "pwd": "pässwörd/:", "roles": ["root"],
            "writeConcern": { "w": 3 },
        };
        set.admin(primary, root).unwrap();
        Locked { set, ca }
    })
}

fn uri(user: &str, password: &str, more: &str) -> String {
    let Locked { set, ca } = locked();
    let ca = ca.to_str().unwrap().replace('/', "%2F");
    format!(
        "mongodb://{user}:{password}@{}/?replicaSet={}&tls=true&tlsCAFile={ca}&{more}",
        set.hosts().join(","),
        set.name(),
    )
}

/// Held by tests that stop members.
static MEMBERS: Mutex<()> = Mutex::new(());

/// The recommended pattern: ids from the client, retries, and a duplicate key means that an earlier
/// attempt succeeded.
fn is_written(result: Result<(), Error>) -> bool {
    match result {
        Ok(()) => true,
        Err(e) if e.is_duplicate_key() => true,
        Err(e) => {
            assert!(!e.is_auth() && !matches!(e.kind(), ErrorKind::Tls { .. }), "{e}");
            false
        }
    }
}

const WRITES: i32 = 60;

/// Checks the state after the writes: each document once, the user, and compressed messages.
fn check(found: u64, connection: &Document, server: &Document) {
    assert_eq!(found, u64::try_from(WRITES).unwrap());
    let users =
        connection.get_document("authInfo").unwrap().get_array("authenticatedUsers").unwrap();
    assert_eq!(users[0].as_document().unwrap().get_str("user").unwrap(), "root");
    let zstd = server.get_document("network").unwrap().get_document("compression").unwrap();
    let bytes =
        zstd.get_document("zstd").unwrap().get_document("decompressor").unwrap().get_i64("bytesIn");
    assert!(bytes.unwrap() > 0, "{zstd}");
}

/// Kills the primary with SIGKILL. Returns its index for the restart.
fn kill_primary(set: &ReplicaSet) -> usize {
    let primary = set.wait_for_primary().unwrap();
    set.kill(primary).unwrap();
    primary
}

#[allow(clippy::await_holding_lock, reason = "the lock keeps whole tests apart")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn async_client_survives_the_loss_of_the_primary() {
    let set = &locked().set;
    let client = Client::with_uri_str(uri("root", PASSWORD, "compressors=zstd")).await.unwrap();
    let coll = client.database("secure").collection::<Document>("async");
    let one_at_a_time = MEMBERS.lock().unwrap_or_else(PoisonError::into_inner);
    let mut killed = None;
    for id in 0..WRITES {
        if id == WRITES / 2 {
            killed = Some(kill_primary(set));
        }
        let text = "monkey ".repeat(100);
        while !is_written(coll.insert_one(doc! { "_id": id, "text": &text }).await.map(drop)) {}
    }
    set.restart(killed.unwrap()).unwrap();
    set.wait_for_secondaries().unwrap();
    drop(one_at_a_time);
    let admin = client.database("admin");
    let connection = admin.run_command(doc! { "connectionStatus": 1 }).await.unwrap();
    let server = admin.run_command(doc! { "serverStatus": 1 }).await.unwrap();
    check(coll.count_documents(doc! {}).await.unwrap(), &connection, &server);
}

#[test]
fn blocking_client_survives_the_loss_of_the_primary() {
    let set = &locked().set;
    let client = sync::Client::with_uri_str(uri("root", PASSWORD, "compressors=zstd")).unwrap();
    let coll = client.database("secure").collection::<Document>("blocking");
    let one_at_a_time = MEMBERS.lock().unwrap_or_else(PoisonError::into_inner);
    let mut killed = None;
    for id in 0..WRITES {
        if id == WRITES / 2 {
            killed = Some(kill_primary(set));
        }
        let text = "monkey ".repeat(100);
        while !is_written(coll.insert_one(doc! { "_id": id, "text": &text }).run().map(drop)) {}
    }
    set.restart(killed.unwrap()).unwrap();
    set.wait_for_secondaries().unwrap();
    drop(one_at_a_time);
    let admin = client.database("admin");
    let connection = admin.run_command(doc! { "connectionStatus": 1 }).run().unwrap();
    let server = admin.run_command(doc! { "serverStatus": 1 }).run().unwrap();
    check(coll.count_documents(doc! {}).run().unwrap(), &connection, &server);
}

/// TLS buffers a part of a large insert. That part is sent too.
#[allow(clippy::await_holding_lock, reason = "the lock keeps whole tests apart")]
#[tokio::test]
async fn dropped_large_insert_is_sent_to_its_end() {
    let _members = MEMBERS.lock().unwrap_or_else(PoisonError::into_inner);
    let set = &locked().set;
    let primary = set.wait_for_primary().unwrap();
    for more in ["maxPoolSize=1", "maxPoolSize=1&compressors=zstd"] {
        let (opened, closed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut options = ClientOptions::parse(uri("root", PASSWORD, more)).await.unwrap();
        let counts = (opened.clone(), closed.clone());
        options.cmap_event_handler = Some(EventHandler::callback(move |event| {
            match event {
                CmapEvent::ConnectionCreated(_) => counts.0.fetch_add(1, Ordering::Relaxed),
                CmapEvent::ConnectionClosed(_) => counts.1.fetch_add(1, Ordering::Relaxed),
                _ => 0,
            };
        }));
        let client = Client::with_options(options).unwrap();
        let coll = client.database("dropped").collection::<Document>("c");
        coll.drop().await.unwrap();
        // Random bytes, which compression does not shrink.
        let bytes = std::iter::repeat_with(|| fastrand::u8(..)).take(15 * 1024 * 1024).collect();
        let large = doc! { "bytes": Binary { subtype: BinarySubtype::Generic, bytes } };
        for n in 0..3 {
            assert_eq!(coll.count_documents(doc! {}).await.unwrap(), n);
            set.pause(primary).unwrap();
            let ended = coll.insert_one(&large).into_future().now_or_never();
            set.resume(primary).unwrap();
            assert!(ended.is_none());
        }
        assert_eq!(coll.count_documents(doc! {}).await.unwrap(), 3);
        assert_eq!((opened.load(Ordering::Relaxed), closed.load(Ordering::Relaxed)), (1, 0));
    }
}

#[tokio::test]
async fn selection_error_says_why_the_certificate_is_refused() {
    let set = &locked().set;
    let uri = format!(
        "mongodb://{}/?replicaSet={}&tls=true&tlsCAFile={}&serverSelectionTimeoutMS=2000",
        set.hosts().join(","),
        set.name(),
        other_authority().to_str().unwrap().replace('/', "%2F"),
    );
    let client = Client::with_uri_str(uri).await.unwrap();
    let error = client.database("secure").run_command(doc! { "ping": 1 }).await.unwrap_err();
    assert!(error.to_string().contains("untrusted"), "{error}");
}

fn other_authority() -> PathBuf {
    let path =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("other-ca-{}.pem", std::process::id()));
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    std::fs::write(&path, issuer.pem()).unwrap();
    path
}
