//! Who the connection string says the user is (specification "Authentication", section "Connection
//! String Options").

use bson::Document;

use super::pairs::{Pairs, split_properties};
use super::{bad, percent};
use crate::error::Result;
use crate::options::{AuthMechanism, Credential};

/// The credential of user info and options, and `authSource`. There is one if user info or a
/// mechanism is given; a database or source alone asks for none.
pub(super) fn read(
    user_info: Option<&str>,
    pairs: &mut Pairs,
    database: Option<&str>,
) -> Result<(Option<Credential>, Option<String>)> {
    let mechanism =
        pairs.text("authMechanism").map(|name| AuthMechanism::named(&name)).transpose()?;
    let source = pairs.raw("authSource");
    if source.as_deref() == Some("") {
        return Err(bad("has an empty authSource; leave the option out for the default"));
    }
    if source.as_deref().is_some_and(|source| source.contains('\0')) {
        return Err(bad("has an authSource that contains '\\0', which no database name may have"));
    }
    let properties = read_properties(pairs, mechanism);
    if user_info.is_none() && mechanism.is_none() {
        if properties.is_some() {
            pairs.warn(
                "the option authMechanismProperties is ignored: there is neither a user nor an authMechanism",
            );
        }
        return Ok((None, source));
    }
    let (username, password) = user_info.map(read_user_info).transpose()?.unzip();
    let resolved = source.as_deref().unwrap_or(AuthMechanism::default_source(mechanism, database));
    let credential = Credential {
        username,
        password: password.flatten(),
        source: Some(resolved.to_owned()),
        mechanism,
        mechanism_properties: properties,
        ..Credential::default()
    };
    Ok((Some(credential), source))
}

fn read_user_info(user_info: &str) -> Result<(String, Option<String>)> {
    // Neither part is repeated in a message: what was taken for a name may be a password.
    let unreadable = |what: &str, why: &str| {
        bad(format_args!("has a {what} that {why}; user name and password must be percent-encoded"))
    };
    if user_info.contains('@') {
        return Err(unreadable("user name or password", "contains an '@'"));
    }
    let (name, password) = match user_info.split_once(':') {
        Some((_, password)) if password.contains(':') => {
            return Err(unreadable("password", "contains a ':'"));
        }
        Some((name, password)) => (name, Some(password)),
        None => (user_info, None),
    };
    if name.is_empty() {
        return Err(bad("has an '@' without a user name before it"));
    }
    let name = percent::decode(name).map_err(|why| unreadable("user name", why))?;
    let password =
        password.map(percent::decode).transpose().map_err(|why| unreadable("password", why))?;
    Ok((name.into_owned(), password.map(std::borrow::Cow::into_owned)))
}

/// `authMechanismProperties`. A value with a comma in it cannot be told from the next pair: the
/// piece after the comma is left out with a warning.
fn read_properties(pairs: &mut Pairs, mechanism: Option<AuthMechanism>) -> Option<Document> {
    let mut properties = Document::new();
    if let Some(value) = pairs.text("authMechanismProperties") {
        let (read, broken) = split_properties(&value);
        for (key, value) in read {
            properties.insert(key, value);
        }
        if !broken.is_empty() {
            // The pieces are not shown: they may belong to a secret.
            pairs.warn(
                "the option authMechanismProperties must be pairs key:value with commas between them, \
                 and no value may contain a comma; a piece that is no pair is ignored",
            );
        }
    }
    if let Some(name) = pairs.text("gssapiServiceName") {
        pairs.warn(
            "the option gssapiServiceName is deprecated; write authMechanismProperties=SERVICE_NAME:name",
        );
        properties.entry("SERVICE_NAME".to_owned()).or_insert(name.into());
    }
    if mechanism == Some(AuthMechanism::Gssapi) {
        properties.entry("SERVICE_NAME".to_owned()).or_insert("mongodb".into());
    }
    (!properties.is_empty()).then_some(properties)
}
