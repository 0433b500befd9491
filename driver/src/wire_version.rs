//! The versions of the wire protocol, named after the first server release with each.
//!
//! Code checks for a feature by its release: `server.max_wire_version >= wire_version::V5_0`. No
//! other file contains the numbers.

pub(crate) const V4_2: i32 = 8;
pub(crate) const V4_4: i32 = 9;
pub(crate) const V5_0: i32 = 13;
pub(crate) const V6_0: i32 = 17;
pub(crate) const V8_0: i32 = 25;
pub(crate) const V8_2: i32 = 27;

/// The oldest version that the driver supports.
pub(crate) const OLDEST: i32 = V4_2;
/// The release with [`OLDEST`].
pub(crate) const OLDEST_SERVER: &str = "4.2";
/// The highest `minWireVersion` of a server that the driver accepts. The server's `maxWireVersion`
/// may be higher.
pub(crate) const NEWEST: i32 = V8_0;
