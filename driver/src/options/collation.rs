//! The collation of strings.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::Error;

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
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// use driver::options::{Collation, CollationStrength};
    ///
    /// # async fn example(monkeys: driver::Collection<Document>) -> driver::Result<()> {
    /// // Finds "Mabel", "mabel" and "MABEL".
    /// let mut any_case = Collation::locale("en");
    /// any_case.strength = Some(CollationStrength::Secondary);
    /// let mabel = monkeys.find_one(doc! { "name": "mabel" }).collation(any_case).await?;
    /// # drop(mabel);
    /// # Ok(())
    /// # }
    /// ```
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
        let level = i32::deserialize(deserializer)?;
        CollationStrength::from_level(level).map_err(serde::de::Error::custom)
    }
}

impl CollationStrength {
    fn from_level(level: impl TryInto<u8> + Copy + fmt::Display) -> crate::Result<Self> {
        match level.try_into() {
            Ok(1) => Ok(CollationStrength::Primary),
            Ok(2) => Ok(CollationStrength::Secondary),
            Ok(3) => Ok(CollationStrength::Tertiary),
            Ok(4) => Ok(CollationStrength::Quaternary),
            Ok(5) => Ok(CollationStrength::Identical),
            _ => Err(Error::invalid_argument(format!(
                "the collation strength must be 1 to 5, but is {level}"
            ))),
        }
    }
}

/// Reads the level, from 1 to 5.
impl TryFrom<u32> for CollationStrength {
    type Error = Error;

    fn try_from(level: u32) -> crate::Result<Self> {
        CollationStrength::from_level(level)
    }
}

impl From<CollationStrength> for u32 {
    fn from(strength: CollationStrength) -> Self {
        strength as u32
    }
}

impl fmt::Display for CollationStrength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (*self as i32).fmt(f)
    }
}

/// The case that sorts first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CollationCaseFirst {
    /// Upper case.
    Upper,
    /// Lower case.
    Lower,
    /// The default of the locale.
    Off,
}

impl CollationCaseFirst {
    /// The name in commands.
    ///
    /// # Examples
    /// ```
    /// use driver::options::CollationCaseFirst;
    ///
    /// assert_eq!(CollationCaseFirst::Upper.as_str(), "upper");
    /// ```
    pub fn as_str(&self) -> &'static str {
        match self {
            CollationCaseFirst::Upper => "upper",
            CollationCaseFirst::Lower => "lower",
            CollationCaseFirst::Off => "off",
        }
    }
}

impl fmt::Display for CollationCaseFirst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether spaces and punctuation are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CollationAlternate {
    /// They are compared.
    NonIgnorable,
    /// They are compared only at the strengths above three.
    Shifted,
}

impl CollationAlternate {
    /// The name in commands.
    ///
    /// # Examples
    /// ```
    /// use driver::options::CollationAlternate;
    ///
    /// assert_eq!(CollationAlternate::NonIgnorable.as_str(), "non-ignorable");
    /// ```
    pub fn as_str(&self) -> &'static str {
        match self {
            CollationAlternate::NonIgnorable => "non-ignorable",
            CollationAlternate::Shifted => "shifted",
        }
    }
}

impl fmt::Display for CollationAlternate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The characters that [`CollationAlternate::Shifted`] ignores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CollationMaxVariable {
    /// Punctuation and spaces.
    Punct,
    /// Spaces.
    Space,
}

impl CollationMaxVariable {
    /// The name in commands.
    ///
    /// # Examples
    /// ```
    /// use driver::options::CollationMaxVariable;
    ///
    /// assert_eq!(CollationMaxVariable::Punct.as_str(), "punct");
    /// ```
    pub fn as_str(&self) -> &'static str {
        match self {
            CollationMaxVariable::Punct => "punct",
            CollationMaxVariable::Space => "space",
        }
    }
}

impl fmt::Display for CollationMaxVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
