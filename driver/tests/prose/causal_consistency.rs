//! Specification "Causal Consistency".

use driver::bson::{Document, Timestamp, doc};
use driver::collection::Collection;
use driver::options::{CollectionOptions, ReadConcern};
use driver::session::ClientSession;
use testbed::{shared_replica_set, shared_standalone};

use crate::api::{Api, on_both_apis};
use crate::observed::Observed;

on_both_apis! {
    causal_consistency_prose_1
    causal_consistency_prose_2
    causal_consistency_prose_3
    causal_consistency_prose_4
    causal_consistency_prose_5
    causal_consistency_prose_6
    causal_consistency_prose_7
    causal_consistency_prose_8
    causal_consistency_prose_9
    causal_consistency_prose_11
    causal_consistency_prose_12
}

/// A client with its session and a collection.
struct Setup<F: Api> {
    observed: Observed<F>,
    items: Collection<Document, F>,
    session: ClientSession<F>,
}

impl<F: Api> Setup<F> {
    fn on(uri: &str) -> Self {
        let observed = Observed::<F>::of(uri);
        let items = observed.database().collection("test");
        F::end(items.insert_one(doc! { "_id": 0 })).unwrap();
        observed.forget();
        let session = F::start_session(&observed.client);
        Setup { observed, items, session }
    }

    fn new() -> Self {
        Self::on(&shared_replica_set().unwrap().uri())
    }

    fn find_one(&mut self) {
        F::end(self.items.find_one(doc! {}).session(&mut self.session)).unwrap();
    }

    fn operation_time(&self) -> Timestamp {
        self.session.operation_time().expect("an operation has returned its time")
    }

    /// The read concern of the last command `name`.
    fn read_concern(&self, name: &str) -> Document {
        let commands = self.observed.sent(name);
        let last = commands.last().unwrap_or_else(|| panic!("no {name} was sent"));
        last.get_document("readConcern").cloned().unwrap_or_default()
    }
}

/// The name of a command, and a function that sends it with the session of the setup.
type Step<F> = (&'static str, fn(&mut Setup<F>));

fn reads<F: Api>() -> [Step<F>; 5] {
    [
        ("find", |setup| setup.find_one()),
        ("find", |setup| {
            drop(F::end(setup.items.find(doc! {}).session(&mut setup.session)).unwrap());
        }),
        ("aggregate", |setup| {
            drop(F::end(setup.items.aggregate([]).session(&mut setup.session)).unwrap());
        }),
        ("distinct", |setup| {
            F::end(setup.items.distinct("_id", doc! {}).session(&mut setup.session)).unwrap();
        }),
        ("count", |setup| {
            let count = setup.items.estimated_document_count();
            F::end(count).unwrap();
            let counted = setup.items.count_documents(doc! {}).session(&mut setup.session);
            F::end(counted).unwrap();
        }),
    ]
}

fn causal_consistency_prose_1<F: Api>() {
    assert_eq!(Setup::<F>::new().session.operation_time(), None);
}

fn causal_consistency_prose_2<F: Api>() {
    let mut setup = Setup::<F>::new();
    setup.find_one();
    assert!(!setup.read_concern("find").contains_key("afterClusterTime"));
}

fn causal_consistency_prose_3<F: Api>() {
    let mut setup = Setup::<F>::new();
    let replied = |setup: &Setup<F>, name: &str| {
        let replies = setup.observed.replied(name);
        replies.last().unwrap().get_timestamp("operationTime").unwrap()
    };
    setup.find_one();
    assert_eq!(setup.operation_time(), replied(&setup, "find"));
    // Also with an error.
    let before = setup.operation_time();
    F::end(setup.items.insert_one(doc! { "_id": 1 })).unwrap();
    let twice = setup.items.insert_one(doc! { "_id": 0 }).session(&mut setup.session);
    F::end(twice).unwrap_err();
    assert_eq!(setup.operation_time(), replied(&setup, "insert"));
    assert!(setup.operation_time() > before);
}

fn causal_consistency_prose_4<F: Api>() {
    for (name, read) in reads::<F>().into_iter().filter(|(name, _)| *name != "count") {
        let mut setup = Setup::<F>::new();
        setup.find_one();
        let time = setup.operation_time();
        read(&mut setup);
        let after = setup.read_concern(name).get_timestamp("afterClusterTime");
        assert_eq!(after.unwrap(), time, "{name}");
    }
}

fn causal_consistency_prose_5<F: Api>() {
    let writes: [Step<F>; 5] = [
        ("insert", |setup| {
            F::end(setup.items.insert_one(doc! {}).session(&mut setup.session)).unwrap();
        }),
        ("insert with an error", |setup| {
            let twice = setup.items.insert_one(doc! { "_id": 0 }).session(&mut setup.session);
            F::end(twice).unwrap_err();
        }),
        ("update", |setup| {
            let set = doc! { "$set": { "x": 1 } };
            let update = setup.items.update_one(doc! {}, set).session(&mut setup.session);
            F::end(update).unwrap();
        }),
        ("delete", |setup| {
            let delete = setup.items.delete_many(doc! { "x": 7 }).session(&mut setup.session);
            F::end(delete).unwrap();
        }),
        ("findAndModify", |setup| {
            let delete = setup.items.find_one_and_delete(doc! { "x": 7 });
            F::end(delete.session(&mut setup.session)).unwrap();
        }),
    ];
    for (name, write) in writes {
        let mut setup = Setup::<F>::new();
        write(&mut setup);
        let time = setup.operation_time();
        setup.find_one();
        let after = setup.read_concern("find").get_timestamp("afterClusterTime");
        assert_eq!(after.unwrap(), time, "{name}");
    }
}

fn causal_consistency_prose_6<F: Api>() {
    let mut setup = Setup::<F>::new();
    let mut options = driver::options::SessionOptions::default();
    options.causal_consistency = Some(false);
    setup.session = F::session_with(&setup.observed.client, options).unwrap();
    setup.find_one();
    setup.find_one();
    assert!(setup.session.operation_time().is_some());
    assert!(!setup.read_concern("find").contains_key("afterClusterTime"));
}

fn causal_consistency_prose_7<F: Api>() {
    let mut setup = Setup::<F>::on(&shared_standalone().unwrap().uri());
    setup.find_one();
    setup.find_one();
    assert!(!setup.read_concern("find").contains_key("afterClusterTime"));
}

fn causal_consistency_prose_8<F: Api>() {
    let mut setup = Setup::<F>::new();
    setup.find_one();
    let time = setup.operation_time();
    setup.find_one();
    assert_eq!(setup.read_concern("find"), doc! { "afterClusterTime": time });
}

fn causal_consistency_prose_9<F: Api>() {
    let mut setup = Setup::<F>::new();
    let mut options = CollectionOptions::default();
    options.read_concern = Some(ReadConcern::majority());
    setup.items = setup.observed.database().collection_with_options("test", options);
    setup.find_one();
    let time = setup.operation_time();
    setup.find_one();
    let merged = doc! { "level": "majority", "afterClusterTime": time };
    assert_eq!(setup.read_concern("find"), merged);
}

fn cluster_time_is_sent<F: Api>(uri: &str) -> bool {
    let setup = Setup::<F>::on(uri);
    F::end(setup.items.find_one(doc! {})).unwrap();
    setup.observed.sent("find")[0].contains_key("$clusterTime")
}

fn causal_consistency_prose_11<F: Api>() {
    assert!(!cluster_time_is_sent::<F>(&shared_standalone().unwrap().uri()));
}

fn causal_consistency_prose_12<F: Api>() {
    assert!(cluster_time_is_sent::<F>(&shared_replica_set().unwrap().uri()));
}
