//! What a library on top of the driver adds to the handshake.

/// What a library or application built on this driver adds to the handshake (specification "MongoDB
/// Handshake").
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DriverInfo {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: Option<String>,
    /// What it runs on.
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
