//! The options of a session.

/// What a session is to do beside naming its operations.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct SessionOptions {
    /// Whether each operation reflects those before it. Default: true, unless `snapshot` is.
    pub causal_consistency: Option<bool>,
    /// Whether all reads see the data of one point in time. Default: false.
    pub snapshot: Option<bool>,
}

builder! {
    /// Builds [`SessionOptions`].
    SessionOptionsBuilder builds SessionOptions {
        causal_consistency: Option<bool>,
        snapshot: Option<bool>,
    }
}
