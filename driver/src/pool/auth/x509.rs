//! MONGODB-X509: authentication by the certificate of the TLS handshake, with a single command.

use bson::raw::cstr;

use super::Channel;
use crate::error::Result;
use crate::options::Credential;
use crate::wire::DocWriter;

/// Writes the command. Without a username the server uses the one in the certificate.
pub(super) fn write(authenticate: &mut DocWriter<'_>, credential: &Credential) {
    authenticate.i32(cstr!("authenticate"), 1);
    authenticate.str(cstr!("mechanism"), "MONGODB-X509");
    if let Some(user) = &credential.username {
        authenticate.str(cstr!("user"), user);
    }
}

pub(super) async fn authenticate(channel: &mut Channel<'_>, credential: &Credential) -> Result<()> {
    channel
        .command(credential.resolved_source(), credential, |body| write(body, credential))
        .await?;
    Ok(())
}
