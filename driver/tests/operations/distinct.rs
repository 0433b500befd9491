//! `distinct`.

use driver::bson::{Bson, Document, doc};

use crate::api::{Api, on_both_apis};

on_both_apis! {
    distinct_gives_each_value_once
}

fn distinct_gives_each_value_once<F: Api>() {
    let collection = F::fresh_database().collection::<Document>("monkeys");
    F::end(collection.insert_many((0..9).map(|i| doc! { "kind": i % 3 }))).unwrap();
    let values = F::end(collection.distinct("kind", doc! { "kind": { "$gt": 0 } })).unwrap();
    assert_eq!(values, [Bson::Int32(1), Bson::Int32(2)]);
}
