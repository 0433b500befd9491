//! The commands that carry secrets: their words are kept out of events and logs, and they are never
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

/// The field of a `hello` by which a user is proven along with it.
const SPECULATIVE_AUTHENTICATE: &str = "speculativeAuthenticate";

/// Whether this command is a `hello`, under either of its names.
fn is_hello(name: &str) -> bool {
    ["hello", "isMaster"].iter().any(|hello| name.eq_ignore_ascii_case(hello))
}

/// Whether a command of this name always carries a secret.
fn is_sensitive(name: &str) -> bool {
    SENSITIVE.iter().any(|sensitive| name.eq_ignore_ascii_case(sensitive))
}

/// Whether the words of `command` are kept out of events and logs.
pub(crate) fn is_redacted(name: &str, command: &Document) -> bool {
    is_sensitive(name) || is_hello(name) && command.contains_key(SPECULATIVE_AUTHENTICATE)
}

/// Whether a command of this name may be compressed: it carries no secret, and the compressor has
/// been agreed on before.
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
