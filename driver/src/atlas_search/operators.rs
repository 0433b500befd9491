//! The operators and collectors, by name.

use bson::{Bson, Document, doc};

use super::SearchOperator;
use super::parameters::{
    BsonNumber, DocumentOrArray, MatchCriteria, NearOrigin, Parameter, RangeValue, Relation,
    SearchOperatorParam, SearchString, StringOrArray, TokenOrder,
};

/// Declares an operator: its function, its arguments and its options. The types of arguments are
/// `impl Trait`; `to_bson` converts them.
macro_rules! operator {
    (
        $(#[$about:meta])*
        $Kind:ident by $begin:ident($($argument:ident: $Argument:ty = $key:literal),*)
        is $name:literal {
            $( $(#[$doc:meta])* $option:ident: $Option:ty = $wire:literal, )*
        }
    ) => {
        #[doc = concat!(
            "Marks the operator `", $name, "`. Created by [`", stringify!($begin), "`](",
            stringify!($begin), "()).",
        )]
        #[derive(Clone, Debug, PartialEq)]
        pub struct $Kind;

        $(#[$about])*
        ///
        #[doc = concat!("Begins the operator `", $name, "`.")]
        pub fn $begin($($argument: $Argument),*) -> SearchOperator<$Kind> {
            SearchOperator::new($name, doc! { $( $key: $argument.to_bson() ),* })
        }

        impl SearchOperator<$Kind> {
            $(
                $(#[$doc])*
                pub fn $option(self, value: $Option) -> Self {
                    self.with($wire, value.to_bson())
                }
            )*
        }
    };
}

operator! {
    /// Finds words that start with the query, or contain it. The fields need an index of type
    /// `autocomplete`.
    Autocomplete by autocomplete(path: impl StringOrArray = "path",
        query: impl StringOrArray = "query")
    is "autocomplete" {
        /// The order of the terms. Default: [`TokenOrder::Any`].
        token_order: TokenOrder = "tokenOrder",
        /// The permitted difference of a term.
        fuzzy: Document = "fuzzy",
        /// The scoring of results.
        score: Document = "score",
    }
}

operator! {
    /// Combines operators.
    Compound by compound() is "compound" {
        /// The number of clauses of `should` that must match. Default: 0.
        minimum_should_match: i32 = "minimumShouldMatch",
        /// The scoring of results.
        score: Document = "score",
    }
}

/// Declares the clauses of `compound`.
macro_rules! clauses {
    ($( $(#[$doc:meta])* $clause:ident = $wire:literal, )*) => {
        impl SearchOperator<Compound> {
            $(
                $(#[$doc])*
                pub fn $clause(
                    self,
                    operators: impl IntoIterator<Item = impl SearchOperatorParam>,
                ) -> Self {
                    let operators = operators.into_iter().map(Parameter::to_bson);
                    self.with($wire, operators.collect::<Vec<Bson>>())
                }
            )*
        }
    };
}
clauses! {
    /// Operators that must match.
    must = "must",
    /// Operators that must not match.
    must_not = "mustNot",
    /// Operators that raise the score if they match.
    should = "should",
    /// Operators that must match and do not change the score.
    filter = "filter",
}

operator! {
    /// Matches if a single embedded document of an array matches `operator`. The field needs an
    /// index of type `embeddedDocuments`.
    EmbeddedDocument by embedded_document(path: impl StringOrArray = "path",
        operator: impl SearchOperatorParam = "operator")
    is "embeddedDocument" {
        /// The scoring of results.
        score: Document = "score",
    }
}

operator! {
    /// Finds a value.
    Equals by equals(path: impl StringOrArray = "path", value: impl Into<Bson> = "value")
    is "equals" {
        /// The scoring of results.
        score: Document = "score",
    }
}

operator! {
    /// Finds documents that have a field.
    Exists by exists(path: impl StringOrArray = "path") is "exists" {
        /// The scoring of results.
        score: Document = "score",
    }
}

operator! {
    /// Groups results by the values of fields and counts them. The module of the same name creates
    /// the facets.
    Facet by facet(facets: Document = "facets") is "facet" {
        /// The operator whose results are grouped. Default: all documents.
        operator: impl SearchOperatorParam = "operator",
    }
}

operator! {
    /// Finds shapes by their relation to `geometry`, which is GeoJSON. The field needs
    /// `indexShapes`.
    GeoShape by geo_shape(path: impl StringOrArray = "path", relation: Relation = "relation",
        geometry: Document = "geometry")
    is "geoShape" {
        /// The scoring of results.
        score: Document = "score",
    }
}

operator! {
    /// Finds points within an area. One of the options sets the area.
    GeoWithin by geo_within(path: impl StringOrArray = "path") is "geoWithin" {
        /// The area as a box of two corners.
        geo_box: Document = "box",
        /// The area as a circle.
        circle: Document = "circle",
        /// The area as GeoJSON.
        geometry: Document = "geometry",
        /// The scoring of results.
        score: Document = "score",
    }
}

operator! {
    /// Finds any of the values of an array.
    SearchIn by search_in(path: impl StringOrArray = "path",
        value: impl Into<Bson> = "value") is "in" {
        /// The scoring of results.
        score: Document = "score",
    }
}

operator! {
    /// Finds documents like these.
    MoreLikeThis by more_like_this(like: impl DocumentOrArray = "like") is "moreLikeThis" {
        /// The scoring of results.
        score: Document = "score",
    }
}

operator! {
    /// Scores values by their distance to `origin`. At the distance `pivot` the score is half of
    /// that at the origin.
    Near by near(path: impl StringOrArray = "path", origin: impl NearOrigin = "origin",
        pivot: impl BsonNumber = "pivot")
    is "near" {
        /// The scoring of results.
        score: Document = "score",
    }
}

operator! {
    /// Finds terms that follow each other.
    Phrase by phrase(path: impl StringOrArray = "path",
        query: impl StringOrArray = "query") is "phrase" {
        /// The permitted distance between the terms. Default: 0.
        slop: i32 = "slop",
        /// The name of a mapping of synonyms.
        synonyms: impl SearchString = "synonyms",
        /// The scoring of results.
        score: Document = "score",
    }
}

operator! {
    /// Runs a query in Lucene syntax. Field names in the query override `default_path`.
    QueryString by query_string(default_path: impl StringOrArray = "defaultPath",
        query: impl SearchString = "query")
    is "queryString" {}
}

operator! {
    /// Finds values in a range, whose bounds are options.
    Range by range(path: impl StringOrArray = "path") is "range" {
        /// The lower bound, exclusive.
        gt: impl RangeValue = "gt",
        /// The lower bound, inclusive.
        gte: impl RangeValue = "gte",
        /// The upper bound, exclusive.
        lt: impl RangeValue = "lt",
        /// The upper bound, inclusive.
        lte: impl RangeValue = "lte",
        /// The scoring of results.
        score: Document = "score",
    }
}

operator! {
    /// Finds strings with a regular expression. The expression is not analyzed.
    Regex by regex(path: impl StringOrArray = "path",
        query: impl SearchString = "query") is "regex" {
        /// Allows fields that were analyzed. Default: false.
        allow_analyzed_field: bool = "allowAnalyzedField",
        /// The scoring of results.
        score: Document = "score",
    }
}

operator! {
    /// Finds terms in text.
    Text by text(path: impl StringOrArray = "path", query: impl StringOrArray = "query") is "text" {
        /// The permitted difference of a term.
        fuzzy: Document = "fuzzy",
        /// The number of terms that must match. Default: [`MatchCriteria::Any`].
        match_criteria: MatchCriteria = "matchCriteria",
        /// The name of a mapping of synonyms.
        synonyms: impl SearchString = "synonyms",
        /// The scoring of results.
        score: Document = "score",
    }
}

operator! {
    /// Finds strings with a pattern: `?` stands for one character, `*` for any number.
    Wildcard by wildcard(path: impl StringOrArray = "path",
        query: impl SearchString = "query") is "wildcard" {
        /// Allows fields that were analyzed. Default: false.
        allow_analyzed_field: bool = "allowAnalyzedField",
        /// The scoring of results.
        score: Document = "score",
    }
}
