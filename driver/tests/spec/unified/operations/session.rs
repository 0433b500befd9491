//! The operations of sessions.

use bson::Bson;

use super::{Answer, Kind, Read, Registry, on_session};
use crate::unified::Steps;
use crate::unified::arguments::Arguments;
use crate::unified::entities::lock;

pub(super) fn register<F: Steps>(registry: &mut Registry<F>) {
    registry.add(Kind::Session, "endSession", end_session);
    registry.add(Kind::Session, "getSnapshotTime", snapshot_time);
}

fn end_session<F: Steps>(_: &mut Arguments) -> Read<F> {
    on_session(|_, session| {
        drop(lock(session).take());
        Ok(Ok(Answer::Nothing))
    })
}

fn snapshot_time<F: Steps>(_: &mut Arguments) -> Read<F> {
    on_session(|_, session| {
        let session = lock(session);
        let session = session.as_ref().ok_or("the session has ended")?;
        Ok(Ok(session.snapshot_time().map_or(Answer::Nothing, |time| Bson::Timestamp(time).into())))
    })
}
