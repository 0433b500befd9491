//! Log messages in addition to the events (specification "Logging"): their handlers, the client's
//! warnings, and server selection.

use crate::deadline::Deadline;
use crate::error::Result;
use crate::event::log::{MAX_DOCUMENT_LENGTH, command, connection, topology};
use crate::event::{EventHandler, operation_id};
use crate::options::ClientOptions;
use crate::topology::{Criteria, Deployment, Selected};
use crate::types::ServerAddress;

/// A server selection with log messages.
pub(crate) struct Selection<'a> {
    /// The name of the operation's command.
    pub(crate) operation: &'static str,
    /// The criteria for servers.
    pub(crate) criteria: Criteria<'a>,
}

macro_rules! selection {
    ($level:ident, $selection:expr, $deployment:expr, $message:literal $(, $($fields:tt)*)?) => {
        tracing::$level!(
            target: "driver::server_selection",
            selector = %$selection.criteria.under(&$deployment.description()),
            operation = $selection.operation,
            operationId = operation_id::current(),
            topologyDescription = %$deployment.description(),
            $($($fields)*,)?
            $message
        )
    };
}

impl Selection<'_> {
    /// Whether a subscriber wants messages about server selection.
    pub(crate) fn is_wanted() -> bool {
        tracing::enabled!(target: "driver::server_selection", tracing::Level::INFO)
    }

    /// Selects a server and logs the steps.
    pub(crate) async fn select(
        self,
        deployment: &Deployment,
        deprioritized: &[ServerAddress],
        deadline: Deadline,
    ) -> Result<Selected> {
        selection!(debug, self, deployment, "Server selection started");
        let selected = match deployment.select_now(self.criteria, deprioritized) {
            Ok(None) => {
                let limit = deadline.within(Some(deployment.options().server_selection_timeout()));
                let remaining = limit
                    .remaining()
                    .map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX));
                selection!(
                    info,
                    self,
                    deployment,
                    "Waiting for suitable server to become available",
                    remainingTimeMS = remaining
                );
                deployment.select(self.criteria, deprioritized, deadline).await
            }
            Ok(Some(selected)) => Ok(selected),
            Err(error) => Err(error),
        };
        match &selected {
            Ok(server) => selection!(
                debug,
                self,
                deployment,
                "Server selection succeeded",
                serverHost = %server.address().host(),
                serverPort = server.address().port()
            ),
            Err(error) => {
                selection!(debug, self, deployment, "Server selection failed", failure = %error);
            }
        }
        selected
    }
}

/// The environment variable with the length limit of logged documents, for programs that do not set
/// the option.
const LENGTH_VARIABLE: &str = "MONGODB_LOG_MAX_DOCUMENT_LENGTH";

/// The effective length limit (specification "Logging", section "Configurable Max Document
/// Length").
fn document_length(options: &ClientOptions) -> usize {
    let of_environment = || std::env::var(LENGTH_VARIABLE).ok()?.parse().ok();
    options.tracing_max_document_length.or_else(of_environment).unwrap_or(MAX_DOCUMENT_LENGTH)
}

/// Adds handlers to the options that log the client's events, if a subscriber wants them. Logs the
/// warnings at once.
pub(crate) fn listening(mut options: ClientOptions) -> ClientOptions {
    for warning in options.warnings() {
        tracing::warn!(target: "driver::client", "{warning}");
    }
    let length = document_length(&options);
    if tracing::enabled!(target: "driver::command", tracing::Level::DEBUG) {
        options.command_event_handler =
            Some(before(options.command_event_handler, move |event| command(event, length)));
    }
    if tracing::enabled!(target: "driver::connection", tracing::Level::DEBUG) {
        options.cmap_event_handler = Some(before(options.cmap_event_handler, connection));
    }
    if tracing::enabled!(target: "driver::topology", tracing::Level::DEBUG) {
        options.sdam_event_handler =
            Some(before(options.sdam_event_handler, move |event| topology(event, length)));
    }
    options
}

fn before<T: Send + 'static>(
    handler: Option<EventHandler<T>>,
    log: impl Fn(&T) + Send + Sync + 'static,
) -> EventHandler<T> {
    EventHandler::callback(move |event| {
        log(&event);
        if let Some(handler) = &handler {
            handler.handle(event);
        }
    })
}
