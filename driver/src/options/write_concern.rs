//! How many members must hold a write before it counts (specification "Read and Write Concern").
//!
//! The serde form is the one that commands carry as `writeConcern`.

use std::time::Duration;

use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, Result};

/// How many members must hold a write, and how firmly, before the server acknowledges it.
///
/// Without one, commands carry none and the server's default holds, which acknowledges writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WriteConcern {
    /// How many members.
    pub w: Option<Acknowledgment>,
    /// How long the server waits for them before it answers with a write concern error; zero:
    /// without limit. Whole milliseconds are sent. The write stays done where it was done.
    pub w_timeout: Option<Duration>,
    /// Whether they must have it in their journals on disk.
    pub journal: Option<bool>,
}

/// How many members must hold a write.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Acknowledgment {
    /// This many. `Nodes(0)` asks for no answer at all: whether the write was done is never known.
    Nodes(u32),
    /// More than half of the voting, data-bearing members.
    Majority,
    /// Those that the set's configuration names so.
    Custom(String),
}

builder! {
    /// Builds a [`WriteConcern`].
    WriteConcernBuilder builds WriteConcern {
        w: Option<Acknowledgment>,
        w_timeout: Option<Duration>,
        journal: Option<bool>,
    }
}

impl WriteConcern {
    /// Acknowledged by `n` members.
    pub fn nodes(n: u32) -> Self {
        Acknowledgment::Nodes(n).into()
    }

    /// Acknowledged by a majority.
    pub fn majority() -> Self {
        Acknowledgment::Majority.into()
    }

    /// Acknowledged by those that the set's configuration calls `name`.
    pub fn custom(name: impl AsRef<str>) -> Self {
        Acknowledgment::from(name.as_ref()).into()
    }

    /// Whether the server answers at all: false only for `w: 0`.
    pub fn is_acknowledged(&self) -> bool {
        self.w != Some(Acknowledgment::Nodes(0)) || self.journal == Some(true)
    }

    /// Whether nothing is asked for, so that commands carry nothing.
    pub fn is_empty(&self) -> bool {
        *self == WriteConcern::default()
    }

    /// Checks that the parts do not contradict each other and fit their fields on the wire.
    ///
    /// # Errors
    /// `InvalidArgument` for `w: 0` with `journal: true`, and for a number of members above 2^31 -
    /// 1.
    pub(crate) fn validate(&self) -> Result<()> {
        if self.w == Some(Acknowledgment::Nodes(0)) && self.journal == Some(true) {
            return Err(Error::invalid_argument(
                "the write concern w=0 asks for no answer, journal=true for a firm one; drop one of them",
            ));
        }
        if let Some(Acknowledgment::Nodes(n)) = self.w
            && i32::try_from(n).is_err()
        {
            return Err(Error::invalid_argument(format!(
                "the write concern w={n} is above 2147483647"
            )));
        }
        Ok(())
    }
}

impl From<Acknowledgment> for WriteConcern {
    fn from(w: Acknowledgment) -> Self {
        WriteConcern { w: Some(w), ..WriteConcern::default() }
    }
}

impl From<u32> for Acknowledgment {
    fn from(n: u32) -> Self {
        Acknowledgment::Nodes(n)
    }
}

impl From<&str> for Acknowledgment {
    fn from(name: &str) -> Self {
        match name {
            "majority" => Acknowledgment::Majority,
            name => Acknowledgment::Custom(name.to_owned()),
        }
    }
}

impl Serialize for Acknowledgment {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Acknowledgment::Nodes(n) => {
                serializer.serialize_i32(i32::try_from(*n).map_err(serde::ser::Error::custom)?)
            }
            Acknowledgment::Majority => serializer.serialize_str("majority"),
            Acknowledgment::Custom(name) => serializer.serialize_str(name),
        }
    }
}

impl<'de> Deserialize<'de> for Acknowledgment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(i64),
            Name(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Number(n) => match u32::try_from(n) {
                Ok(n) => Ok(Acknowledgment::Nodes(n)),
                Err(_) => Err(serde::de::Error::custom(format!(
                    "w must be a number from 0 on, but is {n}"
                ))),
            },
            Written::Name(name) => Ok(Acknowledgment::from(name.as_str())),
        }
    }
}

impl Serialize for WriteConcern {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(w) = &self.w {
            map.serialize_entry("w", w)?;
        }
        if let Some(limit) = self.w_timeout {
            map.serialize_entry("wtimeout", &i64::try_from(limit.as_millis()).unwrap_or(i64::MAX))?;
        }
        if let Some(journal) = self.journal {
            map.serialize_entry("j", &journal)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for WriteConcern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Written {
            w: Option<Acknowledgment>,
            #[serde(alias = "wtimeoutMS")]
            wtimeout: Option<u64>,
            #[serde(alias = "journal")]
            j: Option<bool>,
        }
        let Written { w, wtimeout, j } = Written::deserialize(deserializer)?;
        Ok(WriteConcern { w, w_timeout: wtimeout.map(Duration::from_millis), journal: j })
    }
}
