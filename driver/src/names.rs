//! Values with a text format: enums whose values have names in the specifications, and namespaces.

use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::description::TopologyType;
use crate::error::{Error, Result};
use crate::options::{
    AuthMechanism, CollationAlternate, CollationCaseFirst, CollationMaxVariable, Compressor,
    ServerApiVersion,
};
use crate::types::{Namespace, ServerType};

/// Implements `FromStr`, `TryFrom<&str>`, `Serialize` and `Deserialize` for an enum whose `Display`
/// writes the name of each value.
macro_rules! named {
    ($Type:ident, $what:literal, [$($value:ident),+ $(,)?]) => {
        impl FromStr for $Type {
            type Err = Error;

            fn from_str(name: &str) -> Result<Self> {
                const ALL: &[$Type] = &[$($Type::$value),+];
                ALL.iter().find(|value| value.to_string() == name).cloned().ok_or_else(|| {
                    let known: Vec<_> = ALL.iter().map(ToString::to_string).collect();
                    Error::invalid_argument(format!(
                        "unknown {} {name:?}; the known names are {}", $what, known.join(", ")
                    ))
                })
            }
        }

        impl TryFrom<&str> for $Type {
            type Error = Error;

            fn try_from(name: &str) -> Result<Self> {
                name.parse()
            }
        }

        impl Serialize for $Type {
            fn serialize<S: Serializer>(
                &self,
                serializer: S,
            ) -> std::result::Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $Type {
            fn deserialize<D: Deserializer<'de>>(
                deserializer: D,
            ) -> std::result::Result<Self, D::Error> {
                let name = String::deserialize(deserializer)?;
                name.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

named! {
    ServerType, "type of server",
    [Standalone, Mongos, RsPrimary, RsSecondary, RsArbiter, RsOther, RsGhost, LoadBalancer, Unknown]
}
named! {
    TopologyType, "type of topology",
    [Single, ReplicaSetNoPrimary, ReplicaSetWithPrimary, Sharded, LoadBalanced, Unknown]
}
named! {
    AuthMechanism, "authMechanism",
    [ScramSha1, ScramSha256, MongoDbX509, Gssapi, Plain, MongoDbAws, MongoDbOidc]
}
named! { CollationCaseFirst, "caseFirst of a collation", [Upper, Lower, Off] }
named! { CollationAlternate, "alternate of a collation", [NonIgnorable, Shifted] }
named! { CollationMaxVariable, "maxVariable of a collation", [Punct, Space] }
named! { ServerApiVersion, "version of the stable API", [V1] }

/// Reads the name of a compressor, as in the option `compressors`. Its level is the default.
impl FromStr for Compressor {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Compressor::named(name).ok_or_else(|| {
            Error::invalid_argument(format!(
                "unknown compressor {name:?}; the known ones are snappy, zlib, zstd"
            ))
        })
    }
}

/// Reads `database.collection`. The name of the collection may contain dots.
impl FromStr for Namespace {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name.split_once('.') {
            Some((db, coll)) if !db.is_empty() && !coll.is_empty() => Ok(Namespace::new(db, coll)),
            _ => Err(Error::invalid_argument(format!(
                "the namespace {name:?} must name a database and a collection, as in zoo.monkeys"
            ))),
        }
    }
}

impl TryFrom<&str> for Namespace {
    type Error = Error;

    fn try_from(name: &str) -> Result<Self> {
        name.parse()
    }
}

impl Serialize for Namespace {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Namespace {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
