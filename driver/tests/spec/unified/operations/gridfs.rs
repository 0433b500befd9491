//! GridFS buckets.

use super::{Kind, Registry};
use crate::unified::way::Way;

pub(super) fn register<F: Way>(registry: &mut Registry<F>) {
    registry.lacks(
        Kind::Bucket,
        &[
            "delete",
            "deleteByName",
            "download",
            "downloadByName",
            "drop",
            "find",
            "rename",
            "renameByName",
            "upload",
            "uploadWithId",
        ],
        "GridFS",
    );
}
