//! How sure a read must be that what it returns will last (specification "Read and Write Concern").

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How sure a read must be that what it returns will last.
///
/// Without one, commands carry none and the server's default holds.
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
    /// What the member holds, although it may be rolled back.
    Local,
    /// What a majority of the members acknowledged.
    Majority,
    /// What reflects every majority-acknowledged write that ended before the read began.
    Linearizable,
    /// As local, and without waiting for orphaned documents of a sharded collection to be told
    /// apart.
    Available,
    /// What a majority had acknowledged at one point in time.
    Snapshot,
    /// A level this driver does not know.
    Custom(String),
}

impl ReadConcernLevel {
    /// The level as commands and connection strings write it.
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
    /// What the member holds, although it may be rolled back.
    pub fn local() -> Self {
        ReadConcernLevel::Local.into()
    }

    /// What a majority of the members acknowledged.
    pub fn majority() -> Self {
        ReadConcernLevel::Majority.into()
    }

    /// What reflects every majority-acknowledged write that ended before the read began.
    pub fn linearizable() -> Self {
        ReadConcernLevel::Linearizable.into()
    }

    /// As local, and without waiting for orphaned documents to be told apart.
    pub fn available() -> Self {
        ReadConcernLevel::Available.into()
    }

    /// What a majority had acknowledged at one point in time.
    pub fn snapshot() -> Self {
        ReadConcernLevel::Snapshot.into()
    }

    /// The level called `level`, known to this driver or not.
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
