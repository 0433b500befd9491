//! The options of a client: all options of a connection string, and a few more.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    Credential, ReadConcern, ReadPreference, SelectionCriteria, ServerAddress, ServerApi,
    Socks5Proxy, Tls, WriteConcern,
};
use crate::event::EventHandler;
use crate::event::cmap::CmapEvent;
use crate::event::command::CommandEvent;
use crate::event::sdam::SdamEvent;
use crate::types::{Compressor, DriverInfo};
use crate::wire::compression::Codec;

/// The options of a client.
///
/// Created by [`parse`](ClientOptions::parse) from a connection string, or by
/// [`builder`](ClientOptions::builder). A field that is `None` has its default. Zero means "no
/// limit" for `connect_timeout`, `socket_timeout`, `wait_queue_timeout`, `max_idle_time` and
/// `timeout`. Creating a client refuses contradictory options.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct ClientOptions {
    /// The seeds, from which the client discovers the other servers. Default, also if empty:
    /// `localhost:27017`.
    pub hosts: Vec<ServerAddress>,
    /// The application name in the server logs; at most 128 bytes.
    pub app_name: Option<String>,
    /// Puts each thread into a request with its first operation (blocking API). Default: false.
    pub auto_start_request: Option<bool>,
    /// Handles the events of connection pools. Default: none.
    #[serde(skip)]
    pub cmap_event_handler: Option<EventHandler<CmapEvent>>,
    /// Handles the events of commands. Default: none.
    #[serde(skip)]
    pub command_event_handler: Option<EventHandler<CommandEvent>>,
    /// The compressors to offer to servers, by preference. Default: none.
    pub compressors: Option<Vec<Compressor>>,
    /// The timeout for establishing a connection, with TLS and authentication. Default: 10 s.
    pub connect_timeout: Option<Duration>,
    /// The credential. Default: no authentication.
    pub credential: Option<Credential>,
    /// The database of `Client::default_database`: the path of the connection string. Default:
    /// none.
    pub default_database: Option<String>,
    /// Connects to the single seed only, without discovery of other servers. Default: false.
    pub direct_connection: Option<bool>,
    /// The handshake metadata of a library or application built on this driver. Default: none.
    pub driver_info: Option<DriverInfo>,
    /// Retries an operation that an overloaded server refused on another suitable server, if there
    /// is one. Sharded clusters always do so. Default: false.
    pub enable_overload_retargeting: Option<bool>,
    /// The interval of server checks; at least 500 ms. Default: 10 s.
    pub heartbeat_freq: Option<Duration>,
    /// Connects to a load balancer. Default: false.
    pub load_balanced: Option<bool>,
    /// The latency window: the round-trip time of a selectable server can exceed the lowest one by
    /// this much. Default: 15 ms.
    pub local_threshold: Option<Duration>,
    /// The maximum number of retries of an operation on overloaded servers; 0 disables them.
    /// Default: 2.
    pub max_adaptive_retries: Option<u32>,
    /// The maximum number of connections that a pool establishes concurrently. Default: 2.
    pub max_connecting: Option<u32>,
    /// The time after which a pool closes an idle connection. Default: no limit.
    pub max_idle_time: Option<Duration>,
    /// The maximum number of connections in a pool, in use and idle; 0 means no limit. Default:
    /// 100.
    pub max_pool_size: Option<u32>,
    /// The minimum number of connections that a pool keeps open. Default: 0. Each command of their
    /// handshake may take `timeout`, or all together what `connect_timeout` leaves.
    pub min_pool_size: Option<u32>,
    /// The default read concern. Default: the server's.
    pub read_concern: Option<ReadConcern>,
    /// The name of the replica set. Servers of another set are ignored. Default: any.
    pub repl_set_name: Option<String>,
    /// Retries a read once after a network error or an election. Default: true.
    pub retry_reads: Option<bool>,
    /// Retries a write once after a network error or an election. The server applies it only once.
    /// Default: true.
    pub retry_writes: Option<bool>,
    /// Handles the events of discovery and monitoring. Default: none.
    #[serde(skip)]
    pub sdam_event_handler: Option<EventHandler<SdamEvent>>,
    /// The default selection criteria of reads. Default: the primary.
    pub selection_criteria: Option<SelectionCriteria>,
    /// The Stable API version that commands declare. Default: none.
    pub server_api: Option<ServerApi>,
    /// Whether servers stream their changes or are polled. Default:
    /// [`ServerMonitoringMode::Auto`].
    pub server_monitoring_mode: Option<ServerMonitoringMode>,
    /// The timeout of server selection; more than zero. Default: 30 s.
    pub server_selection_timeout: Option<Duration>,
    /// If there is no suitable server, selection fails after one more check of the servers instead
    /// of waiting for `server_selection_timeout`. Default: false.
    pub server_selection_try_once: Option<bool>,
    /// The timeout of one exchange on an open connection; `connect_timeout` bounds its opening. A
    /// `timeout` overrides it. Default: no limit.
    pub socket_timeout: Option<Duration>,
    /// The SOCKS5 proxy for connections to servers. Default: none.
    pub socks5_proxy: Option<Socks5Proxy>,
    /// The maximum number of hosts from the SRV records of a `mongodb+srv` name; 0 means all.
    /// Default: 0.
    pub srv_max_hosts: Option<u32>,
    /// The service name of the SRV records of a `mongodb+srv` name. Default: `mongodb`.
    pub srv_service_name: Option<String>,
    /// The time limit of a whole operation (`timeoutMS`). Default: no limit.
    ///
    /// If it is set, operations are retried until it expires, and commands carry the remaining time
    /// as `maxTimeMS`. Zero means "no limit". With a timeout, even of zero, these older options are
    /// ignored: `max_time` of operations, `w_timeout` of write concerns, `socket_timeout` and
    /// `wait_queue_timeout`. Databases, collections and operations can have their own timeout.
    pub timeout: Option<Duration>,
    /// The encryption of connections. Default: none.
    pub tls: Option<Tls>,
    /// Spans of operations and commands for OpenTelemetry. Default: from environment variables.
    #[cfg(feature = "opentelemetry")]
    #[serde(skip)]
    pub tracing: Option<super::OpentelemetryOptions>,
    /// The maximum number of characters of a logged command or reply (feature `tracing`). Default:
    /// the environment variable `MONGODB_LOG_MAX_DOCUMENT_LENGTH`, or else 1000.
    pub tracing_max_document_length: Option<usize>,
    /// The maximum number of operations that wait for a connection, as a multiple of
    /// `max_pool_size`. Further operations fail at once. Default: no limit.
    pub wait_queue_multiple: Option<u32>,
    /// The time limit for waiting until a connection is free, or until the pool may open one. It
    /// does not limit the opening itself; `connect_timeout` and `timeout` do (specification
    /// "Connection Monitoring and Pooling", section "Checking Out a Connection"). Default: no
    /// limit.
    pub wait_queue_timeout: Option<Duration>,
    /// The default write concern. Default: the server's.
    pub write_concern: Option<WriteConcern>,
    /// The warnings about the connection string.
    #[serde(skip)]
    pub(crate) warnings: Vec<String>,
    /// The name of the SRV records that the hosts come from.
    #[serde(skip)]
    pub(crate) srv_host: Option<String>,
    /// For tests: the name server for polling the SRV records, and the shortest interval.
    #[cfg(feature = "dns")]
    #[serde(skip)]
    pub(crate) srv_rescan: Option<(std::net::SocketAddr, Duration)>,
}

/// One seed, `localhost:27017`, and default options.
impl Default for ClientOptions {
    fn default() -> Self {
        ClientOptions {
            hosts: vec![ServerAddress::default()],
            app_name: None,
            auto_start_request: None,
            cmap_event_handler: None,
            command_event_handler: None,
            compressors: None,
            connect_timeout: None,
            credential: None,
            default_database: None,
            direct_connection: None,
            driver_info: None,
            enable_overload_retargeting: None,
            heartbeat_freq: None,
            load_balanced: None,
            local_threshold: None,
            max_adaptive_retries: None,
            max_connecting: None,
            max_idle_time: None,
            max_pool_size: None,
            min_pool_size: None,
            read_concern: None,
            repl_set_name: None,
            retry_reads: None,
            retry_writes: None,
            sdam_event_handler: None,
            selection_criteria: None,
            server_api: None,
            server_monitoring_mode: None,
            server_selection_timeout: None,
            server_selection_try_once: None,
            socket_timeout: None,
            socks5_proxy: None,
            srv_max_hosts: None,
            srv_service_name: None,
            timeout: None,
            tls: None,
            #[cfg(feature = "opentelemetry")]
            tracing: None,
            tracing_max_document_length: None,
            wait_queue_multiple: None,
            wait_queue_timeout: None,
            write_concern: None,
            warnings: Vec::new(),
            srv_host: None,
            #[cfg(feature = "dns")]
            srv_rescan: None,
        }
    }
}

builder! {
    /// Builds [`ClientOptions`] without a connection string.
    ///
    /// # Examples
    /// ```
    /// use driver::options::{ClientOptions, ServerAddress, WriteConcern};
    ///
    /// # fn main() -> driver::Result<()> {
    /// let options = ClientOptions::builder()
    ///     .hosts(vec![ServerAddress::parse("mongo.example:27017")?])
    ///     .repl_set_name("rs0".to_owned())
    ///     .write_concern(WriteConcern::majority())
    ///     .build();
    /// assert_eq!(options.hosts[0].to_string(), "mongo.example:27017");
    /// # Ok(())
    /// # }
    /// ```
    ClientOptionsBuilder builds ClientOptions {
        hosts: Vec<ServerAddress>,
        app_name: Option<String>,
        auto_start_request: Option<bool>,
        cmap_event_handler: Option<EventHandler<CmapEvent>>,
        command_event_handler: Option<EventHandler<CommandEvent>>,
        compressors: Option<Vec<Compressor>>,
        connect_timeout: Option<Duration>,
        credential: Option<Credential>,
        default_database: Option<String>,
        direct_connection: Option<bool>,
        driver_info: Option<DriverInfo>,
        enable_overload_retargeting: Option<bool>,
        heartbeat_freq: Option<Duration>,
        load_balanced: Option<bool>,
        local_threshold: Option<Duration>,
        max_adaptive_retries: Option<u32>,
        max_connecting: Option<u32>,
        max_idle_time: Option<Duration>,
        max_pool_size: Option<u32>,
        min_pool_size: Option<u32>,
        read_concern: Option<ReadConcern>,
        repl_set_name: Option<String>,
        retry_reads: Option<bool>,
        retry_writes: Option<bool>,
        sdam_event_handler: Option<EventHandler<SdamEvent>>,
        selection_criteria: Option<SelectionCriteria>,
        server_api: Option<ServerApi>,
        server_monitoring_mode: Option<ServerMonitoringMode>,
        server_selection_timeout: Option<Duration>,
        server_selection_try_once: Option<bool>,
        socket_timeout: Option<Duration>,
        socks5_proxy: Option<Socks5Proxy>,
        srv_max_hosts: Option<u32>,
        srv_service_name: Option<String>,
        timeout: Option<Duration>,
        tls: Option<Tls>,
        #[cfg(feature = "opentelemetry")]
        tracing: Option<super::OpentelemetryOptions>,
        tracing_max_document_length: Option<usize>,
        wait_queue_multiple: Option<u32>,
        wait_queue_timeout: Option<Duration>,
        write_concern: Option<WriteConcern>,
    }
}

/// Whether servers stream their changes or are polled (specification "Server Monitoring").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ServerMonitoringMode {
    /// Streams from servers that support it (since 4.4), unless the program is a cloud function.
    /// Polls otherwise.
    #[default]
    Auto,
    /// Streams from servers that support it.
    Stream,
    /// Polls.
    Poll,
}

impl ClientOptions {
    /// The warnings, one sentence each: unknown options and invalid values of the connection
    /// string, and compressors without their cargo feature.
    ///
    /// # Examples
    /// ```no_run
    /// # fn main() -> driver::Result<()> {
    /// use driver::options::ClientOptions;
    ///
    /// let options = ClientOptions::parse("mongodb://localhost/?retryWritse=false").run()?;
    /// assert!(options.warnings()[0].contains("retryWrites"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Adds a warning for each compressor without its cargo feature. Called when a client is
    /// created, too, because the compressors may have changed after parsing.
    pub(crate) fn warn_of_missing_features(&mut self) {
        for compressor in self.compressors.iter().flatten().filter(|c| Codec::of(c).is_none()) {
            let name = compressor.name();
            let warning = format!(
                "the compressor {name} is not offered, because it needs the feature {name:?}; add \
                 it to the dependency on driver"
            );
            if !self.warnings.contains(&warning) {
                self.warnings.push(warning);
            }
        }
    }
}

/// The effective values: the field, or else the default.
impl ClientOptions {
    pub(crate) fn seeds(&self) -> Vec<ServerAddress> {
        match self.hosts.as_slice() {
            [] => vec![ServerAddress::default()],
            hosts => hosts.iter().map(ServerAddress::in_lower_case).collect(),
        }
    }

    pub(crate) fn connect_timeout(&self) -> Option<Duration> {
        limit(self.connect_timeout, Some(Duration::from_secs(10)))
    }

    pub(crate) fn socket_timeout(&self) -> Option<Duration> {
        limit(self.socket_timeout, None)
    }

    pub(crate) fn timeout(&self) -> Option<Duration> {
        limit(self.timeout, None)
    }

    pub(crate) fn wait_queue_timeout(&self) -> Option<Duration> {
        limit(self.wait_queue_timeout, None)
    }

    pub(crate) fn max_idle_time(&self) -> Option<Duration> {
        limit(self.max_idle_time, None)
    }

    pub(crate) fn server_selection_timeout(&self) -> Duration {
        self.server_selection_timeout.unwrap_or(Duration::from_secs(30))
    }

    pub(crate) fn server_selection_try_once(&self) -> bool {
        self.server_selection_try_once.unwrap_or(false)
    }

    pub(crate) fn heartbeat_freq(&self) -> Duration {
        self.heartbeat_freq.unwrap_or(Duration::from_secs(10))
    }

    pub(crate) fn local_threshold(&self) -> Duration {
        self.local_threshold.unwrap_or(Duration::from_millis(15))
    }

    pub(crate) fn max_connecting(&self) -> u32 {
        self.max_connecting.unwrap_or(2)
    }

    /// 0 means no limit.
    pub(crate) fn max_pool_size(&self) -> u32 {
        self.max_pool_size.unwrap_or(100)
    }

    pub(crate) fn min_pool_size(&self) -> u32 {
        self.min_pool_size.unwrap_or(0)
    }

    /// The maximum number of operations that wait for a connection; `None` means no limit.
    pub(crate) fn max_waiters(&self) -> Option<u64> {
        match self.max_pool_size() {
            0 => None,
            size => self.wait_queue_multiple.map(|multiple| u64::from(multiple) * u64::from(size)),
        }
    }

    pub(crate) fn auto_start_request(&self) -> bool {
        self.auto_start_request.unwrap_or(false)
    }

    pub(crate) fn direct_connection(&self) -> bool {
        self.direct_connection.unwrap_or(false)
    }

    pub(crate) fn load_balanced(&self) -> bool {
        self.load_balanced.unwrap_or(false)
    }

    pub(crate) fn retry_reads(&self) -> bool {
        self.retry_reads.unwrap_or(true)
    }

    pub(crate) fn retry_writes(&self) -> bool {
        self.retry_writes.unwrap_or(true)
    }

    /// Specification "Client Backpressure", section "Overload retry policy".
    pub(crate) fn max_adaptive_retries(&self) -> u32 {
        self.max_adaptive_retries.unwrap_or(2)
    }

    pub(crate) fn enable_overload_retargeting(&self) -> bool {
        self.enable_overload_retargeting.unwrap_or(false)
    }

    pub(crate) fn server_monitoring_mode(&self) -> ServerMonitoringMode {
        self.server_monitoring_mode.unwrap_or_default()
    }

    pub(crate) fn selection_criteria(&self) -> SelectionCriteria {
        self.selection_criteria
            .clone()
            .unwrap_or(SelectionCriteria::ReadPreference(ReadPreference::Primary))
    }
}

/// Turns zero into `None`, "no limit".
fn limit(set: Option<Duration>, default: Option<Duration>) -> Option<Duration> {
    set.or(default).filter(|limit| !limit.is_zero())
}
