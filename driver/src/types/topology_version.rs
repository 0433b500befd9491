//! The version of what a server says of itself.

use std::cmp::Ordering;

use bson::oid::ObjectId;
use bson::raw::RawDocument;

use crate::types::whole;

/// How fresh a server's word about itself is: counts the changes of one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TopologyVersion {
    /// Changes whenever the server starts anew.
    pub process_id: ObjectId,
    /// Grows with every change of the server's state.
    pub counter: i64,
}

impl TopologyVersion {
    /// Reads the `topologyVersion` of a reply or of an error; none when it is not one.
    pub(crate) fn parse(document: &RawDocument) -> Option<Self> {
        let process_id = document.get_object_id("processId").ok()?;
        let counter = whole(document.get("counter").ok()??)?;
        Some(TopologyVersion { process_id, counter })
    }

    /// How `current` relates to `reported`: less when what is reported is more recent. Unset
    /// versions and those of other processes are taken for more recent (section
    /// "topologyVersion Comparison").
    pub(crate) fn compare(current: Option<Self>, reported: Option<Self>) -> Ordering {
        match (current, reported) {
            (Some(current), Some(reported)) if current.process_id == reported.process_id => {
                current.counter.cmp(&reported.counter)
            }
            _ => Ordering::Less,
        }
    }
}
