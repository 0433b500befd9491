//! Transactions, on a replica set.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use driver::bson::{Document, doc};
use driver::collection::Collection;
use driver::error::{ErrorKind, TRANSIENT_TRANSACTION_ERROR, UNKNOWN_TRANSACTION_COMMIT_RESULT};
use driver::options::{
    Acknowledgment, ClientOptions, ReadConcern, ReadPreference, SessionOptions, TransactionOptions,
    WriteConcern,
};
use driver::session::ClientSession;
use testbed::{ReplicaSet, eventually, shared_replica_set};

use crate::api::{Api, on_both_apis};
use crate::observed::{Observed, turn_for_faults};

on_both_apis! {
    transaction_is_seen_when_it_is_committed
    aborted_transaction_leaves_nothing
    empty_transaction_sends_nothing
    dropped_session_aborts_its_transaction
    concerns_of_operations_are_refused_by_name
    reads_of_a_transaction_ask_the_primary
    second_commit_asks_for_a_majority
    lost_commit_is_sent_again
    lost_write_is_transient
    transaction_starts_after_a_reauthentication
    closure_is_called_again_after_a_transient_error
    closure_gives_an_error_of_its_own_type
    closure_that_gives_up_is_not_called_again
    oversized_document_leaves_the_transaction_as_it_was
    snapshot_of_a_given_time_sees_that_time
    timed_transaction_refuses_timeouts_of_its_operations
}

/// A client of the shared replica set, and its commands.
fn observed<F: Api>() -> Observed<F> {
    observed_with(|_| {})
}

fn observed_with<F: Api>(adjust: impl FnOnce(&mut ClientOptions)) -> Observed<F> {
    let observed = Observed::<F>::with(&servers().uri(), adjust);
    // Servers of 4.2 create no collections in a transaction.
    F::end(items(&observed).insert_one(doc! { "_id": 0 })).unwrap();
    observed.forget();
    observed
}

fn items<F: Api>(observed: &Observed<F>) -> Collection<Document, F> {
    observed.database().collection("items")
}

fn session<F: Api>(observed: &Observed<F>) -> ClientSession<F> {
    F::start_session(&observed.client)
}

/// Makes the primary fail the commands `name` of this client, according to `data`.
fn fail<F: Api>(observed: &Observed<F>, name: &str, times: i32, mut data: Document) {
    data.extend(doc! { "failCommands": [name], "appName": &observed.name });
    let command =
        doc! { "configureFailPoint": "failCommand", "mode": { "times": times }, "data": data };
    F::end(observed.client.database("admin").run_command(command)).unwrap();
}

/// Makes the next insert of this client fail with a transient error.
fn fail_next_insert<F: Api>(observed: &Observed<F>) {
    let labels = [TRANSIENT_TRANSACTION_ERROR];
    fail(observed, "insert", 1, doc! { "errorCode": 251, "errorLabels": labels });
}

fn servers() -> &'static ReplicaSet {
    shared_replica_set().unwrap()
}

fn nodes(count: u32) -> WriteConcern {
    Acknowledgment::from(count).into()
}

fn count<F: Api>(items: &Collection<Document, F>) -> u64 {
    F::end(items.count_documents(doc! { "_id": { "$gt": 0 } })).unwrap()
}

fn transaction_is_seen_when_it_is_committed<F: Api>() {
    let observed = observed::<F>();
    let (items, mut session) = (items(&observed), session(&observed));
    F::end(session.start_transaction().read_concern(ReadConcern::snapshot())).unwrap();
    for id in 1..=2 {
        F::end(items.insert_one(doc! { "_id": id }).session(&mut session)).unwrap();
    }
    assert_eq!(count(&items), 0);
    let filter = doc! { "_id": { "$gt": 0 } };
    assert_eq!(F::end(items.count_documents(filter).session(&mut session)).unwrap(), 2);
    F::end(session.commit_transaction()).unwrap();
    assert_eq!(count(&items), 2);
    let inserts = observed.sent("insert");
    assert!(inserts[0].get_bool("startTransaction").unwrap());
    assert!(
        inserts[0].get_document("readConcern").is_ok_and(|concern| concern.contains_key("level"))
    );
    assert!(
        !inserts[1].contains_key("startTransaction") && !inserts[1].contains_key("readConcern")
    );
    let number = inserts[0].get_i64("txnNumber").unwrap();
    for command in inserts.iter().chain(&observed.sent("commitTransaction")) {
        assert_eq!(command.get_i64("txnNumber").unwrap(), number, "{command}");
        assert!(!command.get_bool("autocommit").unwrap(), "{command}");
    }
}

fn aborted_transaction_leaves_nothing<F: Api>() {
    let observed = observed::<F>();
    let (items, mut session) = (items(&observed), session(&observed));
    F::end(session.start_transaction()).unwrap();
    F::end(items.insert_one(doc! { "_id": 1 }).session(&mut session)).unwrap();
    F::end(session.abort_transaction()).unwrap();
    assert_eq!(count(&items), 0);
    assert_eq!(observed.sent("abortTransaction").len(), 1);
    let twice = F::end(session.abort_transaction()).unwrap_err();
    assert!(twice.to_string().contains("Cannot call abortTransaction twice"), "{twice}");
    // The next operation is in no transaction.
    F::end(items.insert_one(doc! { "_id": 2 }).session(&mut session)).unwrap();
    assert_eq!(count(&items), 1);
    let none = F::end(session.commit_transaction()).unwrap_err();
    assert!(none.to_string().contains("No transaction started"), "{none}");
}

fn empty_transaction_sends_nothing<F: Api>() {
    let observed = observed::<F>();
    let mut session = session(&observed);
    F::end(session.start_transaction()).unwrap();
    F::end(session.commit_transaction()).unwrap();
    F::end(session.commit_transaction()).unwrap();
    F::end(session.start_transaction()).unwrap();
    F::end(session.abort_transaction()).unwrap();
    F::end(session.start_transaction()).unwrap();
    drop(session);
    assert!(observed.names().is_empty());
}

fn dropped_session_aborts_its_transaction<F: Api>() {
    let observed = observed::<F>();
    let items = items(&observed);
    for id in 1..=20 {
        let mut session = session(&observed);
        F::end(session.start_transaction()).unwrap();
        F::end(items.insert_one(doc! { "_id": id }).session(&mut session)).unwrap();
    }
    eventually("all are aborted in the background", || {
        observed.sent("abortTransaction").len() == 20
    });
    // The documents are unlocked, and nothing was written.
    F::end(items.insert_many((1..=20).map(|id| doc! { "_id": id }))).unwrap();
}

fn concerns_of_operations_are_refused_by_name<F: Api>() {
    let observed = observed_with::<F>(|options| {
        options.read_concern = Some(ReadConcern::local());
    });
    let (items, mut session) = (items(&observed), session(&observed));
    F::end(session.start_transaction()).unwrap();
    let read = items.find_one(doc! {}).read_concern(ReadConcern::majority());
    let error = F::end(read.session(&mut session)).unwrap_err();
    assert!(error.to_string().contains(&format!("find_one on {}.", observed.name)), "{error}");
    assert!(error.to_string().contains("Cannot set read concern"), "{error}");
    let write = items.insert_one(doc! { "_id": 1 }).write_concern(WriteConcern::majority());
    let error = F::end(write.session(&mut session)).unwrap_err();
    assert!(error.to_string().contains("Cannot set write concern"), "{error}");
    // The option of a handle is not explicit in the operation.
    let mut options = driver::options::CollectionOptions::default();
    options.write_concern = Some(nodes(0));
    let unsafe_items: Collection<Document, F> =
        items.database().collection_with_options(items.name(), options);
    F::end(unsafe_items.insert_one(doc! { "_id": 1 }).session(&mut session)).unwrap();
    F::end(session.commit_transaction()).unwrap();
    let unacknowledged = session.start_transaction().write_concern(nodes(0));
    let error = F::end(unacknowledged).unwrap_err();
    assert!(error.to_string().contains("do not support unacknowledged write concerns"), "{error}");
}

fn reads_of_a_transaction_ask_the_primary<F: Api>() {
    let observed = observed_with::<F>(|options| {
        options.selection_criteria = Some(ReadPreference::nearest(None).into());
    });
    let (items, mut session) = (items(&observed), session(&observed));
    F::end(session.start_transaction()).unwrap();
    // Writes ignore it.
    F::end(items.insert_one(doc! { "_id": 1 }).session(&mut session)).unwrap();
    let error = F::end(items.find_one(doc! {}).session(&mut session)).unwrap_err();
    assert!(
        error.to_string().contains("read preference in a transaction must be primary"),
        "{error}"
    );
    F::end(session.abort_transaction()).unwrap();
    let primary = session.start_transaction().selection_criteria(ReadPreference::Primary.into());
    F::end(primary).unwrap();
    F::end(items.find_one(doc! {}).session(&mut session)).unwrap();
}

fn second_commit_asks_for_a_majority<F: Api>() {
    let observed = observed::<F>();
    let (items, mut session) = (items(&observed), session(&observed));
    F::end(session.start_transaction().write_concern(nodes(1))).unwrap();
    F::end(items.insert_one(doc! { "_id": 1 }).session(&mut session)).unwrap();
    F::end(session.commit_transaction()).unwrap();
    F::end(session.commit_transaction()).unwrap();
    let commits = observed.sent("commitTransaction");
    assert_eq!(commits[0].get_document("writeConcern").unwrap(), &doc! { "w": 1 });
    let again = commits[1].get_document("writeConcern").unwrap();
    assert_eq!(again.get_str("w").unwrap(), "majority");
    assert_eq!(again.get_i64("wtimeout").unwrap(), 10_000);
    assert_eq!(count(&items), 1);
}

fn lost_commit_is_sent_again<F: Api>() {
    let _turn = turn_for_faults();
    let observed = observed_with::<F>(|options| options.retry_writes = Some(false));
    let (items, mut session) = (items(&observed), session(&observed));
    for (lost, id) in [(1, 1), (2, 2)] {
        F::end(session.start_transaction()).unwrap();
        F::end(items.insert_one(doc! { "_id": id }).session(&mut session)).unwrap();
        fail(&observed, "commitTransaction", lost, doc! { "closeConnection": true });
        let committed = F::end(session.commit_transaction());
        if lost == 1 {
            committed.unwrap();
            continue;
        }
        let error = committed.unwrap_err();
        assert!(error.has_label(UNKNOWN_TRANSACTION_COMMIT_RESULT), "{error:?}");
        assert!(!error.has_label(TRANSIENT_TRANSACTION_ERROR), "{error:?}");
        F::end(session.commit_transaction()).unwrap();
    }
    assert_eq!(count(&items), 2);
}

fn lost_write_is_transient<F: Api>() {
    let _turn = turn_for_faults();
    let observed = observed::<F>();
    let (items, mut session) = (items(&observed), session(&observed));
    F::end(session.start_transaction()).unwrap();
    fail(&observed, "insert", 1, doc! { "closeConnection": true });
    let error = F::end(items.insert_one(doc! { "_id": 1 }).session(&mut session)).unwrap_err();
    assert!(error.has_label(TRANSIENT_TRANSACTION_ERROR), "{error:?}");
    assert_eq!(observed.sent("insert").len(), 1, "a write of a transaction was sent again");
}

/// The server refuses the first command of the transaction, and the command that ends it. Both are
/// sent again on the same connection.
fn transaction_starts_after_a_reauthentication<F: Api>() {
    let _turn = turn_for_faults();
    let observed = observed::<F>();
    let (items, mut session) = (items(&observed), session(&observed));
    F::end(session.start_transaction()).unwrap();
    fail(&observed, "insert", 1, doc! { "errorCode": 391 });
    F::end(items.insert_one(doc! { "_id": 1 }).session(&mut session)).unwrap();
    fail(&observed, "commitTransaction", 1, doc! { "errorCode": 391 });
    F::end(session.commit_transaction()).unwrap();
    assert_eq!(count(&items), 1);
    let inserts = observed.sent("insert");
    assert_eq!(inserts.len(), 2);
    assert!(inserts.iter().all(|insert| insert.get_bool("startTransaction").unwrap_or_default()));
    assert_eq!(observed.sent("commitTransaction").len(), 2);
}

fn closure_is_called_again_after_a_transient_error<F: Api>() {
    let _turn = turn_for_faults();
    let observed = observed::<F>();
    let (items, mut session) = (items(&observed), session(&observed));
    let called = AtomicU32::new(0);
    fail(
        &observed,
        "insert",
        2,
        doc! { "errorCode": 251, "errorLabels": [TRANSIENT_TRANSACTION_ERROR] },
    );
    let ended: driver::Result<()> = F::in_transaction(session.start_transaction(), &|session| {
        called.fetch_add(1, Ordering::Relaxed);
        F::end(items.insert_one(doc! { "_id": 1 }).session(&mut *session))?;
        Ok(())
    });
    ended.unwrap();
    assert_eq!(called.into_inner(), 3);
    assert_eq!(count(&items), 1);
}

#[derive(Debug)]
enum Refused {
    Poor,
    Driver(driver::Error),
}

impl From<driver::Error> for Refused {
    fn from(error: driver::Error) -> Self {
        Refused::Driver(error)
    }
}

fn closure_gives_an_error_of_its_own_type<F: Api>() {
    let observed = observed::<F>();
    let (items, mut session) = (items(&observed), session(&observed));
    let ended = F::in_transaction(session.start_transaction(), &|session| {
        F::end(items.insert_one(doc! { "_id": 1 }).session(&mut *session))?;
        Err::<(), _>(Refused::Poor)
    });
    assert!(matches!(ended, Err(Refused::Poor)), "{ended:?}");
    assert_eq!(count(&items), 0);
    let ended = F::in_transaction(session.start_transaction(), &|session| {
        F::end(items.insert_one(doc! { "_id": 0 }).session(&mut *session))?;
        Ok::<_, Refused>(())
    });
    let Err(Refused::Driver(error)) = ended else { panic!("{ended:?}") };
    assert!(error.is_duplicate_key(), "{error}");
}

/// The ways in which a closure ends after a transient error.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    /// It returns the error.
    Passing,
    /// It returns another error.
    GivingUp,
}

/// The number of calls of a closure whose first operation fails with a transient error.
fn calls<F: Api, E: From<driver::Error> + Send + std::fmt::Debug + 'static>(
    ends: Ends,
    other: impl Fn() -> E + Sync,
    aborts: bool,
) -> u32 {
    let _turn = turn_for_faults();
    let observed = observed::<F>();
    let (items, mut session) = (items(&observed), session(&observed));
    fail_next_insert(&observed);
    let called = AtomicU32::new(0);
    let ended: Result<(), E> = F::in_transaction(session.start_transaction(), &|session| {
        called.fetch_add(1, Ordering::Relaxed);
        let inserted = F::end(items.insert_one(doc! { "_id": 1 }).session(&mut *session));
        let Err(error) = inserted else { return Ok(()) };
        if aborts {
            F::end(session.abort_transaction()).unwrap();
        }
        Err(if ends == Ends::Passing { error.into() } else { other() })
    });
    assert_eq!(ended.is_ok(), count(&items) == 1, "{ended:?}");
    called.into_inner()
}

/// The error decides, if its type shows the label. Otherwise the transaction does, unless the
/// closure has aborted it.
fn closure_that_gives_up_is_not_called_again<F: Api>() {
    let other = || driver::Error::custom("no more");
    let boxed = || Box::<dyn std::error::Error + Send + Sync>::from("no more");
    assert_eq!(calls::<F, _>(Ends::Passing, other, false), 2);
    assert_eq!(calls::<F, _>(Ends::GivingUp, other, false), 1);
    assert_eq!(calls::<F, _>(Ends::Passing, other, true), 2);
    assert_eq!(calls::<F, _>(Ends::Passing, boxed, false), 2);
    assert_eq!(calls::<F, _>(Ends::GivingUp, boxed, false), 1);
    assert_eq!(calls::<F, _>(Ends::Passing, || Refused::Poor, false), 2);
    assert_eq!(calls::<F, _>(Ends::GivingUp, || Refused::Poor, false), 2);
    assert_eq!(calls::<F, _>(Ends::GivingUp, || Refused::Poor, true), 1);
    // `and_run` of both APIs has the driver's error type.
    let _turn = turn_for_faults();
    let observed = observed::<F>();
    let (items, mut session) = (items(&observed), session(&observed));
    fail_next_insert(&observed);
    let called = AtomicU32::new(0);
    let ended = F::with_transaction(session.start_transaction(), &|session| {
        called.fetch_add(1, Ordering::Relaxed);
        let inserted = F::end(items.insert_one(doc! { "_id": 1 }).session(&mut *session));
        inserted.map(drop).map_err(|_| other())
    });
    assert_eq!(ended.unwrap_err().get_custom(), Some(&"no more"));
    assert_eq!(called.into_inner(), 1);
}

fn oversized_document_leaves_the_transaction_as_it_was<F: Api>() {
    let observed = observed::<F>();
    let (items, mut session) = (items(&observed), session(&observed));
    F::end(session.start_transaction()).unwrap();
    let large = doc! { "_id": 1, "x": "x".repeat(17 << 20) };
    let error = F::end(items.insert_one(large).session(&mut session)).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::InvalidArgument { .. }), "{error}");
    F::end(items.insert_one(doc! { "_id": 1 }).session(&mut session)).unwrap();
    F::end(session.commit_transaction()).unwrap();
    assert!(observed.sent("insert")[0].get_bool("startTransaction").unwrap());
    assert_eq!(count(&items), 1);
}

fn snapshot_of_a_given_time_sees_that_time<F: Api>() {
    if servers().version() < testbed::Version::new(5, 0, 0) {
        return;
    }
    let observed = observed::<F>();
    let items = items(&observed);
    let snapshot = |time| {
        let mut options = driver::options::SessionOptions::default();
        options.snapshot = Some(true);
        options.snapshot_time = time;
        F::session_with(&observed.client, options).unwrap()
    };
    let all = || items.find_one(doc! { "_id": 1 });
    let mut first = snapshot(None);
    assert!(F::end(all().session(&mut first)).unwrap().is_none());
    F::end(items.insert_one(doc! { "_id": 1 })).unwrap();
    let mut second = snapshot(first.snapshot_time());
    assert!(F::end(all().session(&mut second)).unwrap().is_none());
    assert!(F::end(all()).unwrap().is_some());
    let mut options = driver::options::SessionOptions::default();
    options.snapshot_time = first.snapshot_time();
    let error = F::session_with(&observed.client, options).unwrap_err();
    assert!(error.to_string().contains("snapshot_time"), "{error}");
    let started = F::end(second.start_transaction().with_options(TransactionOptions::default()));
    assert!(started.unwrap_err().to_string().contains("not supported in snapshot sessions"));
}

fn timed_transaction_refuses_timeouts_of_its_operations<F: Api>() {
    const MINUTE: Duration = Duration::from_secs(60);
    let observed = observed::<F>();
    let options = SessionOptions::builder().default_timeout(MINUTE).build();
    let mut session = F::session_with(&observed.client, options).unwrap();
    let items = items(&observed);
    let refused = |outcome: driver::Result<()>| {
        let error = outcome.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::InvalidArgument { .. }), "{error}");
    };
    let done: driver::Result<()> = F::in_transaction(session.start_transaction(), &|session| {
        let one = doc! { "_id": 1 };
        let insert = items.insert_one(&one).timeout(MINUTE).session(&mut *session);
        refused(F::end(insert).map(drop));
        let insert = items.insert_many([&one]).timeout(MINUTE).session(&mut *session);
        refused(F::end(insert).map(drop));
        let models = [items.insert_one_model(&one).unwrap()];
        let bulk = items.bulk_write(models).timeout(MINUTE).session(&mut *session);
        refused(F::end(bulk).map(drop));
        let model = items.insert_one_model(&one).unwrap();
        let bulk = observed.client.bulk_write([model]).timeout(MINUTE).session(&mut *session);
        refused(F::end(bulk).map(drop));
        let names = items.list_index_names().timeout(MINUTE).session(&mut *session);
        refused(F::end(names).map(drop));
        let values = items.distinct("a", doc! {}).timeout(MINUTE).session(&mut *session);
        refused(F::end(values).map(drop));
        let find = items.find(doc! {}).timeout(MINUTE).session(&mut *session);
        refused(F::end(find.batch()).map(drop));
        Ok(())
    });
    done.unwrap();
    assert!(observed.names().is_empty());
}
