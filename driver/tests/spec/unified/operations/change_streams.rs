//! Change streams.

use super::{Kind, Registry};
use crate::unified::api::Api;

pub(super) fn register<F: Api>(registry: &mut Registry<F>) {
    const CHANGE_STREAMS: &str = "change streams";
    for kind in [Kind::Client, Kind::Database, Kind::Collection] {
        registry.lacks(kind, &["createChangeStream"], CHANGE_STREAMS);
    }
    registry.lacks(
        Kind::ChangeStream,
        &["iterateUntilDocumentOrError", "iterateOnce", "close"],
        CHANGE_STREAMS,
    );
}
