//! Serializes descriptions for logs. They cannot be deserialized.

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::{ServerDescription, TopologyDescription};

impl Serialize for ServerDescription {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("ServerDescription", 10)?;
        fields.serialize_field("address", self.address())?;
        fields.serialize_field("type", &self.server_type())?;
        fields.serialize_field("hosts", self.hosts())?;
        fields.serialize_field("passives", self.passives())?;
        fields.serialize_field("arbiters", self.arbiters())?;
        fields.serialize_field("primary", &self.primary())?;
        fields.serialize_field("setName", &self.replica_set_name())?;
        fields.serialize_field("topologyVersion", &self.topology_version())?;
        fields.serialize_field("tags", &self.tags())?;
        fields.serialize_field("error", &self.error().map(ToString::to_string))?;
        fields.end()
    }
}

impl Serialize for TopologyDescription {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("TopologyDescription", 3)?;
        fields.serialize_field("topologyType", &self.topology_type())?;
        fields.serialize_field("setName", &self.set_name())?;
        fields.serialize_field("servers", &self.servers().collect::<Vec<_>>())?;
        fields.end()
    }
}
