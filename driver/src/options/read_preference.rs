//! The read preference (specification "Server Selection", section "Read Preference").
//!
//! Its serde format is that of `$readPreference` in commands.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, Result};

/// The tags that a member must have. Every member matches an empty set.
pub type TagSet = HashMap<String, String>;

/// The members that a read can use, by preference.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum ReadPreference {
    /// The primary only.
    #[default]
    Primary,
    /// Secondaries only.
    Secondary {
        /// Restricts the secondaries.
        options: Option<ReadPreferenceOptions>,
    },
    /// The primary, or secondaries if there is no primary.
    PrimaryPreferred {
        /// Restricts the secondaries.
        options: Option<ReadPreferenceOptions>,
    },
    /// Secondaries, or the primary if no secondary is eligible.
    SecondaryPreferred {
        /// Restricts the secondaries.
        options: Option<ReadPreferenceOptions>,
    },
    /// Any member in the latency window.
    Nearest {
        /// Restricts the members.
        options: Option<ReadPreferenceOptions>,
    },
}

/// Restricts the eligible members of a [`ReadPreference`] other than primary.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ReadPreferenceOptions {
    /// Tag sets, tried in order until an eligible member matches one.
    #[serde(alias = "tags", alias = "tag_sets")]
    pub tag_sets: Option<Vec<TagSet>>,
    /// The maximum lag of a secondary behind the primary: at least 90 s, and at least 10 s more
    /// than the heartbeat frequency. Sent in whole seconds. `None` allows any lag.
    #[serde(rename = "maxStalenessSeconds", default, deserialize_with = "seconds")]
    pub max_staleness: Option<Duration>,
    /// Lets a mongos send the read to two members of each shard and use the first reply.
    pub hedge: Option<HedgedReadOptions>,
}

/// Whether a mongos may hedge reads. Ignored since MongoDB 8.0.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HedgedReadOptions {
    /// Whether hedged reads are allowed.
    pub enabled: bool,
}

builder! {
    /// Builds [`HedgedReadOptions`].
    HedgedReadOptionsBuilder builds HedgedReadOptions {
        enabled: bool,
    }
}

impl HedgedReadOptions {
    /// Allows hedged reads.
    pub fn enabled() -> Self {
        HedgedReadOptions { enabled: true }
    }

    /// Forbids hedged reads.
    pub fn disabled() -> Self {
        HedgedReadOptions { enabled: false }
    }
}

builder! {
    /// Builds [`ReadPreferenceOptions`].
    ReadPreferenceOptionsBuilder builds ReadPreferenceOptions {
        tag_sets: Option<Vec<TagSet>>,
        max_staleness: Option<Duration>,
        hedge: Option<HedgedReadOptions>,
    }
}

impl ReadPreferenceOptions {
    /// Whether nothing is restricted. A list with only the empty tag set counts as no list.
    pub(crate) fn is_default(&self) -> bool {
        self.hedge.is_none()
            && self.max_staleness.is_none()
            && self.tag_sets.as_deref().unwrap_or_default().iter().all(HashMap::is_empty)
    }
}

impl ReadPreference {
    /// The lowest valid maximum staleness (specification "Max Staleness").
    pub(crate) const SMALLEST_MAX_STALENESS: Duration = Duration::from_secs(90);

    /// The primary only.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    ///
    /// use driver::options::{HedgedReadOptions, ReadPreference, ReadPreferenceOptions};
    ///
    /// let options = ReadPreferenceOptions::builder()
    ///     .max_staleness(Duration::from_secs(90))
    ///     .hedge(HedgedReadOptions::disabled())
    ///     .build();
    /// let near = ReadPreference::nearest(options);
    /// assert_eq!((near.mode(), near.max_staleness()), ("nearest", Some(Duration::from_secs(90))));
    /// assert!(near.options().is_some() && near.tag_sets().is_empty());
    /// assert_ne!(near.hedge(), Some(&HedgedReadOptions::enabled()));
    ///
    /// for preference in [
    ///     ReadPreference::primary(),
    ///     ReadPreference::secondary(None),
    ///     ReadPreference::primary_preferred(None),
    ///     ReadPreference::secondary_preferred(None),
    /// ] {
    ///     assert!(preference.options().is_none());
    /// }
    /// ```
    pub fn primary() -> Self {
        ReadPreference::Primary
    }

    /// Secondaries only.
    pub fn secondary(options: impl Into<Option<ReadPreferenceOptions>>) -> Self {
        ReadPreference::Secondary { options: options.into() }
    }

    /// The primary, or secondaries if there is no primary.
    pub fn primary_preferred(options: impl Into<Option<ReadPreferenceOptions>>) -> Self {
        ReadPreference::PrimaryPreferred { options: options.into() }
    }

    /// Secondaries, or the primary if no secondary is eligible.
    pub fn secondary_preferred(options: impl Into<Option<ReadPreferenceOptions>>) -> Self {
        ReadPreference::SecondaryPreferred { options: options.into() }
    }

    /// Any member in the latency window.
    pub fn nearest(options: impl Into<Option<ReadPreferenceOptions>>) -> Self {
        ReadPreference::Nearest { options: options.into() }
    }

    /// The read preference with the mode `name`, in any case, from a connection string. `None` for
    /// an unknown mode.
    pub(crate) fn from_mode(name: &str, options: Option<ReadPreferenceOptions>) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "primary" => ReadPreference::Primary,
            "secondary" => ReadPreference::Secondary { options },
            "primarypreferred" => ReadPreference::PrimaryPreferred { options },
            "secondarypreferred" => ReadPreference::SecondaryPreferred { options },
            "nearest" => ReadPreference::Nearest { options },
            _ => return None,
        })
    }

    /// The name of the mode in commands.
    pub fn mode(&self) -> &'static str {
        match self {
            ReadPreference::Primary => "primary",
            ReadPreference::Secondary { .. } => "secondary",
            ReadPreference::PrimaryPreferred { .. } => "primaryPreferred",
            ReadPreference::SecondaryPreferred { .. } => "secondaryPreferred",
            ReadPreference::Nearest { .. } => "nearest",
        }
    }

    /// The restrictions; `None` for [`Primary`](ReadPreference::Primary).
    pub fn options(&self) -> Option<&ReadPreferenceOptions> {
        match self {
            ReadPreference::Primary => None,
            ReadPreference::Secondary { options }
            | ReadPreference::PrimaryPreferred { options }
            | ReadPreference::SecondaryPreferred { options }
            | ReadPreference::Nearest { options } => options.as_ref(),
        }
    }

    /// The tag sets by preference; empty if there are none.
    pub fn tag_sets(&self) -> &[TagSet] {
        self.options().and_then(|o| o.tag_sets.as_deref()).unwrap_or_default()
    }

    /// The maximum lag of a secondary.
    pub fn max_staleness(&self) -> Option<Duration> {
        self.options().and_then(|o| o.max_staleness)
    }

    /// Whether a mongos may hedge reads, if set.
    pub fn hedge(&self) -> Option<&HedgedReadOptions> {
        self.options().and_then(|o| o.hedge.as_ref())
    }

    /// Checks the rules that do not depend on the deployment.
    pub(crate) fn validate(&self, heartbeat_freq: Duration) -> Result<()> {
        const IDLE_WRITE_PERIOD: Duration = Duration::from_secs(10);
        let Some(max_staleness) = self.max_staleness() else { return Ok(()) };
        let smallest =
            Self::SMALLEST_MAX_STALENESS.max(heartbeat_freq.saturating_add(IDLE_WRITE_PERIOD));
        if max_staleness < smallest {
            return Err(Error::invalid_argument(format!(
                "maxStalenessSeconds is {} s, but must be at least {} s: at least 90 s, and at \
                 least 10 s more than heartbeatFrequencyMS",
                max_staleness.as_secs_f64(),
                smallest.as_secs_f64(),
            )));
        }
        Ok(())
    }
}

impl fmt::Display for ReadPreference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.mode())?;
        for tags in self.tag_sets() {
            let mut pairs: Vec<_> = tags.iter().map(|(k, v)| format!("{k}:{v}")).collect();
            pairs.sort();
            write!(f, " [{}]", pairs.join(","))?;
        }
        if let Some(lag) = self.max_staleness() {
            write!(f, " at most {} s behind", lag.as_secs())?;
        }
        Ok(())
    }
}

impl Serialize for ReadPreference {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("mode", self.mode())?;
        if let Some(options) = self.options() {
            options.write(&mut map)?;
        }
        map.end()
    }
}

impl Serialize for ReadPreferenceOptions {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.write(&mut map)?;
        map.end()
    }
}

impl ReadPreferenceOptions {
    fn write<M: SerializeMap>(&self, map: &mut M) -> std::result::Result<(), M::Error> {
        if let Some(tag_sets) = self.tag_sets.as_ref().filter(|tag_sets| !tag_sets.is_empty()) {
            map.serialize_entry("tags", tag_sets)?;
        }
        if let Some(lag) = self.max_staleness {
            let seconds = i64::try_from(lag.as_secs()).unwrap_or(i64::MAX);
            map.serialize_entry("maxStalenessSeconds", &seconds)?;
        }
        match &self.hedge {
            Some(hedge) => map.serialize_entry("hedge", hedge),
            None => Ok(()),
        }
    }
}

impl<'de> Deserialize<'de> for ReadPreference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Written {
            mode: String,
            #[serde(flatten)]
            options: ReadPreferenceOptions,
        }
        let Written { mode, options } = Written::deserialize(deserializer)?;
        let narrowed = !options.is_default();
        match ReadPreference::from_mode(&mode, narrowed.then_some(options)) {
            Some(ReadPreference::Primary) if narrowed => Err(serde::de::Error::custom(
                "the read preference primary takes no tags, staleness or hedge",
            )),
            Some(preference) => Ok(preference),
            None => Err(serde::de::Error::custom(format!("unknown read preference mode {mode:?}"))),
        }
    }
}

fn seconds<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<Duration>, D::Error> {
    let seconds = Option::<f64>::deserialize(deserializer)?;
    seconds.map(|s| Duration::try_from_secs_f64(s).map_err(serde::de::Error::custom)).transpose()
}

#[cfg(test)]
mod tests {
    use bson::doc;

    use super::*;

    #[test]
    fn read_preference_round_trips() {
        let options = ReadPreferenceOptions::builder()
            .tag_sets(vec![TagSet::from([("dc".to_owned(), "ny".to_owned())]), TagSet::new()])
            .max_staleness(Duration::from_secs(120))
            .hedge(HedgedReadOptions::enabled())
            .build();
        let written =
            bson::serialize_to_document(&ReadPreference::nearest(options.clone())).unwrap();
        let expected = doc! {
            "mode": "nearest", "tags": [{ "dc": "ny" }, {}], "maxStalenessSeconds": 120_i64,
            "hedge": { "enabled": true },
        };
        assert_eq!(written, expected);
        let read: ReadPreference = bson::deserialize_from_document(written).unwrap();
        assert_eq!(read, ReadPreference::nearest(options));
    }

    #[test]
    fn primary_takes_no_options() {
        let written = doc! { "mode": "primary", "maxStalenessSeconds": 120 };
        assert!(bson::deserialize_from_document::<ReadPreference>(written).is_err());
    }
}
