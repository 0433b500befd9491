//! Tests of the operations on both APIs, on real servers: one file per family.
//!
//! A test is generic over the API. [`Api`](api::Api) opens clients and runs operations.

mod api;
mod distinct;
