//! The versions of the wire protocol, by the server release that brought each.
//!
//! A feature is asked for by the release that has it: `server.max_wire_version >=
//! wire_version::V5_0`. No other file knows a number.

pub(crate) const V4_2: i32 = 8;
pub(crate) const V4_4: i32 = 9;
pub(crate) const V5_0: i32 = 13;
pub(crate) const V6_0: i32 = 17;
pub(crate) const V8_0: i32 = 25;
pub(crate) const V8_2: i32 = 27;

/// The oldest protocol that the driver speaks.
pub(crate) const OLDEST: i32 = V4_2;
/// The release that [`OLDEST`] belongs to.
pub(crate) const OLDEST_SERVER: &str = "4.2";
/// The newest protocol that the driver speaks.
pub(crate) const NEWEST: i32 = V8_0;
