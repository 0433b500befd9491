//! "Authentication", legacy: the credential of a connection string.

use driver::options::ConnectionString;
use serde_json::{Value, json};

use super::expect::{self, asserted, text};
use crate::suite::Case;

pub(crate) fn cases(content: &Value) -> Result<Vec<Case>, String> {
    expect::tests(content, run)
}

/// Runs one case. A key with the value null asserts that there is no value; an absent key asserts
/// nothing.
pub(crate) fn run(case: &Value) -> Result<(), String> {
    let parsed = ConnectionString::parse(text(case, "uri")?);
    let Some(parsed) = expect::valid(parsed, expect::flag(case, "valid")?)? else { return Ok(()) };
    let credential = parsed.options.credential.as_ref();
    let Some(expected) = asserted(case, "credential") else {
        return expect::same("whether there is a credential", credential.is_some(), false);
    };
    let credential = credential.ok_or("expected a credential, found none")?;
    for (key, expected) in expected.as_object().ok_or("\"credential\" is not an object")? {
        let actual = match key.as_str() {
            "username" => json!(credential.username),
            "password" => json!(credential.password),
            "source" => json!(credential.source),
            "mechanism" => json!(credential.mechanism.map(|m| m.as_str())),
            "mechanism_properties" => json!(credential.mechanism_properties),
            other => return Err(format!("the harness does not know the member {other:?}")),
        };
        let met = match (expected.as_object(), actual.as_object()) {
            (Some(expected), Some(actual)) => {
                expected.iter().all(|(key, value)| actual.get(key) == Some(value))
            }
            _ => actual == *expected,
        };
        if !met {
            return Err(format!("{key}: expected {expected}, found {actual}"));
        }
    }
    Ok(())
}
