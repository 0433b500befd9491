//! The options of spans (specification "OpenTelemetry", section "Enabling, Disabling, and
//! Configuring OpenTelemetry").

use std::fmt;
use std::sync::Arc;

use opentelemetry::InstrumentationScope;
use opentelemetry::global::{self, BoxedTracer, ObjectSafeTracerProvider};
use opentelemetry::trace::{Span, Tracer, TracerProvider};

/// Whether a client creates OpenTelemetry spans, and their content.
///
/// Spans are off unless `enabled` or the environment variable
/// `OTEL_RUST_INSTRUMENTATION_MONGODB_ENABLED` (`1`, `true` or `yes`) turns them on. The driver
/// uses only the API of OpenTelemetry. The program chooses an SDK, and sets the provider before it
/// creates clients.
///
/// ```no_run
/// use driver::Client;
/// use driver::options::{ClientOptions, OpentelemetryOptions};
///
/// # async fn example() -> driver::Result<()> {
/// let mut options = ClientOptions::parse("mongodb://localhost").await?;
/// options.tracing = Some(OpentelemetryOptions::builder().enabled(true).build());
/// let client = Client::with_options(options)?;
/// # drop(client);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct OpentelemetryOptions {
    /// Whether to create spans. Default: from the environment variable.
    pub enabled: Option<bool>,
    /// The maximum length of the attribute `db.query.text`, in characters; 0 omits it. The
    /// attribute can contain data of the program. Default: the environment variable
    /// `OTEL_RUST_INSTRUMENTATION_MONGODB_QUERY_TEXT_MAX_LENGTH`, or else 0.
    pub query_text_max_length: Option<usize>,
    /// The provider for the spans. Default: the global one.
    pub tracer_provider: Option<Arc<dyn ObjectSafeTracerProvider + Send + Sync>>,
}

/// Builds [`OpentelemetryOptions`].
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until build() is called"]
pub struct OpentelemetryOptionsBuilder {
    options: OpentelemetryOptions,
}

impl OpentelemetryOptionsBuilder {
    /// Sets [`enabled`](field@OpentelemetryOptions::enabled).
    pub fn enabled(mut self, value: impl Into<Option<bool>>) -> Self {
        self.options.enabled = value.into();
        self
    }

    /// Sets [`query_text_max_length`](field@OpentelemetryOptions::query_text_max_length).
    pub fn query_text_max_length(mut self, value: impl Into<Option<usize>>) -> Self {
        self.options.query_text_max_length = value.into();
        self
    }

    /// Sets [`tracer_provider`](field@OpentelemetryOptions::tracer_provider).
    pub fn tracer_provider<P>(mut self, value: P) -> Self
    where
        P: TracerProvider + Send + Sync + 'static,
        P::Tracer: Send + Sync + 'static,
        <P::Tracer as Tracer>::Span: Span + Send + Sync + 'static,
    {
        self.options.tracer_provider = Some(Arc::new(value));
        self
    }

    /// Builds the options. Unset fields have their defaults.
    #[must_use]
    pub fn build(self) -> OpentelemetryOptions {
        self.options
    }
}

impl OpentelemetryOptions {
    /// Creates a builder with every field at its default.
    ///
    /// # Examples
    /// ```
    /// use driver::options::OpentelemetryOptions;
    ///
    /// let options = OpentelemetryOptions::builder().enabled(true);
    /// let options = options.query_text_max_length(1000).build();
    /// assert_eq!(options.enabled, Some(true));
    /// ```
    pub fn builder() -> OpentelemetryOptionsBuilder {
        OpentelemetryOptionsBuilder::default()
    }

    pub(crate) fn is_enabled(&self) -> bool {
        let of_environment = || {
            let value = std::env::var("OTEL_RUST_INSTRUMENTATION_MONGODB_ENABLED");
            matches!(value.as_deref(), Ok("1" | "true" | "yes"))
        };
        self.enabled.unwrap_or_else(of_environment)
    }

    pub(crate) fn query_text_max_length(&self) -> usize {
        let of_environment = || {
            let value = std::env::var("OTEL_RUST_INSTRUMENTATION_MONGODB_QUERY_TEXT_MAX_LENGTH");
            value.ok()?.parse().ok()
        };
        self.query_text_max_length.or_else(of_environment).unwrap_or(0)
    }

    pub(crate) fn tracer(&self, scope: InstrumentationScope) -> BoxedTracer {
        match &self.tracer_provider {
            Some(provider) => BoxedTracer::new(provider.boxed_tracer(scope)),
            None => global::tracer_with_scope(scope),
        }
    }
}

impl PartialEq for OpentelemetryOptions {
    fn eq(&self, other: &Self) -> bool {
        let same_provider = match (&self.tracer_provider, &other.tracer_provider) {
            (None, None) => true,
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            _ => false,
        };
        same_provider
            && (self.enabled, self.query_text_max_length)
                == (other.enabled, other.query_text_max_length)
    }
}

impl fmt::Debug for OpentelemetryOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpentelemetryOptions")
            .field("enabled", &self.enabled)
            .field("query_text_max_length", &self.query_text_max_length)
            .field("tracer_provider", &self.tracer_provider.is_some())
            .finish()
    }
}
