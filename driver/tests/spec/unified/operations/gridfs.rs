//! GridFS buckets.

use super::{Kind, Registry};
use crate::unified::api::Api;

pub(super) fn register<F: Api>(registry: &mut Registry<F>) {
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
