//! Commands with secrets. Their content is hidden from events and logs, and they are never
//! compressed.

use bson::Document;

/// Specifications "Command Logging and Monitoring", section "Security", and "Wire Compression",
/// section "Messages with Command Names that MUST NOT be compressed", which name the same commands.
const SENSITIVE: [&str; 9] = [
    "authenticate",
    "copydb",
    "copydbgetnonce",
    "copydbSaslStart",
    "createUser",
    "getnonce",
    "saslContinue",
    "saslStart",
    "updateUser",
];

/// The field of a `hello` with speculative authentication.
const SPECULATIVE_AUTHENTICATE: &str = "speculativeAuthenticate";

/// Whether this command is `hello`, with its current or its legacy name.
fn is_hello(name: &str) -> bool {
    ["hello", "isMaster"].iter().any(|hello| name.eq_ignore_ascii_case(hello))
}

/// Whether a command with this name always has a secret.
fn is_sensitive(name: &str) -> bool {
    SENSITIVE.iter().any(|sensitive| name.eq_ignore_ascii_case(sensitive))
}

/// Whether the content of `command` is hidden from events and logs.
pub(crate) fn is_redacted(name: &str, command: &Document) -> bool {
    is_sensitive(name) || is_hello(name) && command.contains_key(SPECULATIVE_AUTHENTICATE)
}

/// Whether a command with this name may be compressed: it has no secret, and it follows the
/// negotiation of the compressor.
pub(crate) fn may_be_compressed(name: &str) -> bool {
    !is_sensitive(name) && !is_hello(name)
}

#[cfg(test)]
mod tests {
    use bson::doc;

    use super::*;

    #[test]
    fn sensitive_commands_are_redacted_under_any_spelling() {
        for name in ["saslStart", "createUser", "copydb", "AUTHENTICATE"] {
            assert!(is_redacted(name, &Document::new()), "{name}");
        }
        for name in ["hello", "isMaster", "ismaster"] {
            assert!(is_redacted(name, &doc! { "speculativeAuthenticate": {} }), "{name}");
            assert!(!is_redacted(name, &Document::new()), "{name}");
        }
        assert!(!is_redacted("insert", &Document::new()));
    }

    #[test]
    fn redacted_commands_are_never_compressed() {
        assert!(SENSITIVE.iter().all(|name| !may_be_compressed(name)));
        assert!(!may_be_compressed("hello") && !may_be_compressed("ismaster"));
        assert!(may_be_compressed("insert"));
    }
}
