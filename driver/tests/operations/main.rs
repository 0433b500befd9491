//! Tests of the operations on both APIs, on real servers: one file per family.
//!
//! A test is generic over the API. [`Api`](api::Api) opens clients and runs operations.

mod aggregate_database;
mod api;
mod distinct;
mod observed;
mod run_cursor_command;
