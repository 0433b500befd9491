//! The options of a session.

/// The options of a session.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct SessionOptions {
    /// Each operation reflects the earlier ones. Default: true, unless `snapshot` is.
    pub causal_consistency: Option<bool>,
    /// All reads see the data of one point in time. Default: false.
    pub snapshot: Option<bool>,
}

builder! {
    /// Builds [`SessionOptions`].
    SessionOptionsBuilder builds SessionOptions {
        causal_consistency: Option<bool>,
        snapshot: Option<bool>,
    }
}
