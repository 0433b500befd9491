//! The topology version of a server.

use std::cmp::Ordering;

use bson::oid::ObjectId;
use bson::raw::RawDocument;
use serde::{Deserialize, Serialize};

use crate::types::whole;

/// The version of a server's state: counts the changes of one server process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TopologyVersion {
    /// Changes when the server process restarts.
    pub process_id: ObjectId,
    /// Increases with every change of the server's state.
    pub counter: i64,
}

impl TopologyVersion {
    /// Reads the `topologyVersion` of a reply or an error; `None` if it is malformed.
    pub(crate) fn parse(document: &RawDocument) -> Option<Self> {
        let process_id = document.get_object_id("processId").ok()?;
        let counter = whole(document.get("counter").ok()??)?;
        Some(TopologyVersion { process_id, counter })
    }

    /// Compares `current` with `reported`: `Less` if the reported version is newer. A missing
    /// version, or one of another process, counts as newer (section "topologyVersion Comparison").
    pub(crate) fn compare(current: Option<Self>, reported: Option<Self>) -> Ordering {
        match (current, reported) {
            (Some(current), Some(reported)) if current.process_id == reported.process_id => {
                current.counter.cmp(&reported.counter)
            }
            _ => Ordering::Less,
        }
    }
}
