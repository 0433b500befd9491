//! Emits the events of one command.
//!
//! A [`CommandMonitor`] exists only if there is a handler. Creating it emits the started event. It
//! then emits a succeeded or failed event. If it is dropped with its operation, it emits a failed
//! event, so every started event has its counterpart.

use std::time::Instant;

use bson::oid::ObjectId;
use bson::raw::RawDocument;
use bson::{Document, doc};

use super::header::ReplyHeader;
#[cfg(feature = "opentelemetry")]
use super::telemetry::CommandSpan;
use super::{Core, failure};
use crate::decode;
use crate::error::{CommandError, Error, ErrorKind};
use crate::event::EventHandler;
use crate::event::command::{
    CommandEvent, CommandFailedEvent, CommandStartedEvent, CommandSucceededEvent, ConnectionInfo,
};
use crate::pool::Connection;
use crate::wire::sensitive;

/// A command in flight with a handler for its events.
pub(super) struct CommandMonitor {
    handler: Option<EventHandler<CommandEvent>>,
    #[cfg(feature = "opentelemetry")]
    span: Option<CommandSpan>,
    started: Instant,
    secret: bool,
    about: Option<About>,
}

/// The common fields of a command's events.
struct About {
    command_name: String,
    db: String,
    request_id: i32,
    connection: ConnectionInfo,
    service_id: Option<ObjectId>,
}

impl CommandMonitor {
    /// Emits the started event for the command in the connection's buffer, if there is a handler.
    #[inline]
    pub(super) fn begin(core: &Core, connection: &Connection) -> Option<Box<Self>> {
        let handler = core.options.command_event_handler.as_ref();
        #[cfg(feature = "opentelemetry")]
        let is_heard = handler.is_some() || CommandSpan::is_wanted(core);
        #[cfg(not(feature = "opentelemetry"))]
        let is_heard = handler.is_some();
        is_heard.then(|| Self::begun(core, handler, connection))
    }

    #[cold]
    fn begun(
        core: &Core,
        handler: Option<&EventHandler<CommandEvent>>,
        connection: &Connection,
    ) -> Box<Self> {
        let command = connection.request_document().unwrap_or_default();
        let command_name = command.keys().next().cloned().unwrap_or_default();
        let secret = sensitive::is_redacted(&command_name, &command);
        #[cfg(feature = "opentelemetry")]
        let span = if secret { None } else { CommandSpan::begin(core, &command, connection) };
        let _ = core;
        let description = connection.description();
        let about = About {
            db: command.get_str("$db").unwrap_or_default().to_owned(),
            command_name,
            request_id: connection.request_id(),
            connection: ConnectionInfo {
                id: connection.id(),
                server_id: description.server_connection_id,
                address: connection.address().clone(),
            },
            service_id: description.service_id,
        };
        if let Some(handler) = handler {
            handler.handle(CommandEvent::Started(CommandStartedEvent {
                command: if secret { Document::new() } else { command },
                db: about.db.clone(),
                command_name: about.command_name.clone(),
                request_id: about.request_id,
                connection: about.connection.clone(),
                service_id: about.service_id,
            }));
        }
        Box::new(CommandMonitor {
            handler: handler.cloned(),
            #[cfg(feature = "opentelemetry")]
            span,
            started: Instant::now(),
            secret,
            about: Some(about),
        })
    }

    /// The server has replied. An unacknowledged write counts as succeeded once it was sent.
    pub(super) fn answered(mut self, header: &ReplyHeader, reply: Option<&RawDocument>) {
        let Some(reply) = reply else { return self.succeeded(doc! { "ok": 1 }) };
        if !header.is_ok() {
            self.end(&failure::of_command(header, reply));
        } else if self.secret {
            self.succeeded(Document::new());
        } else {
            self.succeeded(decode::document(reply).unwrap_or_default());
        }
    }

    /// There is no valid reply.
    pub(super) fn failed(mut self, error: &Error) {
        self.end(error);
    }

    fn succeeded(&mut self, reply: Document) {
        let duration = self.started.elapsed();
        let Some(About { command_name, db, request_id, connection, service_id }) =
            self.about.take()
        else {
            return;
        };
        #[cfg(feature = "opentelemetry")]
        if let Some(span) = self.span.take() {
            span.succeeded(&reply);
        }
        let Some(handler) = &self.handler else { return };
        handler.handle(CommandEvent::Succeeded(CommandSucceededEvent {
            duration,
            reply,
            command_name,
            db,
            request_id,
            connection,
            service_id,
        }));
    }

    fn end(&mut self, error: &Error) {
        let duration = self.started.elapsed();
        let Some(About { command_name, db, request_id, connection, service_id }) =
            self.about.take()
        else {
            return;
        };
        #[cfg(feature = "opentelemetry")]
        if let Some(span) = self.span.take() {
            span.failed(error);
        }
        let Some(handler) = &self.handler else { return };
        let failure = if self.secret { without_words(error) } else { error.clone() };
        handler.handle(CommandEvent::Failed(CommandFailedEvent {
            duration,
            failure,
            command_name,
            db,
            request_id,
            connection,
            service_id,
        }));
    }
}

impl Drop for CommandMonitor {
    fn drop(&mut self) {
        self.end(&Error::timeout("the operation was dropped before its reply arrived"));
    }
}

/// The error with its code and labels, without the server's message.
fn without_words(error: &Error) -> Error {
    let ErrorKind::Command(command) = error.kind() else { return error.clone() };
    let (code, code_name) = (command.code, command.code_name.clone());
    let mut bare =
        Error::new(ErrorKind::Command(CommandError { code, code_name, ..CommandError::default() }));
    error.labels().iter().for_each(|label| bare.add_label(label));
    match error.host() {
        Some(host) => bare.at(host),
        None => bare,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redacted_error_keeps_its_code_and_labels_only() {
        let command = CommandError {
            code: 18,
            code_name: "AuthenticationFailed".into(),
            message: "secret".into(),
        };
        let mut error = Error::new(ErrorKind::Command(command));
        error.add_label("label");
        let bare = without_words(&error);
        assert!(!format!("{bare:?} {bare}").contains("secret"));
        assert_eq!((bare.code(), bare.has_label("label")), (Some(18), true));
    }
}
