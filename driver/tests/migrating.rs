//! The migration page names each method of the handles of the official crate 3.9.

use std::path::Path;

/// The methods by type: those of the async API, and those of the blocking API that it has not.
const METHODS: &[(&str, &[&str])] = &[
    (
        "Client",
        &[
            "with_uri_str",
            "with_options",
            "database",
            "database_with_options",
            "default_database",
            "list_databases",
            "list_database_names",
            "bulk_write",
            "watch",
            "start_session",
            "selection_criteria",
            "read_concern",
            "write_concern",
            "append_metadata",
            "shutdown",
            "warm_connection_pool",
            "encrypted_builder",
        ],
    ),
    ("ClientOptions", &["parse", "builder"]),
    ("ConnectionString", &["parse"]),
    (
        "Database",
        &[
            "client",
            "name",
            "selection_criteria",
            "read_concern",
            "write_concern",
            "collection",
            "collection_with_options",
            "gridfs_bucket",
            "create_collection",
            "list_collections",
            "list_collection_names",
            "drop",
            "aggregate",
            "watch",
            "run_command",
            "run_raw_command",
            "run_cursor_command",
            "run_raw_cursor_command",
        ],
    ),
    (
        "Collection",
        &[
            "client",
            "name",
            "namespace",
            "clone_with_type",
            "selection_criteria",
            "read_concern",
            "write_concern",
            "insert_one",
            "insert_many",
            "update_one",
            "update_many",
            "replace_one",
            "delete_one",
            "delete_many",
            "find",
            "find_one",
            "distinct",
            "find_one_and_update",
            "find_one_and_replace",
            "find_one_and_delete",
            "aggregate",
            "watch",
            "count_documents",
            "estimated_document_count",
            "insert_one_model",
            "replace_one_model",
            "create_index",
            "create_indexes",
            "list_indexes",
            "list_index_names",
            "drop",
            "drop_index",
            "drop_indexes",
            "create_search_index",
            "create_search_indexes",
            "list_search_indexes",
            "update_search_index",
            "drop_search_index",
        ],
    ),
    (
        "ClientSession",
        &[
            "client",
            "id",
            "cluster_time",
            "operation_time",
            "snapshot_time",
            "advance_cluster_time",
            "advance_operation_time",
            "start_transaction",
            "commit_transaction",
            "abort_transaction",
        ],
    ),
    ("StartTransaction", &["and_run", "and_run2"]),
    ("Cursor", &["advance", "current", "has_next", "deserialize_current", "with_type"]),
    (
        "SessionCursor",
        &["advance", "current", "deserialize_current", "with_type", "next", "stream", "iter"],
    ),
    ("SessionRawBatchCursor", &["stream"]),
    ("RawBatch", &["doc_slices", "as_raw_document"]),
    ("ChangeStream", &["is_alive", "next_if_any", "resume_token", "with_type"]),
    ("SessionChangeStream", &["is_alive", "next", "next_if_any", "resume_token", "with_type"]),
    (
        "GridFsBucket",
        &[
            "selection_criteria",
            "read_concern",
            "write_concern",
            "open_upload_stream",
            "open_download_stream",
            "open_download_stream_by_name",
            "find",
            "find_one",
            "rename",
            "rename_by_name",
            "delete",
            "delete_by_name",
            "drop",
        ],
    ),
    ("GridFsUploadStream", &["id", "abort"]),
    (
        "ClientEncryption",
        &[
            "new",
            "builder",
            "encrypt",
            "encrypt_expression",
            "decrypt",
            "create_data_key",
            "create_encrypted_collection",
            "get_key",
            "get_keys",
            "get_key_by_alt_name",
            "delete_key",
            "add_key_alt_name",
            "remove_key_alt_name",
        ],
    ),
];

/// The rows of the tables that begin with `of::`, as both cells.
fn rows<'p>(page: &'p str, of: &str) -> Vec<(&'p str, &'p str)> {
    let start = format!("//! | `{of}::");
    let rows = page.lines().filter_map(|line| line.strip_prefix(&start));
    rows.filter_map(|row| row.split_once("` | ")).collect()
}

/// Whether the row `Type::{a, b}` or `Type::a` names the method.
fn names(there: &str, method: &str) -> bool {
    there.trim_matches(['{', '}']).split(", ").any(|name| name == method)
}

#[test]
fn migration_page_maps_every_method() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/migrating.rs");
    let page = std::fs::read_to_string(path).unwrap();
    let count: usize = METHODS.iter().map(|(_, methods)| methods.len()).sum();
    assert!(count >= 130, "only {count} methods");
    for (of, methods) in METHODS {
        let rows = rows(&page, of);
        for method in *methods {
            let found: Vec<_> = rows.iter().filter(|(there, _)| names(there, method)).collect();
            // The compiler of the documentation checks that the links lead to methods.
            let leads_somewhere = found.iter().any(|(_, here)| {
                here.contains(&format!("::{method})")) || here.contains("missing")
            });
            assert!(leads_somewhere, "{of}::{method} is not on the page: {found:?}");
        }
    }
}

#[test]
fn rows_are_found_by_type_and_method() {
    let page = "//! | `A::{b, c}` | [`b`](x::b) |\n//! | `A::d` | missing |\n//! | `AB::e` | |";
    let rows = rows(page, "A");
    assert_eq!(rows.len(), 2);
    assert!(names(rows[0].0, "c") && !names(rows[0].0, "d") && names(rows[1].0, "d"));
}
