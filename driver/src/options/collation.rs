//! How strings are compared.

use serde::{Deserialize, Serialize};

/// How a server compares and sorts strings: by the rules of a language instead of byte by byte.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Collation {
    /// The ICU locale, such as `"fr_CA"`; `"simple"` compares bytes.
    pub locale: String,
    /// How small a difference counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strength: Option<CollationStrength>,
    /// Whether case counts at strengths where it would not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub case_level: Option<bool>,
    /// Which case sorts first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub case_first: Option<CollationCaseFirst>,
    /// Whether digits compare by the number that they write.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub numeric_ordering: Option<bool>,
    /// Whether spaces and punctuation count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alternate: Option<CollationAlternate>,
    /// Which characters are left out of account with [`CollationAlternate::Shifted`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_variable: Option<CollationMaxVariable>,
    /// Whether strings are normalized before they are compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub normalization: Option<bool>,
    /// Whether accents are compared from the end of the string, as in some French dictionaries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backwards: Option<bool>,
}

builder! {
    /// Builds a [`Collation`]. Its locale must be set: no server takes an empty one.
    CollationBuilder builds Collation {
        locale: String,
        strength: Option<CollationStrength>,
        case_level: Option<bool>,
        case_first: Option<CollationCaseFirst>,
        numeric_ordering: Option<bool>,
        alternate: Option<CollationAlternate>,
        max_variable: Option<CollationMaxVariable>,
        normalization: Option<bool>,
        backwards: Option<bool>,
    }
}

impl Collation {
    /// The collation of `locale`, everything else by its default.
    pub fn locale(locale: impl Into<String>) -> Self {
        Collation { locale: locale.into(), ..Collation::default() }
    }
}

/// How small a difference between strings counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CollationStrength {
    /// Base characters alone.
    Primary = 1,
    /// And accents.
    Secondary = 2,
    /// And case: the default.
    Tertiary = 3,
    /// And punctuation, where [`CollationAlternate::Shifted`] leaves it out otherwise.
    Quaternary = 4,
    /// And the code points themselves.
    Identical = 5,
}

impl Serialize for CollationStrength {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i32(*self as i32)
    }
}

impl<'de> Deserialize<'de> for CollationStrength {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match i32::deserialize(deserializer)? {
            1 => Ok(CollationStrength::Primary),
            2 => Ok(CollationStrength::Secondary),
            3 => Ok(CollationStrength::Tertiary),
            4 => Ok(CollationStrength::Quaternary),
            5 => Ok(CollationStrength::Identical),
            other => Err(serde::de::Error::custom(format!(
                "the collation strength is 1 to 5, and {other} was given"
            ))),
        }
    }
}

/// Which case sorts first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum CollationCaseFirst {
    /// Upper case.
    Upper,
    /// Lower case.
    Lower,
    /// As the locale has it.
    Off,
}

/// Whether spaces and punctuation count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum CollationAlternate {
    /// They do.
    NonIgnorable,
    /// They count only at the strengths above three.
    Shifted,
}

/// Which characters [`CollationAlternate::Shifted`] leaves out of account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum CollationMaxVariable {
    /// Punctuation and spaces.
    Punct,
    /// Spaces.
    Space,
}
