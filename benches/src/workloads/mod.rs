//! The work that is measured: for each piece of it, the contenders that can do it, `toro` first.
//!
//! | module | what is measured |
//! |---|---|
//! | [`alone`] | operations that need not wait, on one thread |
//! | [`contended`] | tasks that want the same lock or the same permits |
//! | [`traffic`] | items between producers and consumers |
//! | [`wake`] | waking those who wait |
//! | [`cancel`] | dropping futures that wait |

pub mod alone;
pub mod cancel;
pub mod contended;
pub mod traffic;
pub mod wake;
