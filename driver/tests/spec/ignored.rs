//! The cases that need a component that these tests cannot have.
//!
//! An entry is the start of a trial's name and the missing component, or a component that the
//! runner misses when it reads a case. A component that only some servers lack is computed from
//! their version. No case is listed because it fails.

use bson::Document;
use testbed::Version;

/// The cases of one file require MONGODB-AWS both to accept credentials and to refuse them. The
/// text of the specification ("Obtaining Credentials") requires the refusal, and the cases for it
/// run.
const BOTH_WAYS: &str = "a driver that accepts MONGODB-AWS credentials, which other cases of this \
                         file and the specification's text forbid";

/// The fail points of these cases close so many connections that only another mongos answers.
const ONE_MONGOS: &str =
    "a fail point on one mongos alone; all routers lead to the same member, which has it";

/// The components that the runner misses when it reads a case.
const LACKING: [&str; 6] = [
    NO_TEXT,
    "the driver lacks client-side field level encryption",
    "the driver lacks the deprecated option waitQueueSize",
    "the driver lacks lists of collection handles, which the specification makes optional",
    "the driver lacks lists of database handles, which the specification makes optional",
    "the driver lacks operations on the raw buckets of time series",
];

/// BSON as text.
pub(crate) const NO_TEXT: &str = "parses text, which the driver leaves to the crate bson";

/// Whether `component` is listed.
pub(crate) fn is_listed(component: &str) -> bool {
    LACKING.contains(&component)
}

/// These cases expect a timeout of 100 ms to pass in a `getMore` that the server delays by 60 ms.
const SHORT_PAUSE: &str = "a pause in the case itself that is longer than its timeoutMS";

/// The starts of names, with the component that their cases need.
const MISSING: [(&str, &str); 9] = [
    (
        "client-side-operations-timeout/runCursorCommand: Non-tailable cursor iteration timeoutMS is refreshed for getMore if timeoutMode is iteration - failure",
        SHORT_PAUSE,
    ),
    (
        "client-side-operations-timeout/runCursorCommand: Tailable cursor iteration timeoutMS is refreshed for getMore - failure",
        SHORT_PAUSE,
    ),
    (
        "open-telemetry/operation/map_reduce: mapReduce",
        "a method for the deprecated mapReduce; the runner uses run_command, as its span shows",
    ),
    (
        "change-streams/change-streams-showExpandedEvents: when showExpandedEvents is true, shardCollection",
        "the command shardCollection, which only a mongos has; members behind a router do not",
    ),
    ("transactions/mongos-recovery-token: commitTransaction retry fails on new mongos", ONE_MONGOS),
    (
        "transactions/pin-mongos: unpin after transient error within a transaction and commit",
        ONE_MONGOS,
    ),
    (
        "client-side-operations-timeout/runCursorCommand: Tailable cursor awaitData iteration timeoutMS is refreshed for getMore - failure",
        "a timeoutMS in the case itself: it expects one to pass, sets none, and names no command",
    ),
    (
        "auth/legacy/connection-string: should use username and password if specified (MONGODB-AWS)",
        BOTH_WAYS,
    ),
    (
        "auth/legacy/connection-string: should use username, password and session token if specified (MONGODB-AWS)",
        BOTH_WAYS,
    ),
];

/// The component that a case needs beyond a router with members behind it, if its `events` are
/// expected.
pub(crate) fn missing_behind_router<'e>(
    mut events: impl Iterator<Item = &'e Document>,
) -> Option<&'static str> {
    let needs_token = |event: &Document| {
        let command = event.get_document("commandStartedEvent");
        let token = command
            .and_then(|event| event.get_document("command"))
            .and_then(|command| command.get_document("recoveryToken"));
        token.is_ok_and(|token| token.get_bool("$$exists").unwrap_or(true))
    };
    events.any(needs_token).then_some(
        "needs a recoveryToken, which only a mongos sends; members behind a router do not",
    )
}

/// The missing component of the trial `name`.
pub(crate) fn missing_component(name: &str) -> Option<&'static str> {
    MISSING
        .iter()
        .find(|(beginning, _)| name.starts_with(beginning))
        .map(|(_, component)| *component)
}

/// The first version with fail points that match the first `hello` of a connection by `appName`.
/// Older servers compare the name from earlier commands of the connection (SERVER-49336). A harness
/// trial checks this version.
pub(crate) const HANDSHAKE_FAIL_POINTS: Version = Version::new(4, 4, 7);

/// The starts of the names of trials whose fail points must match the first `hello` of a
/// connection, although their files accept 4.4.0.
///
/// The last one needs it to end: the monitor's timeouts use up its fail point within one outage
/// only if new connections of the monitor match it too. On older servers, each new connection
/// succeeds at first and fails at its second check. That clears the pool again during the
/// operation's last attempt.
const NEED_HANDSHAKE_FAIL_POINTS: [&str; 11] = [
    "connection-monitoring-and-pooling/pool-checkout-maxConnecting-is-enforced:",
    "connection-monitoring-and-pooling/pool-checkout-maxConnecting-timeout:",
    "connection-monitoring-and-pooling/pool-checkout-returned-connection-maxConnecting:",
    "server-discovery-and-monitoring/unified/backpressure-network-error-fail-",
    "server-discovery-and-monitoring/unified/backpressure-network-timeout-fail-",
    "server-discovery-and-monitoring/unified/backpressure-server-description-unchanged-on-min-pool-size-population-error:",
    "server-discovery-and-monitoring/unified/pool-clear-min-pool-size-error: Pool is not cleared on handshake error",
    "server-selection/logging/operation-id: Failed bulkWrite operation:",
    "server-selection/logging/sharded: Failure due to unreachable server",
    "server-selection/logging/standalone: Failure due to unreachable server",
    "server-discovery-and-monitoring/unified/interruptInUse-pool-clear: \
     Error returned from connection pool clear with interruptInUseConnections=true is retryable [",
];

/// The server feature that the trial `name` needs and servers of `version` lack.
///
/// # Errors
/// Those of `version`, which is called only for trials that depend on it.
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
            "needs fail points that match the first hello of a connection (SERVER-49336, in \
             {HANDSHAKE_FAIL_POINTS}); the server is {version}"
        )
    }))
}
