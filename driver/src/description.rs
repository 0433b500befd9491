//! Immutable descriptions of servers and of the deployment.

mod serialize;
mod server;
mod topology;

pub(crate) use self::server::RoundTrip;
pub use self::server::ServerDescription;
pub use self::topology::{TopologyDescription, TopologyType};
