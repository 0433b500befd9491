//! What several operations may be told in the same words.

use std::time::Duration;

use bson::{Bson, Document};
use serde::{Deserialize, Serialize};

use super::{ReadConcern, SelectionCriteria, WriteConcern};

/// Which index an operation uses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Hint {
    /// The one over these keys.
    Keys(Document),
    /// The one of this name.
    Name(String),
}

/// Whether a cursor ends with its result or waits for more (capped collections alone).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CursorType {
    /// It ends with its result: the default.
    NonTailable,
    /// It stays open at the end of the collection and gives what is inserted later, each time it is
    /// asked.
    Tailable,
    /// As tailable; and the server waits for a while for documents to come.
    TailableAwait,
}

/// How documents are changed: by operators, or by a pipeline.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum UpdateModifications {
    /// Operators, such as `{ "$set": { "x": 1 } }`.
    Document(Document),
    /// Stages, such as `[{ "$set": { "x": "$y" } }]`.
    Pipeline(Vec<Document>),
}

impl From<Document> for UpdateModifications {
    fn from(document: Document) -> Self {
        UpdateModifications::Document(document)
    }
}

impl From<Vec<Document>> for UpdateModifications {
    fn from(stages: Vec<Document>) -> Self {
        UpdateModifications::Pipeline(stages)
    }
}

impl From<UpdateModifications> for Bson {
    fn from(update: UpdateModifications) -> Self {
        match update {
            UpdateModifications::Document(document) => Bson::Document(document),
            UpdateModifications::Pipeline(stages) => {
                Bson::Array(stages.into_iter().map(Bson::Document).collect())
            }
        }
    }
}

/// The concerns of a database's operations, where they differ from its client's.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct DatabaseOptions {
    /// Which servers take its reads.
    pub selection_criteria: Option<SelectionCriteria>,
    /// The read concern of its reads.
    pub read_concern: Option<ReadConcern>,
    /// The write concern of its writes.
    pub write_concern: Option<WriteConcern>,
    /// The time limit of each of its operations (`timeoutMS`).
    pub timeout: Option<Duration>,
}

builder! {
    /// Builds [`DatabaseOptions`].
    DatabaseOptionsBuilder builds DatabaseOptions {
        selection_criteria: Option<SelectionCriteria>,
        read_concern: Option<ReadConcern>,
        write_concern: Option<WriteConcern>,
        timeout: Option<Duration>,
    }
}

/// The concerns of a collection's operations, where they differ from its database's.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct CollectionOptions {
    /// Which servers take its reads.
    pub selection_criteria: Option<SelectionCriteria>,
    /// The read concern of its reads.
    pub read_concern: Option<ReadConcern>,
    /// The write concern of its writes.
    pub write_concern: Option<WriteConcern>,
    /// The time limit of each of its operations (`timeoutMS`).
    pub timeout: Option<Duration>,
}

builder! {
    /// Builds [`CollectionOptions`].
    CollectionOptionsBuilder builds CollectionOptions {
        selection_criteria: Option<SelectionCriteria>,
        read_concern: Option<ReadConcern>,
        write_concern: Option<WriteConcern>,
        timeout: Option<Duration>,
    }
}
