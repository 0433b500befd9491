//! The measured workloads, each with its contenders, `toro` first.
//!
//! | module | workload |
//! |---|---|
//! | [`alone`] | operations that need not wait, on one thread |
//! | [`contended`] | tasks that contend for the same lock or permits |
//! | [`traffic`] | items between producers and consumers |
//! | [`wake`] | waking waiters |
//! | [`cancel`] | dropping waiting futures |
//! | [`news`] | waiting for a change behind a lock, and notifying |
//! | [`pool`] | checking connections out of a pool and in again |
//! | [`board`] | reading a value that may be replaced |
//! | [`thread_slot`] | a thread's own value, and watching a thread |

pub mod alone;
pub mod board;
pub mod cancel;
pub mod contended;
pub mod news;
pub mod pool;
mod ring;
pub mod thread_slot;
pub mod traffic;
pub mod wake;
