//! Indexes, for creation and in listings (specification "Index Management").

use std::fmt;
use std::time::Duration;

use bson::{Bson, Document};
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Collation;
use super::lenient;

/// An index: its keys and its options.
///
/// ```
/// use driver::IndexModel;
/// use driver::bson::doc;
/// use driver::options::IndexOptions;
///
/// let unique = IndexOptions::builder().unique(true).build();
/// let keys = doc! { "name": 1, "born": -1 };
/// let by_name = IndexModel::builder().keys(keys).options(unique).build();
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct IndexModel {
    /// The fields, each with 1, -1 or the type of the index, such as `"text"` or `"2dsphere"`.
    #[serde(rename = "key")]
    pub keys: Document,
    /// The options.
    #[serde(flatten)]
    pub options: Option<IndexOptions>,
}

builder! {
    /// Builds an [`IndexModel`]. Its keys must be set.
    IndexModelBuilder builds IndexModel {
        keys: Document,
        options: Option<IndexOptions>,
    }
}

impl IndexModel {
    /// Sets the name generated from the keys if the index has none (specification "Index
    /// Management", section "Index Name Generation").
    pub(crate) fn set_name(&mut self) {
        let options = self.options.get_or_insert_default();
        if options.name.is_some() {
            return;
        }
        let part = |(key, value): (&String, &Bson)| match value {
            Bson::String(kind) => format!("{key}_{kind}"),
            direction => format!("{key}_{direction}"),
        };
        let parts: Vec<String> = self.keys.iter().map(part).collect();
        options.name = Some(parts.join("_"));
    }
}

/// With `flatten`, one invalid option would silently turn all options into `None`.
impl<'de> Deserialize<'de> for IndexModel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = IndexModel;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an index")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<IndexModel, A::Error> {
                let (mut keys, mut rest) = (None, Document::new());
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "key" => keys = Some(map.next_value()?),
                        _ => drop(rest.insert(key, map.next_value::<Bson>()?)),
                    }
                }
                let keys = keys.ok_or_else(|| A::Error::missing_field("key"))?;
                let options: IndexOptions =
                    bson::deserialize_from_document(rest).map_err(A::Error::custom)?;
                let options = Some(options).filter(|options| *options != IndexOptions::default());
                Ok(IndexModel { keys, options })
            }
        }

        deserializer.deserialize_map(Fields)
    }
}

/// The options of an index.
///
/// Flags and numbers in listings can have any numeric type, because other programs may have written
/// them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct IndexOptions {
    /// Builds the index without blocking other operations. Ignored since MongoDB 4.2.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::flag")]
    pub background: Option<bool>,
    /// Makes it a TTL index: documents expire this long after the time in the indexed field. Whole
    /// seconds.
    #[serde(
        rename = "expireAfterSeconds",
        skip_serializing_if = "Option::is_none",
        with = "lenient::seconds"
    )]
    pub expire_after: Option<Duration>,
    /// The name. Default: generated from the keys, such as `name_1_born_-1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Skips documents without the indexed field.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::flag")]
    pub sparse: Option<bool>,
    /// Options of the storage engine: `{ <engine>: <options> }`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_engine: Option<Document>,
    /// Refuses documents whose keys are already in the index.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::flag")]
    pub unique: Option<bool>,
    /// The version of the index's format.
    #[serde(rename = "v", skip_serializing_if = "Option::is_none")]
    pub version: Option<IndexVersion>,
    /// For a text index: the default language.
    #[serde(rename = "default_language", skip_serializing_if = "Option::is_none")]
    pub default_language: Option<String>,
    /// For a text index: the field with the language of a document.
    #[serde(rename = "language_override", skip_serializing_if = "Option::is_none")]
    pub language_override: Option<String>,
    /// For a text index: the version of its format.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text_index_version: Option<TextIndexVersion>,
    /// For a text index: the weights of the fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<Document>,
    /// For a 2dsphere index: the version of its format.
    #[serde(rename = "2dsphereIndexVersion", skip_serializing_if = "Option::is_none")]
    pub sphere_2d_index_version: Option<Sphere2DIndexVersion>,
    /// For a 2d index: the precision of its geohashes, 1 to 32 bits.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "lenient::as_int",
        deserialize_with = "lenient::count"
    )]
    pub bits: Option<u32>,
    /// For a 2d index: the upper bound, inclusive, of longitude and latitude.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// For a 2d index: the lower bound, inclusive, of longitude and latitude.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// For a geoHaystack index: the size of a bucket in units of distance. Servers before 5.0 only.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "lenient::as_int",
        deserialize_with = "lenient::count"
    )]
    pub bucket_size: Option<u32>,
    /// Makes it a partial index: contains only matching documents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partial_filter_expression: Option<Document>,
    /// The rules for comparing strings. An index with a collation needs its own name if another
    /// index has the same keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collation: Option<Collation>,
    /// For a wildcard index: the paths to include or exclude.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wildcard_projection: Option<Document>,
    /// Hides the index from the query planner. Needs MongoDB 4.4.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::flag")]
    pub hidden: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::flag")]
    clustered: Option<bool>,
}

builder! {
    /// Builds [`IndexOptions`].
    IndexOptionsBuilder builds IndexOptions {
        background: Option<bool>,
        expire_after: Option<Duration>,
        name: Option<String>,
        sparse: Option<bool>,
        storage_engine: Option<Document>,
        unique: Option<bool>,
        version: Option<IndexVersion>,
        default_language: Option<String>,
        language_override: Option<String>,
        text_index_version: Option<TextIndexVersion>,
        weights: Option<Document>,
        sphere_2d_index_version: Option<Sphere2DIndexVersion>,
        bits: Option<u32>,
        max: Option<f64>,
        min: Option<f64>,
        bucket_size: Option<u32>,
        partial_filter_expression: Option<Document>,
        collation: Option<Collation>,
        wildcard_projection: Option<Document>,
        hidden: Option<bool>,
    }
}

impl IndexOptions {
    /// Whether the server lists it as the index of a clustered collection. Such an index is created
    /// with its collection ([`clustered_index`](super::CreateCollectionOptions::clustered_index)),
    /// never with `create_index`.
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::Document;
    /// # async fn example(monkeys: driver::Collection<Document>) -> driver::Result<()> {
    /// let mut indexes = monkeys.list_indexes().await?;
    /// while let Some(index) = indexes.try_next().await? {
    ///     let options = index.options.unwrap_or_default();
    ///     println!("{:?} is clustered: {:?}", options.name, options.clustered());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn clustered(&self) -> Option<bool> {
        self.clustered
    }
}

/// Declares an enum of versions, which are integers.
macro_rules! version {
    ($(#[$doc:meta])* $Version:ident { $($(#[$of:meta])* $Name:ident = $number:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum $Version {
            $( $(#[$of])* #[doc = concat!("Version ", stringify!($number), ".")] $Name, )+
            /// Another version.
            Custom(u32),
        }

        impl Serialize for $Version {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let number = match self {
                    $(
                        #[allow(deprecated, reason = "some versions are")]
                        $Version::$Name => $number,
                    )+
                    $Version::Custom(number) => *number,
                };
                lenient::as_int(&Some(number), serializer)
            }
        }

        impl<'de> Deserialize<'de> for $Version {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                match lenient::count(deserializer)? {
                    $(
                        #[allow(deprecated, reason = "some versions are")]
                        Some($number) => Ok($Version::$Name),
                    )+
                    Some(other) => Ok($Version::Custom(other)),
                    None => Err(D::Error::custom("a version is a whole number")),
                }
            }
        }
    };
}

version! {
    /// The version of an index's format.
    IndexVersion {
        #[deprecated = "servers refuse it"]
        V0 = 0,
        V1 = 1,
        V2 = 2,
    }
}

version! {
    /// The version of a text index's format.
    TextIndexVersion {
        V1 = 1,
        V2 = 2,
        V3 = 3,
    }
}

version! {
    /// The version of a 2dsphere index's format.
    Sphere2DIndexVersion {
        V2 = 2,
        V3 = 3,
    }
}

/// The number of members that must build an index before the primary marks it as ready. MongoDB
/// 4.4 and later.
///
/// This affects the delay, not the durability: other secondaries may lag while they build. The
/// write concern determines the durability of the index.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommitQuorum {
    /// This number of members. Zero means no quorum.
    Nodes(u32),
    /// All data-bearing voting members. The default.
    VotingMembers,
    /// More than half of the voting members.
    Majority,
    /// The members of this mode in the replica set configuration.
    Custom(String),
}

impl Serialize for CommitQuorum {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            CommitQuorum::Nodes(n) => lenient::as_int(&Some(*n), serializer),
            CommitQuorum::VotingMembers => serializer.serialize_str("votingMembers"),
            CommitQuorum::Majority => serializer.serialize_str("majority"),
            CommitQuorum::Custom(name) => serializer.serialize_str(name),
        }
    }
}

impl<'de> Deserialize<'de> for CommitQuorum {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(u32),
            Name(String),
        }
        Ok(match Written::deserialize(deserializer)? {
            Written::Number(n) => CommitQuorum::Nodes(n),
            Written::Name(name) => match name.as_str() {
                "votingMembers" => CommitQuorum::VotingMembers,
                "majority" => CommitQuorum::Majority,
                _ => CommitQuorum::Custom(name),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use bson::{bson, doc};

    use super::*;

    fn read(index: Document) -> IndexModel {
        bson::deserialize_from_document(index).unwrap()
    }

    #[test]
    fn names_are_made_of_the_keys() {
        for (keys, name) in [
            (doc! { "name": 1, "dob": -1 }, "name_1_dob_-1"),
            (doc! { "a.b": "2dsphere", "c": 1.0, "d": -1_i64 }, "a.b_2dsphere_c_1_d_-1"),
            (doc! { "$**": "text" }, "$**_text"),
        ] {
            let mut model = IndexModel::builder().keys(keys).build();
            for _ in 0..2 {
                model.set_name();
                assert_eq!(model.options.as_ref().unwrap().name.as_deref(), Some(name));
            }
        }
    }

    #[test]
    fn every_option_is_written_and_read_again() {
        let written = doc! {
            "key": { "a": 1 },
            "background": true, "expireAfterSeconds": 3600, "name": "n", "sparse": false,
            "storageEngine": { "wiredTiger": {} }, "unique": true, "v": 2,
            "default_language": "french", "language_override": "l", "textIndexVersion": 3,
            "weights": { "a": 2 }, "2dsphereIndexVersion": 3, "bits": 26, "max": 180.0,
            "min": -180.0, "bucketSize": 5, "partialFilterExpression": { "a": { "$gt": 5_i64 } },
            "collation": { "locale": "fr" }, "wildcardProjection": { "a": 1 }, "hidden": true,
            "clustered": true,
        };
        let model = read(written.clone());
        assert_eq!(model.options.as_ref().unwrap().clustered(), Some(true));
        assert_eq!(bson::serialize_to_document(&model).unwrap(), written);
    }

    #[test]
    fn odd_numbers_of_other_programs_are_read() {
        let options = read(doc! {
            "key": { "a": 1 }, "v": 2.0, "unique": 1, "sparse": 0.0, "hidden": 1_i64,
            "expireAfterSeconds": 60.0,
            "bits": 26.0, "min": -180, "unknown": { "to": "us" },
        });
        let options = options.options.unwrap();
        assert_eq!(options.version, Some(IndexVersion::V2));
        assert_eq!(
            (options.unique, options.sparse, options.hidden),
            (Some(true), Some(false), Some(true))
        );
        assert_eq!(options.expire_after, Some(Duration::from_secs(60)));
        assert_eq!((options.bits, options.min), (Some(26), Some(-180.0)));
        let options = read(doc! { "key": {}, "expireAfterSeconds": f64::NAN }).options;
        assert_eq!(options, None, "it is not a duration");
        let large = read(doc! { "key": {}, "expireAfterSeconds": i64::MAX }).options.unwrap();
        assert_eq!(large.expire_after, Some(Duration::from_secs(i64::MAX as u64)));
    }

    #[test]
    fn invalid_index_models_are_errors() {
        for (index, says) in [
            (doc! { "name": "n" }, "key"),
            (doc! { "key": {}, "name": 5 }, "string"),
            (doc! { "key": {}, "unique": "yes" }, "flag"),
        ] {
            let error = bson::deserialize_from_document::<IndexModel>(index).unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
        }
    }

    #[test]
    fn commit_quorums_have_their_forms() {
        for (quorum, form) in [
            (CommitQuorum::Nodes(3), bson!(3)),
            (CommitQuorum::VotingMembers, bson!("votingMembers")),
            (CommitQuorum::Majority, bson!("majority")),
            (CommitQuorum::Custom("east".into()), bson!("east")),
        ] {
            assert_eq!(bson::serialize_to_bson(&quorum).unwrap(), form);
            assert_eq!(bson::deserialize_from_bson::<CommitQuorum>(form).unwrap(), quorum);
        }
    }
}
