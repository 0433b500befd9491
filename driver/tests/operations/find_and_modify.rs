//! `find_one_and_update`, `find_one_and_replace`, `find_one_and_delete`.

use std::time::Duration;

use driver::bson::{Document, doc};
use driver::collection::Collection;
use driver::error::{ErrorKind, WriteFailure};
use driver::ops::Operation;
use driver::options::{Collation, CollationStrength, Hint, ReturnDocument, WriteConcern};
use serde::{Deserialize, Serialize};
use testbed::{Version, eventually, shared_replica_set, shared_standalone};

use crate::api::{Api, on_both_apis};
use crate::observed::{Observed, invalid};

on_both_apis! {
    states_before_and_after_are_given
    find_and_modify_gives_none_without_a_match
    find_and_modify_sends_its_options
    find_and_modify_refuses_bad_input_unsent
    find_and_modify_reports_write_concern_errors
    find_and_modify_reports_refusals
    find_and_modify_runs_unacknowledged
    find_and_modify_runs_in_a_session
    find_and_modify_names_the_misfit
    explained_find_and_modify_changes_nothing
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Monkey {
    #[serde(rename = "_id")]
    id: i32,
    swims: bool,
}

fn monkeys<F: Api>() -> Collection<Monkey, F> {
    let collection = F::fresh_database().collection::<Monkey>("monkeys");
    let monkeys = (0..3).map(|id| Monkey { id, swims: false });
    F::end(collection.insert_many(monkeys)).unwrap();
    collection
}

fn states_before_and_after_are_given<F: Api>() {
    let coll = monkeys::<F>();
    let (dry, wet) = (Monkey { id: 1, swims: false }, Monkey { id: 1, swims: true });
    let set = |swims: bool| doc! { "$set": { "swims": swims } };
    let id = || doc! { "_id": 1 };
    assert_eq!(F::end(coll.find_one_and_update(id(), set(true))).unwrap(), Some(dry.clone()));
    let after = coll.find_one_and_update(id(), set(false)).return_document(ReturnDocument::After);
    assert_eq!(F::end(after).unwrap(), Some(dry.clone()));
    assert_eq!(F::end(coll.find_one_and_replace(id(), &wet)).unwrap(), Some(dry.clone()));
    let after = coll.find_one_and_replace(id(), &dry).return_document(ReturnDocument::After);
    assert_eq!(F::end(after).unwrap(), Some(dry.clone()));
    let stages = vec![doc! { "$set": { "swims": { "$not": "$swims" } } }];
    let after = coll.find_one_and_update(id(), stages).return_document(ReturnDocument::After);
    assert_eq!(F::end(after).unwrap(), Some(wet.clone()));
    assert_eq!(F::end(coll.find_one_and_delete(id())).unwrap(), Some(wet));
    assert_eq!(F::end(coll.count_documents(doc! {})).unwrap(), 2);
}

fn find_and_modify_gives_none_without_a_match<F: Api>() {
    let coll = monkeys::<F>();
    let (nobody, new) = (|| doc! { "_id": 9 }, Monkey { id: 9, swims: true });
    let set = || doc! { "$set": { "swims": true } };
    assert_eq!(F::end(coll.find_one_and_update(nobody(), set())).unwrap(), None);
    assert_eq!(F::end(coll.find_one_and_replace(nobody(), &new)).unwrap(), None);
    assert_eq!(F::end(coll.find_one_and_delete(nobody())).unwrap(), None);
    let before = coll.find_one_and_update(nobody(), set()).upsert(true);
    assert_eq!(F::end(before).unwrap(), None, "there was none before the upsert");
    F::end(coll.find_one_and_delete(nobody())).unwrap();
    let after = coll.find_one_and_replace(nobody(), &new);
    let after = after.upsert(true).return_document(ReturnDocument::After);
    assert_eq!(F::end(after).unwrap(), Some(new));
}

fn find_and_modify_sends_its_options<F: Api>() {
    let observed = Observed::<F>::of(&shared_standalone().unwrap().uri());
    let coll = observed.database().collection::<Document>("c");
    let collation = || {
        Collation::builder().locale("en".to_owned()).strength(CollationStrength::Primary).build()
    };
    // Older servers refuse the option.
    let has_let = shared_standalone().unwrap().version() >= Version::new(5, 0, 0);
    let let_vars = has_let.then(|| doc! { "v": 1 });
    let update = coll
        .find_one_and_update(doc! {}, doc! { "$set": { "a.$[x]": 1 } })
        .array_filters([doc! { "x": 0 }])
        .bypass_document_validation(true)
        .max_time(Duration::from_millis(9_000))
        .projection(doc! { "a": 1 })
        .return_document(ReturnDocument::After)
        .sort(doc! { "_id": 1 })
        .upsert(false)
        .write_concern(WriteConcern::nodes(1))
        .collation(collation())
        .hint(Hint::Name("_id_".into()))
        .optional(let_vars.clone(), |update, vars| update.let_vars(vars))
        .comment("why");
    assert_eq!(F::end(update).unwrap(), None);
    let mut sent = observed.sent("findAndModify").remove(0);
    for of_every_command in ["$db", "lsid", "txnNumber"] {
        sent.remove(of_every_command);
    }
    let mut expected = doc! {
        "findAndModify": "c", "query": {}, "update": { "$set": { "a.$[x]": 1 } },
        "arrayFilters": [{ "x": 0 }], "bypassDocumentValidation": true, "fields": { "a": 1 },
        "new": true,
        "sort": { "_id": 1 }, "upsert": false, "collation": { "locale": "en", "strength": 1 },
        "hint": "_id_", "comment": "why", "writeConcern": { "w": 1 },
        "maxTimeMS": 9_000_i64,
    };
    expected.extend(let_vars.map(|vars| ("let".to_owned(), vars.into())));
    assert_eq!(sorted(sent), sorted(expected));
    F::end(coll.find_one_and_replace(doc! { "x": 1 }, doc! { "a": 1 }).comment(1)).unwrap();
    let sent = observed.sent("findAndModify").remove(1);
    assert_eq!(sent.get_document("update").unwrap(), &doc! { "a": 1 });
    assert_eq!(sent.get_i32("comment").unwrap(), 1);
    F::end(coll.find_one_and_delete(doc! { "x": 1 }).hint(Hint::Keys(doc! { "_id": 1 }))).unwrap();
    let sent = observed.sent("findAndModify").remove(2);
    assert!(sent.get_bool("remove").unwrap() && !sent.contains_key("update"), "{sent}");
    assert_eq!(sent.get_document("hint").unwrap(), &doc! { "_id": 1 });
}

/// Fields in the order of their names.
fn sorted(document: Document) -> Vec<(String, driver::bson::Bson)> {
    let mut fields: Vec<_> = document.into_iter().collect();
    fields.sort_by(|(a, _), (b, _)| a.cmp(b));
    fields
}

fn find_and_modify_refuses_bad_input_unsent<F: Api>() {
    let observed = Observed::<F>::of(&shared_standalone().unwrap().uri());
    let coll = observed.database().collection::<Document>("c");
    let refused = |ended: driver::Result<Option<Document>>, says: &[&str]| {
        let message = invalid(&ended.unwrap_err());
        for part in says {
            assert!(message.contains(part), "{message}");
        }
    };
    let update = |update: Document| F::end(coll.find_one_and_update(doc! {}, update));
    refused(update(doc! { "a": 1 }), &["find_one_and_update on", "\"a\"", "find_one_and_replace"]);
    refused(update(doc! { "$set": {}, "b": 1 }), &["\"b\""]);
    refused(update(doc! {}), &["empty"]);
    let stages = F::end(coll.find_one_and_update(doc! {}, Vec::<Document>::new()));
    refused(stages, &["no stages"]);
    let replace =
        F::end(coll.find_one_and_replace(doc! {}, doc! { "$set": { "a": 1 } }).upsert(true));
    refused(replace, &["find_one_and_replace on", "\"$set\"", "find_one_and_update"]);
    let large = doc! { "a": "x".repeat(17_000_000) };
    refused(F::end(coll.find_one_and_replace(doc! {}, large)), &["findAndModify takes 17"]);
    assert!(observed.names().is_empty(), "nothing is sent");
    F::end(coll.find_one_and_replace(doc! {}, doc! {})).expect("an empty replacement is one");
}

fn find_and_modify_reports_write_concern_errors<F: Api>() {
    let observed = Observed::<F>::of(&shared_replica_set().unwrap().uri());
    let coll = observed.database().collection::<Document>("c");
    F::end(coll.insert_one(doc! { "_id": 1 })).unwrap();
    let many = || WriteConcern::nodes(9);
    let set = coll.find_one_and_update(doc! {}, doc! { "$set": { "a": 1 } }).write_concern(many());
    let replace = coll.find_one_and_replace(doc! {}, doc! { "b": 1 }).write_concern(many());
    let delete = coll.find_one_and_delete(doc! {}).write_concern(many());
    for ended in [F::end(set), F::end(replace), F::end(delete)] {
        let error = ended.unwrap_err();
        let ErrorKind::Write(WriteFailure::WriteConcernError(concern)) = error.kind() else {
            panic!("{error}");
        };
        assert_eq!(concern.code, 100, "{error}");
        let reply = error.server_response().unwrap();
        assert!(reply.get_document("value").is_ok(), "{reply:?}");
    }
    assert_eq!(F::end(coll.count_documents(doc! {})).unwrap(), 0, "it was deleted all the same");
}

fn find_and_modify_reports_refusals<F: Api>() {
    let coll = monkeys::<F>();
    let error =
        F::end(coll.find_one_and_update(doc! {}, doc! { "$nonsense": { "a": 1 } })).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Command(_)), "{error}");
    assert!(error.to_string().starts_with("find_one_and_update on "), "{error}");
    let taken = Monkey { id: 2, swims: true };
    let replace = coll.find_one_and_replace(doc! { "_id": 7, "swims": true }, &taken).upsert(true);
    // The _id of a document cannot change.
    assert_eq!(F::end(replace).unwrap_err().code_name(), Some("ImmutableField"));
}

fn find_and_modify_runs_unacknowledged<F: Api>() {
    let coll = monkeys::<F>();
    let nobody_asks = || WriteConcern::nodes(0);
    let delete = coll.find_one_and_delete(doc! { "_id": 0 }).write_concern(nobody_asks());
    assert_eq!(F::end(delete).unwrap(), None);
    let set = doc! { "$set": { "swims": true } };
    let update = coll.find_one_and_update(doc! { "_id": 1 }, set).write_concern(nobody_asks());
    assert_eq!(F::end(update).unwrap(), None);
    eventually("both are done", || {
        let found = F::collect(F::end(coll.find(doc! {})).unwrap()).unwrap();
        found == [Monkey { id: 1, swims: true }, Monkey { id: 2, swims: false }]
    });
}

fn find_and_modify_runs_in_a_session<F: Api>() {
    let observed = Observed::<F>::of(&shared_standalone().unwrap().uri());
    let coll = observed.database().collection::<Document>("c");
    let mut session = F::start_session(&observed.client);
    let lsid = session.id().clone();
    let set = doc! { "$set": { "a": 1 } };
    F::end(coll.find_one_and_update(doc! {}, set).session(&mut session)).unwrap();
    F::end(coll.find_one_and_replace(doc! {}, doc! {}).session(&mut session)).unwrap();
    F::end(coll.find_one_and_delete(doc! {}).session(&mut session)).unwrap();
    let sent = observed.sent("findAndModify");
    assert_eq!(sent.len(), 3);
    for command in sent {
        assert_eq!(command.get_document("lsid").unwrap(), &lsid);
    }
}

fn find_and_modify_names_the_misfit<F: Api>() {
    let coll = monkeys::<F>();
    let set = doc! { "$set": { "swims": "well" } };
    let update = coll.find_one_and_update(doc! { "_id": 1 }, set);
    let error = F::end(update.return_document(ReturnDocument::After)).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::BsonDeserialization(_)), "{error}");
    assert!(error.to_string().contains("swims"), "{error}");
}

fn explained_find_and_modify_changes_nothing<F: Api>() {
    let coll = monkeys::<F>();
    let set = doc! { "$set": { "swims": true } };
    let wet = Monkey { id: 1, swims: true };
    let plans = [
        F::end(coll.find_one_and_update(doc! { "_id": 1 }, set).explain()),
        F::end(coll.find_one_and_replace(doc! { "_id": 1 }, &wet).explain()),
        F::end(coll.find_one_and_delete(doc! { "_id": 1 }).explain()),
    ];
    for plan in plans {
        assert!(plan.unwrap().contains_key("queryPlanner"));
    }
    let found = F::end(coll.find_one(doc! { "_id": 1 })).unwrap();
    assert_eq!(found, Some(Monkey { id: 1, swims: false }));
}
