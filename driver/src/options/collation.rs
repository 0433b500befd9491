//! The collation of strings.

use serde::{Deserialize, Serialize};

/// The language rules by which a server compares and sorts strings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Collation {
    /// The ICU locale, such as `"fr_CA"`; `"simple"` compares bytes.
    pub locale: String,
    /// The level of comparison.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strength: Option<CollationStrength>,
    /// Compares case at the strengths `Primary` and `Secondary`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub case_level: Option<bool>,
    /// The case that sorts first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub case_first: Option<CollationCaseFirst>,
    /// Compares digits as numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub numeric_ordering: Option<bool>,
    /// Whether spaces and punctuation are compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alternate: Option<CollationAlternate>,
    /// The characters that [`CollationAlternate::Shifted`] ignores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_variable: Option<CollationMaxVariable>,
    /// Normalizes strings before the comparison.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub normalization: Option<bool>,
    /// Compares accents from the end of the string, as some French dictionaries do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backwards: Option<bool>,
}

builder! {
    /// Builds a [`Collation`]. Set its locale: servers refuse an empty one.
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
    /// The collation of `locale`, with default options.
    pub fn locale(locale: impl Into<String>) -> Self {
        Collation { locale: locale.into(), ..Collation::default() }
    }
}

/// The level of string comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CollationStrength {
    /// Base characters.
    Primary = 1,
    /// Base characters and accents.
    Secondary = 2,
    /// Base characters, accents and case. The default.
    Tertiary = 3,
    /// Like `Tertiary`, and the punctuation that [`CollationAlternate::Shifted`] ignores.
    Quaternary = 4,
    /// Like `Quaternary`, and code points.
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
                "the collation strength must be 1 to 5, but is {other}"
            ))),
        }
    }
}

/// The case that sorts first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum CollationCaseFirst {
    /// Upper case.
    Upper,
    /// Lower case.
    Lower,
    /// The default of the locale.
    Off,
}

/// Whether spaces and punctuation are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum CollationAlternate {
    /// They are compared.
    NonIgnorable,
    /// They are compared only at the strengths above three.
    Shifted,
}

/// The characters that [`CollationAlternate::Shifted`] ignores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum CollationMaxVariable {
    /// Punctuation and spaces.
    Punct,
    /// Spaces.
    Space,
}
