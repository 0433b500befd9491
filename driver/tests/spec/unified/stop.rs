//! Why a test does not go on.

use crate::suite::Outcome;

/// Why a test does not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Something is not as it should be.
    Failed(String),
    /// The driver lacks this component.
    Lacks(String),
}

impl Stop {
    /// The driver lacks `component`.
    pub(crate) fn lacks(component: &str) -> Self {
        Stop::Lacks(format!("the driver lacks {component}"))
    }

    /// The same, with what was being done before a failure.
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
            Stop::Lacks(component) => Outcome::Ignored(component),
        }
    }
}
