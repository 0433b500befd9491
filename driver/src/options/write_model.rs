//! The write models of a bulk write.

use bson::{Document, RawDocumentBuf};
use serde::{Deserialize, Serialize};

use super::{Collation, Hint, UpdateModifications};
use crate::types::Namespace;

/// One write of a bulk write.
///
/// Methods of a collection, such as
/// [`insert_one_model`](crate::collection::Collection::insert_one_model), create models with its
/// namespace. Models from `new` or `builder` have no namespace until one is set. Only
/// [`Collection::bulk_write`](crate::collection::Collection::bulk_write) accepts models without
/// one.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum WriteModel {
    /// Inserts a document.
    InsertOne(InsertOneModel),
    /// Updates one document.
    UpdateOne(UpdateOneModel),
    /// Updates all matching documents.
    UpdateMany(UpdateManyModel),
    /// Replaces one document.
    ReplaceOne(ReplaceOneModel),
    /// Deletes one document.
    DeleteOne(DeleteOneModel),
    /// Deletes all matching documents.
    DeleteMany(DeleteManyModel),
}

impl WriteModel {
    pub(crate) fn namespace(&self) -> Option<&Namespace> {
        match self {
            WriteModel::InsertOne(model) => model.namespace.as_ref(),
            WriteModel::UpdateOne(model) => model.namespace.as_ref(),
            WriteModel::UpdateMany(model) => model.namespace.as_ref(),
            WriteModel::ReplaceOne(model) => model.namespace.as_ref(),
            WriteModel::DeleteOne(model) => model.namespace.as_ref(),
            WriteModel::DeleteMany(model) => model.namespace.as_ref(),
        }
    }

    /// Whether it can write several documents, so that it is not retryable.
    pub(crate) fn is_multi(&self) -> bool {
        matches!(self, WriteModel::UpdateMany(_) | WriteModel::DeleteMany(_))
    }
}

/// The document of an insert or a replacement: a [`Document`] or raw BSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum ModelDocument {
    /// A document.
    Document(Document),
    /// Raw BSON, for example from a value of the collection's type.
    Raw(RawDocumentBuf),
}

impl From<Document> for ModelDocument {
    fn from(document: Document) -> Self {
        ModelDocument::Document(document)
    }
}

impl From<RawDocumentBuf> for ModelDocument {
    fn from(document: RawDocumentBuf) -> Self {
        ModelDocument::Raw(document)
    }
}

/// Declares a model: its required and optional fields, and its builder.
macro_rules! model {
    (
        $(#[$about:meta])*
        $Model:ident, $Builder:ident as $Variant:ident
        must { $( $(#[$must_doc:meta])* $must:ident: $Must:ty, )* }
        may { $( $(#[$may_doc:meta])* $may:ident: $May:ty, )* }
    ) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase")]
        #[non_exhaustive]
        pub struct $Model {
            /// The collection. Default: that of the bulk write.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub namespace: Option<Namespace>,
            $( $(#[$must_doc])* pub $must: $Must, )*
            $(
                $(#[$may_doc])*
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $may: Option<$May>,
            )*
        }

        impl $Model {
            /// Creates the model without optional fields.
            pub fn new($( $must: impl Into<$Must>, )*) -> Self {
                $Model { namespace: None, $( $must: $must.into(), )* $( $may: None, )* }
            }

            pub(crate) fn of(namespace: Namespace, $( $must: $Must, )*) -> Self {
                $Model { namespace: Some(namespace), $( $must, )* $( $may: None, )* }
            }

            /// Sets the collection.
            #[must_use]
            pub fn namespace(mut self, value: impl Into<Option<Namespace>>) -> Self {
                self.namespace = value.into();
                self
            }

            $(
                $(#[$may_doc])*
                #[must_use]
                pub fn $may(mut self, value: impl Into<Option<$May>>) -> Self {
                    self.$may = value.into();
                    self
                }
            )*
        }

        impl From<$Model> for WriteModel {
            fn from(model: $Model) -> Self {
                WriteModel::$Variant(model)
            }
        }

        model! { @builder $Model, $Builder { $( must $must: $Must, )* } { $( may $may: $May, )* } }
    };

    (@builder $Model:ident, $Builder:ident {
        must $one:ident: $One:ty,
    } { $( may $may:ident: $May:ty, )* }) => {
        #[doc = concat!(
            "Builds [`", stringify!($Model), "`]. A missing required field has the type `()`.",
        )]
        #[derive(Clone, Debug)]
        #[must_use = "a builder does nothing until build() is called"]
        pub struct $Builder<A = ()> {
            $one: A,
            namespace: Option<Namespace>,
            $( $may: Option<$May>, )*
        }

        impl $Model {
            /// Creates a builder without fields.
            pub fn builder() -> $Builder {
                $Builder { $one: (), namespace: None, $( $may: None, )* }
            }
        }

        impl $Builder {
            #[doc = concat!(
                "Sets [`", stringify!($one), "`](field@",
                stringify!($Model), "::", stringify!($one), ").",
            )]
            pub fn $one(self, value: impl Into<$One>) -> $Builder<$One> {
                $Builder { $one: value.into(), namespace: self.namespace, $( $may: self.$may, )* }
            }
        }

        impl $Builder<$One> {
            /// Builds the model.
            #[must_use]
            pub fn build(self) -> $Model {
                $Model { $one: self.$one, namespace: self.namespace, $( $may: self.$may, )* }
            }
        }

        model! { @optional $Model, $Builder<A> { $( may $may: $May, )* } }
    };

    (
        @builder $Model:ident, $Builder:ident
        { must $one:ident: $One:ty, must $two:ident: $Two:ty, }
        { $( may $may:ident: $May:ty, )* }
    ) => {
        #[doc = concat!(
            "Builds [`", stringify!($Model), "`]. A missing required field has the type `()`.",
        )]
        #[derive(Clone, Debug)]
        #[must_use = "a builder does nothing until build() is called"]
        pub struct $Builder<A = (), B = ()> {
            $one: A,
            $two: B,
            namespace: Option<Namespace>,
            $( $may: Option<$May>, )*
        }

        impl $Model {
            /// Creates a builder without fields.
            pub fn builder() -> $Builder {
                $Builder { $one: (), $two: (), namespace: None, $( $may: None, )* }
            }
        }

        impl<B> $Builder<(), B> {
            #[doc = concat!(
                "Sets [`", stringify!($one), "`](field@",
                stringify!($Model), "::", stringify!($one), ").",
            )]
            pub fn $one(self, value: impl Into<$One>) -> $Builder<$One, B> {
                $Builder {
                    $one: value.into(), $two: self.$two, namespace: self.namespace,
                    $( $may: self.$may, )*
                }
            }
        }

        impl<A> $Builder<A, ()> {
            #[doc = concat!(
                "Sets [`", stringify!($two), "`](field@",
                stringify!($Model), "::", stringify!($two), ").",
            )]
            pub fn $two(self, value: impl Into<$Two>) -> $Builder<A, $Two> {
                $Builder {
                    $one: self.$one, $two: value.into(), namespace: self.namespace,
                    $( $may: self.$may, )*
                }
            }
        }

        impl $Builder<$One, $Two> {
            /// Builds the model.
            #[must_use]
            pub fn build(self) -> $Model {
                $Model {
                    $one: self.$one, $two: self.$two, namespace: self.namespace,
                    $( $may: self.$may, )*
                }
            }
        }

        model! { @optional $Model, $Builder<A, B> { $( may $may: $May, )* } }
    };

    (
        @optional $Model:ident, $Builder:ident<$($state:ident),+>
        { $( may $may:ident: $May:ty, )* }
    ) => {
        impl<$($state),+> $Builder<$($state),+> {
            /// Sets the collection.
            pub fn namespace(mut self, value: impl Into<Option<Namespace>>) -> Self {
                self.namespace = value.into();
                self
            }

            $(
                #[doc = concat!(
                    "Sets [`", stringify!($may), "`](field@",
                    stringify!($Model), "::", stringify!($may), ").",
                )]
                pub fn $may(mut self, value: impl Into<Option<$May>>) -> Self {
                    self.$may = value.into();
                    self
                }
            )*
        }
    };
}

model! {
    /// Inserts a document.
    InsertOneModel, InsertOneModelBuilder as InsertOne
    must {
        /// The document. Without an `_id`, it gets an `ObjectId` as its first field.
        document: ModelDocument,
    }
    may {}
}

model! {
    /// Updates one document.
    UpdateOneModel, UpdateOneModelBuilder as UpdateOne
    must {
        /// The filter for the document.
        filter: Document,
        /// The change.
        update: UpdateModifications,
    }
    may {
        /// The filters for array elements, which the update refers to as `$[name]`.
        array_filters: Vec<Document>,
        /// The rules for comparing strings.
        collation: Collation,
        /// The index to use.
        hint: Hint,
        /// Inserts a document if none matches.
        upsert: bool,
        /// The sort order that determines the document to update. Needs MongoDB 8.0.
        sort: Document,
    }
}

model! {
    /// Updates all matching documents.
    UpdateManyModel, UpdateManyModelBuilder as UpdateMany
    must {
        /// The filter for the documents.
        filter: Document,
        /// The change.
        update: UpdateModifications,
    }
    may {
        /// The filters for array elements, which the update refers to as `$[name]`.
        array_filters: Vec<Document>,
        /// The rules for comparing strings.
        collation: Collation,
        /// The index to use.
        hint: Hint,
        /// Inserts a document if none matches.
        upsert: bool,
    }
}

model! {
    /// Replaces one document. Its `_id` stays.
    ReplaceOneModel, ReplaceOneModelBuilder as ReplaceOne
    must {
        /// The filter for the document.
        filter: Document,
        /// The new document.
        replacement: ModelDocument,
    }
    may {
        /// The rules for comparing strings.
        collation: Collation,
        /// The index to use.
        hint: Hint,
        /// Inserts the document if none matches.
        upsert: bool,
        /// The sort order that determines the document to replace. Needs MongoDB 8.0.
        sort: Document,
    }
}

model! {
    /// Deletes one document.
    DeleteOneModel, DeleteOneModelBuilder as DeleteOne
    must {
        /// The filter for the document.
        filter: Document,
    }
    may {
        /// The rules for comparing strings.
        collation: Collation,
        /// The index to use.
        hint: Hint,
    }
}

model! {
    /// Deletes all matching documents.
    DeleteManyModel, DeleteManyModelBuilder as DeleteMany
    must {
        /// The filter for the documents.
        filter: Document,
    }
    may {
        /// The rules for comparing strings.
        collation: Collation,
        /// The index to use.
        hint: Hint,
    }
}
