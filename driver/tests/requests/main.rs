//! Requests on both faces: operations that share a connection, and what becomes of it.

mod handles;
mod threads;
mod watch;
