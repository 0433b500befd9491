//! Each operation on both APIs, against real servers: one file for each family.
//!
//! A test is written once, generic over the API, and run on either: [`Api`](api::Api) opens clients
//! and ends operations.

mod api;
mod distinct;
