//! Tests of the operations on both APIs, on real servers: one file per family.
//!
//! A test is generic over the API. [`Api`](api::Api) opens clients and runs operations.

mod aggregate_database;
#[allow(dead_code, reason = "other test targets use the rest")]
mod api;
mod bad_input;
mod bulk_write;
mod cancel;
mod change_streams;
mod client_bulk_write;
mod collections;
mod cursors;
mod databases;
mod distinct;
mod dropped_streams;
mod dropped_transactions;
mod ended;
mod exhaust;
mod explain;
mod files;
mod find_and_modify;
mod full_pool;
mod gridfs;
mod indexes;
mod load_balancer;
mod observed;
mod old_servers;
mod overload;
mod prefetch;
mod reads;
mod retries;
mod run_cursor_command;
mod search_indexes;
mod timeouts;
mod transactions;
mod transactions_lost;
