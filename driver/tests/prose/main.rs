//! The prose tests of the MongoDB specifications, `<suite>_prose_<number>`. Tests without a number
//! in the specification count from 1.
//!
//! These cannot run, or need no test:
//!
//! | test | missing |
//! |---|---|
//! | sessions 6: ended sessions are refused | a session ends by a move |
//! | sessions 7, 16, 17: several users | a client has one user |
//! | sessions 10: no session stays checked out | a suggestion for all tests |
//! | sessions 12, 13: sessions after a fork | these fork, so they are in `tests/fork` |
//! | sessions 18, 19: servers without sessions | a server without sessions, such as mongocryptd |
//! | sessions 22: snapshot time of other sessions | the getter is optional, and returns `None` |
//! | sessions 23: the snapshot time is read-only | there is no setter |
//! | transactions-convenient-api 4: backoff | unit tests of `session/and_run.rs` |
//! | client-side-operations-timeout 2, 3: encryption | client-side field level encryption |
//! | client-side-operations-timeout 9: `endSession` | an `endSession` with a result |
//! | client-side-operations-timeout 11: bulk writes of a client | a server of version 8.0 |
//! | client-backpressure 1: backoff | unit tests of `exec/retry.rs` |
//! | client-backpressure 5: `baseBackoffMS` | a server of version 9.0 |
//! | change-streams 5, 9, 10, 12, 15, 16 | the specification has removed them |
//! | gridfs | the specification has none but client-side-operations-timeout 6 and 7 |
//! | load-balancers | `tests/spec` runs the suites behind a load balancer |

#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../operations/api.rs"]
mod api;
mod causal_consistency;
mod change_streams;
mod client_backpressure;
mod client_side_operations_timeout;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../operations/files.rs"]
mod files;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../operations/observed.rs"]
mod observed;
#[cfg(feature = "opentelemetry")]
mod open_telemetry;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../operations/reads.rs"]
mod reads;
mod sessions;
mod transactions;
mod transactions_convenient_api;
