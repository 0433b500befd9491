//! What may be used across a caught panic, whatever it holds.
//!
//! A panic leaves nothing of this crate half changed: what a [`Mutex`] guards is valid between any
//! two statements that can panic, and a [`Node`] is only changed under one, or by the wait that it
//! lies in. All primitives and waits consist of these, and so the compiler sees of them that they
//! may be used across a caught panic.

use std::panic::{RefUnwindSafe, UnwindSafe};

use super::Mutex;
use super::list::Node;

impl<T> UnwindSafe for Mutex<T> {}
impl<T> RefUnwindSafe for Mutex<T> {}
impl<S> UnwindSafe for Node<S> {}
impl<S> RefUnwindSafe for Node<S> {}
