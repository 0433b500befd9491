//! Helpers for reading case files and comparing values.

use std::fmt::Debug;

use serde_json::Value;

use crate::suite::Case;

/// The cases of a file of the form `{"tests": [{"description": ..., ...}]}`, each run by `run`.
pub(crate) fn tests(
    content: &Value,
    run: fn(&Value) -> Result<(), String>,
) -> Result<Vec<Case>, String> {
    let tests =
        content.get("tests").and_then(Value::as_array).ok_or("the file has no array \"tests\"")?;
    let case = |test: &Value| {
        let description = text(test, "description")?.to_owned();
        let test = test.clone();
        Ok(Case::new(description, move || run(&test)))
    };
    tests.iter().map(case).collect()
}

/// The string `key` of a case.
pub(crate) fn text<'a>(case: &'a Value, key: &str) -> Result<&'a str, String> {
    case.get(key).and_then(Value::as_str).ok_or_else(|| format!("the case has no string {key:?}"))
}

/// The boolean `key` of a case.
pub(crate) fn flag(case: &Value, key: &str) -> Result<bool, String> {
    case.get(key).and_then(Value::as_bool).ok_or_else(|| format!("the case has no boolean {key:?}"))
}

/// The value of `key`, unless it is absent or null and so asserts nothing.
pub(crate) fn asserted<'a>(case: &'a Value, key: &str) -> Option<&'a Value> {
    case.get(key).filter(|value| !value.is_null())
}

/// Asserts that both are equal.
pub(crate) fn same<T: Debug + PartialEq<U>, U: Debug>(
    what: &str,
    actual: T,
    expected: U,
) -> Result<(), String> {
    if actual == expected {
        Ok(())
    } else {
        Err(format!("{what}: expected {expected:?}, found {actual:?}"))
    }
}

/// Asserts that parsing succeeded or failed as expected. Returns the value if it succeeded.
pub(crate) fn valid<T>(result: driver::Result<T>, valid: bool) -> Result<Option<T>, String> {
    match (result, valid) {
        (Ok(value), true) => Ok(Some(value)),
        (Err(_), false) => Ok(None),
        (Ok(_), false) => Err("expected an error, found none".into()),
        (Err(e), true) => Err(format!("unexpected error: {e}")),
    }
}
