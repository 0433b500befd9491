//! What a pool allows, and what it does not lose.

use std::future::IntoFuture;
use std::time::Duration;

use driver::bson::doc;
use driver::error::ErrorKind;
use driver::options::{ClientOptions, Credential};
use driver::{Client, sync};
use testbed::{Proxy, Standalone};

use crate::watch::{Events, FAULTS, eventually, name, options, server, who};

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
async fn waiting_too_long_and_too_many_waiting_are_different_errors() {
    let (client, _events) = asynchronous(one_and_impatient);
    let request = client.start_request();
    request.database("admin").run_command(who()).await.unwrap();
    for _ in 0..3 {
        let ping = || {
            let admin = client.database("admin");
            async move { admin.run_command(doc! { "ping": 1 }).await.unwrap_err() }
        };
        // One may wait; of two, the second is refused at once. Who has given up does not count.
        let (waited, refused) = tokio::join!(ping(), ping());
        assert!(matches!(waited.kind(), ErrorKind::WaitQueueTimeout { .. }), "{waited:?}");
        assert!(waited.is_timeout() && waited.to_string().contains("in use: 1"), "{waited}");
        assert!(matches!(refused.kind(), ErrorKind::WaitQueueFull { .. }), "{refused:?}");
        assert!(refused.to_string().contains("waitQueueMultiple"), "{refused}");
    }
    // Monitors have connections of their own.
    client.wait_for_refresh().await.unwrap();
    drop(request);
    client.database("admin").run_command(doc! { "ping": 1 }).await.unwrap();
}

#[test]
fn waiting_too_long_is_an_error_of_its_own_on_threads() {
    let (client, _events) = blocking(one_and_impatient);
    let request = client.start_request();
    client.database("admin").run_command(who()).run().unwrap();
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

/// The connection cannot be opened.
#[tokio::test]
async fn a_refused_connection_costs_no_place() {
    let server = Standalone::start().unwrap();
    let proxy = Proxy::start(&server.host()).unwrap();
    let events = Events::default();
    let mut options = options(&server, &events);
    options.hosts = vec![proxy.host().parse().unwrap()];
    options.max_pool_size = Some(1);
    options.wait_queue_timeout = Some(Duration::from_secs(20));
    let client = Client::with_options(options).unwrap();
    client.wait_for_refresh().await.unwrap();
    proxy.refuse();
    let mut refused = 0;
    // The monitors' connections stand, so the server stays known; operations need new ones.
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
    assert_eq!(events.created() - events.closed(), 1);
}

#[test]
fn a_refused_connection_costs_no_place_on_threads() {
    let server = Standalone::start().unwrap();
    let proxy = Proxy::start(&server.host()).unwrap();
    let events = Events::default();
    let mut options = options(&server, &events);
    options.hosts = vec![proxy.host().parse().unwrap()];
    options.max_pool_size = Some(1);
    options.wait_queue_timeout = Some(Duration::from_secs(20));
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
    assert_eq!(events.created() - events.closed(), 1);
}

/// One place in the pool, and a user whom no server knows.
fn unknown_user(options: &mut ClientOptions) {
    options.max_pool_size = Some(1);
    options.wait_queue_timeout = Some(Duration::from_secs(20));
    let credential =
        Credential::builder().username("nobody".to_owned()).password("knows".to_owned());
    options.credential = Some(credential.build());
}

#[test]
fn a_refused_user_costs_no_place_on_threads() {
    let (client, events) = blocking(unknown_user);
    for _ in 0..5 {
        let error = client.database("admin").run_command(doc! { "ping": 1 }).run().unwrap_err();
        assert!(
            error.is_auth() || matches!(error.kind(), ErrorKind::ConnectionPoolCleared { .. }),
            "{error:?}"
        );
    }
    assert_eq!(events.created(), events.closed());
    assert_eq!(events.checked_out(), 0);
}

/// The user's authentication fails.
#[tokio::test]
async fn a_refused_user_costs_no_place() {
    let (client, events) = asynchronous(unknown_user);
    for _ in 0..5 {
        let error = client.database("admin").run_command(doc! { "ping": 1 }).await.unwrap_err();
        assert!(
            error.is_auth() || matches!(error.kind(), ErrorKind::ConnectionPoolCleared { .. }),
            "{error:?}"
        );
    }
    assert_eq!(events.created(), events.closed());
    assert_eq!(events.checked_out(), 0);
}

/// Blocks the next `ping` of `app` for `millis` on the server.
fn slow(app: &str, millis: i32) -> testbed::FailPoint<'static> {
    server()
        .fail_point(doc! {
            "configureFailPoint": "failCommand", "mode": { "times": 1 },
            "data": { "failCommands": ["ping"], "blockConnection": true, "blockTimeMS": millis, "appName": app },
        })
        .unwrap()
}

/// A reply that comes late is read in the background, and the connection is kept.
///
/// How long is waited for it is bounded, so that a busy machine may be too slow for it now and
/// then; not every time.
#[test]
fn a_reply_that_was_not_waited_for_is_read_and_its_connection_kept() {
    let _faults = FAULTS.acquire().wait();
    assert!((0..20).any(|_| late_reply_is_kept()), "no connection was kept whose reply came late");
}

/// Whether the connection was kept. Its later replies must not be the late one.
fn late_reply_is_kept() -> bool {
    let app = name();
    let (client, events) = blocking(|options| {
        options.app_name = Some(app.clone());
        options.socket_timeout = Some(Duration::from_millis(100));
    });
    let admin = client.database("admin");
    // The first operation of a client may be too slow for such a timeout.
    eventually("the client is connected", || admin.run_command(doc! { "ping": 1 }).run().is_ok());
    let fault = slow(&app, 400);
    let late = admin.run_command(doc! { "ping": 1 }).run().unwrap_err();
    assert!(late.is_network() && late.is_timeout(), "{late:?}");
    drop(fault);
    eventually("the connection is idle or closed", || events.in_use() == 0);
    let kept = events.created() == events.closed() + 1;
    for _ in 0..3 {
        match admin.run_command(who()).run() {
            Ok(reply) => assert!(reply.contains_key("you"), "this is the reply to a ping: {reply}"),
            Err(error) => assert!(error.is_timeout(), "{error:?}"),
        }
    }
    kept
}

/// A reply that comes much too late is not waited for.
#[tokio::test]
async fn a_connection_whose_reply_does_not_come_is_closed() {
    let _faults = FAULTS.acquire().await;
    let app = name();
    let (client, events) = asynchronous(|options| {
        options.app_name = Some(app.clone());
        options.max_pool_size = Some(1);
    });
    client.database("admin").run_command(doc! { "ping": 1 }).await.unwrap();
    let fault = slow(&app, 5000);
    let admin = client.database("admin");
    // The operation is dropped once the server holds it back.
    let held_back = tokio::task::spawn_blocking(move || fault.wait_entered(1).map(|()| fault));
    let fault = tokio::select! {
        _ = admin.run_command(doc! { "ping": 1 }).into_future() => panic!("the server has not held the command back"),
        held = held_back => held.unwrap().unwrap(),
    };
    // Its place is free again, for a new connection.
    client.database("admin").run_command(who()).await.unwrap();
    assert_eq!((events.created(), events.closed()), (2, 1));
    drop(fault);
}

#[test]
fn bad_sizes_are_told_by_name() {
    let (few, many) = (Some(2), Some(5));
    let mut options = options(server(), &Events::default());
    (options.max_pool_size, options.min_pool_size) = (few, many);
    let error = sync::Client::with_options(options).unwrap_err().to_string();
    assert!(error.contains("minPoolSize") && error.contains("maxPoolSize"), "{error}");
}

/// Longer than any clock reaches: such a timeout never passes, and nothing overflows.
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
async fn absurd_timeouts_never_pass() {
    let (client, events) = asynchronous(absurd);
    for _ in 0..3 {
        client.database("admin").run_command(doc! { "ping": 1 }).await.unwrap();
    }
    assert_eq!((events.created(), events.closed()), (1, 0));
}

#[test]
fn absurd_timeouts_never_pass_on_threads() {
    let (client, events) = blocking(absurd);
    for _ in 0..3 {
        client.database("admin").run_command(doc! { "ping": 1 }).run().unwrap();
    }
    assert_eq!((events.created(), events.closed()), (1, 0));
}

/// What is no time is named in a warning, and the option is as if it were not there.
#[tokio::test]
async fn negative_and_endless_timeouts_in_a_connection_string_are_warned_of() {
    for name in
        ["connectTimeoutMS", "maxIdleTimeMS", "socketTimeoutMS", "timeoutMS", "waitQueueTimeoutMS"]
    {
        for value in ["-1", "9223372036854775808", "1s"] {
            let options =
                ClientOptions::parse(format!("mongodb://localhost/?{name}={value}")).await.unwrap();
            let told = options.warnings();
            assert!(told.iter().any(|warning| warning.contains(name)), "{name}={value}: {told:?}");
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
