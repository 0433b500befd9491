//! Lists of databases.

use driver::bson::{Document, doc};
use driver::options::{ListDatabasesOptions, ReadPreference};
use testbed::{shared_replica_set, shared_standalone};

use crate::api::{Api, on_both_apis};
use crate::observed::Observed;

on_both_apis! {
    databases_are_listed
    databases_are_listed_by_the_primary
    databases_are_listed_in_a_session
}

fn databases_are_listed<F: Api>() {
    let observed = Observed::<F>::of(&shared_standalone().unwrap().uri());
    let (client, name) = (&observed.client, observed.name.as_str());
    F::end(observed.database().collection::<Document>("c").insert_one(doc! {})).unwrap();
    let found = F::end(client.list_databases().filter(doc! { "name": name })).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].name, name);
    assert!(found[0].size_on_disk > 0 && !found[0].empty && found[0].shards.is_none());
    let names = F::end(client.list_database_names()).unwrap();
    assert!(names.iter().any(|known| known == name) && names.iter().any(|known| known == "admin"));
    let options = ListDatabasesOptions::builder()
        .filter(doc! { "name": name })
        .authorized_databases(true)
        .comment(driver::bson::Bson::from("why"))
        .build();
    assert_eq!(F::end(client.list_database_names().with_options(options)).unwrap(), [name]);
    let sent = observed.sent("listDatabases");
    assert!(sent.iter().all(|command| command.get_str("$db").unwrap() == "admin"));
    assert!(!sent[0].contains_key("nameOnly") && sent[1].get_bool("nameOnly").unwrap());
    assert!(sent[2].get_bool("authorizedDatabases").unwrap());
    assert_eq!(sent[2].get_str("comment").unwrap(), "why");
    let none = client.list_databases().filter(doc! { "name": "nowhere" });
    assert!(F::end(none).unwrap().is_empty());
}

fn databases_are_listed_by_the_primary<F: Api>() {
    let observed = Observed::<F>::with(&shared_replica_set().unwrap().uri(), |options| {
        options.selection_criteria = Some(ReadPreference::secondary(None).into());
    });
    F::end(observed.client.list_databases()).unwrap();
    F::end(observed.client.list_database_names()).unwrap();
    F::end(observed.database().list_collection_names()).unwrap();
    F::end(observed.database().list_collections()).unwrap();
    F::end(observed.database().collection::<Document>("c").list_indexes()).unwrap();
    for name in ["listDatabases", "listCollections", "listIndexes"] {
        let sent = observed.sent(name);
        assert!(!sent.is_empty(), "no {name} was sent");
        for command in sent {
            assert!(!command.contains_key("$readPreference"), "{command}");
        }
    }
}

fn databases_are_listed_in_a_session<F: Api>() {
    let observed = Observed::<F>::of(&shared_standalone().unwrap().uri());
    let mut session = F::start_session(&observed.client);
    let lsid = session.id().clone();
    F::end(observed.client.list_databases().session(&mut session)).unwrap();
    F::end(observed.client.list_database_names().session(&mut session)).unwrap();
    let sent = observed.sent("listDatabases");
    assert_eq!(sent.len(), 2);
    assert!(sent.iter().all(|command| command.get_document("lsid").unwrap() == &lsid));
}
