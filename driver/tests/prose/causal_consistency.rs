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
struct Ground<F: Api> {
    observed: Observed<F>,
    items: Collection<Document, F>,
    session: ClientSession<F>,
}

impl<F: Api> Ground<F> {
    fn on(uri: &str) -> Self {
        let observed = Observed::<F>::of(uri);
        let items = observed.database().collection("test");
        F::end(items.insert_one(doc! { "_id": 0 })).unwrap();
        observed.forget();
        let session = F::start_session(&observed.client);
        Ground { observed, items, session }
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

/// The name of a command, and a function that sends it with the session of the ground.
type Step<F> = (&'static str, fn(&mut Ground<F>));

fn reads<F: Api>() -> [Step<F>; 5] {
    [
        ("find", |ground| ground.find_one()),
        ("find", |ground| {
            drop(F::end(ground.items.find(doc! {}).session(&mut ground.session)).unwrap());
        }),
        ("aggregate", |ground| {
            drop(F::end(ground.items.aggregate([]).session(&mut ground.session)).unwrap());
        }),
        ("distinct", |ground| {
            F::end(ground.items.distinct("_id", doc! {}).session(&mut ground.session)).unwrap();
        }),
        ("count", |ground| {
            let count = ground.items.estimated_document_count();
            F::end(count).unwrap();
            let counted = ground.items.count_documents(doc! {}).session(&mut ground.session);
            F::end(counted).unwrap();
        }),
    ]
}

fn causal_consistency_prose_1<F: Api>() {
    assert_eq!(Ground::<F>::new().session.operation_time(), None);
}

fn causal_consistency_prose_2<F: Api>() {
    let mut ground = Ground::<F>::new();
    ground.find_one();
    assert!(!ground.read_concern("find").contains_key("afterClusterTime"));
}

fn causal_consistency_prose_3<F: Api>() {
    let mut ground = Ground::<F>::new();
    let replied = |ground: &Ground<F>, name: &str| {
        let replies = ground.observed.replied(name);
        replies.last().unwrap().get_timestamp("operationTime").unwrap()
    };
    ground.find_one();
    assert_eq!(ground.operation_time(), replied(&ground, "find"));
    // Also with an error.
    let before = ground.operation_time();
    F::end(ground.items.insert_one(doc! { "_id": 1 })).unwrap();
    let twice = ground.items.insert_one(doc! { "_id": 0 }).session(&mut ground.session);
    F::end(twice).unwrap_err();
    assert_eq!(ground.operation_time(), replied(&ground, "insert"));
    assert!(ground.operation_time() > before);
}

fn causal_consistency_prose_4<F: Api>() {
    for (name, read) in reads::<F>().into_iter().filter(|(name, _)| *name != "count") {
        let mut ground = Ground::<F>::new();
        ground.find_one();
        let time = ground.operation_time();
        read(&mut ground);
        let after = ground.read_concern(name).get_timestamp("afterClusterTime");
        assert_eq!(after.unwrap(), time, "{name}");
    }
}

fn causal_consistency_prose_5<F: Api>() {
    let writes: [Step<F>; 5] = [
        ("insert", |ground| {
            F::end(ground.items.insert_one(doc! {}).session(&mut ground.session)).unwrap();
        }),
        ("insert with an error", |ground| {
            let twice = ground.items.insert_one(doc! { "_id": 0 }).session(&mut ground.session);
            F::end(twice).unwrap_err();
        }),
        ("update", |ground| {
            let set = doc! { "$set": { "x": 1 } };
            let update = ground.items.update_one(doc! {}, set).session(&mut ground.session);
            F::end(update).unwrap();
        }),
        ("delete", |ground| {
            let delete = ground.items.delete_many(doc! { "x": 7 }).session(&mut ground.session);
            F::end(delete).unwrap();
        }),
        ("findAndModify", |ground| {
            let delete = ground.items.find_one_and_delete(doc! { "x": 7 });
            F::end(delete.session(&mut ground.session)).unwrap();
        }),
    ];
    for (name, write) in writes {
        let mut ground = Ground::<F>::new();
        write(&mut ground);
        let time = ground.operation_time();
        ground.find_one();
        let after = ground.read_concern("find").get_timestamp("afterClusterTime");
        assert_eq!(after.unwrap(), time, "{name}");
    }
}

fn causal_consistency_prose_6<F: Api>() {
    let mut ground = Ground::<F>::new();
    let mut options = driver::options::SessionOptions::default();
    options.causal_consistency = Some(false);
    ground.session = F::session_with(&ground.observed.client, options).unwrap();
    ground.find_one();
    ground.find_one();
    assert!(ground.session.operation_time().is_some());
    assert!(!ground.read_concern("find").contains_key("afterClusterTime"));
}

fn causal_consistency_prose_7<F: Api>() {
    let mut ground = Ground::<F>::on(&shared_standalone().unwrap().uri());
    ground.find_one();
    ground.find_one();
    assert!(!ground.read_concern("find").contains_key("afterClusterTime"));
}

fn causal_consistency_prose_8<F: Api>() {
    let mut ground = Ground::<F>::new();
    ground.find_one();
    let time = ground.operation_time();
    ground.find_one();
    assert_eq!(ground.read_concern("find"), doc! { "afterClusterTime": time });
}

fn causal_consistency_prose_9<F: Api>() {
    let mut ground = Ground::<F>::new();
    let mut options = CollectionOptions::default();
    options.read_concern = Some(ReadConcern::majority());
    ground.items = ground.observed.database().collection_with_options("test", options);
    ground.find_one();
    let time = ground.operation_time();
    ground.find_one();
    let merged = doc! { "level": "majority", "afterClusterTime": time };
    assert_eq!(ground.read_concern("find"), merged);
}

fn cluster_time_is_sent<F: Api>(uri: &str) -> bool {
    let ground = Ground::<F>::on(uri);
    F::end(ground.items.find_one(doc! {})).unwrap();
    ground.observed.sent("find")[0].contains_key("$clusterTime")
}

fn causal_consistency_prose_11<F: Api>() {
    assert!(!cluster_time_is_sent::<F>(&shared_standalone().unwrap().uri()));
}

fn causal_consistency_prose_12<F: Api>() {
    assert!(cluster_time_is_sent::<F>(&shared_replica_set().unwrap().uri()));
}
