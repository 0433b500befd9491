//! The bytes of `bulkWrite` commands, and their splitting.

use bson::{Document, doc};

use super::*;
use crate::exec::Target;
use crate::options::{
    DeleteManyModel, DeleteOneModel, InsertOneModel, ReplaceOneModel, UpdateManyModel,
    UpdateOneModel,
};
use crate::wire::Flags;
use crate::wire::message::{RequestId, request_document};

fn server() -> ConnectionDescription {
    let mut server = ConnectionDescription::unknown();
    server.max_wire_version = wire_version::V8_0;
    server
}

/// The commands that carry `models`.
fn commands(
    models: &[WriteModel],
    verbose: bool,
    options: Option<&BulkWriteOptions>,
    server: &ConnectionDescription,
) -> Result<Vec<Document>> {
    let mut commands = Vec::new();
    let mut next = 0;
    while next < models.len() {
        let mut command = BulkWriteCommand {
            context: RequestContext::bare("admin", Target::Writable),
            models,
            batch: Batch::starting_at(next),
            has_multi: has_multi(&models[next..]),
            ids: Vec::new(),
            own_bytes: 0,
            ordered: true,
            verbose,
            options,
        };
        let write = |command: &mut BulkWriteCommand<'_>| -> Result<Vec<u8>> {
            let mut buffer = Vec::new();
            let mut message = MessageWriter::begin(&mut buffer, RequestId(1), Flags::NONE);
            command.body(&mut message.body(), server)?;
            command.documents(&mut message, server)?;
            Ok(buffer)
        };
        let buffer = write(&mut command)?;
        assert!(buffer.len() <= server.max_message_size_bytes, "{}", buffer.len());
        assert_eq!(write(&mut command)?, buffer, "a command that is sent again is the same");
        commands.push(request_document(&buffer).unwrap());
        next = command.batch.end();
    }
    Ok(commands)
}

fn namespace(name: &str) -> Namespace {
    Namespace::new("db", name)
}

fn insert(document: Document, name: &str) -> WriteModel {
    InsertOneModel::new(document).namespace(namespace(name)).into()
}

#[test]
fn models_are_written_as_the_specification_asks() {
    let set = || doc! { "$set": { "x": 1 } };
    let models: Vec<WriteModel> = vec![
        insert(doc! { "_id": 1, "x": 2 }, "a"),
        UpdateOneModel::new(doc! { "_id": 1 }, set())
            .namespace(namespace("b"))
            .upsert(true)
            .sort(doc! { "x": 1 })
            .array_filters(vec![doc! { "i": 1 }])
            .into(),
        UpdateManyModel::new(doc! {}, vec![set()])
            .namespace(namespace("a"))
            .hint(crate::options::Hint::Name("i".into()))
            .into(),
        ReplaceOneModel::new(doc! { "_id": 1 }, doc! { "y": 1 }).namespace(namespace("c")).into(),
        DeleteOneModel::new(doc! { "_id": 2 })
            .namespace(namespace("b"))
            .collation(Collation::locale("en"))
            .into(),
        DeleteManyModel::new(doc! { "_id": 3 }).namespace(namespace("a")).into(),
    ];
    let options = BulkWriteOptions::builder()
        .bypass_document_validation(true)
        .comment(Bson::from("c"))
        .let_vars(doc! { "v": 1 })
        .build();
    let written = commands(&models, true, Some(&options), &server()).unwrap();
    let expected = doc! {
        "bulkWrite": 1, "errorsOnly": false, "ordered": true, "bypassDocumentValidation": true,
        "comment": "c", "let": { "v": 1 },
        "ops": [
            { "insert": 0, "document": { "_id": 1, "x": 2 } },
            {
                "update": 1, "filter": { "_id": 1 }, "updateMods": { "$set": { "x": 1 } },
                "multi": false, "upsert": true, "arrayFilters": [{ "i": 1 }], "sort": { "x": 1 },
            },
            {
                "update": 0, "filter": {}, "updateMods": [{ "$set": { "x": 1 } }], "multi": true,
                "hint": "i",
            },
            { "update": 2, "filter": { "_id": 1 }, "updateMods": { "y": 1 }, "multi": false },
            {
                "delete": 1, "filter": { "_id": 2 }, "multi": false,
                "collation": { "locale": "en" },
            },
            { "delete": 0, "filter": { "_id": 3 }, "multi": true },
        ],
        "nsInfo": [{ "ns": "db.a" }, { "ns": "db.b" }, { "ns": "db.c" }],
    };
    assert_eq!(written, [expected]);
}

#[test]
fn inserted_document_without_id_gets_one_first() {
    let written = commands(&[insert(doc! { "x": 1 }, "a")], false, None, &server()).unwrap();
    assert!(written[0].get_bool("errorsOnly").unwrap());
    let op = written[0].get_array("ops").unwrap()[0].as_document().unwrap();
    let document = op.get_document("document").unwrap();
    assert_eq!(document.keys().collect::<Vec<_>>(), ["_id", "x"]);
    assert!(document.get_object_id("_id").is_ok());
}

fn numbers_of_ops(commands: &[Document]) -> Vec<usize> {
    commands.iter().map(|command| command.get_array("ops").unwrap().len()).collect()
}

#[test]
fn commands_are_split_by_number() {
    let mut server = server();
    server.max_write_batch_size = 3;
    let models: Vec<WriteModel> = (0..7).map(|id| insert(doc! { "_id": id }, "a")).collect();
    let written = commands(&models, false, None, &server).unwrap();
    assert_eq!(numbers_of_ops(&written), [3, 3, 1]);
}

/// The specification's own example: where the models fill a message to the last byte, another
/// namespace does not fit, and another model of the same namespace does.
#[test]
fn commands_are_split_where_a_namespace_does_not_fit() {
    let mut server = server();
    server.max_message_size_bytes = 10_000;
    let last = |name: &str, room: usize| {
        let models = [
            insert(doc! { "_id": 1, "a": "b".repeat(room) }, "a"),
            insert(doc! { "_id": 2 }, name),
        ];
        numbers_of_ops(&commands(&models, false, None, &server).unwrap())
    };
    let fits = |name: &str, room: usize| last(name, room) == [2];
    // The most that the first document may hold so that both fit.
    let room = |name: &str| (8_000..9_100).rev().find(|room| fits(name, *room)).unwrap();
    let another = "c".repeat(100);
    let own = bson::serialize_to_vec(&doc! { "ns": format!("db.{another}") }).unwrap().len();
    assert_eq!(room("a") - room(&another), own);
    let command = doc! { "bulkWrite": 1, "errorsOnly": true, "ordered": true };
    let sizes: usize = [
        command,
        doc! { "ns": "db.a" },
        doc! { "insert": 0, "document": { "_id": 1, "a": "b".repeat(room("a")) } },
        doc! { "insert": 0, "document": { "_id": 2 } },
    ]
    .iter()
    .map(|document| bson::serialize_to_vec(document).unwrap().len())
    .sum();
    assert_eq!(sizes.abs_diff(10_000 - MESSAGE_OVERHEAD), 0);
}

#[test]
fn older_servers_and_too_large_documents_are_refused() {
    let mut server = server();
    server.max_bson_object_size = 1_000;
    let models = [insert(doc! {}, "a"), insert(doc! { "x": "x".repeat(1_000) }, "a")];
    let error = commands(&models, false, None, &server).unwrap_err();
    assert!(error.to_string().contains("model 1: "), "{error}");
    server.max_wire_version = wire_version::V8_0 - 1;
    let error = commands(&models, false, None, &server).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::IncompatibleServer { .. }), "{error:?}");
}
