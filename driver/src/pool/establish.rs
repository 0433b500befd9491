//! Establishes a connection: opens the socket, sends `hello`, authenticates the user.
//!
//! Specification "MongoDB Handshake". A client has one [`Establisher`] for its pools and its
//! monitors. The [`Purpose`] tells whether the connection is for operations, and needs
//! authentication, or for checks. A failure is reported with its [`Stage`], which determines its
//! effect on the server description.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bson::oid::ObjectId;
use bson::raw::cstr;

use super::auth::{self, Attempt, Channel, Offer};
use super::connection::{Connection, ConnectionDescription};
use super::generation::Generation;
use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind, RETRYABLE_ERROR, Result, SYSTEM_OVERLOADED_ERROR};
use crate::handshake::{ClientMetadata, HelloName, HelloReply, write_hello};
use crate::options::{ClientOptions, ServerAddress};
use crate::rt::Runtime;
use crate::stream::{Connector, Interrupter};
use crate::types::ServerType;
use crate::wire::DocWriter;
use crate::wire::compression::Codec;

/// The purpose of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// For operations: authenticated, with compression if both sides support it.
    Application,
    /// For server checks, without authentication.
    Monitor,
}

/// The stage of an operation when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// Waiting for a connection. The failure does not concern the server.
    Queue,
    /// Opening the connection: name resolution, socket, TLS, `hello`.
    Connect,
    /// Authenticating.
    Authenticate,
    /// Using the connection.
    Operation,
}

/// The deadlines of establishing a connection. `connectTimeoutMS` narrows both.
#[derive(Clone, Copy, Debug)]
pub(super) struct Until {
    /// The deadline of the socket.
    pub(super) socket: Deadline,
    /// The deadline of the whole, with TLS, `hello` and authentication.
    pub(super) all: Deadline,
    /// The time of each command of the handshake, in place of `all`. For connections that nobody
    /// waits for (specification "Client Side Operations Timeout", section "Background Connection
    /// Pooling").
    pub(super) command: Option<Duration>,
}

impl Until {
    pub(super) fn both(deadline: Deadline) -> Self {
        Until { socket: deadline, all: deadline, command: None }
    }

    fn within(self, limit: Option<Duration>) -> Self {
        let limit = Deadline::after_option(limit);
        Until { socket: self.socket.earlier(limit), all: self.all.earlier(limit), ..self }
    }
}

/// The time that the commands of a handshake have.
#[derive(Clone, Copy, Debug)]
pub(crate) enum CommandTime {
    /// All of them together.
    Until(Deadline),
    /// Each of them.
    Each(Duration),
}

impl CommandTime {
    /// The deadline of a command that starts now.
    pub(super) fn deadline(self) -> Deadline {
        match self {
            CommandTime::Until(deadline) => deadline,
            CommandTime::Each(limit) => Deadline::after(limit),
        }
    }
}

/// The error of a connection that could not be established.
#[derive(Debug)]
pub(crate) struct EstablishError {
    pub(crate) error: Error,
    pub(crate) stage: Stage,
    /// The service behind a load balancer, known after `hello`.
    pub(super) service: Option<ObjectId>,
}

/// Establishes the connections of one client.
#[derive(Clone, Debug)]
pub(crate) struct Establisher {
    options: Arc<ClientOptions>,
    metadata: Arc<ClientMetadata>,
    connector: Connector,
    /// The configured compressors that were built in.
    codecs: Arc<[Codec]>,
    runtime: Runtime,
}

impl Establisher {
    /// # Errors
    /// `InvalidArgument` for invalid metadata or an unsupported mechanism; `Tls` for unusable TLS
    /// options.
    pub(crate) fn new(options: Arc<ClientOptions>, runtime: Runtime) -> Result<Self> {
        if let Some(credential) = &options.credential {
            auth::check(credential)?;
        }
        let metadata = Arc::new(ClientMetadata::new(
            options.app_name.as_deref(),
            options.driver_info.as_ref(),
        )?);
        let connector = Connector::new(&options)?;
        let codecs = options.compressors.iter().flatten().filter_map(Codec::of).collect();
        Ok(Establisher { options, metadata, connector, codecs, runtime })
    }

    /// The same for background work, whose sockets never block.
    pub(crate) fn for_background(&self) -> Self {
        Establisher { runtime: self.runtime.for_background(), ..self.clone() }
    }

    pub(crate) fn options(&self) -> &Arc<ClientOptions> {
        &self.options
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// The client metadata of new connections.
    pub(crate) fn metadata(&self) -> &ClientMetadata {
        &self.metadata
    }

    /// Establishes a connection to `address` within `deadline` and `connectTimeoutMS`. The `hello`
    /// reply of a monitor's connection can be read afterwards.
    ///
    /// # Errors
    /// Those of the socket and of the server, with the stage of the failure.
    ///
    /// # Cancel safety
    /// A dropped future closes the socket.
    pub(crate) async fn establish(
        &self,
        address: &Arc<ServerAddress>,
        id: u64,
        generation: Generation,
        purpose: Purpose,
        deadline: Deadline,
    ) -> std::result::Result<Connection, EstablishError> {
        self.establish_watched(address, id, generation, purpose, Until::both(deadline), |_| {})
            .await
    }

    /// Like [`establish`](Self::establish). Calls `opened` with the interrupter once there is a
    /// socket.
    pub(super) async fn establish_watched(
        &self,
        address: &Arc<ServerAddress>,
        id: u64,
        generation: Generation,
        purpose: Purpose,
        until: Until,
        opened: impl FnOnce(Interrupter),
    ) -> std::result::Result<Connection, EstablishError> {
        let until = until.within(self.options.connect_timeout());
        let time = until.command.map_or(CommandTime::Until(until.all), CommandTime::Each);
        let unproven = |error: Error| EstablishError {
            error: error.at(address),
            stage: Stage::Authenticate,
            service: None,
        };
        let unheard = |error: Error| EstablishError {
            error: overload(error.at(address)),
            stage: Stage::Connect,
            service: None,
        };
        let attempt = match (purpose, &self.options.credential) {
            (Purpose::Application, Some(credential)) => {
                Some(Attempt::new(credential).map_err(unproven)?)
            }
            _ => None,
        };
        let stream = self
            .connector
            .connect(address, &self.runtime, until.socket, until.all)
            .await
            .map_err(unheard)?;
        opened(stream.interrupter());
        let mut connection = Connection::new(id, address.clone(), generation, stream);
        let socket_timeout = match purpose {
            Purpose::Application => self.options.socket_timeout(),
            Purpose::Monitor => None,
        };
        // `connectTimeoutMS` or `timeoutMS` bounds the handshake. An opening serves any operation,
        // also one whose `timeoutMS` overrides `socketTimeoutMS`.
        if self.options.connect_timeout().is_none() && until.command.is_none() {
            connection.set_socket_timeout(socket_timeout);
        }
        let codecs = match purpose {
            Purpose::Application => &*self.codecs,
            Purpose::Monitor => &[],
        };
        let (offer, codec) =
            self.greet(&mut connection, attempt.as_ref(), codecs, time).await.map_err(unheard)?;
        if let Some(attempt) = attempt
            && connection.description().server_type != ServerType::RsArbiter
        {
            let proven = attempt.finish(offer, &mut self.channel(&mut connection, time)).await;
            let service = connection.description().service_id;
            let mechanism =
                proven.map_err(|error| EstablishError { service, ..unproven(error) })?;
            connection.set_mechanism(mechanism);
        }
        if let Some(codec) = codec {
            connection.set_codec(codec);
        }
        connection.set_socket_timeout(socket_timeout);
        Ok(connection)
    }

    async fn greet(
        &self,
        connection: &mut Connection,
        attempt: Option<&Attempt<'_>>,
        codecs: &[Codec],
        time: CommandTime,
    ) -> Result<(Offer, Option<Codec>)> {
        self.write_hello(&mut connection.begin().body(), attempt, codecs);
        let sent = Instant::now();
        connection.round_trip(&self.runtime, time.deadline()).await?;
        let round_trip_time = sent.elapsed();
        let reply = connection.reply()?;
        let speculative = reply.get_document("speculativeAuthenticate").ok().map(ToOwned::to_owned);
        let mut hello = HelloReply::parse(reply)?;
        let offer = Offer { mechanisms: hello.sasl_supported_mechs.take(), speculative };
        if self.options.load_balanced() && hello.service_id.is_none() {
            return Err(Error::new(ErrorKind::IncompatibleServer {
                // The specification "Load Balancer Support" defines the first sentence.
                message: "Driver attempted to initialize in load balancing mode, but the server \
                          does not support this mode: its hello has no serviceId; remove \
                          loadBalanced from the connection string"
                    .into(),
            }));
        }
        connection.set_description(ConnectionDescription::of(&hello, round_trip_time));
        let shared = |codec: &&Codec| hello.compression.iter().any(|name| name == codec.name());
        Ok((offer, codecs.iter().find(shared).copied()))
    }

    /// Writes the first command of every connection.
    fn write_hello(
        &self,
        hello: &mut DocWriter<'_>,
        attempt: Option<&Attempt<'_>>,
        codecs: &[Codec],
    ) {
        let options = &*self.options;
        let name = if options.server_api.is_some() || options.load_balanced() {
            HelloName::Hello
        } else {
            HelloName::Legacy
        };
        write_hello(hello, name, |hello| {
            hello.str(cstr!("backpressure"), "2");
            hello.doc(cstr!("client"), &self.metadata.document());
            if options.load_balanced() {
                hello.bool(cstr!("loadBalanced"), true);
            }
            if !codecs.is_empty() {
                let mut names = hello.array(cstr!("compression"));
                codecs.iter().for_each(|codec| names.str(codec.name()));
            }
            if let Some(attempt) = attempt {
                attempt.write(hello);
            }
            self.write_server_api(hello);
        });
    }

    /// Adds the Stable API fields to a command, if configured.
    pub(crate) fn write_server_api(&self, command: &mut DocWriter<'_>) {
        if let Some(api) = &self.options.server_api {
            api.write(command);
        }
    }

    /// Reauthenticates a connection after `ReauthenticationRequired`.
    ///
    /// # Errors
    /// `Authentication` if the server refuses the credential; and those of every command.
    pub(crate) async fn reauthenticate(
        &self,
        connection: &mut Connection,
        deadline: Deadline,
    ) -> Result<()> {
        match &self.options.credential {
            Some(credential) => {
                let time = CommandTime::Until(deadline);
                auth::reauthenticate(credential, &mut self.channel(connection, time)).await
            }
            None => Ok(()),
        }
    }

    fn channel<'a>(&'a self, connection: &'a mut Connection, time: CommandTime) -> Channel<'a> {
        Channel {
            connection,
            runtime: &self.runtime,
            time,
            server_api: self.options.server_api.as_ref(),
        }
    }
}

/// Labels network errors before authentication as possible overload (specification "Connection
/// Monitoring and Pooling", section "Connection Pool", backpressure). Errors of name resolution get
/// no label.
fn overload(mut error: Error) -> Error {
    if error.is_network() {
        error.add_label(SYSTEM_OVERLOADED_ERROR);
        error.add_label(RETRYABLE_ERROR);
    }
    error
}
