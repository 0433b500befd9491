//! The reasons for ending a test early.

use crate::ignored;
use crate::suite::Outcome;

/// The reason for ending a test early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// A failure.
    Failed(String),
    /// The driver lacks this component.
    Lacks(String),
}

impl Stop {
    /// The driver lacks `component`.
    pub(crate) fn lacks(component: &str) -> Self {
        Stop::Lacks(format!("the driver lacks {component}"))
    }

    /// The same reason. A failure also gets the name of the operation.
    pub(crate) fn during(self, what: &str) -> Self {
        match self {
            Stop::Failed(why) => Stop::Failed(format!("{what}: {why}")),
            Stop::Lacks(component) => Stop::Lacks(component),
        }
    }
}

impl From<String> for Stop {
    fn from(why: String) -> Self {
        Stop::Failed(why)
    }
}

impl From<&str> for Stop {
    fn from(why: &str) -> Self {
        Stop::Failed(why.to_owned())
    }
}

impl From<Stop> for Outcome {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Failed(why) => Outcome::Failed(why),
            Stop::Lacks(component) if ignored::is_listed(&component) => Outcome::Missing(component),
            Stop::Lacks(component) => {
                Outcome::Failed(format!("{component}, which ignored.rs does not list"))
            }
        }
    }
}
