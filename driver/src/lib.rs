//! A MongoDB client for replica sets.

#[doc(hidden)]
pub mod conformance;
pub mod error;
pub mod event;
pub mod options;

mod auth;
mod deadline;
mod face;
mod nest;
mod pool;
mod rt;
mod stream;
mod topology;
mod uri;
mod wire;

pub use bson;

pub use self::error::{Error, Result};
pub use self::face::{Async, Blocking, Face};
pub use self::topology::{ServerDescription, ServerType, TopologyDescription, TopologyType, TopologyVersion};
