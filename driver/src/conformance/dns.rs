//! Connection strings resolved against a name server of the test's own.

use std::net::SocketAddr;
use std::time::Duration;

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
    let resolved =
        ConnectionString::parse(connection_string)?.resolve_at(Some(name_server)).await?;
    let auth_source = resolved.auth_source().map(str::to_owned);
    Ok(Resolved { options: resolved.options, auth_source })
}

/// Lets a client with these options ask `name_server` again, as soon as an answer no longer holds
/// but at the earliest after `shortest`.
pub fn ask_again(options: &mut ClientOptions, name_server: SocketAddr, shortest: Duration) {
    options.srv_rescan = Some((name_server, shortest));
}
