//! The suites, each with the module for its files.

mod bson_corpus;
mod bson_vector;
mod cmap;
mod connection_string;
mod credential;
mod expect;
mod read_write_concern;
mod sdam;
mod seedlist;
mod server_selection;
mod uri_options;

use crate::suite::Suite;
use crate::unified;

/// All suites, sorted by name.
pub(crate) fn all() -> Vec<Suite> {
    vec![
        Suite { name: "auth/legacy", folder: "auth/tests/legacy", cases: credential::cases },
        Suite {
            name: "bson-binary-vector",
            folder: "bson-binary-vector/tests",
            cases: bson_vector::cases,
        },
        Suite { name: "bson-corpus", folder: "bson-corpus/tests", cases: bson_corpus::cases },
        Suite {
            name: "connection-monitoring-and-pooling",
            folder: "connection-monitoring-and-pooling/tests/cmap-format",
            cases: cmap::cases,
        },
        Suite {
            name: "connection-string",
            folder: "connection-string/tests",
            cases: connection_string::cases,
        },
        Suite {
            name: "initial-dns-seedlist-discovery/load-balanced",
            folder: "initial-dns-seedlist-discovery/tests/load-balanced",
            cases: seedlist::cases,
        },
        Suite {
            name: "initial-dns-seedlist-discovery/replica-set",
            folder: "initial-dns-seedlist-discovery/tests/replica-set",
            cases: seedlist::cases,
        },
        Suite {
            name: "initial-dns-seedlist-discovery/sharded",
            folder: "initial-dns-seedlist-discovery/tests/sharded",
            cases: seedlist::cases,
        },
        Suite {
            name: "read-write-concern/connection-string",
            folder: "read-write-concern/tests/connection-string",
            cases: read_write_concern::connection_string_cases,
        },
        Suite {
            name: "read-write-concern/document",
            folder: "read-write-concern/tests/document",
            cases: read_write_concern::document_cases,
        },
        Suite {
            name: "max-staleness",
            folder: "max-staleness/tests",
            cases: server_selection::selection_cases,
        },
        Suite {
            name: "server-discovery-and-monitoring/errors",
            folder: "server-discovery-and-monitoring/tests/errors",
            cases: sdam::cases,
        },
        Suite {
            name: "server-discovery-and-monitoring/load-balanced",
            folder: "server-discovery-and-monitoring/tests/load-balanced",
            cases: sdam::cases,
        },
        Suite {
            name: "server-discovery-and-monitoring/monitoring",
            folder: "server-discovery-and-monitoring/tests/monitoring",
            cases: sdam::cases,
        },
        Suite {
            name: "server-discovery-and-monitoring/rs",
            folder: "server-discovery-and-monitoring/tests/rs",
            cases: sdam::cases,
        },
        Suite {
            name: "server-discovery-and-monitoring/sharded",
            folder: "server-discovery-and-monitoring/tests/sharded",
            cases: sdam::cases,
        },
        Suite {
            name: "server-discovery-and-monitoring/single",
            folder: "server-discovery-and-monitoring/tests/single",
            cases: sdam::cases,
        },
        Suite {
            name: "server-selection/in_window",
            folder: "server-selection/tests/in_window",
            cases: server_selection::window_cases,
        },
        Suite {
            name: "server-selection/rtt",
            folder: "server-selection/tests/rtt",
            cases: server_selection::rtt_cases,
        },
        Suite {
            name: "server-selection/server_selection",
            folder: "server-selection/tests/server_selection",
            cases: server_selection::selection_cases,
        },
        Suite { name: "uri-options", folder: "uri-options/tests", cases: connection_string::cases },
        Suite { name: "auth/unified", folder: "auth/tests/unified", cases: unified::cases },
        Suite {
            name: "command-logging-and-monitoring/logging",
            folder: "command-logging-and-monitoring/tests/logging",
            cases: unified::cases,
        },
        Suite {
            name: "command-logging-and-monitoring/monitoring",
            folder: "command-logging-and-monitoring/tests/monitoring",
            cases: unified::cases,
        },
        Suite {
            name: "connection-monitoring-and-pooling/logging",
            folder: "connection-monitoring-and-pooling/tests/logging",
            cases: unified::cases,
        },
        Suite { name: "crud/unified", folder: "crud/tests/unified", cases: unified::cases },
        Suite {
            name: "mongodb-handshake/unified",
            folder: "mongodb-handshake/tests/unified",
            cases: unified::cases,
        },
        Suite {
            name: "retryable-reads/unified",
            folder: "retryable-reads/tests/unified",
            cases: unified::cases,
        },
        Suite {
            name: "retryable-writes/unified",
            folder: "retryable-writes/tests/unified",
            cases: unified::cases,
        },
        Suite {
            name: "server-discovery-and-monitoring/unified",
            folder: "server-discovery-and-monitoring/tests/unified",
            cases: unified::cases,
        },
        Suite {
            name: "server-selection/logging",
            folder: "server-selection/tests/logging",
            cases: unified::cases,
        },
        Suite {
            name: "causal-consistency",
            folder: "causal-consistency/tests",
            cases: unified::cases,
        },
        Suite {
            name: "change-streams",
            folder: "change-streams/tests/unified",
            cases: unified::cases,
        },
        Suite {
            name: "client-backpressure",
            folder: "client-backpressure/tests",
            cases: unified::cases,
        },
        Suite {
            name: "client-side-operations-timeout",
            folder: "client-side-operations-timeout/tests",
            cases: unified::cases,
        },
        Suite {
            name: "collection-management",
            folder: "collection-management/tests",
            cases: unified::cases,
        },
        Suite { name: "gridfs", folder: "gridfs/tests", cases: unified::cases },
        Suite { name: "index-management", folder: "index-management/tests", cases: unified::cases },
        Suite { name: "load-balancers", folder: "load-balancers/tests", cases: unified::cases },
        Suite {
            name: "open-telemetry/operation",
            folder: "open-telemetry/tests/operation",
            cases: unified::cases,
        },
        Suite {
            name: "open-telemetry/transaction",
            folder: "open-telemetry/tests/transaction",
            cases: unified::cases,
        },
        Suite {
            name: "read-write-concern/operation",
            folder: "read-write-concern/tests/operation",
            cases: unified::cases,
        },
        Suite { name: "run-command", folder: "run-command/tests/unified", cases: unified::cases },
        Suite { name: "transactions", folder: "transactions/tests/unified", cases: unified::cases },
        Suite {
            name: "transactions-convenient-api",
            folder: "transactions-convenient-api/tests/unified",
            cases: unified::cases,
        },
        Suite { name: "versioned-api", folder: "versioned-api/tests", cases: unified::cases },
        Suite { name: "sessions", folder: "sessions/tests", cases: unified::cases },
        Suite {
            name: "unified-test-format/valid-pass",
            folder: "unified-test-format/tests/valid-pass",
            cases: unified::cases,
        },
        Suite {
            name: "unified-test-format/valid-fail",
            folder: "unified-test-format/tests/valid-fail",
            cases: unified::failing_cases,
        },
        Suite {
            name: "unified-test-format/invalid",
            folder: "unified-test-format/tests/invalid",
            cases: unified::refused_cases,
        },
    ]
}
