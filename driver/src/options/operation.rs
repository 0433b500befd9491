//! Option types that several operations share.

use std::time::Duration;

use bson::{Bson, Document};
use serde::{Deserialize, Serialize};

use super::{ReadConcern, SelectionCriteria, WriteConcern};

/// The index that an operation uses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Hint {
    /// The index with these keys.
    Keys(Document),
    /// The index with this name.
    Name(String),
}

/// The behaviour of a cursor at the end of its results and between batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum CursorType {
    /// The cursor closes at the end of its results. The default.
    NonTailable,
    /// The cursor stays open at the end of the collection and returns later insertions.
    Tailable,
    /// Like `Tailable`, and the server waits a limited time for new documents.
    TailableAwait,
    /// The cursor closes at the end of its results, and the server sends all batches without
    /// further requests (OP_MSG, `exhaustAllowed`). The cursor uses a connection until the last
    /// batch has arrived. If the cursor is dropped before that, the connection is closed.
    ///
    /// The cursor still requests each batch in an explicit session, in a request, on a mongos, and
    /// behind a load balancer.
    Exhaust,
}

/// The scope of the timeout (`timeoutMS`) of an operation with a cursor.
///
/// The default is `Iteration` for tailable cursors, and `CursorLifetime` for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum CursorTimeoutMode {
    /// The operation and all steps of its cursor together.
    CursorLifetime,
    /// The operation and each step of its cursor separately.
    Iteration,
}

/// The verbosity of `explain`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum ExplainVerbosity {
    /// The winning plan, without its execution.
    QueryPlanner,
    /// Also the statistics of executing the winning plan. A write is not applied.
    ExecutionStats,
    /// Also the statistics of the rejected plans.
    AllPlansExecution,
}

impl ExplainVerbosity {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            ExplainVerbosity::QueryPlanner => "queryPlanner",
            ExplainVerbosity::ExecutionStats => "executionStats",
            ExplainVerbosity::AllPlansExecution => "allPlansExecution",
        }
    }
}

/// The state of the document that a `find_one_and_update` or `find_one_and_replace` returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ReturnDocument {
    /// The state after the change.
    #[serde(alias = "After")]
    After,
    /// The state before the change. The default.
    #[serde(alias = "Before")]
    Before,
}

/// The changes of an update: operators or an aggregation pipeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum UpdateModifications {
    /// Update operators, such as `{ "$set": { "x": 1 } }`.
    Document(Document),
    /// Pipeline stages, such as `[{ "$set": { "x": "$y" } }]`.
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

/// The options of a database that differ from its client's.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct DatabaseOptions {
    /// The default selection criteria of reads.
    pub selection_criteria: Option<SelectionCriteria>,
    /// The default read concern.
    pub read_concern: Option<ReadConcern>,
    /// The default write concern.
    pub write_concern: Option<WriteConcern>,
    /// The time limit of each operation (`timeoutMS`).
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

/// The options of a collection that differ from its database's.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct CollectionOptions {
    /// The default selection criteria of reads.
    pub selection_criteria: Option<SelectionCriteria>,
    /// The default read concern.
    pub read_concern: Option<ReadConcern>,
    /// The default write concern.
    pub write_concern: Option<WriteConcern>,
    /// The time limit of each operation (`timeoutMS`).
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

super::form::form! { DatabaseOptions { selection_criteria, read_concern, write_concern, timeout } }
super::form::form! {
    CollectionOptions { selection_criteria, read_concern, write_concern, timeout }
}
