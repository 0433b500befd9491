//! Compares the OpenTelemetry spans of a client with the expected ones.

use bson::{Bson, Document};
use driver::options::OpentelemetryOptions;
use opentelemetry::Value;
use opentelemetry::trace::SpanId;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};

use super::format::{ExpectedTracing, ObserveTracing, Span};
use super::matching::{self, Names};

/// Far longer than any command of the cases.
const TEXT_LENGTH: usize = 1 << 20;

/// The spans of one client.
pub(crate) struct Spans(InMemorySpanExporter);

impl Spans {
    /// The options for recording the spans of a client, and the recorded spans.
    pub(crate) fn observed(wanted: &ObserveTracing) -> (OpentelemetryOptions, Self) {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
        let length = match wanted.enable_command_payload {
            Some(true) => TEXT_LENGTH,
            _ => 0,
        };
        let options = OpentelemetryOptions::builder()
            .enabled(true)
            .query_text_max_length(length)
            .tracer_provider(provider)
            .build();
        (options, Spans(exporter))
    }

    /// Compares the spans that have ended.
    ///
    /// # Errors
    /// The position and the difference.
    pub(crate) fn check(
        &self,
        expected: &ExpectedTracing,
        names: &dyn Names,
    ) -> Result<(), String> {
        let mut spans = self.0.get_finished_spans().map_err(|error| error.to_string())?;
        spans.sort_by_key(|span| span.start_time);
        let ignores = expected.ignore_extra_spans.unwrap_or(false);
        let compared = Compared { spans: &spans, ignores, names };
        compared.under(SpanId::INVALID, &expected.spans).map_err(|why| {
            let found = spans.iter().map(|span| format!("\n  {}: {}", span.name, fields(span)));
            format!("{why}; the spans are:{}", found.collect::<String>())
        })
    }
}

struct Compared<'a> {
    spans: &'a [SpanData],
    ignores: bool,
    names: &'a dyn Names,
}

impl Compared<'_> {
    /// Compares the spans whose parent is `parent`, in order.
    fn under(&self, parent: SpanId, expected: &[Span]) -> Result<(), String> {
        let mut found = self.spans.iter().filter(|span| span.parent_span_id == parent);
        for (i, expected) in expected.iter().enumerate() {
            let mut why = "there is none".to_owned();
            let met = found.by_ref().find_map(|span| match self.is_met(span, expected) {
                Ok(()) => Some(Ok(())),
                Err(differs) if self.ignores => {
                    why = differs;
                    None
                }
                Err(differs) => Some(Err(differs)),
            });
            met.unwrap_or(Err(why))
                .map_err(|why| format!("span {i} {:?}: {why}", expected.name))?;
        }
        match found.next() {
            Some(span) if !self.ignores => Err(format!("an extra span: {}", span.name)),
            _ => Ok(()),
        }
    }

    fn is_met(&self, span: &SpanData, expected: &Span) -> Result<(), String> {
        if span.name != expected.name {
            return Err(format!("its name is {:?}", span.name));
        }
        let attributes = Bson::Document(fields(span));
        let wanted = Bson::Document(expected.attributes.clone());
        matching::root(&wanted, Some(&attributes), self.names)?;
        self.under(span.span_context.span_id(), &expected.nested)
    }
}

/// The attributes of a span.
fn fields(span: &SpanData) -> Document {
    let mut fields = Document::new();
    for attribute in &span.attributes {
        let value = match &attribute.value {
            Value::I64(number) => Bson::Int64(*number),
            Value::F64(number) => Bson::Double(*number),
            Value::Bool(flag) => Bson::Boolean(*flag),
            other => Bson::String(other.as_str().into_owned()),
        };
        let value = match (attribute.key.as_str(), &value) {
            // The cases compare it with the document of a session.
            ("db.mongodb.lsid", Bson::String(text)) => serde_json::from_str(text).unwrap_or(value),
            _ => value,
        };
        fields.insert(attribute.key.as_str(), value);
    }
    fields
}
