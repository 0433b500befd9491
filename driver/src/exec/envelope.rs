//! The fields of every command.

use std::time::Duration;

use bson::raw::cstr;

use super::operation::Target;
use super::session::{ReadTime, SessionFields};
use crate::error::Result;
use crate::options::{ReadConcern, ReadPreference, SelectionCriteria, ServerApi, WriteConcern};
use crate::types::ServerType;
use crate::wire::DocWriter;

/// The fields that the executor adds to a command, in their order.
pub(super) struct Envelope<'a> {
    pub(super) db: &'a str,
    pub(super) session: SessionFields<'a>,
    pub(super) read_preference: Option<&'a ReadPreference>,
    pub(super) read_concern: Option<&'a ReadConcern>,
    pub(super) write_concern: Option<&'a WriteConcern>,
    pub(super) max_time: Option<Duration>,
    pub(super) server_api: Option<&'a ServerApi>,
}

impl Envelope<'_> {
    pub(super) fn write(&self, body: &mut DocWriter<'_>) -> Result<()> {
        body.str(cstr!("$db"), self.db);
        if let Some(id) = &self.session.id {
            body.nested(cstr!("lsid")).uuid(cstr!("id"), id);
        }
        if let Some(number) = self.session.txn_number {
            body.i64(cstr!("txnNumber"), number);
        }
        if let Some(transaction) = &self.session.transaction {
            if transaction.starts {
                body.bool(cstr!("startTransaction"), true);
            }
            body.bool(cstr!("autocommit"), false);
            if let Some(token) = transaction.recovery_token {
                body.doc(cstr!("recoveryToken"), token);
            }
        }
        if let Some(time) = self.session.cluster_time {
            body.doc(cstr!("$clusterTime"), time);
        }
        if let Some(preference) = self.read_preference {
            body.serialize(cstr!("$readPreference"), preference)?;
        }
        self.write_read_concern(body);
        if let Some(concern) = self.write_concern.filter(|concern| !concern.is_empty()) {
            concern.validate()?;
            body.serialize(cstr!("writeConcern"), concern)?;
        }
        if let Some(limit) = self.max_time {
            body.millis(cstr!("maxTimeMS"), limit)?;
        }
        if let Some(api) = self.server_api {
            api.write(body);
        }
        Ok(())
    }

    fn write_read_concern(&self, body: &mut DocWriter<'_>) {
        if self.read_concern.is_none() && self.session.read_time.is_none() {
            return;
        }
        let mut concern = body.nested(cstr!("readConcern"));
        match (self.session.read_time, self.read_concern) {
            (Some(ReadTime::Snapshot | ReadTime::At(_)), _) => {
                concern.str(cstr!("level"), "snapshot")
            }
            (_, Some(asked)) => concern.str(cstr!("level"), asked.level.as_str()),
            (_, None) => {}
        }
        match self.session.read_time {
            Some(ReadTime::After(time)) => concern.timestamp(cstr!("afterClusterTime"), time),
            Some(ReadTime::At(time)) => concern.timestamp(cstr!("atClusterTime"), time),
            Some(ReadTime::Snapshot) | None => {}
        }
    }
}

/// The way in which the server was selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// By server selection.
    Selected,
    /// As the only server, by `directConnection`.
    Direct,
}

/// The `$readPreference` of a command (specification "Server Selection", sections "Passing read
/// preference to mongos and load balancers" and "Topology type: Single").
pub(super) fn read_preference<'a>(
    target: Target<'a>,
    server: ServerType,
    route: Route,
) -> Option<&'a ReadPreference> {
    const ANY: &ReadPreference = &ReadPreference::PrimaryPreferred { options: None };
    let (Target::Readable(criteria) | Target::WritingAggregate(criteria)) = target else {
        return None;
    };
    let asked = match criteria {
        SelectionCriteria::ReadPreference(ReadPreference::Primary) => None,
        SelectionCriteria::ReadPreference(preference) => Some(preference),
        // The selected server must reply, regardless of its type.
        SelectionCriteria::Predicate(_) => Some(ANY),
    };
    match (server, route) {
        (ServerType::Standalone, _) => None,
        (ServerType::Mongos | ServerType::LoadBalancer, _) | (_, Route::Selected) => asked,
        (_, Route::Direct) => asked.or(Some(ANY)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_read_preference_goes_where_the_specification_wants_it() {
        use Route::{Direct, Selected};
        use ServerType::{Mongos, RsPrimary, RsSecondary, Standalone};
        let primary = SelectionCriteria::from(ReadPreference::Primary);
        let nearest = SelectionCriteria::from(ReadPreference::nearest(None));
        let mode = |criteria, server, route| {
            read_preference(Target::Readable(criteria), server, route).map(ReadPreference::mode)
        };
        for (criteria, server, route, sent) in [
            (&primary, RsPrimary, Selected, None),
            (&nearest, RsPrimary, Selected, Some("nearest")),
            (&nearest, RsSecondary, Selected, Some("nearest")),
            (&primary, Mongos, Selected, None),
            (&nearest, Mongos, Selected, Some("nearest")),
            (&primary, Mongos, Direct, None),
            (&primary, RsSecondary, Direct, Some("primaryPreferred")),
            (&nearest, RsSecondary, Direct, Some("nearest")),
            (&nearest, Standalone, Direct, None),
            (&primary, Standalone, Selected, None),
        ] {
            assert_eq!(mode(criteria, server, route), sent, "{criteria} {server} {route:?}");
        }
        assert!(read_preference(Target::Writable, RsSecondary, Direct).is_none());
    }
}
