//! Values that every layer uses: addresses, server types, versions, names.

mod address;
mod compressor;
mod driver_info;
mod namespace;
mod pool_metrics;
mod server_type;
mod topology_version;
mod whole;

pub use self::address::ServerAddress;
pub use self::compressor::Compressor;
pub use self::driver_info::{DriverInfo, DriverInfoBuilder};
pub use self::namespace::Namespace;
pub use self::pool_metrics::PoolMetrics;
pub use self::server_type::ServerType;
pub use self::topology_version::TopologyVersion;
pub(crate) use self::whole::whole;
