//! The single writes of a bulk write.

use bson::{Document, RawDocumentBuf};

use super::{Collation, Hint, UpdateModifications};
use crate::types::Namespace;

/// One write of a bulk write.
///
/// A collection makes models by
/// [`insert_one_model`](crate::collection::Collection::insert_one_model) and its kin. Those made by `new` or `builder` have no namespace of their own, which only
/// [`Collection::bulk_write`](crate::collection::Collection::bulk_write) takes.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum WriteModel {
    /// Inserts a document.
    InsertOne(InsertOneModel),
    /// Changes one document.
    UpdateOne(UpdateOneModel),
    /// Changes all documents that match.
    UpdateMany(UpdateManyModel),
    /// Puts a document in the place of another.
    ReplaceOne(ReplaceOneModel),
    /// Deletes one document.
    DeleteOne(DeleteOneModel),
    /// Deletes all documents that match.
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

    /// Whether it may change more than one document: the server cannot tell a repetition of it.
    pub(crate) fn is_multi(&self) -> bool {
        matches!(self, WriteModel::UpdateMany(_) | WriteModel::DeleteMany(_))
    }
}

/// The document of an insert or a replacement: a [`Document`], or BSON already.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ModelDocument {
    /// A document.
    Document(Document),
    /// BSON, such as a collection makes of a value of its type.
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

/// Declares a model: what it must have, what it may have, and its builder.
macro_rules! model {
    (
        $(#[$about:meta])*
        $Model:ident, $Builder:ident as $Variant:ident
        must { $( $(#[$must_doc:meta])* $must:ident: $Must:ty, )* }
        may { $( $(#[$may_doc:meta])* $may:ident: $May:ty, )* }
    ) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub struct $Model {
            /// The collection. Without it, that of the bulk write.
            pub namespace: Option<Namespace>,
            $( $(#[$must_doc])* pub $must: $Must, )*
            $( $(#[$may_doc])* pub $may: Option<$May>, )*
        }

        impl $Model {
            /// The model with nothing that is optional.
            pub fn new($( $must: impl Into<$Must>, )*) -> Self {
                $Model { namespace: None, $( $must: $must.into(), )* $( $may: None, )* }
            }

            pub(crate) fn of(namespace: Namespace, $( $must: $Must, )*) -> Self {
                $Model { namespace: Some(namespace), $( $must, )* $( $may: None, )* }
            }

            /// The collection.
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

    (@builder $Model:ident, $Builder:ident { must $one:ident: $One:ty, } { $( may $may:ident: $May:ty, )* }) => {
        #[doc = concat!("Builds [`", stringify!($Model), "`]. What it must have is in the type: `()` is missing.")]
        #[derive(Clone, Debug)]
        #[must_use = "a builder does nothing until build() is called"]
        pub struct $Builder<A = ()> {
            $one: A,
            namespace: Option<Namespace>,
            $( $may: Option<$May>, )*
        }

        impl $Model {
            /// Starts with nothing.
            pub fn builder() -> $Builder {
                $Builder { $one: (), namespace: None, $( $may: None, )* }
            }
        }

        impl $Builder {
            #[doc = concat!("Sets [`", stringify!($one), "`](field@", stringify!($Model), "::", stringify!($one), ").")]
            pub fn $one(self, value: impl Into<$One>) -> $Builder<$One> {
                $Builder { $one: value.into(), namespace: self.namespace, $( $may: self.$may, )* }
            }
        }

        impl $Builder<$One> {
            /// The model.
            #[must_use]
            pub fn build(self) -> $Model {
                $Model { $one: self.$one, namespace: self.namespace, $( $may: self.$may, )* }
            }
        }

        model! { @optional $Model, $Builder<A> { $( may $may: $May, )* } }
    };

    (
        @builder $Model:ident, $Builder:ident { must $one:ident: $One:ty, must $two:ident: $Two:ty, }
        { $( may $may:ident: $May:ty, )* }
    ) => {
        #[doc = concat!("Builds [`", stringify!($Model), "`]. What it must have is in the type: `()` is missing.")]
        #[derive(Clone, Debug)]
        #[must_use = "a builder does nothing until build() is called"]
        pub struct $Builder<A = (), B = ()> {
            $one: A,
            $two: B,
            namespace: Option<Namespace>,
            $( $may: Option<$May>, )*
        }

        impl $Model {
            /// Starts with nothing.
            pub fn builder() -> $Builder {
                $Builder { $one: (), $two: (), namespace: None, $( $may: None, )* }
            }
        }

        impl<B> $Builder<(), B> {
            #[doc = concat!("Sets [`", stringify!($one), "`](field@", stringify!($Model), "::", stringify!($one), ").")]
            pub fn $one(self, value: impl Into<$One>) -> $Builder<$One, B> {
                $Builder { $one: value.into(), $two: self.$two, namespace: self.namespace, $( $may: self.$may, )* }
            }
        }

        impl<A> $Builder<A, ()> {
            #[doc = concat!("Sets [`", stringify!($two), "`](field@", stringify!($Model), "::", stringify!($two), ").")]
            pub fn $two(self, value: impl Into<$Two>) -> $Builder<A, $Two> {
                $Builder { $one: self.$one, $two: value.into(), namespace: self.namespace, $( $may: self.$may, )* }
            }
        }

        impl $Builder<$One, $Two> {
            /// The model.
            #[must_use]
            pub fn build(self) -> $Model {
                $Model { $one: self.$one, $two: self.$two, namespace: self.namespace, $( $may: self.$may, )* }
            }
        }

        model! { @optional $Model, $Builder<A, B> { $( may $may: $May, )* } }
    };

    (@optional $Model:ident, $Builder:ident<$($state:ident),+> { $( may $may:ident: $May:ty, )* }) => {
        impl<$($state),+> $Builder<$($state),+> {
            /// Sets the collection.
            pub fn namespace(mut self, value: impl Into<Option<Namespace>>) -> Self {
                self.namespace = value.into();
                self
            }

            $(
                #[doc = concat!("Sets [`", stringify!($may), "`](field@", stringify!($Model), "::", stringify!($may), ").")]
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
        /// The document. One without `_id` gets an `ObjectId` as its first field.
        document: ModelDocument,
    }
    may {}
}

model! {
    /// Changes one document.
    UpdateOneModel, UpdateOneModelBuilder as UpdateOne
    must {
        /// Which document.
        filter: Document,
        /// The change.
        update: UpdateModifications,
    }
    may {
        /// The elements of arrays that `$[name]` stands for.
        array_filters: Vec<Document>,
        /// The rules for comparing strings.
        collation: Collation,
        /// The index to use.
        hint: Hint,
        /// Inserts a document when none matches.
        upsert: bool,
        /// The order in which the first match is the one to change. Servers from 8.0 on.
        sort: Document,
    }
}

model! {
    /// Changes all documents that match.
    UpdateManyModel, UpdateManyModelBuilder as UpdateMany
    must {
        /// Which documents.
        filter: Document,
        /// The change.
        update: UpdateModifications,
    }
    may {
        /// The elements of arrays that `$[name]` stands for.
        array_filters: Vec<Document>,
        /// The rules for comparing strings.
        collation: Collation,
        /// The index to use.
        hint: Hint,
        /// Inserts a document when none matches.
        upsert: bool,
    }
}

model! {
    /// Puts a document in the place of another, whose `_id` stays.
    ReplaceOneModel, ReplaceOneModelBuilder as ReplaceOne
    must {
        /// Which document.
        filter: Document,
        /// What takes its place.
        replacement: ModelDocument,
    }
    may {
        /// The rules for comparing strings.
        collation: Collation,
        /// The index to use.
        hint: Hint,
        /// Inserts the document when none matches.
        upsert: bool,
        /// The order in which the first match is the one to replace. Servers from 8.0 on.
        sort: Document,
    }
}

model! {
    /// Deletes one document.
    DeleteOneModel, DeleteOneModelBuilder as DeleteOne
    must {
        /// Which document.
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
    /// Deletes all documents that match.
    DeleteManyModel, DeleteManyModelBuilder as DeleteMany
    must {
        /// Which documents.
        filter: Document,
    }
    may {
        /// The rules for comparing strings.
        collation: Collation,
        /// The index to use.
        hint: Hint,
    }
}
