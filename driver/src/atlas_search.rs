//! Builders of the stages of Atlas Search: documents for [`aggregate`], and nothing else.
//!
//! A function of this module begins an operator, such as [`text`]. Its methods set options.
//! [`into_stage`](SearchOperator::into_stage) makes a `$search` stage of it. [`search`] and
//! [`search_meta`] make the same stages with options of their own.
//!
//! The options of an operator that have no type here, such as `score` and `fuzzy`, are documents,
//! as the [reference of Atlas Search] describes them. Nothing is checked: the server does that.
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

/// An operator or collector of Atlas Search. `T` tells which one, and with it the options.
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

/// One operator stands for a list of one, such as in [`must`](SearchOperator::must).
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
    /// A stage `$search`: the documents that match. Made by [`search`].
    AtlasSearch by search is "$search" {
        /// Searches segments in parallel, on dedicated search nodes.
        concurrent: bool = "concurrent",
        /// The counting of results.
        count: Document = "count",
        /// The display of found terms in their context.
        highlight: Document = "highlight",
        /// The name of the index. Default: `default`.
        index: impl SearchString = "index",
        /// Returns only the fields that the index stores, without a look at the collection.
        return_stored_source: bool = "returnStoredSource",
        /// Begins behind the result of this token.
        search_after: impl SearchString = "searchAfter",
        /// Ends ahead of the result of this token.
        search_before: impl SearchString = "searchBefore",
        /// Adds how each score came about.
        score_details: bool = "scoreDetails",
        /// The order of the results.
        sort: Document = "sort",
    }
}

stage! {
    /// A stage `$searchMeta`: counts and facets of the documents that match. Made by
    /// [`search_meta`].
    AtlasSearchMeta by search_meta is "$searchMeta" {
        /// The counting of results.
        count: Document = "count",
        /// The name of the index. Default: `default`.
        index: impl SearchString = "index",
    }
}
