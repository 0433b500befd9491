//! Specification "OpenTelemetry", prose tests. The environment belongs to the whole process, so a
//! child of it runs the operations. Behind them, what no case of the specification covers.

use std::process::Command;

use driver::bson::{DateTime, Document, doc};
use driver::options::OpentelemetryOptions;
use driver::{Blocking, Mode};
use opentelemetry::global;
use opentelemetry::trace::SpanId;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use testbed::shared_replica_set;

use crate::api::{Api, on_both_apis};
use crate::observed::Observed;

const ENABLED: &str = "OTEL_RUST_INSTRUMENTATION_MONGODB_ENABLED";
const LENGTH: &str = "OTEL_RUST_INSTRUMENTATION_MONGODB_QUERY_TEXT_MAX_LENGTH";
const URI: &str = "PROSE_URI";

/// The child of the other tests: runs a `find` and prints the numbers of the spans and of their
/// texts. Without the variable of the child it does nothing.
#[test]
fn child_that_finds() {
    let Ok(uri) = std::env::var(URI) else { return };
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    global::set_tracer_provider(provider);
    find::<Blocking>(&uri);
    let spans = exporter.get_finished_spans().unwrap();
    let texts = spans.iter().flat_map(|span| &span.attributes);
    let texts = texts.filter(|attribute| attribute.key.as_str() == "db.query.text").count();
    println!("spans: {}, texts: {texts}.", spans.len());
}

fn find<F: Api + Mode>(uri: &str) {
    let options = driver::options::ConnectionString::parse(uri).unwrap().options;
    let client = F::open(options).unwrap();
    F::end(client.database("prose").collection::<Document>("c").find(doc! {})).unwrap();
}

/// The output of a child with this environment.
fn printed(environment: &[(&str, &str)]) -> String {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "open_telemetry::child_that_finds", "--nocapture"]);
    child.env_remove(ENABLED).env_remove(LENGTH);
    child.env(URI, shared_replica_set().unwrap().uri());
    child.envs(environment.iter().copied());
    let output = child.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Tracing Enable/Disable via Environment Variable.
#[test]
fn open_telemetry_prose_1() {
    let text = printed(&[(ENABLED, "false")]);
    assert!(text.contains("spans: 0, texts: 0."), "{text}");
    let text = printed(&[(ENABLED, "true")]);
    assert!(text.contains("spans: 2, texts: 0."), "{text}");
}

/// Command Payload Emission via Environment Variable.
#[test]
fn open_telemetry_prose_2() {
    let text = printed(&[(ENABLED, "true"), (LENGTH, "1024")]);
    assert!(text.contains("spans: 2, texts: 1."), "{text}");
    let text = printed(&[(ENABLED, "true")]);
    assert!(text.contains("spans: 2, texts: 0."), "{text}");
}

on_both_apis! { span_of_an_operation_covers_its_later_batches }

/// The files of a name are found in two batches, and then removed.
fn span_of_an_operation_covers_its_later_batches<F: Api>() {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let observed = Observed::<F>::with(&shared_replica_set().unwrap().uri(), |options| {
        let tracing = OpentelemetryOptions::builder().enabled(true).tracer_provider(provider);
        options.tracing = Some(tracing.build());
    });
    let files = observed.database().collection::<Document>("fs.files");
    let file = |id: i32| {
        let date = DateTime::now();
        doc! { "_id": id, "length": 0, "chunkSize": 1, "uploadDate": date, "filename": "name" }
    };
    F::end(files.insert_many((0..150).map(file))).unwrap();
    exporter.reset();
    observed.forget();
    F::end(observed.database().gridfs_bucket(None).delete_by_name("name")).unwrap();
    assert!(observed.sent("getMore").len() == 1 && observed.sent("delete").len() == 2);
    let spans = exporter.get_finished_spans().unwrap();
    let outer: Vec<_> = spans.iter().filter(|s| s.parent_span_id == SpanId::INVALID).collect();
    assert_eq!(outer.len(), 1, "{spans:?}");
    for span in &spans {
        assert!(span.start_time >= outer[0].start_time, "{span:?} begins before {:?}", outer[0]);
        assert!(span.end_time <= outer[0].end_time, "{span:?} ends after {:?}", outer[0]);
    }
}
