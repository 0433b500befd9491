//! Pools and requests through the public API, on real servers, on both APIs.

mod chaos;
mod dropped;
mod foreign;
mod handles;
mod limits;
mod losses;
mod stepdown;
mod threads;
mod wakes;
mod watch;
