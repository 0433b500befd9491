//! The selection of servers, and the errors of its failures.

use super::*;

on_both_apis! {
    members_without_readable_data_are_never_selected;
    error_names_a_set_of_another_name;
    error_names_an_unreachable_server_once;
    direct_server_that_the_predicate_refuses_is_named;
    try_once_fails_after_one_more_check;
    selection_ends_when_the_client_is_shut_down;
}

mod cases {
    use super::*;

    // The description contains arbiters, hidden and recovering members, but no read selects them.
    pub(super) async fn members_without_readable_data_are_never_selected(runtime: Runtime) {
        let set = ReplicaSet::builder()
            .member(Member::new())
            .member(Member::new())
            .member(Member::new().priority(0.0).hidden())
            .member(Member::arbiter())
            .start()
            .unwrap();
        let deployment = open(&set.uri(), runtime);
        let hidden = ServerAddress::parse(set.host(2).unwrap()).unwrap();
        let arbiter = ServerAddress::parse(set.host(3).unwrap()).unwrap();
        until(&deployment, |d| {
            d.server(&hidden).is_none()
                && d.server(&arbiter).is_some_and(|s| s.server_type() == ServerType::RsArbiter)
        })
        .await;
        deployment.wait_for_refresh(soon()).await.unwrap();
        let everything: crate::options::SelectionCriteria =
            crate::options::SelectionCriteria::Predicate(Arc::new(|_| true));
        for _ in 0..50 {
            for criteria in [
                everything.clone(),
                ReadPreference::nearest(None).into(),
                ReadPreference::secondary(None).into(),
            ] {
                let selected = deployment.select(&criteria, &[], soon()).await.unwrap();
                assert!(
                    *selected.address() != hidden && *selected.address() != arbiter,
                    "{}",
                    selected.address()
                );
            }
        }
        let secondary = set.secondaries().into_iter().find(|i| *i < 2).unwrap();
        let address = ServerAddress::parse(set.host(secondary).unwrap()).unwrap();
        set.admin(secondary, doc! { "replSetMaintenance": 1 }).unwrap();
        until(&deployment, |d| {
            d.server(&address).is_some_and(|s| s.server_type() == ServerType::RsOther)
        })
        .await;
        for _ in 0..50 {
            let selected = select(&deployment, ReadPreference::nearest(None)).await.unwrap();
            assert_ne!(*selected.address(), address);
        }
        set.admin(secondary, doc! { "replSetMaintenance": 0 }).unwrap();
    }

    pub(super) async fn error_names_a_set_of_another_name(runtime: Runtime) {
        let set = ReplicaSet::start(1).unwrap();
        let uri =
            format!("mongodb://{}/?replicaSet=other&directConnection=true", set.host(0).unwrap());
        let mut options = options(&uri);
        options.server_selection_timeout = Some(Duration::from_secs(2));
        let deployment = Deployment::open(Arc::new(options), runtime).unwrap();
        let error = select(&deployment, ReadPreference::Primary).await.err().unwrap();
        assert!(matches!(error.kind(), ErrorKind::ServerSelection { .. }), "{error}");
        assert!(error.is_timeout());
        assert!(error.to_string().contains("the server cannot be used"), "{error}");
        for named in ["\"other\"", set.name(), "replicaSet"] {
            assert!(error.to_string().contains(named), "{named} is not named: {error}");
        }
        // The error names the option that ended the wait, with its value.
        assert!(error.to_string().contains("within serverSelectionTimeoutMS (2000 ms)"), "{error}");
        let narrow = Deadline::after(Duration::from_millis(50));
        let error =
            deployment.select(&ReadPreference::Primary.into(), &[], narrow).await.err().unwrap();
        assert!(error.to_string().contains("within the operation's timeoutMS"), "{error}");
    }

    pub(super) async fn error_names_an_unreachable_server_once(runtime: Runtime) {
        // Port 1 of this machine is reserved and has no listener.
        let mut options = options("mongodb://127.0.0.1:1");
        options.server_selection_timeout = Some(Duration::from_millis(500));
        let deployment = Deployment::open(Arc::new(options), runtime).unwrap();
        let error = select(&deployment, ReadPreference::Primary).await.err().unwrap().to_string();
        assert_eq!(error.matches("127.0.0.1:1").count(), 1, "{error}");
        assert!(
            error.contains("(500 ms); what is known: cannot connect to 127.0.0.1:1: "),
            "{error}"
        );
    }

    pub(super) async fn direct_server_that_the_predicate_refuses_is_named(runtime: Runtime) {
        let server = Standalone::start().unwrap();
        let mut options = options(&server.uri());
        options.server_selection_timeout = Some(Duration::from_secs(2));
        let deployment = Deployment::open(Arc::new(options), runtime).unwrap();
        select(&deployment, ReadPreference::Primary).await.unwrap();
        let nothing = crate::options::SelectionCriteria::Predicate(Arc::new(|_| false));
        let error = deployment.select(&nothing, &[], soon()).await.err().unwrap().to_string();
        assert!(error.contains("the predicate did not accept the server within"), "{error}");
        assert!(error.contains(&server.host()) && !error.contains("did not answer"), "{error}");
    }

    // "I don't know who the primary is, and I'm not going to wait."
    pub(super) async fn try_once_fails_after_one_more_check(runtime: Runtime) {
        let set = ReplicaSet::builder()
            .member(Member::new())
            .member(Member::new().priority(0.0))
            .start()
            .unwrap();
        let mut options = options(&set.uri());
        options.server_selection_try_once = Some(true);
        options.server_selection_timeout = Some(Duration::from_secs(600));
        let deployment = Deployment::open(Arc::new(options), runtime).unwrap();
        // An unknown server is checked once.
        let found =
            deployment.select(&ReadPreference::secondary(None).into(), &[], Deadline::NEVER).await;
        assert!(found.is_ok());
        let primary = set.primary().unwrap();
        set.kill(primary).unwrap();
        let killed = ServerAddress::parse(set.host(primary).unwrap()).unwrap();
        until(&deployment, |d| d.primary().is_none_or(|p| *p.address() != killed)).await;
        let error = deployment
            .select(&ReadPreference::Primary.into(), &[], Deadline::NEVER)
            .await
            .err()
            .unwrap();
        assert!(error.to_string().contains("serverSelectionTryOnce"), "{error}");
    }

    pub(super) async fn selection_ends_when_the_client_is_shut_down(runtime: Runtime) {
        // Port 1 of this machine is reserved and has no listener.
        let (deployment, events) =
            watched(options("mongodb://127.0.0.1:1/?replicaSet=rs"), runtime.clone());
        let waiting = Arc::clone(&deployment);
        runtime.spawn(async move {
            // The snapshot has a waiter, so selection is waiting.
            waiting.shutdown();
        });
        let error = deployment
            .select(&ReadPreference::Primary.into(), &[], Deadline::NEVER)
            .await
            .err()
            .unwrap();
        assert!(matches!(error.kind(), ErrorKind::Shutdown), "{error}");
        // The thread of the shutdown emits it, which may take a moment longer.
        let closed =
            |event: Option<&SdamEvent>| matches!(event, Some(SdamEvent::TopologyClosed(_)));
        eventually(&runtime, || closed(events.lock().unwrap().last())).await;
        let events = events.lock().unwrap();
        assert!(matches!(events.first(), Some(SdamEvent::TopologyOpening(_))));
        let count =
            |kind: fn(&SdamEvent) -> bool| events.iter().filter(|event| kind(event)).count();
        let started = count(|e| matches!(e, SdamEvent::ServerHeartbeatStarted(_)));
        let ended = count(|e| {
            matches!(
                e,
                SdamEvent::ServerHeartbeatSucceeded(_) | SdamEvent::ServerHeartbeatFailed(_)
            )
        });
        assert_eq!(started, ended, "every heartbeat that starts ends: {events:?}");
    }
}
