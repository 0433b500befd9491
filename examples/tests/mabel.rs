//! `mabel` against a set with TLS, authentication and compressed messages, through the loss of its
//! primary, on both APIs.

#[allow(dead_code, reason = "its `main`, command line and printing are not used here")]
#[path = "../examples/mabel/main.rs"]
mod mabel;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use examples::failover::{Mode, Summary};
use mabel::arguments::Arguments;
use mabel::disasters::unleash;
use mabel::timeline::{Failover, Timeline};
use mabel::writers::Pace;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use testbed::ReplicaSet;
use testbed::bson::{Document, doc};

/// A set with authentication and TLS, and its certificate authority.
fn locked(name: &str) -> (ReplicaSet, PathBuf) {
    let folder =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("mabel-{name}-{}", std::process::id()));
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
        .args(["--tlsMode", "allowTLS", "--tlsAllowConnectionsWithoutCertificates"])
        .args(["--tlsCertificateKeyFile", identity.to_str().unwrap()])
        .args(["--tlsCAFile", ca.to_str().unwrap()])
        .start()
        .unwrap();
    let user = doc! {
        "createUser": "mabel",
        "pwd": "schnörchel",
        "roles": ["root"],
        "writeConcern": { "w": 3 },
    };
    set.admin(set.wait_for_primary().unwrap(), user).unwrap();
    (set, ca)
}

fn status(set: &ReplicaSet, member: usize) -> Document {
    set.admin(member, doc! { "serverStatus": 1 }).unwrap()
}

/// The number of documents that clients have inserted on the member.
fn inserts(status: &Document) -> i64 {
    let counted = status.get_document("opcounters").unwrap().get("insert").unwrap();
    counted.as_i64().or(counted.as_i32().map(i64::from)).unwrap()
}

fn survives(mode: Mode, name: &str) {
    const WRITES: u32 = 600;
    let (set, ca) = locked(name);
    let ca = ca.to_str().unwrap().replace('/', "%2F");
    let uri = format!(
        "mongodb://mabel:schn%C3%B6rchel@{}/?replicaSet={}&tls=true&tlsCAFile={ca}\
         &compressors=zstd",
        set.hosts().join(","),
        set.name(),
    );
    let arguments = Arguments { uri: Some(uri), writes: WRITES, mode, ..Arguments::default() };
    let ended = AtomicBool::new(false);
    let summary = thread::scope(|scope| {
        let disaster = scope.spawn(|| {
            let primary = set.wait_for_primary().unwrap();
            let before = inserts(&status(&set, primary));
            while inserts(&status(&set, primary)) < before + i64::from(WRITES) / 3 {
                assert!(!ended.load(Ordering::Relaxed), "mabel ended before the disaster");
                thread::yield_now();
            }
            // Compressed messages have arrived, with zstd.
            let zstd = status(&set, primary);
            let zstd = zstd.get_document("network").unwrap().get_document("compression").unwrap();
            let zstd = zstd.get_document("zstd").unwrap().get_document("decompressor").unwrap();
            assert!(zstd.get_i64("bytesIn").unwrap() > 0, "{zstd}");
            set.kill(primary).unwrap();
            set.wait_for_primary().unwrap();
            set.restart(primary).unwrap();
        });
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let summary = runtime.block_on(mabel::run(arguments));
        ended.store(true, Ordering::Relaxed);
        disaster.join().unwrap();
        summary.unwrap()
    });
    assert!(summary.is_perfect(), "{summary}");
    // On a busy machine the members may elect another primary by themselves.
    assert!(summary.acknowledged == WRITES as usize && summary.failovers >= 1, "{summary}");
}

/// Acknowledgments between the recorded kill and the end of the primary do not hide the outage.
#[test]
fn outage_is_the_longest_gap_of_a_failover() {
    let timeline = Timeline::start();
    timeline.acknowledge();
    let since = timeline.now();
    timeline.acknowledge();
    while timeline.now() < since + Duration::from_millis(20) {
        thread::yield_now();
    }
    let failover = Failover { since, at: timeline.now(), old: "a".to_owned(), new: "b".to_owned() };
    assert_eq!(timeline.outage(&failover), None);
    timeline.acknowledge();
    let acknowledged = timeline.acknowledgments();
    assert!(timeline.outage(&failover).unwrap() >= acknowledged[2] - acknowledged[1]);
    assert_eq!(
        timeline.longest_outage(std::slice::from_ref(&failover)),
        timeline.outage(&failover).unwrap()
    );
}

/// Writers that fail before the next disaster end the run. No primary is killed, and nothing waits
/// for a mark that will not be reached.
#[test]
fn disasters_end_with_the_writers() {
    let set = Arc::new(ReplicaSet::start(1).unwrap());
    let (timeline, pace) = (Arc::new(Timeline::start()), Arc::new(Pace::new(30, &[10, 20])));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let within = runtime.enter();
    let disasters = unleash(set.clone(), vec![10, 20], timeline.clone(), pace);
    drop(within);
    (0..9).for_each(|_| timeline.missed());
    timeline.end();
    runtime.block_on(disasters).unwrap().unwrap();
    assert_eq!(timeline.kills(), []);
}

#[test]
fn tasks_lose_nothing() {
    survives(Mode::Async, "async");
}

#[test]
fn threads_lose_nothing() {
    survives(Mode::Blocking, "blocking");
}

/// The program does not wait for writers whose retries cannot succeed.
#[test]
fn unreachable_deployment_is_named() {
    // The listener on this address never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = silent.local_addr().unwrap().to_string();
    let uri = format!("mongodb://{host}/?serverSelectionTimeoutMS=100");
    for mode in [&[][..], &["--blocking"]] {
        let arguments = ["--uri", &uri].into_iter().chain(mode.iter().copied());
        let arguments = Arguments::read(lexopt::Parser::from_args(arguments)).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let error = runtime.block_on(mabel::run(arguments)).map(drop).unwrap_err().to_string();
        assert!(error.contains(&host) && error.contains("serverSelectionTimeoutMS"), "{error}");
    }
}

/// Arguments that could only fail in the end are refused at the beginning.
#[test]
fn impossible_arguments_are_refused_with_a_reason() {
    let read = |arguments: &[&str]| Arguments::read(lexopt::Parser::from_args(arguments));
    let set = "mongodb://localhost";
    for (arguments, culprits) in [
        (&["--uri", set, "--kills", "1"][..], ["--kills 1", "--uri"]),
        (&["--kills", "1", "--uri", set], ["--kills 1", "--uri"]),
        (&["--plot", "/nowhere/at/all.svg"], ["--plot", "no folder /nowhere/at"]),
        (&["--plot", env!("CARGO_TARGET_TMPDIR")], ["--plot", "is a folder"]),
        (&["--kills", "2", "--writes", "2"], ["--kills 2", "--writes is 2"]),
        (&["--kils", "2"], ["--kils", "usage"]),
    ] {
        let error = read(arguments).unwrap_err().to_string();
        assert!(culprits.iter().all(|culprit| error.contains(culprit)), "{arguments:?}: {error}");
    }
    assert_eq!(read(&["--uri", set, "--kills", "0"]).unwrap().kills, 0);
    assert_eq!(read(&["--uri", set, "--writes", "1"]).unwrap().kills, 0);
    assert_eq!(read(&["--kills", "3", "--plot", "here.svg"]).unwrap().kills, 3);
}
