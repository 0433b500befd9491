//! The measured workloads, each with its contenders, beginning with this workspace's.
//!
//! | module | workload |
//! |---|---|
//! | [`alone`] | operations that need not wait, on one thread |
//! | [`contended`] | tasks that contend for the same lock or permits |
//! | [`traffic`] | items between producers and consumers |
//! | [`wake`] | waking waiters |
//! | [`cancel`] | dropping waiting futures |
//! | [`condition`] | waiting for a change behind a lock, and notifying |
//! | [`pool`] | checking connections out of a pool and in again |
//! | [`snapshot_cell`] | reading a value that may be replaced |
//! | [`thread_slot`] | a thread's own value, and watching a thread |

pub mod alone;
pub mod cancel;
pub mod condition;
pub mod contended;
pub mod pool;
mod ring;
pub mod snapshot_cell;
pub mod thread_slot;
pub mod traffic;
pub mod wake;
