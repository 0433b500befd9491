//! Parses the reply to `hello` and to the legacy `isMaster`.
//!
//! Parsing is one pass over the raw reply. A field of an unexpected type is an error with the
//! field's name. `null` counts as absent, and unknown fields are skipped. Host names are converted
//! to lower case.

use std::collections::BTreeMap;
use std::time::Duration;

use bson::oid::ObjectId;
use bson::raw::{RawBsonRef, RawDocument};

use crate::error::{CommandError, Error, ErrorKind, Result};
use crate::types::ServerAddress;
use crate::types::{ServerType, TopologyVersion, whole};

/// A parsed reply to `hello` (specification "Server Discovery And Monitoring", section "Parsing a
/// hello or legacy hello response").
#[derive(Clone, Debug, Default)]
pub(crate) struct HelloReply {
    /// `isWritablePrimary`, or else `ismaster`.
    pub(crate) writable_primary: bool,
    pub(crate) secondary: bool,
    pub(crate) arbiter_only: bool,
    pub(crate) hidden: bool,
    pub(crate) is_replica_set: bool,
    /// `msg: "isdbgrid"`.
    pub(crate) is_router: bool,
    pub(crate) hello_ok: bool,
    pub(crate) is_cryptd: bool,
    pub(crate) hosts: Vec<ServerAddress>,
    pub(crate) passives: Vec<ServerAddress>,
    pub(crate) arbiters: Vec<ServerAddress>,
    pub(crate) me: Option<ServerAddress>,
    pub(crate) primary: Option<ServerAddress>,
    pub(crate) set_name: Option<String>,
    pub(crate) set_version: Option<i64>,
    pub(crate) election_id: Option<ObjectId>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) min_wire_version: i32,
    pub(crate) max_wire_version: i32,
    pub(crate) last_write_date: Option<bson::DateTime>,
    pub(crate) logical_session_timeout: Option<Duration>,
    pub(crate) topology_version: Option<TopologyVersion>,
    pub(crate) service_id: Option<ObjectId>,
    pub(crate) max_bson_object_size: Option<i32>,
    pub(crate) max_message_size_bytes: Option<i32>,
    pub(crate) max_write_batch_size: Option<i32>,
    /// The server's id of the connection.
    pub(crate) connection_id: Option<i64>,
    /// The compressors that client and server share, in the client's order.
    pub(crate) compression: Vec<String>,
    /// The SASL mechanisms of the requested user.
    pub(crate) sasl_supported_mechs: Option<Vec<String>>,
}

impl HelloReply {
    /// Parses a reply.
    ///
    /// # Errors
    /// `Command` if the server replied with an error; `InvalidResponse` with the name of the field
    /// if the reply is malformed.
    pub(crate) fn parse(reply: &RawDocument) -> Result<Self> {
        let mut hello = HelloReply::default();
        let mut ok = false;
        let mut refusal = CommandError::default();
        for element in reply.iter() {
            let (key, value) =
                element.map_err(|e| Error::invalid_response(format!("hello: {e}")))?;
            let field = Field { key: key.as_str(), value };
            if value == RawBsonRef::Null {
                continue;
            }
            match field.key {
                "ok" => ok = field.number()? == 1,
                "code" => refusal.code = field.int()?,
                "codeName" => refusal.code_name = field.string()?,
                "errmsg" => refusal.message = field.string()?,
                "isWritablePrimary" => hello.writable_primary = field.flag()?,
                "ismaster" if !hello.writable_primary => hello.writable_primary = field.flag()?,
                "secondary" => hello.secondary = field.flag()?,
                "arbiterOnly" => hello.arbiter_only = field.flag()?,
                "hidden" => hello.hidden = field.flag()?,
                "isreplicaset" => hello.is_replica_set = field.flag()?,
                "msg" => hello.is_router = value.as_str() == Some("isdbgrid"),
                "helloOk" => hello.hello_ok = field.flag()?,
                "iscryptd" => hello.is_cryptd = field.flag()?,
                "hosts" => hello.hosts = field.addresses()?,
                "passives" => hello.passives = field.addresses()?,
                "arbiters" => hello.arbiters = field.addresses()?,
                "me" => hello.me = field.address()?,
                "primary" => hello.primary = field.address()?,
                "setName" => hello.set_name = Some(field.string()?),
                "setVersion" => hello.set_version = Some(field.number()?),
                "electionId" => hello.election_id = Some(field.object_id()?),
                "tags" => hello.tags = field.tags()?,
                "minWireVersion" => hello.min_wire_version = field.int()?,
                "maxWireVersion" => hello.max_wire_version = field.int()?,
                "lastWrite" => hello.last_write_date = field.last_write_date()?,
                "logicalSessionTimeoutMinutes" => {
                    hello.logical_session_timeout = Some(field.minutes()?)
                }
                "topologyVersion" => hello.topology_version = Some(field.topology_version()?),
                "serviceId" => hello.service_id = Some(field.object_id()?),
                "maxBsonObjectSize" => hello.max_bson_object_size = Some(field.int()?),
                "maxMessageSizeBytes" => hello.max_message_size_bytes = Some(field.int()?),
                "maxWriteBatchSize" => hello.max_write_batch_size = Some(field.int()?),
                "connectionId" => hello.connection_id = Some(field.number()?),
                "compression" => hello.compression = field.strings()?,
                "saslSupportedMechs" => hello.sasl_supported_mechs = Some(field.strings()?),
                _ => {}
            }
        }
        if ok { Ok(hello) } else { Err(Error::new(ErrorKind::Command(refusal))) }
    }

    /// The server type of the reply (section "type").
    pub(crate) fn server_type(&self) -> ServerType {
        match &self.set_name {
            _ if self.is_router => ServerType::Mongos,
            _ if self.is_replica_set => ServerType::RsGhost,
            None => ServerType::Standalone,
            Some(_) if self.hidden => ServerType::RsOther,
            Some(_) if self.writable_primary => ServerType::RsPrimary,
            Some(_) if self.secondary => ServerType::RsSecondary,
            Some(_) if self.arbiter_only => ServerType::RsArbiter,
            Some(_) => ServerType::RsOther,
        }
    }

    /// All members that the reply names.
    pub(crate) fn members(&self) -> impl Iterator<Item = &ServerAddress> {
        self.hosts.iter().chain(&self.passives).chain(&self.arbiters)
    }

    /// Whether both replies are equal in all fields of section "Server Description Equality".
    pub(crate) fn says_the_same(&self, other: &HelloReply) -> bool {
        (self.min_wire_version, self.max_wire_version)
            == (other.min_wire_version, other.max_wire_version)
            && self.me == other.me
            && self.hosts == other.hosts
            && self.passives == other.passives
            && self.arbiters == other.arbiters
            && self.tags == other.tags
            && self.set_name == other.set_name
            && self.set_version == other.set_version
            && self.election_id == other.election_id
            && self.primary == other.primary
            && self.logical_session_timeout == other.logical_session_timeout
            && self.topology_version == other.topology_version
            && self.is_cryptd == other.is_cryptd
    }
}

/// One field of a reply, with typed accessors.
#[derive(Clone, Copy)]
struct Field<'a> {
    key: &'a str,
    value: RawBsonRef<'a>,
}

impl<'a> Field<'a> {
    fn bad(&self, wanted: &str) -> Error {
        let found = self.value.element_type();
        Error::invalid_response(format!(
            "hello: the field {:?} is {found:?}, not {wanted}",
            self.key
        ))
    }

    /// An integer in any numeric BSON type.
    fn number(&self) -> Result<i64> {
        whole(self.value).ok_or_else(|| self.bad("an integer"))
    }

    fn int(&self) -> Result<i32> {
        self.number()?.try_into().map_err(|_| self.bad("a 32-bit integer"))
    }

    fn flag(&self) -> Result<bool> {
        match self.value {
            RawBsonRef::Boolean(flag) => Ok(flag),
            value => whole(value).map(|n| n != 0).ok_or_else(|| self.bad("true or false")),
        }
    }

    fn string(&self) -> Result<String> {
        self.value.as_str().map(str::to_owned).ok_or_else(|| self.bad("a string"))
    }

    fn object_id(&self) -> Result<ObjectId> {
        self.value.as_object_id().ok_or_else(|| self.bad("an ObjectId"))
    }

    fn minutes(&self) -> Result<Duration> {
        let minutes = u64::try_from(self.number()?).map_err(|_| self.bad("a number of minutes"))?;
        Ok(Duration::from_secs(minutes.saturating_mul(60)))
    }

    fn address(&self) -> Result<Option<ServerAddress>> {
        match self.value.as_str() {
            Some("") => Ok(None),
            Some(address) => self.parse_address(address).map(Some),
            None => Err(self.bad("a host")),
        }
    }

    fn addresses(&self) -> Result<Vec<ServerAddress>> {
        self.strings()?.iter().map(|address| self.parse_address(address)).collect()
    }

    fn parse_address(&self, address: &str) -> Result<ServerAddress> {
        ServerAddress::parse(address).map_err(|e| {
            Error::invalid_response(format!(
                "hello: the field {:?} has the invalid host {address:?}: {e}",
                self.key
            ))
        })
    }

    fn strings(&self) -> Result<Vec<String>> {
        let array = self.value.as_array().ok_or_else(|| self.bad("an array"))?;
        array
            .into_iter()
            .map(|value| match value {
                Ok(RawBsonRef::String(s)) => Ok(s.to_owned()),
                _ => Err(self.bad("an array of strings")),
            })
            .collect()
    }

    fn document(&self) -> Result<&'a RawDocument> {
        match self.value {
            RawBsonRef::Document(document) => Ok(document),
            _ => Err(self.bad("a document")),
        }
    }

    fn tags(&self) -> Result<BTreeMap<String, String>> {
        self.document()?
            .iter()
            .map(|element| match element {
                Ok((key, RawBsonRef::String(value))) => {
                    Ok((key.as_str().to_owned(), value.to_owned()))
                }
                _ => Err(self.bad("a document of strings")),
            })
            .collect()
    }

    fn last_write_date(&self) -> Result<Option<bson::DateTime>> {
        match self.document()?.get("lastWriteDate") {
            Ok(Some(RawBsonRef::DateTime(date))) => Ok(Some(date)),
            Ok(None | Some(RawBsonRef::Null)) => Ok(None),
            _ => Err(self.bad("a document with the date lastWriteDate")),
        }
    }

    fn topology_version(&self) -> Result<TopologyVersion> {
        TopologyVersion::parse(self.document()?).ok_or_else(|| self.bad("a topology version"))
    }
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::*;

    #[test]
    fn is_writable_primary_overrides_ismaster() {
        let reply =
            rawdoc! { "ismaster": false, "isWritablePrimary": true, "setName": "rs", "ok": 1 };
        assert_eq!(HelloReply::parse(&reply).unwrap().server_type(), ServerType::RsPrimary);
        let reply =
            rawdoc! { "isWritablePrimary": true, "ismaster": false, "setName": "rs", "ok": 1.0 };
        assert_eq!(HelloReply::parse(&reply).unwrap().server_type(), ServerType::RsPrimary);
    }

    #[test]
    fn error_reply_keeps_the_servers_code() {
        let reply = rawdoc! {
            "ok": 0, "errmsg": "no such thing", "code": 59, "codeName": "CommandNotFound",
        };
        let error = HelloReply::parse(&reply).unwrap_err();
        assert_eq!((error.code(), error.code_name()), (Some(59), Some("CommandNotFound")));
    }

    #[test]
    fn error_names_the_malformed_field() {
        for reply in [
            rawdoc! { "ok": 1, "hosts": "a" },
            rawdoc! { "ok": 1, "hosts": ["a:b:c"] },
            rawdoc! { "ok": 1, "hosts": [7] },
        ] {
            let error = HelloReply::parse(&reply).unwrap_err().to_string();
            assert!(error.contains("\"hosts\""), "{error}");
        }
        let error = HelloReply::parse(&rawdoc! { "ok": 1, "maxWireVersion": 1_i64 << 40 })
            .unwrap_err()
            .to_string();
        assert!(error.contains("maxWireVersion"), "{error}");
    }

    #[test]
    fn null_counts_as_absent_and_hosts_are_in_lower_case() {
        let hello = HelloReply::parse(
            &rawdoc! { "ok": 1, "setName": null, "hosts": ["A:1"], "electionId": null },
        )
        .unwrap();
        assert_eq!(hello.server_type(), ServerType::Standalone);
        assert_eq!(hello.hosts, [ServerAddress::parse("a:1").unwrap()]);
    }
}
