//! Pools and requests, from outside: on real servers, on both faces.

mod chaos;
mod foreign;
mod handles;
mod limits;
mod losses;
mod stepdown;
mod threads;
mod wakes;
mod watch;
