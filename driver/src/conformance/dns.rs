//! Resolves connection strings with a name server of the tests.

use std::net::SocketAddr;
use std::time::Duration;

use crate::error::Result;
use crate::options::{ClientOptions, ConnectionString};

/// A resolved `mongodb+srv` connection string.
pub struct Resolved {
    /// The options, with the seeds.
    pub options: ClientOptions,
    /// `authSource`, also without a user.
    pub auth_source: Option<String>,
}

/// Parses `connection_string` and queries `name_server` for its records.
///
/// # Errors
/// Those of [`ClientOptions::parse`].
pub async fn resolve(connection_string: &str, name_server: SocketAddr) -> Result<Resolved> {
    let resolved =
        ConnectionString::parse(connection_string)?.resolve_at(Some(name_server)).await?;
    let auth_source = resolved.auth_source().map(str::to_owned);
    Ok(Resolved { options: resolved.options, auth_source })
}

/// Makes a client with these options poll `name_server` when its records expire, at the earliest
/// after `shortest`.
pub fn ask_again(options: &mut ClientOptions, name_server: SocketAddr, shortest: Duration) {
    options.srv_rescan = Some((name_server, shortest));
}
