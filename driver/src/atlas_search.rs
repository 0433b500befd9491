//! Builders for Atlas Search stages, which are documents for [`aggregate`].
//!
//! A function such as [`text`] creates an operator. Its methods set the options.
//! [`into_stage`](SearchOperator::into_stage) converts it to a `$search` stage. [`search`] and
//! [`search_meta`] create stages that have options themselves.
//!
//! Some options, such as `score` and `fuzzy`, are documents; see the [reference of Atlas Search].
//! The server checks the stages, not the driver.
//!
//! ```no_run
//! use driver::atlas_search::{compound, search, text};
//! use driver::bson::{Document, doc};
//!
//! # async fn example(films: driver::Collection<Document>) -> driver::Result<()> {
//! let about = compound()
//!     .must(text("plot", "space"))
//!     .should([text("title", "star").unit(), text("cast", ["Ford", "Fisher"]).unit()]);
//! let stage = search(about).index("films").into_stage();
//! let found: Vec<Document> =
//!     films.aggregate([stage, doc! { "$limit": 10 }]).await?.try_collect().await?;
//! # drop(found);
//! # Ok(())
//! # }
//! ```
//!
//! [`aggregate`]: crate::collection::Collection::aggregate
//! [reference of Atlas Search]: https://www.mongodb.com/docs/atlas/atlas-search/operators-collectors/

pub mod facet;
mod operators;
mod parameters;

use std::marker::PhantomData;

use bson::{Bson, Document, doc};

pub use self::operators::*;
use self::parameters::Parameter;
pub use self::parameters::{
    BsonNumber, DocumentOrArray, MatchCriteria, NearOrigin, RangeValue, Relation,
    SearchOperatorParam, SearchString, StringOrArray, TokenOrder,
};

/// An operator or collector of Atlas Search. `T` determines its options.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "an operator does nothing until it is part of a stage"]
pub struct SearchOperator<T> {
    name: &'static str,
    options: Document,
    kind: PhantomData<fn() -> T>,
}

impl<T> SearchOperator<T> {
    fn new(name: &'static str, options: Document) -> Self {
        SearchOperator { name, options, kind: PhantomData }
    }

    fn with(mut self, option: &str, value: impl Into<Bson>) -> Self {
        self.options.insert(option, value);
        self
    }

    fn into_document(self) -> Document {
        doc! { self.name: self.options }
    }

    /// The stage `$search` with this operator.
    ///
    /// # Examples
    /// ```
    /// use driver::atlas_search::{compound, exists, text};
    /// use driver::bson::doc;
    ///
    /// let stage = exists("plot").into_stage();
    /// assert_eq!(stage, doc! { "$search": { "exists": { "path": "plot" } } });
    /// assert!(exists("plot").into_stage_meta().contains_key("$searchMeta"));
    /// // Operators of two kinds in one list.
    /// let either = compound().should([exists("plot").unit(), text("title", "star").unit()]);
    /// # drop(either);
    /// ```
    pub fn into_stage(self) -> Document {
        search(self).into_stage()
    }

    /// The stage `$searchMeta` with this operator.
    pub fn into_stage_meta(self) -> Document {
        search_meta(self).into_stage()
    }

    /// The same operator without its type, so that operators of several kinds fit into one array.
    pub fn unit(self) -> SearchOperator<()> {
        SearchOperator::new(self.name, self.options)
    }
}

/// Lets one operator stand for a list of one, for example in [`must`](SearchOperator::must).
impl<T> IntoIterator for SearchOperator<T> {
    type Item = Self;
    type IntoIter = std::iter::Once<Self>;

    fn into_iter(self) -> Self::IntoIter {
        std::iter::once(self)
    }
}

/// Declares a stage with options.
macro_rules! stage {
    (
        $(#[$about:meta])*
        $Stage:ident by $begin:ident is $name:literal {
            $( $(#[$doc:meta])* $option:ident: $Type:ty = $wire:literal, )*
        }
    ) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq)]
        #[must_use = "a stage does nothing until it is part of a pipeline"]
        pub struct $Stage {
            options: Document,
        }

        #[doc = concat!("Begins a stage `", $name, "` with this operator.")]
        pub fn $begin<T>(operator: SearchOperator<T>) -> $Stage {
            $Stage { options: operator.into_document() }
        }

        impl $Stage {
            $(
                $(#[$doc])*
                pub fn $option(mut self, value: $Type) -> Self {
                    self.options.insert($wire, value.to_bson());
                    self
                }
            )*

            #[doc = concat!("The stage `", $name, "`.")]
            pub fn into_stage(self) -> Document {
                doc! { $name: self.options }
            }
        }
    };
}

stage! {
    /// A stage `$search`, which returns matching documents. Created by [`search`].
    AtlasSearch by search is "$search" {
        /// Searches segments in parallel, on dedicated search nodes.
        concurrent: bool = "concurrent",
        /// The counting of results.
        count: Document = "count",
        /// Shows matches in their context.
        highlight: Document = "highlight",
        /// The name of the index. Default: `default`.
        index: impl SearchString = "index",
        /// Returns only the fields that the index stores, without reading the collection.
        return_stored_source: bool = "returnStoredSource",
        /// Starts after the result with this token.
        search_after: impl SearchString = "searchAfter",
        /// Ends before the result with this token.
        search_before: impl SearchString = "searchBefore",
        /// Adds the details of each score.
        score_details: bool = "scoreDetails",
        /// The order of the results.
        sort: Document = "sort",
    }
}

stage! {
    /// A stage `$searchMeta`, which returns counts and facets. Created by [`search_meta`].
    AtlasSearchMeta by search_meta is "$searchMeta" {
        /// The counting of results.
        count: Document = "count",
        /// The name of the index. Default: `default`.
        index: impl SearchString = "index",
    }
}
