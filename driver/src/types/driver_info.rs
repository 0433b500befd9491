//! The handshake metadata of a library built on the driver.

use serde::{Deserialize, Serialize};

/// The handshake metadata of a library or application built on this driver (specification "MongoDB
/// Handshake").
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct DriverInfo {
    /// The name of the library.
    pub name: String,
    /// The version of the library.
    pub version: Option<String>,
    /// The platform of the library.
    pub platform: Option<String>,
}

builder! {
    /// Builds a [`DriverInfo`].
    DriverInfoBuilder builds DriverInfo {
        name: String,
        version: Option<String>,
        platform: Option<String>,
    }
}
