//! A MongoDB client for replica sets.

pub mod error;
pub mod options;

mod deadline;
mod face;
mod rt;
mod topology;
mod stream;
mod wire;
mod uri;

pub use bson;

pub use self::error::{Error, Result};
pub use self::face::{Async, Blocking, Face};
pub use self::topology::{ServerDescription, ServerType, TopologyDescription, TopologyType, TopologyVersion};
