//! The types that operators take as arguments.

use bson::oid::ObjectId;
use bson::{Bson, DateTime, Document};

use super::SearchOperator;

mod sealed {
    use super::*;

    /// An argument of an operator.
    pub trait Parameter {
        fn to_bson(self) -> Bson;
    }

    impl<T: Into<Bson>> Parameter for T {
        fn to_bson(self) -> Bson {
            self.into()
        }
    }

    impl<T> Parameter for SearchOperator<T> {
        fn to_bson(self) -> Bson {
            self.into_document().into()
        }
    }
}
pub(super) use self::sealed::Parameter;

/// Declares a kind of argument and its types.
macro_rules! parameter {
    ($(#[$about:meta])* $Parameter:ident: $($Type:ty),* $(; [$($generic:tt)*] $Generic:ty)*) => {
        $(#[$about])*
        ///
        /// Sealed.
        pub trait $Parameter: Parameter {}
        $( impl $Parameter for $Type {} )*
        $( impl<$($generic)*> $Parameter for $Generic {} )*
    };
}

parameter! {
    /// A string, or several.
    StringOrArray: &str, String, &[&str], &[String], Vec<String>,
    Vec<&str>; [const N: usize] [&str; N]
}
parameter! {
    /// One string.
    SearchString: &str, &String, String
}
parameter! {
    /// A document, or several.
    DocumentOrArray: Document, &[Document], Vec<Document>; [const N: usize] [Document; N]
}
parameter! {
    /// An operator, built or as a document.
    SearchOperatorParam: Document; [T] SearchOperator<T>
}
parameter! {
    /// A number.
    BsonNumber: i32, i64, u32, f32, f64
}
parameter! {
    /// A number, a date, or a point of GeoJSON.
    NearOrigin: i32, i64, u32, f32, f64, DateTime, Document
}
parameter! {
    /// A number, a date, a string or an object id.
    RangeValue: i32, i64, u32, f32, f64, DateTime, &str, &String, String, ObjectId
}

/// Declares an enum by the names of its values.
macro_rules! named {
    ($(#[$about:meta])* $Enum:ident { $( $(#[$doc:meta])* $Variant:ident = $name:literal, )* }) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub enum $Enum {
            $( $(#[$doc])* $Variant, )*
            /// Another value, which the server checks.
            Other(String),
        }

        impl From<$Enum> for Bson {
            fn from(value: $Enum) -> Bson {
                match value {
                    $( $Enum::$Variant => $name.into(), )*
                    $Enum::Other(name) => name.into(),
                }
            }
        }
    };
}

named! {
    /// The order of the terms of a query.
    TokenOrder {
        /// Any order.
        Any = "any",
        /// The order of the query.
        Sequential = "sequential",
    }
}
named! {
    /// The number of terms of a query that a document must contain.
    MatchCriteria {
        /// One of them.
        Any = "any",
        /// All of them.
        All = "all",
    }
}
named! {
    /// The relation of a query's shape to the indexed one.
    Relation {
        /// The indexed shape contains that of the query.
        Contains = "contains",
        /// The shapes have nothing in common.
        Disjoint = "disjoint",
        /// The shapes intersect.
        Intersects = "intersects",
        /// The indexed shape lies within that of the query. Not for lines and points.
        Within = "within",
    }
}
