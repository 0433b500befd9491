//! Indexes of Atlas Search (specification "Index Management", section "Search Indexes").

use bson::Document;
use serde::{Deserialize, Serialize};

/// A search index: its definition, name and type.
///
/// ```
/// use driver::SearchIndexModel;
/// use driver::bson::doc;
///
/// let everything = doc! { "mappings": { "dynamic": true } };
/// let index = SearchIndexModel::builder().definition(everything).name("all".to_owned()).build();
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SearchIndexModel {
    /// The definition. Its structure depends on the type.
    pub definition: Document,
    /// The name. Default: `default`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The type. Default: [`SearchIndexType::Search`].
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub index_type: Option<SearchIndexType>,
}

builder! {
    /// Builds a [`SearchIndexModel`]. Its definition must be set.
    SearchIndexModelBuilder builds SearchIndexModel {
        definition: Document,
        name: Option<String>,
        index_type: Option<SearchIndexType>,
    }
}

/// The type of a search index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum SearchIndexType {
    /// A text index.
    Search,
    /// A vector index.
    VectorSearch,
    /// Another type.
    #[serde(untagged)]
    Other(String),
}
