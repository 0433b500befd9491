//! The servers that a test can run on (`runOnRequirements`).

use testbed::Version;

use super::format::{Csfle, Filled, Requirement};
use super::matching;
use super::servers::Kind;

/// The requirements of a file or a test. If there are any, one of them must be met.
pub(crate) type Requirements<'a> = &'a [Filled<Requirement>];

/// The beginning of a reason.
const TOPOLOGIES: &str = "needs one of the topologies";

/// The first kind of servers that meets the requirements of file and test, or the reason why there
/// is none.
///
/// # Errors
/// The servers cannot be started.
pub(crate) fn servers(lists: &[Requirements<'_>]) -> Result<Result<Kind, String>, String> {
    let version = Kind::version()?;
    let mut reasons = Vec::new();
    for &kind in Kind::in_use()? {
        match unmet(lists, kind, version)? {
            None => return Ok(Ok(kind)),
            Some(why) if !reasons.contains(&why) => reasons.push(why),
            Some(_) => {}
        }
    }
    // There are servers of every topology: what these lack is the reason.
    if reasons.iter().any(|why| !why.starts_with(TOPOLOGIES)) {
        reasons.retain(|why| !why.starts_with(TOPOLOGIES));
    }
    Ok(Err(reasons.join("; ")))
}

/// The reason why `kind` does not meet the requirements; `None` if it does.
fn unmet(
    lists: &[Requirements<'_>],
    kind: Kind,
    version: Version,
) -> Result<Option<String>, String> {
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

fn lacks(
    requirement: &Requirement,
    kind: Kind,
    version: Version,
) -> Result<Option<String>, String> {
    if let Some(least) = requirement.min_server_version.filter(|least| version < least.0) {
        return Ok(Some(format!("needs minServerVersion {}; the server is {version}", least.0)));
    }
    if let Some(most) = requirement.max_server_version.filter(|most| version > most.0) {
        return Ok(Some(format!("needs maxServerVersion {}; the server is {version}", most.0)));
    }
    if let Some(topologies) = &requirement.topologies
        && !topologies.iter().any(|topology| **topology == *kind.topology())
    {
        let names: Vec<&str> = topologies.iter().map(|topology| &**topology).collect();
        let names = names.join(", ");
        return Ok(Some(format!("{TOPOLOGIES} {names}")));
    }
    if let Some(auth) = requirement.auth.filter(|auth| *auth != kind.demands_users()) {
        return Ok(Some(format!("needs auth: {auth} on its topology")));
    }
    if let Some(mechanism) =
        requirement.auth_mechanism.as_ref().filter(|mechanism| !mechanism.starts_with("SCRAM-SHA-"))
    {
        return Ok(Some(format!("needs authMechanism: {mechanism}")));
    }
    // The servers of these tests are never serverless.
    if requirement.serverless.as_deref() == Some("require") {
        return Ok(Some("needs serverless instances".into()));
    }
    if let Some(Csfle::Needed(true) | Csfle::Of(_)) = requirement.csfle {
        return Ok(Some("needs client-side field level encryption".into()));
    }
    if let Some(wanted) = &requirement.server_parameters {
        let parameters = kind.parameters()?;
        for (name, wanted) in wanted.iter() {
            if parameters.get(name).is_none_or(|actual| matching::same(wanted, actual).is_err()) {
                return Ok(Some(format!("needs servers with the parameter {name}: {wanted}")));
            }
        }
    }
    Ok(None)
}
