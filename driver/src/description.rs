//! What is known of servers and of the deployment, as immutable values.

mod server;
mod topology;

pub(crate) use self::server::RoundTrip;
pub use self::server::ServerDescription;
pub use self::topology::{TopologyDescription, TopologyType};
