//! The cases that need a component which cannot exist where these tests run.
//!
//! A line is the beginning of a trial's name and the missing component. Nothing stands here because it fails.

/// The cases of one file demand both that MONGODB-AWS takes credentials and that it refuses them. The text of the specification
/// ("Obtaining Credentials") decides for refusing, and the cases that demand this are run.
const BOTH_WAYS: &str = "a driver that takes MONGODB-AWS credentials, which other cases of this file and the specification's text forbid";

/// Beginnings of names, with the component that their cases need.
const MISSING: [(&str, &str); 2] = [
    ("auth/legacy/connection-string: should use username and password if specified (MONGODB-AWS)", BOTH_WAYS),
    (
        "auth/legacy/connection-string: should use username, password and session token if specified (MONGODB-AWS)",
        BOTH_WAYS,
    ),
];

/// The component that the trial `name` lacks.
pub(crate) fn missing_component(name: &str) -> Option<&'static str> {
    MISSING.iter().find(|(beginning, _)| name.starts_with(beginning)).map(|(_, component)| *component)
}
