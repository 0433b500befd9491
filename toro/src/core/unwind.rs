//! The types that may be used across a caught panic with any content.
//!
//! A panic leaves nothing in this crate half changed. The data behind a [`Mutex`] is valid between
//! any two statements that can panic. A [`Node`] is changed only under a lock, or by the wait that
//! contains it. All primitives and waits are built from these two types, so they are unwind safe
//! too.

use std::panic::{RefUnwindSafe, UnwindSafe};

use super::Mutex;
use super::list::Node;

impl<T> UnwindSafe for Mutex<T> {}
impl<T> RefUnwindSafe for Mutex<T> {}
impl<S> UnwindSafe for Node<S> {}
impl<S> RefUnwindSafe for Node<S> {}
