//! The credential of a connection string (specification "Authentication", section "Connection
//! String Options").

use bson::Document;

use super::pairs::{Pairs, split_properties};
use super::{bad, percent};
use crate::error::Result;
use crate::options::{AuthMechanism, Credential};

/// The credential, and the value of `authSource`. A credential needs user info or a mechanism; a
/// database or an `authSource` alone gives none.
pub(super) fn read(
    user_info: Option<&str>,
    pairs: &mut Pairs,
    database: Option<&str>,
) -> Result<(Option<Credential>, Option<String>)> {
    let mechanism =
        pairs.text("authMechanism").map(|name| name.parse::<AuthMechanism>()).transpose()?;
    let source = pairs.raw("authSource");
    if source.as_deref() == Some("") {
        return Err(bad("has an empty authSource; omit the option for the default"));
    }
    if source.as_deref().is_some_and(|source| source.contains('\0')) {
        return Err(bad("has an authSource with '\\0'; database names cannot contain it"));
    }
    let properties = read_properties(pairs, mechanism);
    if user_info.is_none() && mechanism.is_none() {
        if properties.is_some() {
            pairs.warn(
                "the option authMechanismProperties is ignored, because the string has neither a \
                 user nor an authMechanism",
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
    // The message repeats neither part, because both may contain the password.
    let unreadable = |what: &str, why: &str| {
        bad(format_args!("has a {what} that {why}; percent-encode username and password"))
    };
    if user_info.contains('@') {
        return Err(unreadable("username or password", "contains an '@'"));
    }
    let (name, password) = match user_info.split_once(':') {
        Some((_, password)) if password.contains(':') => {
            return Err(unreadable("password", "contains a ':'"));
        }
        Some((name, password)) => (name, Some(password)),
        None => (user_info, None),
    };
    if name.is_empty() {
        return Err(bad("has an '@' without a username before it"));
    }
    let name = percent::decode(name).map_err(|why| unreadable("username", why))?;
    let password =
        password.map(percent::decode).transpose().map_err(|why| unreadable("password", why))?;
    Ok((name.into_owned(), password.map(std::borrow::Cow::into_owned)))
}

/// Reads `authMechanismProperties`. A comma in a value looks like the end of a pair. If the piece
/// after it has no ':', it is ignored with a warning.
fn read_properties(pairs: &mut Pairs, mechanism: Option<AuthMechanism>) -> Option<Document> {
    let mut properties = Document::new();
    if let Some(value) = pairs.text("authMechanismProperties") {
        let (read, broken) = split_properties(&value);
        for (key, value) in read {
            properties.insert(key, value);
        }
        if !broken.is_empty() {
            // The warning does not show the pieces, because they may be part of a secret.
            pairs.warn(
                "the option authMechanismProperties must be key:value pairs separated by commas; \
                 values cannot contain commas; malformed pieces are ignored",
            );
        }
    }
    if let Some(name) = pairs.text("gssapiServiceName") {
        pairs.warn(
            "the option gssapiServiceName is deprecated; use \
             authMechanismProperties=SERVICE_NAME:name",
        );
        properties.entry("SERVICE_NAME".to_owned()).or_insert(name.into());
    }
    if mechanism == Some(AuthMechanism::Gssapi) {
        properties.entry("SERVICE_NAME".to_owned()).or_insert("mongodb".into());
    }
    (!properties.is_empty()).then_some(properties)
}
