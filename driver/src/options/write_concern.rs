//! The write concern (specification "Read and Write Concern").
//!
//! Its serde format is that of `writeConcern` in commands.

use std::time::Duration;

use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, Result};

/// The write concern: the acknowledgment that a write requires.
///
/// Commands without a write concern use the server's default, which acknowledges writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WriteConcern {
    /// The number of members that must acknowledge a write.
    pub w: Option<Acknowledgment>,
    /// The time limit for the acknowledgments. After it the server replies with a write concern
    /// error, and the write is not undone. Zero means no limit. Sent in whole milliseconds.
    pub w_timeout: Option<Duration>,
    /// Requires the write to be in the journal on disk.
    pub journal: Option<bool>,
}

/// The number of members that must acknowledge a write.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Acknowledgment {
    /// This many members. `Nodes(0)` requests no reply: the result of the write stays unknown.
    Nodes(u32),
    /// A majority of the voting, data-bearing members.
    Majority,
    /// The members that this mode of the replica set configuration names.
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
    /// Acknowledgment by `n` members.
    ///
    /// # Examples
    /// ```
    /// use driver::options::WriteConcern;
    ///
    /// assert!(!WriteConcern::nodes(0).is_acknowledged());
    /// assert!(WriteConcern::majority().is_acknowledged());
    /// assert!(WriteConcern::default().is_empty());
    /// let everywhere = WriteConcern::custom("everywhere");
    /// assert!(!everywhere.is_empty());
    /// ```
    pub fn nodes(n: u32) -> Self {
        Acknowledgment::Nodes(n).into()
    }

    /// Acknowledgment by a majority.
    pub fn majority() -> Self {
        Acknowledgment::Majority.into()
    }

    /// Acknowledgment by the members of the mode `name` in the replica set configuration.
    pub fn custom(name: impl AsRef<str>) -> Self {
        Acknowledgment::from(name.as_ref()).into()
    }

    /// Whether the server replies: false only for `w: 0`.
    pub fn is_acknowledged(&self) -> bool {
        self.w != Some(Acknowledgment::Nodes(0)) || self.journal == Some(true)
    }

    /// Whether nothing is set. Commands then carry no write concern.
    pub fn is_empty(&self) -> bool {
        *self == WriteConcern::default()
    }

    /// Checks that the parts are consistent and fit into their BSON types.
    ///
    /// # Errors
    /// `InvalidArgument` for `w: 0` with `journal: true`, and for more than 2^31 - 1 members.
    pub(crate) fn validate(&self) -> Result<()> {
        if self.w == Some(Acknowledgment::Nodes(0)) && self.journal == Some(true) {
            return Err(Error::invalid_argument(
                "the write concern w=0 contradicts journal=true; remove one",
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

impl From<String> for Acknowledgment {
    fn from(name: String) -> Self {
        name.as_str().into()
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
                Err(_) => {
                    Err(serde::de::Error::custom(format!("w must be at least 0, but is {n}")))
                }
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
