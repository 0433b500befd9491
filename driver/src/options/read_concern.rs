//! The read concern (specification "Read and Write Concern").

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The read concern: the consistency and durability of the data that a read returns.
///
/// Commands without a read concern use the server's default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ReadConcern {
    /// The level.
    pub level: ReadConcernLevel,
}

/// The level of a [`ReadConcern`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReadConcernLevel {
    /// The member's current data, which may be rolled back.
    Local,
    /// Data that a majority of the members has acknowledged.
    Majority,
    /// Data that reflects all majority-acknowledged writes completed before the read.
    Linearizable,
    /// Like `Local`, but reads of sharded collections may return orphaned documents.
    Available,
    /// Majority-acknowledged data of one point in time.
    Snapshot,
    /// A level unknown to this driver.
    Custom(String),
}

impl ReadConcernLevel {
    /// The name in commands and connection strings.
    pub fn as_str(&self) -> &str {
        match self {
            ReadConcernLevel::Local => "local",
            ReadConcernLevel::Majority => "majority",
            ReadConcernLevel::Linearizable => "linearizable",
            ReadConcernLevel::Available => "available",
            ReadConcernLevel::Snapshot => "snapshot",
            ReadConcernLevel::Custom(name) => name,
        }
    }
}

impl From<&str> for ReadConcernLevel {
    fn from(name: &str) -> Self {
        match name {
            "local" => ReadConcernLevel::Local,
            "majority" => ReadConcernLevel::Majority,
            "linearizable" => ReadConcernLevel::Linearizable,
            "available" => ReadConcernLevel::Available,
            "snapshot" => ReadConcernLevel::Snapshot,
            name => ReadConcernLevel::Custom(name.to_owned()),
        }
    }
}

impl ReadConcern {
    /// The member's current data, which may be rolled back.
    ///
    /// # Examples
    /// ```
    /// use driver::options::{ReadConcern, ReadConcernLevel};
    ///
    /// assert_eq!(ReadConcern::majority().level, ReadConcernLevel::Majority);
    /// for concern in [ReadConcern::local(), ReadConcern::available(), ReadConcern::snapshot()] {
    ///     assert_eq!(ReadConcern::custom(concern.level.as_str()), concern);
    /// }
    /// assert_eq!(ReadConcern::linearizable().level.as_str(), "linearizable");
    /// ```
    pub fn local() -> Self {
        ReadConcernLevel::Local.into()
    }

    /// Data that a majority of the members has acknowledged.
    pub fn majority() -> Self {
        ReadConcernLevel::Majority.into()
    }

    /// Data that reflects all majority-acknowledged writes completed before the read.
    pub fn linearizable() -> Self {
        ReadConcernLevel::Linearizable.into()
    }

    /// Like `local`, but reads of sharded collections may return orphaned documents.
    pub fn available() -> Self {
        ReadConcernLevel::Available.into()
    }

    /// Majority-acknowledged data of one point in time.
    pub fn snapshot() -> Self {
        ReadConcernLevel::Snapshot.into()
    }

    /// The level with this name, known to this driver or not.
    pub fn custom(level: impl AsRef<str>) -> Self {
        ReadConcernLevel::from(level.as_ref()).into()
    }
}

impl From<ReadConcernLevel> for ReadConcern {
    fn from(level: ReadConcernLevel) -> Self {
        ReadConcern { level }
    }
}

impl fmt::Display for ReadConcernLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for ReadConcernLevel {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ReadConcernLevel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Ok(ReadConcernLevel::from(&*name))
    }
}
