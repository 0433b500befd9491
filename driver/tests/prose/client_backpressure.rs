//! Specification "Client Backpressure", prose tests.

use driver::bson::{Document, doc};
use driver::error::{RETRYABLE_ERROR, SYSTEM_OVERLOADED_ERROR};
use testbed::shared_replica_set;

use crate::api::{Api, on_both_apis};
use crate::observed::{Observed, turn_for_faults};

on_both_apis! {
    client_backpressure_prose_3
    client_backpressure_prose_4
}

/// The number of times `find` is sent to an overloaded server.
fn sent<F: Api>(most: Option<u32>) -> usize {
    let set = shared_replica_set().unwrap();
    let observed = Observed::<F>::with(&set.uri(), |options| options.max_adaptive_retries = most);
    let _turn = turn_for_faults();
    let fail = doc! {
        "configureFailPoint": "failCommand", "mode": "alwaysOn",
        "data": {
            "failCommands": ["find"], "errorCode": 462, "appName": &observed.name,
            "errorLabels": [SYSTEM_OVERLOADED_ERROR, RETRYABLE_ERROR],
        },
    };
    let point = set.fail_point(set.wait_for_primary().unwrap(), fail).unwrap();
    let coll = observed.database().collection::<Document>("c");
    let error = F::end(coll.find_one(doc! {})).unwrap_err();
    drop(point);
    assert!(error.has_label(RETRYABLE_ERROR) && error.has_label(SYSTEM_OVERLOADED_ERROR));
    observed.sent("find").len()
}

/// Overload Errors are Retried a Maximum of MAX_RETRIES times.
fn client_backpressure_prose_3<F: Api>() {
    assert_eq!(sent::<F>(None), 3);
}

/// Overload Errors are Retried a Maximum of maxAdaptiveRetries times when configured.
fn client_backpressure_prose_4<F: Api>() {
    assert_eq!(sent::<F>(Some(1)), 2);
}
