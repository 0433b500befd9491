//! A standalone server: its life, its restarts, its fail points.

mod support;

use testbed::{
    ErrorKind, Standalone,
    bson::{Document, doc},
};

fn insert(server: &Standalone, n: i32) -> testbed::Result<Document> {
    let command = doc! {
        "insert": "things", "documents": [{ "_id": n }], "writeConcern": { "w": 1, "j": true },
    };
    server.command("test", command)
}

/// Counts the documents of a `find`: after an unclean shutdown the command `count` is only an
/// estimate.
fn count(server: &Standalone) -> usize {
    let reply = server.command("test", doc! { "find": "things" }).unwrap();
    reply.get_document("cursor").unwrap().get_array("firstBatch").unwrap().len()
}

#[test]
fn server_replies_to_commands_and_errors_are_passed_on() {
    let server = Standalone::start().unwrap();
    let hello = server.admin(doc! { "hello": 1 }).unwrap();
    assert!(hello.get_bool("isWritablePrimary").unwrap());
    let parameters = server.admin(doc! { "getParameter": 1, "enableTestCommands": 1 }).unwrap();
    assert!(parameters.get_bool("enableTestCommands").unwrap());

    insert(&server, 1).unwrap();
    let error = server.command("test", doc! { "nonsense": 1 }).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Command, Some(59)));
    let text = error.to_string();
    assert!(
        text.contains("nonsense")
            && text.contains(&server.host())
            && text.contains("CommandNotFound"),
        "{text}"
    );
}

#[test]
fn address_and_data_survive_sigkill() {
    let server = Standalone::start().unwrap();
    let (host, pid) = (server.host(), server.pid().unwrap());
    insert(&server, 1).unwrap();

    server.kill().unwrap();
    server.kill().unwrap();
    assert_eq!(server.pid(), None);
    assert!(std::net::TcpStream::connect(&host).is_err());
    let error = insert(&server, 2).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotRunning);
    assert!(error.to_string().contains("restart it first"), "{error}");

    server.restart().unwrap();
    assert_eq!(server.host(), host);
    assert_ne!(server.pid(), Some(pid));
    insert(&server, 2).unwrap();
    assert_eq!(count(&server), 2);
}

#[test]
fn clean_stop_is_in_the_log() {
    let server = Standalone::start().unwrap();
    server.pause().unwrap();
    server.stop().unwrap();
    assert_eq!(server.pid(), None);
    let log = std::fs::read_to_string(server.log_path()).unwrap();
    assert!(log.contains("\"exitCode\":0"), "{}", server.log_tail());
    server.restart().unwrap();
    assert_eq!(count(&server), 0);
}

#[test]
fn paused_server_keeps_its_connections() {
    let server = Standalone::start().unwrap();
    insert(&server, 1).unwrap();
    let connections = |server: &Standalone| {
        let status = server.admin(doc! { "serverStatus": 1 }).unwrap();
        status.get_document("connections").unwrap().get_i32("totalCreated").unwrap()
    };
    let before = connections(&server);
    server.pause().unwrap();
    // The kernel accepts the connection; the server does not reply.
    std::net::TcpStream::connect(server.host()).unwrap();
    assert_eq!(insert(&server, 2).unwrap_err().kind(), ErrorKind::NotRunning);
    server.resume().unwrap();
    insert(&server, 3).unwrap();
    assert_eq!(count(&server), 2);
    assert!(connections(&server) <= before + 1, "the testbed's own connection was not kept");
}

#[test]
fn server_that_ends_by_itself_is_down() {
    let server = Standalone::start().unwrap();
    // This command gets no reply.
    assert!(server.admin(doc! { "shutdown": 1, "force": true }).is_err());
    // `stop` waits for the end of the process.
    server.stop().unwrap();
    assert_eq!(server.pid(), None);
    server.restart().unwrap();
    insert(&server, 1).unwrap();
}

#[test]
fn fail_point_ends_on_drop_and_spares_the_testbed() {
    let server = Standalone::start().unwrap();
    let fail_point = server
        .fail_point(doc! {
            "configureFailPoint": "failCommand",
            "mode": "alwaysOn",
            "data": { "failCommands": ["insert", "hello"], "errorCode": 91 },
        })
        .unwrap();
    assert_eq!(insert(&server, 1).unwrap_err().code(), Some(91));
    fail_point.wait_entered(1).unwrap();
    drop(fail_point);
    insert(&server, 1).unwrap();

    let twice = server
        .fail_point(doc! {
            "configureFailPoint": "failCommand",
            "mode": { "times": 2 },
            "data": { "failCommands": ["insert"], "closeConnection": true },
        })
        .unwrap();
    for _ in 0..2 {
        assert_eq!(insert(&server, 2).unwrap_err().kind(), ErrorKind::Io);
    }
    insert(&server, 2).unwrap();
    twice.wait_entered(2).unwrap();
    twice.disable().unwrap();

    let error = server.fail_point(doc! { "ping": 1 }).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Argument);
}

#[test]
fn options_reach_the_server_and_errors_quote_its_log() {
    let server = Standalone::builder()
        .set_parameter("cursorTimeoutMillis", "12345")
        // Replaces the default option, because a server refuses repeated options.
        .set_parameter("diagnosticDataCollectionEnabled", "true")
        .args(["--profile", "0"])
        .arg("--quiet")
        .start()
        .unwrap();
    let reply = server.admin(doc! { "getParameter": 1, "cursorTimeoutMillis": 1 }).unwrap();
    assert_eq!(reply.get_i64("cursorTimeoutMillis").unwrap(), 12345);

    let error = Standalone::builder().set_parameter("noSuchThing", "1").start().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Start);
    assert!(error.to_string().contains("Unknown --setParameter 'noSuchThing'"), "{error}");
    support::remove_logs(&error.to_string());
}

#[test]
fn folder_is_removed_with_the_server() {
    let server = Standalone::start().unwrap();
    let folder = server.log_path().parent().unwrap().to_owned();
    assert!(folder.exists());
    drop(server);
    assert!(!folder.exists());
}

#[test]
fn logs_are_kept_when_the_test_panics() {
    let folder = std::thread::spawn(|| {
        let server = Standalone::start().unwrap();
        let folder = server.log_path().parent().unwrap().to_owned();
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
            let _server = server;
            std::panic::resume_unwind(Box::new("as a failed assertion would"));
        }));
        assert!(caught.is_err());
        folder
    })
    .join()
    .unwrap();
    assert!(!folder.exists());
    let name = folder.file_name().unwrap().to_str().unwrap().replace("-run-", "-kept-");
    let kept = folder.with_file_name(name);
    assert!(
        std::fs::read_to_string(kept.join("mongod.log"))
            .unwrap()
            .contains("Waiting for connections")
    );
    assert!(!kept.join("mongod").exists());
    std::fs::remove_dir_all(kept).unwrap();
}
