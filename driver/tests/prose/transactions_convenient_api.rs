//! Specification "Convenient API for Transactions".

use std::error::Error as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use driver::Error;
use driver::bson::{Document, doc};
use driver::collection::Collection;
use driver::error::{ErrorKind, TRANSIENT_TRANSACTION_ERROR};
use driver::options::SessionOptions;
use driver::session::ClientSession;
use testbed::shared_replica_set;

use crate::api::{Api, on_both_apis};
use crate::observed::{Observed, turn_for_faults};

on_both_apis! {
    transactions_convenient_api_prose_1
    transactions_convenient_api_prose_2
    transactions_convenient_api_prose_3
    transactions_convenient_api_prose_3_callback
}

fn observed<F: Api>() -> (Observed<F>, Collection<Document, F>) {
    let observed = Observed::<F>::of(&shared_replica_set().unwrap().uri());
    let items = observed.database().collection("test");
    F::end(items.insert_one(doc! {})).unwrap();
    (observed, items)
}

#[derive(Debug)]
enum Own {
    Custom,
    Driver(#[expect(dead_code, reason = "only shown")] Error),
}

impl From<Error> for Own {
    fn from(error: Error) -> Self {
        Own::Driver(error)
    }
}

/// Callback raises a custom error.
fn transactions_convenient_api_prose_1<F: Api>() {
    let (observed, items) = observed::<F>();
    let mut session = F::start_session(&observed.client);
    let called = AtomicU32::new(0);
    let ended = F::in_transaction(session.start_transaction(), &|session| {
        called.fetch_add(1, Ordering::Relaxed);
        F::end(items.insert_one(doc! {}).session(&mut *session))?;
        Err::<(), _>(Own::Custom)
    });
    assert!(matches!(ended, Err(Own::Custom)), "{ended:?}");
    assert_eq!(called.into_inner(), 1);
}

/// Callback returns a value.
fn transactions_convenient_api_prose_2<F: Api>() {
    let (observed, items) = observed::<F>();
    let mut session = F::start_session(&observed.client);
    let ended = F::in_transaction(session.start_transaction(), &|session| {
        F::end(items.insert_one(doc! {}).session(&mut *session))?;
        Ok::<_, Own>("Foo")
    });
    assert_eq!(ended.unwrap(), "Foo");
}

/// The code of a command whose `maxTimeMS` has passed.
const MAX_TIME_MS_EXPIRED: i32 = 50;

/// Retry timeout is enforced, for a session whose timeout replaces the 120 seconds: runs
/// `transaction` while all its commands `command` fail according to `data`.
///
/// The time can also run out within an attempt. That attempt's error says nothing of the retries,
/// so the transaction runs until its time ends between two attempts.
fn check_timeout<F: Api>(
    command: &str,
    data: Document,
    transaction: impl Fn(&mut ClientSession<F>, Collection<Document, F>) -> driver::Result<()>,
) {
    let ends_between_attempts = || times_out(command, data.clone(), &transaction);
    assert!((0..30).any(|_| ends_between_attempts()), "{command}: no error has a source");
}

/// Whether the error of `transaction` has the error of an attempt as its source.
fn times_out<F: Api>(
    command: &str,
    mut data: Document,
    transaction: impl Fn(&mut ClientSession<F>, Collection<Document, F>) -> driver::Result<()>,
) -> bool {
    let _turn = turn_for_faults();
    let set = shared_replica_set().unwrap();
    let (observed, items) = observed::<F>();
    data.extend(doc! { "failCommands": [command], "appName": &observed.name });
    let point = doc! { "configureFailPoint": "failCommand", "mode": "alwaysOn", "data": data };
    let _point = set.fail_point(set.wait_for_primary().unwrap(), point).unwrap();
    let options = SessionOptions::builder().default_timeout(Duration::from_secs(1)).build();
    let mut session = F::session_with(&observed.client, options).unwrap();
    let error = transaction(&mut session, items).unwrap_err();
    assert!(error.is_timeout(), "{command}: {error:?}");
    // The server ends the last command itself if its `maxTimeMS` passes first.
    if error.code() == Some(MAX_TIME_MS_EXPIRED) {
        return false;
    }
    assert!(matches!(error.kind(), ErrorKind::Timeout { .. }), "{command}: {error:?}");
    let source = error.source().and_then(|source| source.downcast_ref::<Error>());
    let Some(source) = source else { return false };
    // A commit that times out during retries has one more label than its first error.
    let kept = source.labels().iter().all(|label| error.labels().contains(label));
    assert!(kept && !error.labels().is_empty(), "{command}: {error:?}, {source:?}");
    true
}

/// The errors of a commit.
fn transactions_convenient_api_prose_3<F: Api>() {
    let unknown = doc! { "writeConcernError": { "code": 1, "errmsg": "not yet replicated" } };
    for data in [unknown, doc! { "errorCode": 251 }] {
        check_timeout::<F>("commitTransaction", data, |session, items| {
            F::in_transaction(session.start_transaction(), &|session| {
                F::end(items.insert_one(doc! {}).session(&mut *session)).map(drop)
            })
        });
    }
}

/// The errors of a callback of the driver's own error type, and of boxed ones.
fn transactions_convenient_api_prose_3_callback<F: Api>() {
    let transient = || doc! { "errorCode": 251, "errorLabels": [TRANSIENT_TRANSACTION_ERROR] };
    let insert = |items: &Collection<Document, F>, session: &mut ClientSession<F>| {
        F::end(items.insert_one(doc! {}).session(session)).map(drop)
    };
    check_timeout::<F>("insert", transient(), |session, items| {
        F::with_transaction(session.start_transaction(), &|session| insert(&items, session))
    });
    check_timeout::<F>("insert", transient(), |session, items| {
        F::in_transaction(session.start_transaction(), &|session| insert(&items, session))
    });
    check_timeout::<F>("insert", transient(), |session, items| {
        let ended = F::in_transaction(session.start_transaction(), &|session| {
            insert(&items, session).map_err(Box::<dyn std::error::Error + Send + Sync>::from)
        });
        ended.map_err(|error| *error.downcast().unwrap())
    });
}
