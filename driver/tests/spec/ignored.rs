//! The cases that need a component which cannot exist where these tests run.
//!
//! A line is the beginning of a trial's name and the missing component. What only some servers lack
//! is computed from their version. Nothing stands here because it fails.

use testbed::Version;

/// The cases of one file demand both that MONGODB-AWS takes credentials and that it refuses them.
/// The text of the specification ("Obtaining Credentials") decides for refusing, and the cases that
/// demand this are run.
const BOTH_WAYS: &str = "a driver that takes MONGODB-AWS credentials, which other cases of this file and the specification's text forbid";

/// Beginnings of names, with the component that their cases need.
const MISSING: [(&str, &str); 2] = [
    (
        "auth/legacy/connection-string: should use username and password if specified (MONGODB-AWS)",
        BOTH_WAYS,
    ),
    (
        "auth/legacy/connection-string: should use username, password and session token if specified (MONGODB-AWS)",
        BOTH_WAYS,
    ),
];

/// The component that the trial `name` lacks.
pub(crate) fn missing_component(name: &str) -> Option<&'static str> {
    MISSING
        .iter()
        .find(|(beginning, _)| name.starts_with(beginning))
        .map(|(_, component)| *component)
}

/// From this version on, a fail point with an `appName` also meets the first `hello` of a
/// connection. The servers before it look at the name that earlier commands of the connection gave
/// (SERVER-49336). A trial of the harness probes it.
pub(crate) const HANDSHAKE_FAIL_POINTS: Version = Version::new(4, 4, 7);

/// Beginnings of names of trials whose fail points must meet the first `hello` of a connection,
/// although their files admit 4.4.0.
///
/// The last one needs it to be over: the monitor's timeouts use up its fail point within one outage
/// where new connections of the monitor meet it too. Elsewhere each new connection is good at first
/// and fails at its second check; the pool is cleared once more, under the operation's second and
/// last attempt.
const NEED_HANDSHAKE_FAIL_POINTS: [&str; 9] = [
    "connection-monitoring-and-pooling/pool-checkout-maxConnecting-is-enforced:",
    "connection-monitoring-and-pooling/pool-checkout-maxConnecting-timeout:",
    "connection-monitoring-and-pooling/pool-checkout-returned-connection-maxConnecting:",
    "server-discovery-and-monitoring/unified/backpressure-network-error-fail-",
    "server-discovery-and-monitoring/unified/backpressure-network-timeout-fail-",
    "server-discovery-and-monitoring/unified/backpressure-server-description-unchanged-on-min-pool-size-population-error:",
    "server-discovery-and-monitoring/unified/pool-clear-min-pool-size-error: Pool is not cleared on handshake error",
    "server-selection/logging/standalone: Failure due to unreachable server",
    "server-discovery-and-monitoring/unified/interruptInUse-pool-clear: \
     Error returned from connection pool clear with interruptInUseConnections=true is retryable [",
];

/// What the trial `name` needs of its server and servers of `version` lack.
///
/// # Errors
/// That of `version`, which is asked only for trials that depend on it.
pub(crate) fn missing_in_server(
    name: &str,
    version: impl FnOnce() -> Result<Version, String>,
) -> Result<Option<String>, String> {
    if !NEED_HANDSHAKE_FAIL_POINTS.iter().any(|beginning| name.starts_with(beginning)) {
        return Ok(None);
    }
    let version = version()?;
    Ok((version < HANDSHAKE_FAIL_POINTS).then(|| {
        format!(
            "needs fail points that meet the first hello of a connection (SERVER-49336, in {HANDSHAKE_FAIL_POINTS}); the \
             server is {version}"
        )
    }))
}
