//! What a client may be told: every option of a connection string, and a few that only code can
//! give.

use std::time::Duration;

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
/// Made by [`parse`](ClientOptions::parse) from a connection string, or by
/// [`builder`](ClientOptions::builder). A field that is `None` has its default. A duration of zero
/// means "without limit" for `connect_timeout`, `socket_timeout`, `wait_queue_timeout`,
/// `max_idle_time` and `timeout`. What contradicts itself is refused when a client is made of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientOptions {
    /// The seeds: the servers from which the others are learned. Default: `localhost:27017`, which
    /// is also what none means.
    pub hosts: Vec<ServerAddress>,
    /// The name under which servers log this client; at most 128 bytes.
    pub app_name: Option<String>,
    /// Whether the connection of a request is taken along with the first operation of a thread:
    /// each thread is in a request from its first operation on. Default: false.
    pub auto_start_request: Option<bool>,
    /// Who is told what happens in connection pools. Default: nobody.
    pub cmap_event_handler: Option<EventHandler<CmapEvent>>,
    /// Who is told what is asked of servers, and what they answer. Default: nobody.
    pub command_event_handler: Option<EventHandler<CommandEvent>>,
    /// The compressors to offer, best first. Default: none.
    pub compressors: Option<Vec<Compressor>>,
    /// How long opening a connection may take, TLS and authentication included. Default: 10 s.
    pub connect_timeout: Option<Duration>,
    /// The user.
    pub credential: Option<Credential>,
    /// The database of `Client::default_database`: the one in the path of the connection string.
    pub default_database: Option<String>,
    /// Talk to the one seed alone, whatever it is, instead of to its whole set. Default: false.
    pub direct_connection: Option<bool>,
    /// What a library or application built on this driver adds to the handshake.
    pub driver_info: Option<DriverInfo>,
    /// Whether an operation that an overloaded server refused is tried again on another server, if
    /// there is one that suits it. In a sharded cluster it always is. Default: false.
    pub enable_overload_retargeting: Option<bool>,
    /// How often a server is checked; at least 500 ms. Default: 10 s.
    pub heartbeat_freq: Option<Duration>,
    /// Whether the seed is a load balancer. Default: false.
    pub load_balanced: Option<bool>,
    /// How much slower than the fastest eligible server another may be and still be chosen.
    /// Default: 15 ms.
    pub local_threshold: Option<Duration>,
    /// How often, at most, an operation is tried again once a server had too much to do; 0: not at
    /// all. Default: 2.
    pub max_adaptive_retries: Option<u32>,
    /// How many connections a pool may be opening at once. Default: 2.
    pub max_connecting: Option<u32>,
    /// How long a connection may lie idle in its pool before it is closed. Default: without limit.
    pub max_idle_time: Option<Duration>,
    /// How many connections a pool may have, in use and idle; 0: without limit. Default: 100.
    pub max_pool_size: Option<u32>,
    /// How many connections a pool keeps open. Default: 0.
    pub min_pool_size: Option<u32>,
    /// The read concern of reads that are given none.
    pub read_concern: Option<ReadConcern>,
    /// The name of the replica set; servers that belong to another are left out.
    pub repl_set_name: Option<String>,
    /// Whether a read that failed by the network or an election is sent once more. Default: true.
    pub retry_reads: Option<bool>,
    /// Whether a write that failed by the network or an election is sent once more, in a way that
    /// cannot write twice. Default: true.
    pub retry_writes: Option<bool>,
    /// Who is told what becomes known of the servers. Default: nobody.
    pub sdam_event_handler: Option<EventHandler<SdamEvent>>,
    /// Which servers take reads that are given no criteria. Default: the primary.
    pub selection_criteria: Option<SelectionCriteria>,
    /// The stable API that commands declare. Default: none.
    pub server_api: Option<ServerApi>,
    /// Whether servers tell of changes by themselves or are polled. Default:
    /// [`ServerMonitoringMode::Auto`].
    pub server_monitoring_mode: Option<ServerMonitoringMode>,
    /// How long to look for a server fit for an operation; more than zero. Default: 30 s.
    pub server_selection_timeout: Option<Duration>,
    /// Whether selection gives up after one more check of the servers when it finds none, instead
    /// of waiting until `server_selection_timeout`: "I don't know who the primary is, and I'm
    /// not going to wait". Default: false.
    pub server_selection_try_once: Option<bool>,
    /// How long one read from or write to a socket may take. Default: without limit.
    pub socket_timeout: Option<Duration>,
    /// The proxy through which servers are reached. Default: none.
    pub socks5_proxy: Option<Socks5Proxy>,
    /// How many of the hosts of a `mongodb+srv` connection string are used; 0: all. Default: 0.
    pub srv_max_hosts: Option<u32>,
    /// The service of the SRV records of a `mongodb+srv` connection string. Default: `mongodb`.
    pub srv_service_name: Option<String>,
    /// How long a whole operation may take. Default: without limit.
    pub timeout: Option<Duration>,
    /// Whether and how connections are encrypted. Default: they are not.
    pub tls: Option<Tls>,
    /// How many characters of a command or reply are logged (feature `tracing`). Default: what the
    /// environment variable `MONGODB_LOG_MAX_DOCUMENT_LENGTH` says, else 1000.
    pub tracing_max_document_length: Option<usize>,
    /// How many operations, as a multiple of `max_pool_size`, may wait for a connection; one more
    /// is refused at once. Default: without limit.
    pub wait_queue_multiple: Option<u32>,
    /// How long an operation may wait until a connection is free, or until it may open one. It
    /// does not bound the opening itself, which `connect_timeout` and `timeout` bound
    /// (specification "Connection Monitoring and Pooling", section "Checking Out a
    /// Connection"). Default: without limit.
    pub wait_queue_timeout: Option<Duration>,
    /// The write concern of writes that are given none.
    pub write_concern: Option<WriteConcern>,
    /// What the connection string said that could not be used.
    pub(crate) warnings: Vec<String>,
    /// The name whose SRV records gave the hosts.
    pub(crate) srv_host: Option<String>,
    /// Whom to ask for them again instead of the system's name servers, and how often at most; for
    /// tests.
    #[cfg(feature = "dns")]
    pub(crate) srv_rescan: Option<(std::net::SocketAddr, Duration)>,
}

/// One seed, `localhost:27017`; everything else has its default.
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
        tracing_max_document_length: Option<usize>,
        wait_queue_multiple: Option<u32>,
        wait_queue_timeout: Option<Duration>,
        write_concern: Option<WriteConcern>,
    }
}

/// Whether servers tell of changes by themselves or are polled (specification "Server Monitoring").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerMonitoringMode {
    /// Streamed where the server can (4.4 and later) and the program does not run as a function in
    /// a cloud; polled elsewhere.
    #[default]
    Auto,
    /// Streamed where the server can.
    Stream,
    /// Polled.
    Poll,
}

impl ClientOptions {
    /// What could not be used, one sentence each: unknown options of the connection string, values
    /// of the wrong form, compressors that need a feature which this build lacks.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Notes the compressors that need a feature which this build lacks. A client of these options
    /// does so as well: they may have been set after the connection string was read.
    pub(crate) fn warn_of_missing_features(&mut self) {
        for compressor in self.compressors.iter().flatten().filter(|c| Codec::of(c).is_none()) {
            let name = compressor.name();
            let warning = format!(
                "the compressor {name} is not offered: the driver was built without the feature {name:?}; add that feature to the \
                 dependency on driver"
            );
            if !self.warnings.contains(&warning) {
                self.warnings.push(warning);
            }
        }
    }
}

/// The values in force: what was set, else the default.
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

    /// 0: without limit.
    pub(crate) fn max_pool_size(&self) -> u32 {
        self.max_pool_size.unwrap_or(100)
    }

    pub(crate) fn min_pool_size(&self) -> u32 {
        self.min_pool_size.unwrap_or(0)
    }

    /// How many operations may wait for a connection; `None`: without limit.
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

/// Zero means "without limit".
fn limit(set: Option<Duration>, default: Option<Duration>) -> Option<Duration> {
    set.or(default).filter(|limit| !limit.is_zero())
}
