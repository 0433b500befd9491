//! Detects the death of threads, and reclaims what was pinned to them.
//!
//! A connection pinned to a thread must return to its pool when the thread dies. The thread may
//! return, panic, or be ended by the C code that started it. In all of these cases this crate runs
//! a callback, which can return the connection.
//!
//! - [`ThreadWatcher`] runs a callback when a thread dies.
//! - [`PerThread`] holds one value per thread, and reclaims it when the thread dies.
//! - [`ThreadToken`] identifies a thread. Identities are never reused.
//! - [`ForkGeneration`] tells whether an object was made in this process or in its parent.
//!
//! ```
//! use std::sync::Arc;
//! use std::sync::atomic::{AtomicUsize, Ordering};
//! use threadwatch::{ThreadWatcher, Watch};
//!
//! let watcher = Arc::new(ThreadWatcher::new());
//! let reclaimed = Arc::new(AtomicUsize::new(0));
//! let thread = std::thread::spawn({
//!     let (watcher, reclaimed) = (watcher.clone(), reclaimed.clone());
//!     move || {
//!         let watch = watcher.watch(move || {
//!             reclaimed.fetch_add(1, Ordering::Relaxed);
//!         });
//!         assert_eq!(watch, Watch::Started);
//!         // The thread works, and returns or panics.
//!     }
//! });
//! thread.join().unwrap();
//! assert_eq!(reclaimed.load(Ordering::Relaxed), 1); // the callback ran before `join` returned
//! ```
//!
//! # Why a crate for this
//!
//! A driver can keep a socket per thread in simpler ways. Each has a flaw:
//!
//! - Polling for dead threads keeps the socket of a dead thread until the next poll.
//! - Sockets keyed by the system's thread id give a new thread the socket of a dead one, because
//!   ids are reused.
//! - A socket in a thread-local is closed with its thread, so the next thread must connect anew.
//! - In a garbage-collected language, a thread-local is released later and on another thread, which
//!   may hold the lock that the release needs.
//!
//! This crate uses a thread-local that contains only a destructor, the *vigil*. In Rust the
//! destructor runs on the dying thread. This crate has no locks, so the destructor holds none.
//!
//! # What counts as death
//!
//! For this crate, a thread dies when its thread-locals are destroyed. That happens at every kind
//! of end: its function returns, it panics, it calls `pthread_exit`, or it is cancelled. Rust or C
//! may have started it. This crate may be part of the program or of a shared library loaded later.
//! Such a library is not unloaded while a thread that it watches is alive (tested on Linux).
//!
//! `JoinHandle::join` and `pthread_join` return after all callbacks have run.
//!
//! ## `thread::scope` may return first
//!
//! At its end, [`std::thread::scope`] waits for threads that were not joined explicitly, but only
//! until their closures have returned. Their thread-locals may be destroyed later, and the
//! callbacks run then. Join the `ScopedJoinHandle` where that matters.
//!
//! ## The main thread, and `process::exit`
//!
//! When `main` returns or [`std::process::exit`] is called, the process ends, and all threads with
//! it. On Linux, the thread that ends the process runs its callbacks, even if it is the main
//! thread. On other systems it may not. All other threads just stop: *their callbacks do not run*.
//! Nothing runs on [`std::process::abort`], on a crash, on `_exit`, or when a signal kills the
//! process. So do not rely on the death of a thread for work that must happen at the end of a
//! process.
//!
//! ## Tasks do not die with threads
//!
//! Many threads may poll an async task, and a task does not die with any of them. A `PerThread`
//! value set in a task belongs to the worker thread that happened to poll it. Keep what belongs to
//! a task in a guard inside the task.
//!
//! ## Order of destruction
//!
//! Rust promises no order in which a thread's thread-locals are destroyed. On Linux the one used
//! first is destroyed last. A destructor that runs before the vigil may still watch and insert. A
//! destructor that runs after it gets the error that the thread is dying. Destructors of
//! `pthread_key_create` run after all Rust destructors. If a thread uses this crate for the first
//! time in one of these, its death is not noticed.
//!
//! With `panic = "abort"`, a panic in a callback ends the process, like any other panic.
//!
//! # Costs
//!
//! A watched thread has one small table, and [`PerThread::get`] is a lookup in it. It takes 1.5 to
//! 1.8 times as long as an access to a `thread_local!`: one or two processor cycles more, because
//! the compiler optimises a bare `thread_local!` better. The first watch on a thread allocates its
//! table. Each `PerThread` and each `ThreadWatcher` allocates one slot per thread that uses it.
//! When the thread dies, a new thread takes over its slot. There are no locks, no background
//! threads and no polling.

#![deny(unsafe_code)]

mod error;
#[allow(unsafe_code, reason = "it calls `pthread_atfork`")]
mod fork;
#[allow(unsafe_code, reason = "it reads slots through pointers")]
mod per_thread;
#[allow(unsafe_code, reason = "threads share the slots without a lock")]
mod slots;
mod sync;
mod token;
#[allow(unsafe_code, reason = "a thread-local is accessed through pointers")]
mod vigil;
mod watcher;

pub use error::{Error, Rejected};
pub use fork::ForkGeneration;
pub use per_thread::{PerThread, Ref};
pub use token::ThreadToken;
pub use watcher::{ThreadWatcher, Watch};
