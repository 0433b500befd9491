//! The work that is measured: for each piece of it, the contenders that can do it, `toro` first.
//!
//! | module | what is measured |
//! |---|---|
//! | [`alone`] | operations that need not wait, on one thread |
//! | [`contended`] | tasks that want the same lock or the same permits |
//! | [`traffic`] | items between producers and consumers |
//! | [`wake`] | waking those who wait |
//! | [`cancel`] | dropping futures that wait |
//! | [`news`] | waiting for a change under a lock, and telling of it |
//! | [`pool`] | connections that are taken from a pool and given back |
//! | [`board`] | looking at a picture that may be replaced |
//! | [`thread_slot`] | a thread's own value, and learning of its death |

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
