//! The facets of [`facet`](super::facet()), which group results.
//!
//! ```
//! use driver::atlas_search::facet;
//! use driver::bson::{DateTime, doc};
//!
//! let counts = facet(doc! {
//!     "directors": facet::string("directors").num_buckets(7),
//!     "years": facet::number("year", [2000, 2010, 2020]).default_bucket("other"),
//!     "seen": facet::date("seen", [DateTime::MIN, DateTime::now()]),
//! });
//! let stage = counts.into_stage_meta();
//! assert!(stage.contains_key("$searchMeta"));
//! ```

use std::marker::PhantomData;

use bson::{Bson, DateTime, Document, doc};

/// A facet. `T` is its kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Facet<T> {
    definition: Document,
    kind: PhantomData<fn() -> T>,
}

impl<T> Facet<T> {
    fn new(definition: Document) -> Self {
        Facet { definition, kind: PhantomData }
    }

    fn with(mut self, option: &str, value: impl Into<Bson>) -> Self {
        self.definition.insert(option, value);
        self
    }
}

impl<T> From<Facet<T>> for Bson {
    fn from(facet: Facet<T>) -> Bson {
        facet.definition.into()
    }
}

/// Marks a facet of strings. Created by [`string`].
#[derive(Clone, Debug, PartialEq)]
pub struct String;

/// Marks a facet of numbers. Created by [`number`].
#[derive(Clone, Debug, PartialEq)]
pub struct Number;

/// Marks a facet of dates. Created by [`date`].
#[derive(Clone, Debug, PartialEq)]
pub struct Date;

/// Groups by the most frequent strings of a field.
pub fn string(path: impl AsRef<str>) -> Facet<String> {
    Facet::new(doc! { "type": "string", "path": path.as_ref() })
}

/// Groups by the ranges of numbers between `boundaries`, which are in ascending order.
pub fn number(
    path: impl AsRef<str>,
    boundaries: impl IntoIterator<Item = impl Into<Bson>>,
) -> Facet<Number> {
    let boundaries: Vec<Bson> = boundaries.into_iter().map(Into::into).collect();
    Facet::new(doc! { "type": "number", "path": path.as_ref(), "boundaries": boundaries })
}

/// Groups by the ranges of dates between `boundaries`, which are in ascending order.
pub fn date(path: impl AsRef<str>, boundaries: impl IntoIterator<Item = DateTime>) -> Facet<Date> {
    let boundaries: Vec<DateTime> = boundaries.into_iter().collect();
    Facet::new(doc! { "type": "date", "path": path.as_ref(), "boundaries": boundaries })
}

impl Facet<String> {
    /// The maximum number of groups, up to 1000. Default: 10.
    pub fn num_buckets(self, number: i32) -> Self {
        self.with("numBuckets", number)
    }
}

impl Facet<Number> {
    /// The name of a group of all values outside of the boundaries. Default: they are not counted.
    pub fn default_bucket(self, name: impl AsRef<str>) -> Self {
        self.with("default", name.as_ref())
    }
}

impl Facet<Date> {
    /// The name of a group of all values outside of the boundaries. Default: they are not counted.
    pub fn default_bucket(self, name: impl AsRef<str>) -> Self {
        self.with("default", name.as_ref())
    }
}
