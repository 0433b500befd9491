//! Tests of the operations on both APIs, on real servers: one file per family.
//!
//! A test is generic over the API. [`Api`](api::Api) opens clients and runs operations.

mod aggregate_database;
mod api;
mod bulk_write;
mod client_bulk_write;
mod distinct;
mod explain;
mod observed;
mod run_cursor_command;
mod transactions;
