//! The limits of a pool, and connections that it must not lose.

use std::future::IntoFuture;
use std::time::Duration;

use driver::bson::doc;
use driver::error::ErrorKind;
use driver::options::{ClientOptions, Credential};
use driver::{Client, sync};
use testbed::{Proxy, Standalone, eventually, settles};

use crate::watch::{Events, FAULTS, name, options, server, whats_my_uri};

fn blocking(adjust: impl FnOnce(&mut ClientOptions)) -> (sync::Client, Events) {
    let events = Events::default();
    let mut options = options(server(), &events);
    adjust(&mut options);
    (sync::Client::with_options(options).unwrap(), events)
}

fn asynchronous(adjust: impl FnOnce(&mut ClientOptions)) -> (Client, Events) {
    let events = Events::default();
    let mut options = options(server(), &events);
    adjust(&mut options);
    (Client::with_options(options).unwrap(), events)
}

fn one_and_impatient(options: &mut ClientOptions) {
    options.max_pool_size = Some(1);
    options.wait_queue_multiple = Some(1);
    options.wait_queue_timeout = Some(Duration::from_millis(300));
}

#[tokio::test]
async fn wait_queue_timeout_differs_from_full_wait_queue() {
    let (client, _events) = asynchronous(one_and_impatient);
    let request = client.start_request();
    request.database("admin").run_command(whats_my_uri()).await.unwrap();
    for _ in 0..3 {
        let ping = || {
            let admin = client.database("admin");
            async move { admin.run_command(doc! { "ping": 1 }).await.unwrap_err() }
        };
        // One operation may wait, so the second is refused at once. A timed-out operation no longer
        // counts.
        let (waited, refused) = tokio::join!(ping(), ping());
        assert!(matches!(waited.kind(), ErrorKind::WaitQueueTimeout { .. }), "{waited:?}");
        assert!(waited.is_timeout() && waited.to_string().contains("in use: 1"), "{waited}");
        assert!(matches!(refused.kind(), ErrorKind::WaitQueueFull { .. }), "{refused:?}");
        assert!(refused.to_string().contains("waitQueueMultiple"), "{refused}");
    }
    // Monitors use their own connections.
    client.wait_for_refresh().await.unwrap();
    drop(request);
    client.database("admin").run_command(doc! { "ping": 1 }).await.unwrap();
}

#[test]
fn wait_queue_timeout_is_its_own_error_on_threads() {
    let (client, _events) = blocking(one_and_impatient);
    let request = client.start_request();
    client.database("admin").run_command(whats_my_uri()).run().unwrap();
    let other = client.clone();
    let waited = std::thread::spawn(move || {
        other.database("admin").run_command(doc! { "ping": 1 }).run().unwrap_err()
    });
    let waited = waited.join().unwrap();
    assert!(matches!(waited.kind(), ErrorKind::WaitQueueTimeout { .. }), "{waited:?}");
    client.wait_for_refresh().unwrap();
    drop(request);
    client.database("admin").run_command(doc! { "ping": 1 }).run().unwrap();
}

/// A proxy in front of `server`, and a client of it with one connection.
fn behind_a_proxy(server: &Standalone) -> (Proxy, ClientOptions, Events) {
    let proxy = Proxy::start(&server.host()).unwrap();
    let events = Events::default();
    let mut options = options(server, &events);
    options.hosts = vec![proxy.host().parse().unwrap()];
    options.max_pool_size = Some(1);
    options.wait_queue_timeout = Some(Duration::from_secs(20));
    (proxy, options, events)
}

/// Connections cannot be established.
#[tokio::test]
async fn refused_connection_frees_its_slot() {
    let server = Standalone::start().unwrap();
    let (proxy, options, events) = behind_a_proxy(&server);
    let client = Client::with_options(options).unwrap();
    client.wait_for_refresh().await.unwrap();
    proxy.refuse();
    let mut refused = 0;
    // The monitors' connections stay open, so the server stays known. Operations need new
    // connections.
    while refused < 5 {
        let error = client.database("admin").run_command(doc! { "ping": 1 }).await.unwrap_err();
        assert!(
            error.is_network() || matches!(error.kind(), ErrorKind::ConnectionPoolCleared { .. }),
            "{error:?}"
        );
        refused += 1;
    }
    proxy.accept().unwrap();
    client.database("admin").run_command(doc! { "ping": 1 }).await.unwrap();
    settles(|| events.open(), 1);
}

#[test]
fn refused_connection_frees_its_slot_on_threads() {
    let server = Standalone::start().unwrap();
    let (proxy, options, events) = behind_a_proxy(&server);
    let client = sync::Client::with_options(options).unwrap();
    client.wait_for_refresh().unwrap();
    proxy.refuse();
    for _ in 0..5 {
        let error = client.database("admin").run_command(doc! { "ping": 1 }).run().unwrap_err();
        assert!(
            error.is_network() || matches!(error.kind(), ErrorKind::ConnectionPoolCleared { .. }),
            "{error:?}"
        );
    }
    proxy.accept().unwrap();
    client.database("admin").run_command(doc! { "ping": 1 }).run().unwrap();
    settles(|| events.open(), 1);
}

/// A pool of one connection, and a user unknown to the server.
fn unknown_user(options: &mut ClientOptions) {
    options.max_pool_size = Some(1);
    options.wait_queue_timeout = Some(Duration::from_secs(20));
    let credential =
        Credential::builder().username("nobody".to_owned()).password("knows".to_owned());
    options.credential = Some(credential.build());
}

#[test]
fn failed_authentication_frees_the_slot_on_threads() {
    let (client, events) = blocking(unknown_user);
    for _ in 0..5 {
        let error = client.database("admin").run_command(doc! { "ping": 1 }).run().unwrap_err();
        assert!(
            error.is_auth() || matches!(error.kind(), ErrorKind::ConnectionPoolCleared { .. }),
            "{error:?}"
        );
    }
    settles(|| events.open(), 0);
    assert_eq!(events.checked_out(), 0);
}

/// The user's authentication fails.
#[tokio::test]
async fn failed_authentication_frees_the_slot() {
    let (client, events) = asynchronous(unknown_user);
    for _ in 0..5 {
        let error = client.database("admin").run_command(doc! { "ping": 1 }).await.unwrap_err();
        assert!(
            error.is_auth() || matches!(error.kind(), ErrorKind::ConnectionPoolCleared { .. }),
            "{error:?}"
        );
    }
    settles(|| events.open(), 0);
    assert_eq!(events.checked_out(), 0);
}

/// The server delays the next `ping` of `app` by `millis`.
fn slow(app: &str, millis: i32) -> testbed::FailPoint<'static> {
    server()
        .fail_point(doc! {
            "configureFailPoint": "failCommand", "mode": { "times": 1 },
            "data": {
                "failCommands": ["ping"], "blockConnection": true, "blockTimeMS": millis,
                "appName": app,
            },
        })
        .unwrap()
}

/// The driver reads a late reply in the background and keeps the connection.
///
/// The time for this is bounded, so a busy machine may miss it sometimes, but not every time.
#[test]
fn late_reply_is_drained_and_its_connection_kept() {
    let _faults = FAULTS.acquire().wait();
    assert!((0..20).any(|_| late_reply_is_kept()), "no connection survived a late reply");
}

/// Whether the connection was kept. Its next reply must not be the late one.
fn late_reply_is_kept() -> bool {
    let app = name();
    let (client, events) = blocking(|options| {
        options.app_name = Some(app.clone());
        options.socket_timeout = Some(Duration::from_millis(100));
    });
    let admin = client.database("admin");
    // The first operation of a client may exceed such a short timeout.
    eventually("the client is connected", || admin.run_command(doc! { "ping": 1 }).run().is_ok());
    let fault = slow(&app, 400);
    let late = admin.run_command(doc! { "ping": 1 }).run().unwrap_err();
    assert!(late.is_network() && late.is_timeout(), "{late:?}");
    drop(fault);
    eventually("the connection is idle or closed", || events.in_use() == 0);
    let kept = events.open() == 1;
    for _ in 0..3 {
        match admin.run_command(whats_my_uri()).run() {
            Ok(reply) => assert!(reply.contains_key("you"), "this is the reply to a ping: {reply}"),
            Err(error) => assert!(error.is_timeout(), "{error:?}"),
        }
    }
    kept
}

/// The driver does not wait for a reply that is far too late.
#[tokio::test]
async fn connection_without_its_reply_is_closed() {
    let _faults = FAULTS.acquire().await;
    let app = name();
    let (client, events) = asynchronous(|options| {
        options.app_name = Some(app.clone());
        options.max_pool_size = Some(1);
    });
    client.database("admin").run_command(doc! { "ping": 1 }).await.unwrap();
    let fault = slow(&app, 5000);
    let admin = client.database("admin");
    // The operation is dropped while the server holds it back.
    let held_back = tokio::task::spawn_blocking(move || fault.wait_entered(1).map(|()| fault));
    let fault = tokio::select! {
        _ = admin.run_command(doc! { "ping": 1 }).into_future() => {
            panic!("the server has not held the command back")
        }
        held = held_back => held.unwrap().unwrap(),
    };
    // Its slot is free again for a new connection.
    client.database("admin").run_command(whats_my_uri()).await.unwrap();
    settles(|| (events.created(), events.closed()), (2, 1));
    drop(fault);
}

#[test]
fn errors_name_invalid_pool_sizes() {
    let (few, many) = (Some(2), Some(5));
    let mut options = options(server(), &Events::default());
    (options.max_pool_size, options.min_pool_size) = (few, many);
    let error = sync::Client::with_options(options).unwrap_err().to_string();
    assert!(error.contains("minPoolSize") && error.contains("maxPoolSize"), "{error}");
}

/// Beyond the range of any clock. Such a timeout never expires, and nothing overflows.
fn absurd(options: &mut ClientOptions) {
    let for_ever = Some(Duration::MAX);
    options.connect_timeout = for_ever;
    options.heartbeat_freq = for_ever;
    options.max_idle_time = for_ever;
    options.server_selection_timeout = for_ever;
    options.socket_timeout = for_ever;
    options.timeout = for_ever;
    options.wait_queue_timeout = for_ever;
}

#[tokio::test]
async fn huge_timeouts_never_expire() {
    let (client, events) = asynchronous(absurd);
    for _ in 0..3 {
        client.database("admin").run_command(doc! { "ping": 1 }).await.unwrap();
    }
    settles(|| (events.created(), events.closed()), (1, 0));
}

#[test]
fn huge_timeouts_never_expire_on_threads() {
    let (client, events) = blocking(absurd);
    for _ in 0..3 {
        client.database("admin").run_command(doc! { "ping": 1 }).run().unwrap();
    }
    settles(|| (events.created(), events.closed()), (1, 0));
}

/// A value that is no duration gives a warning, and the option is ignored.
#[tokio::test]
async fn invalid_timeouts_in_a_connection_string_give_warnings() {
    for name in
        ["connectTimeoutMS", "maxIdleTimeMS", "socketTimeoutMS", "timeoutMS", "waitQueueTimeoutMS"]
    {
        for value in ["-1", "9223372036854775808", "1s"] {
            let options =
                ClientOptions::parse(format!("mongodb://localhost/?{name}={value}")).await.unwrap();
            let warnings = options.warnings();
            assert!(
                warnings.iter().any(|warning| warning.contains(name)),
                "{name}={value}: {warnings:?}"
            );
            let set = [
                options.connect_timeout,
                options.max_idle_time,
                options.socket_timeout,
                options.timeout,
                options.wait_queue_timeout,
            ];
            assert_eq!(set, [None; 5], "{name}={value}");
        }
    }
}
