//! Connection strings resolved against a name server of the test's own.

use std::net::SocketAddr;

use crate::error::Result;
use crate::options::{ClientOptions, ConnectionString};

/// What a `mongodb+srv` connection string was resolved to.
pub struct Resolved {
    /// The options, seeds included.
    pub options: ClientOptions,
    /// `authSource`, whether or not there is a user.
    pub auth_source: Option<String>,
}

/// Reads `connection_string` and asks `name_server` for its records.
///
/// # Errors
/// As [`ClientOptions::parse`].
pub async fn resolve(connection_string: &str, name_server: SocketAddr) -> Result<Resolved> {
    let resolved = ConnectionString::parse(connection_string)?.resolve_at(Some(name_server)).await?;
    let auth_source = resolved.auth_source().map(str::to_owned);
    Ok(Resolved { options: resolved.options, auth_source })
}
