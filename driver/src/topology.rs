//! What is known about the deployment, how it is learnt, and which server an operation goes to.
//!
//! | question | file |
//! |---|---|
//! | what does a `hello` reply say? | `hello.rs` |
//! | what is known of one server? of all? | `server_description.rs`, `description.rs` |
//! | what does news about a server change? | `update.rs` |
//! | which servers suit an operation? | `selection.rs` |
//! | what does an operation's error tell about its server? | `failure.rs` |
//! | who asks the servers, and when? | `monitor.rs`, `prober.rs`, `control.rs` |
//! | who holds it all together? | `deployment.rs`, over [`nest`](crate::nest) |
//!
//! The first four are pure: news and time come in as arguments, a new description goes out.

mod description;
mod failure;
mod hello;
mod round_trips;
mod selection;
mod server_description;
mod update;

pub use self::description::{TopologyDescription, TopologyType};
pub(crate) use self::failure::{SYSTEM_OVERLOADED_ERROR, Stage};
pub(crate) use self::hello::HelloReply;
pub use self::server_description::{ServerDescription, ServerType, TopologyVersion};
