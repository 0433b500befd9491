//! Which ground a case can run on, and why it can run on none (`runOnRequirements`).

use bson::{Bson, Document};
use testbed::Version;

use super::ground::Kind;

/// The first ground that the file and the case are both content with; else the reason why there is none.
///
/// # Errors
/// A requirement that this harness does not know.
pub(crate) fn ground(lists: &[&[Document]]) -> Result<Result<Kind, String>, String> {
    let version = Kind::version()?;
    let mut reasons = Vec::new();
    for kind in Kind::ALL {
        match unmet(lists, kind, version)? {
            None => return Ok(Ok(kind)),
            Some(why) if !reasons.contains(&why) => reasons.push(why),
            Some(_) => {}
        }
    }
    Ok(Err(reasons.join("; ")))
}

/// Why `kind` will not do; none where it will.
fn unmet(lists: &[&[Document]], kind: Kind, version: Version) -> Result<Option<String>, String> {
    for list in lists {
        let mut reasons = Vec::new();
        for requirement in *list {
            match lacks(requirement, kind, version)? {
                None => {
                    reasons.clear();
                    break;
                }
                Some(why) => reasons.push(why),
            }
        }
        if !reasons.is_empty() {
            reasons.dedup();
            return Ok(Some(reasons.join(", or ")));
        }
    }
    Ok(None)
}

/// What of one requirement is not met.
fn lacks(requirement: &Document, kind: Kind, version: Version) -> Result<Option<String>, String> {
    for (name, wanted) in requirement {
        let met = match (name.as_str(), wanted) {
            ("minServerVersion", Bson::String(minimum)) => version >= read_version(minimum)?,
            ("maxServerVersion", Bson::String(maximum)) => version <= read_version(maximum)?,
            ("topologies", Bson::Array(topologies)) => {
                topologies.iter().any(|topology| topology.as_str() == Some(kind.topology()))
            }
            ("auth", Bson::Boolean(auth)) => *auth == kind.demands_users(),
            ("authMechanism", Bson::String(mechanism)) => mechanism.starts_with("SCRAM-SHA-"),
            // Servers of one's own are none of these.
            ("serverless", Bson::String(wanted)) => wanted != "require",
            ("csfle", Bson::Boolean(wanted)) => !wanted,
            ("csfle", Bson::Document(_)) => false,
            ("serverParameters", Bson::Document(_)) => {
                return Err("the harness does not know serverParameters".into());
            }
            other => return Err(format!("the harness does not know the requirement {other:?}")),
        };
        if !met {
            let what = match name.as_str() {
                "topologies" => {
                    format!("needs one of the topologies {wanted}; here are replica sets and standalones")
                }
                "auth" => format!("needs auth: {wanted} on its topology"),
                "minServerVersion" | "maxServerVersion" => {
                    format!("needs {name} {wanted}; the server is {version}")
                }
                _ => format!("needs {name}: {wanted}"),
            };
            return Ok(Some(what));
        }
    }
    Ok(None)
}

/// `6`, `6.0` and `6.0.5` are versions.
fn read_version(text: &str) -> Result<Version, String> {
    let mut parts = text.split('.').map(str::parse);
    let mut part = |otherwise| match parts.next() {
        None => Ok(otherwise),
        Some(part) => part.map_err(|_| format!("{text:?} is no version")),
    };
    Ok(Version::new(part(0)?, part(0)?, part(0)?))
}
