//! Values with restrictions: arrays and documents that are not empty, versions, and strings of a
//! fixed set.

use std::marker::PhantomData;
use std::ops::Deref;

use bson::Document;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use testbed::Version;

/// An array that is omitted or not empty.
#[derive(Clone)]
pub(crate) struct NonEmpty<T>(Vec<T>);

impl<T> Default for NonEmpty<T> {
    fn default() -> Self {
        NonEmpty(Vec::new())
    }
}

impl<T> Deref for NonEmpty<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for NonEmpty<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let items = Vec::deserialize(deserializer)?;
        if items.is_empty() {
            Err(D::Error::custom("the array is empty"))
        } else {
            Ok(NonEmpty(items))
        }
    }
}

/// A document in the format `T` that is not empty.
#[derive(Clone)]
pub(crate) struct Checked<T>(Document, PhantomData<fn() -> T>);

impl<T> Deref for Checked<T> {
    type Target = Document;

    fn deref(&self) -> &Document {
        &self.0
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Checked<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (document, _) = filled::<D, T>(deserializer)?;
        Ok(Checked(document, PhantomData))
    }
}

/// A value of type `T` with at least one field.
#[derive(Clone)]
pub(crate) struct Filled<T>(T);

impl<T> Deref for Filled<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Filled<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        filled(deserializer).map(|(_, value)| Filled(value))
    }
}

pub(super) fn filled<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<(Document, T), D::Error> {
    let document = Document::deserialize(deserializer)?;
    if document.is_empty() {
        return Err(D::Error::custom("the document is empty"));
    }
    let value = bson::deserialize_from_document(document.clone()).map_err(D::Error::custom)?;
    Ok((document, value))
}

/// A value that is present, but may be null.
pub(super) fn there<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// `1.2` or `1.2.3`.
#[derive(Clone, Copy)]
pub(crate) struct VersionString(pub(crate) Version);

impl<'de> Deserialize<'de> for VersionString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || D::Error::custom(format!("{text:?} is not a version"));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let parts: Vec<&str> = text.split('.').collect();
        if !(2..=3).contains(&parts.len()) || !parts.iter().all(|part| digits(part)) {
            return Err(wrong());
        }
        let part =
            |at: usize| parts.get(at).map_or(Ok(0), |part| part.parse().map_err(|_| wrong()));
        Ok(VersionString(Version::new(part(0)?, part(1)?, part(2)?)))
    }
}

/// Strings with a fixed set of values.
macro_rules! one_of {
    ($( $(#[$doc:meta])* $Name:ident: $($text:literal)* ;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub(crate) struct $Name(pub(super) String);

        impl Deref for $Name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl<'de> Deserialize<'de> for $Name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                if [$($text),*].contains(&text.as_str()) {
                    Ok($Name(text))
                } else {
                    let texts = [$($text),*];
                    Err(D::Error::custom(format!("{text:?} is none of {texts:?}")))
                }
            }
        }
    )*};
}

one_of! {
    /// The topologies that a requirement can name.
    Topology: "single" "replicaset" "sharded" "sharded-replicaset" "load-balanced";
    /// The requirements on serverless instances.
    Serverless: "require" "forbid" "allow";
    /// The events that a client can observe.
    EventName:
        "commandStartedEvent" "commandSucceededEvent" "commandFailedEvent" "poolCreatedEvent"
        "poolReadyEvent" "poolClearedEvent" "poolClosedEvent" "connectionCreatedEvent"
        "connectionReadyEvent" "connectionClosedEvent" "connectionCheckOutStartedEvent"
        "connectionCheckOutFailedEvent" "connectionCheckedOutEvent" "connectionCheckedInEvent"
        "serverDescriptionChangedEvent" "serverHeartbeatStartedEvent"
        "serverHeartbeatSucceededEvent" "serverHeartbeatFailedEvent"
        "topologyDescriptionChangedEvent"
        "topologyOpeningEvent" "topologyClosedEvent";
    /// The kinds of events.
    EventType: "command" "cmap" "sdam";
    LogComponent: "command" "topology" "serverSelection" "connection";
    LogLevel: "emergency" "alert" "critical" "error" "warning" "notice" "info" "debug" "trace";
    ServerType:
        "Standalone" "Mongos" "PossiblePrimary" "RSPrimary" "RSSecondary" "RSOther" "RSArbiter"
        "RSGhost" "LoadBalancer" "Unknown";
    TopologyType:
        "Single" "Unknown" "ReplicaSetNoPrimary" "ReplicaSetWithPrimary" "Sharded" "LoadBalanced";
}
