//! "Connection String" and "URI Options": the parsed options and the warnings.

use driver::options::{ConnectionString, HostInfo, ServerAddress};
use serde_json::Value;

use super::expect::{self, asserted, same, text};
use super::uri_options;
use crate::suite::Case;

pub(crate) fn cases(content: &Value) -> Result<Vec<Case>, String> {
    expect::tests(content, run)
}

/// Runs one case.
pub(crate) fn run(case: &Value) -> Result<(), String> {
    let parsed = ConnectionString::parse(text(case, "uri")?);
    let Some(parsed) = expect::valid(parsed, expect::flag(case, "valid")?)? else { return Ok(()) };
    if let Some(warning) = asserted(case, "warning") {
        // A missing cargo feature is not a fault of the string.
        let warned =
            parsed.warnings().iter().any(|warning| !warning.contains("it needs the feature"));
        same("whether there are warnings", Some(warned), warning.as_bool())
            .map_err(|why| format!("{why}; the warnings: {:?}", parsed.warnings()))?;
    }
    if let Some(hosts) = asserted(case, "hosts") {
        compare_hosts(&parsed, hosts)?;
    }
    if let Some(auth) = asserted(case, "auth") {
        compare_auth(&parsed, auth)?;
    }
    if let Some(options) = asserted(case, "options") {
        uri_options::compare(&parsed.options, options)?;
    }
    Ok(())
}

fn compare_hosts(parsed: &ConnectionString, expected: &Value) -> Result<(), String> {
    let HostInfo::HostIdentifiers(hosts) = &parsed.host_info else {
        return Err(format!("expected hosts, found {:?}", parsed.host_info));
    };
    let expected = expected.as_array().ok_or("\"hosts\" is not an array")?;
    same("the number of hosts", hosts.len(), expected.len())?;
    for (host, expected) in hosts.iter().zip(expected) {
        same("host", &*host.host(), text(expected, "host")?)?;
        let unix = text(expected, "type")? == "unix";
        same(
            "whether the host is a Unix domain socket",
            matches!(host, ServerAddress::Unix { .. }),
            unix,
        )?;
        let port = match asserted(expected, "port") {
            Some(port) => port.as_u64(),
            None if unix => None,
            None => Some(ServerAddress::DEFAULT_PORT.into()),
        };
        same("port", host.port().map(u64::from), port)?;
    }
    Ok(())
}

fn compare_auth(parsed: &ConnectionString, expected: &Value) -> Result<(), String> {
    let credential = parsed.options.credential.as_ref();
    let member = |key: &str| asserted(expected, key).and_then(Value::as_str);
    same("username", credential.and_then(|c| c.username.as_deref()), member("username"))?;
    same("password", credential.and_then(|c| c.password.as_deref()), member("password"))?;
    same("database", parsed.options.default_database.as_deref(), member("db"))
}
