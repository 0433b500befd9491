//! Learns that a thread has died, and runs what it left behind.
//!
//! A connection pinned to a thread must come back when the thread dies. The thread may return,
//! panic, or be ended by the C code that started it; it will not remember to give anything back.
//! This crate does it for the thread.
//!
//! - [`ThreadWatcher`] runs a callback when a thread dies.
//! - [`PerThread`] holds one value per thread, and gets it back when the thread dies.
//! - [`ThreadToken`] says which thread this is, with an identity that no later thread inherits.
//! - [`ForkGeneration`] says whether this is still the process that something was made in.
//!
//! # Why it is not simple
//!
//! Drivers that keep a socket for each thread have tried other ways. To look now and then which
//! threads are still alive loses the socket for as long as nobody looks. To key the sockets by the
//! system's thread id gives a new thread the socket of a dead one, because ids come back. To put
//! the socket itself into a thread-local closes it with the thread, so that the next thread has to
//! connect anew; and what is in a thread-local of a garbage-collected language is released at some
//! later time, on some other thread, which may be holding the very lock that the release needs.
//! What works is a thread-local with nothing in it but a destructor, the *vigil*: the destructor is
//! the news. In Rust it runs on the dying thread, with none of this crate's locks held, because
//! there are none.
//!
//! # What counts as death
//!
//! A thread dies, for this crate, when its thread-locals are destroyed. That happens on every way
//! out of a thread: its function returns, it panics, it calls `pthread_exit`, it is cancelled. It
//! does not matter whether Rust or C started it, or whether this crate is part of the program or of
//! a shared library loaded later; such a library is not unloaded while a thread it watches is alive
//! (on Linux, where this is tested).
//!
//! `JoinHandle::join` and `pthread_join` return after all callbacks have run.
//!
//! ## `thread::scope` may return first
//!
//! At the end of [`std::thread::scope`], threads that were not joined explicitly are waited for,
//! but only until their closures have returned: their thread-locals may be destroyed later, and the
//! callbacks run then. Join the `ScopedJoinHandle` where it matters.
//!
//! ## The main thread, and `process::exit`
//!
//! When `main` returns or [`std::process::exit`] is called, the process ends, and with it all
//! threads at once. The thread that ends the process has its thread-locals destroyed on Linux, so
//! that its callbacks run, the main thread's too if it is the one; on other systems they may not.
//! All other threads just stop: *their callbacks do not run*. Nothing runs at
//! [`std::process::abort`], in a crash, at `_exit`, or when a signal kills the process. What must
//! happen at the end of a process should not hang on the death of a thread.
//!
//! ## Tasks do not die with threads
//!
//! An async task may be polled by many threads and outlives none of them in particular. A
//! `PerThread` value set in a task belongs to the worker thread that happened to poll it. For what
//! belongs to a task, keep a guard in the task.
//!
//! ## Thread-locals among each other
//!
//! Rust promises no order in which a thread's thread-locals are destroyed. On Linux the one used
//! first is destroyed last. A destructor that runs before the vigil may still watch and insert; one
//! that runs after it is told that the thread is dying. Destructors of `pthread_key_create` run
//! after all those of Rust's: if a thread uses this crate for the very first time in one of these,
//! its death is not noticed.
//!
//! With `panic = "abort"`, a panic in a callback ends the process, as it does anywhere.
//!
//! # Costs
//!
//! A watched thread has one small table. [`PerThread::get`] is a look into it: in a function of its
//! own it costs what a `thread_local!` costs; where the compiler makes a bare read of a
//! `thread_local!` all but vanish in the code around it, a processor cycle or two more. To watch
//! costs a few dozen nanoseconds, and one or two hundred the first time on a thread. Per owner,
//! there is a slot for each thread that has a value, used again after the thread's death. There are
//! no locks, no background threads and no polling.

#![deny(unsafe_code)]

mod error;
#[allow(unsafe_code)]
mod fork;
#[allow(unsafe_code)]
mod per_thread;
#[allow(unsafe_code)]
mod slots;
mod sync;
mod token;
#[allow(unsafe_code)]
mod vigil;
mod watcher;

pub use error::{Error, Rejected};
pub use fork::ForkGeneration;
pub use per_thread::{PerThread, Ref};
pub use token::ThreadToken;
pub use watcher::{ThreadWatcher, Watch};
