//! What a client tells of itself while it works, to whoever asked in its [options](crate::options::ClientOptions).
//!
//! Nothing is built for a handler that is not there. A handler is called on the thread on which the thing happened, and
//! holds it up for as long as it runs: it should note and return.

pub mod cmap;
pub mod sdam;

use std::fmt;
use std::sync::Arc;

/// Takes events of one kind.
#[derive(Clone)]
#[non_exhaustive]
pub enum EventHandler<T> {
    /// Calls a function with each event.
    Callback(Arc<dyn Fn(T) + Send + Sync>),
}

impl<T> EventHandler<T> {
    /// A handler that calls `function` with each event.
    ///
    /// `function` runs where the event happened, so it should be short, and must not wait for this client.
    pub fn callback(function: impl Fn(T) + Send + Sync + 'static) -> Self {
        EventHandler::Callback(Arc::new(function))
    }

    pub(crate) fn handle(&self, event: T) {
        match self {
            EventHandler::Callback(function) => function(event),
        }
    }
}

impl<T> fmt::Debug for EventHandler<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EventHandler")
    }
}
