//! Replica sets: the roles of members, and the loss of members.

mod support;

use testbed::{ErrorKind, Member, ReplicaSet, bson::doc, eventually};

fn insert(set: &ReplicaSet, primary: usize, n: usize) {
    let command = doc! {
        "insert": "things",
        "documents": [{ "_id": n as i64 }],
        "writeConcern": { "w": "majority", "j": true },
    };
    let reply = set.command(primary, "test", command).unwrap();
    assert!(
        !reply.contains_key("writeConcernError") && !reply.contains_key("writeErrors"),
        "{reply}"
    );
}

/// Counts the documents of a `find`: after an unclean shutdown the command `count` is only an
/// estimate.
fn count(set: &ReplicaSet, primary: usize) -> usize {
    let reply = set.command(primary, "test", doc! { "find": "things" }).unwrap();
    reply.get_document("cursor").unwrap().get_array("firstBatch").unwrap().len()
}

#[test]
fn set_survives_the_loss_of_its_primaries() {
    let set = ReplicaSet::start(3).unwrap();
    assert_eq!(set.primary(), Some(0));
    assert_eq!(set.secondaries(), [1, 2]);
    assert_eq!(
        set.uri(),
        format!("mongodb://{}/?replicaSet={}", set.hosts().join(","), set.name())
    );
    let mut written = 0;
    for _ in 0..2 {
        let primary = set.wait_for_primary().unwrap();
        insert(&set, primary, written);
        written += 1;
        set.kill(primary).unwrap();
        assert_eq!(set.pid(primary), None);

        let successor = set.wait_for_primary().unwrap();
        assert_ne!(successor, primary);
        insert(&set, successor, written);
        written += 1;
        assert_eq!(count(&set, successor), written);

        set.restart(primary).unwrap();
        set.wait_for_secondaries().unwrap();
        assert_eq!(set.secondaries().len(), 2);
    }
}

#[test]
fn primary_can_be_stopped_paused_deposed_and_selected() {
    let set = ReplicaSet::start(3).unwrap();
    set.stop(0).unwrap();
    let second = set.wait_for_primary().unwrap();
    assert_ne!(second, 0);
    set.restart(0).unwrap();
    set.wait_for_secondaries().unwrap();

    set.pause(second).unwrap();
    let third = set.wait_for_primary().unwrap();
    assert_ne!(third, second);
    set.resume(second).unwrap();
    // The resumed member may claim to be primary for a moment; the later election counts.
    assert_eq!(set.wait_for_primary().unwrap(), third);
    set.wait_for_secondaries().unwrap();

    assert_eq!(set.step_down().unwrap(), third);
    let fourth = set.wait_for_primary().unwrap();
    assert_ne!(fourth, third);
    // This member is not primary and can be elected at once.
    let fifth = 3 - third - fourth;
    set.step_up(fifth).unwrap();
    assert_eq!(set.primary(), Some(fifth));
}

#[test]
fn members_have_the_configured_roles() {
    let set = ReplicaSet::builder()
        .member(Member::new().priority(1.0).tag("dc", "east"))
        .member(Member::new().priority(2.0).tag("dc", "west").tag("disk", "fast"))
        .member(Member::new().hidden())
        .member(Member::arbiter())
        .member(Member::new().votes(0).secondary_delay_secs(3600))
        .name("mixed")
        .start()
        .unwrap();
    assert_eq!(set.primary(), Some(1));
    assert_eq!(set.secondaries(), [0, 2, 4]);
    let hello = |i: usize| set.admin(i, doc! { "hello": 1 }).unwrap();
    assert_eq!(hello(1).get_document("tags").unwrap(), &doc! { "dc": "west", "disk": "fast" });
    assert!(hello(2).get_bool("hidden").unwrap());
    assert!(hello(3).get_bool("arbiterOnly").unwrap());
    assert_eq!(hello(0).get_str("setName").unwrap(), "mixed");
    // Clients can use only these.
    assert_eq!(hello(0).get_array("hosts").unwrap().len(), 2);
}

#[test]
fn set_has_the_addresses_of_its_proxies() {
    let set = ReplicaSet::builder().members(2).proxied().start().unwrap();
    let hello = set.admin(0, doc! { "hello": 1 }).unwrap();
    let known: Vec<&str> =
        hello.get_array("hosts").unwrap().iter().filter_map(|host| host.as_str()).collect();
    assert_eq!(known, set.hosts());
    assert_eq!(set.proxy(1).unwrap().host(), set.host(1).unwrap());
    insert(&set, 0, 1);

    // A primary without the other voter steps down.
    for i in 0..2 {
        set.proxy(i).unwrap().refuse();
        set.proxy(i).unwrap().cut();
    }
    eventually("no primary is left", || set.primary().is_none());
    for i in 0..2 {
        set.proxy(i).unwrap().accept().unwrap();
    }
    let primary = set.wait_for_primary().unwrap();
    insert(&set, primary, 2);
    assert_eq!(count(&set, primary), 2);
}

#[test]
fn set_of_one_member_works() {
    let set = ReplicaSet::start(1).unwrap();
    insert(&set, 0, 1);
    // A fail point for the `hello` of clients neither hides the primary from the testbed nor counts
    // the testbed's `hello`.
    let command = doc! {
        "configureFailPoint": "failCommand",
        "mode": { "times": 1 },
        "data": { "failCommands": ["hello"], "errorCode": 91 },
    };
    let fail_point = set.fail_point(0, command).unwrap();
    assert_eq!(set.primary(), Some(0));
    assert_eq!(set.admin(0, doc! { "hello": 1 }).unwrap_err().code(), Some(91));
    fail_point.disable().unwrap();
    assert_eq!(set.step_down().unwrap(), 0);
    assert_eq!(set.wait_for_primary().unwrap(), 0);
}

#[test]
fn concurrent_sets_are_separate() {
    let sets: Vec<ReplicaSet> = std::thread::scope(|scope| {
        let starting: Vec<_> =
            (0..2).map(|_| scope.spawn(|| ReplicaSet::start(2).unwrap())).collect();
        starting.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_ne!(sets[0].name(), sets[1].name());
    assert!(sets[0].hosts().iter().all(|host| !sets[1].hosts().contains(host)));
    insert(&sets[0], 0, 1);
    assert_eq!((count(&sets[0], 0), count(&sets[1], 0)), (1, 0));
}

#[test]
fn invalid_settings_are_refused_with_the_reason() {
    let kind_and_text = |result: testbed::Result<ReplicaSet>| {
        let error = result.unwrap_err();
        (error.kind(), error.to_string())
    };
    let (kind, text) = kind_and_text(ReplicaSet::start(0));
    assert_eq!(kind, ErrorKind::Argument, "{text}");
    let (kind, text) = kind_and_text(ReplicaSet::builder().member(Member::arbiter()).start());
    assert_eq!(kind, ErrorKind::Argument, "{text}");
    // The server refuses a priority above 1000.
    let (kind, text) =
        kind_and_text(ReplicaSet::builder().member(Member::new().priority(1001.0)).start());
    assert_eq!(kind, ErrorKind::Command, "{text}");
    assert!(text.contains("priority"), "{text}");
    support::remove_logs(&text);

    let set = ReplicaSet::start(1).unwrap();
    let error = set.kill(7).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Argument);
    assert!(error.to_string().contains("no member 7"), "{error}");
}

/// Tests of clients check that others are refused. Here the testbed itself must be authenticated,
/// before and after a failover.
#[test]
fn guarded_set_requires_authentication() {
    let set = ReplicaSet::builder().members(3).guarded().start().unwrap();
    insert(&set, 0, 0);
    set.kill(0).unwrap();
    let successor = set.wait_for_primary().unwrap();
    insert(&set, successor, 1);
    set.restart(0).unwrap();
    set.wait_for_secondaries().unwrap();

    let user = doc! {
        "createUser": "r", "pwd": "r", "roles": ["readAnyDatabase"], "writeConcern": { "w": 3 },
    };
    set.admin(successor, user).unwrap();
    let users = set.admin(successor, doc! { "usersInfo": 1 }).unwrap();
    assert_eq!(users.get_array("users").unwrap().len(), 1, "{users}");
    // Only a server with authentication reports the user.
    let status = set.admin(successor, doc! { "connectionStatus": 1 }).unwrap();
    let asking = status.get_document("authInfo").unwrap().get_array("authenticatedUsers").unwrap();
    assert_eq!(asking[0].as_document().unwrap().get_str("user").unwrap(), "__system");
}
