//! Parses connection strings, without DNS queries (specifications "Connection String" and "URI
//! Options").
//!
//! `mongodb://user:password@host1:27017,host2/database?option=value&...` is split at the first `?`,
//! then at the first `/`, then at the last `@`. The rest is a list of hosts. Each part is
//! percent-decoded after the split. The options become a [`ClientOptions`]. An unknown option is a
//! warning, and so are most values of the wrong form. A contradiction is an error.

mod address;
mod credential;
#[cfg(feature = "dns")]
pub(crate) mod dns;
mod options;
mod pairs;
mod parse;
mod percent;
mod spelling;
pub(crate) mod srv;

use self::pairs::Pairs;
pub use self::parse::ParseConnectionString;
use crate::error::{Error, Result};
use crate::options::{ClientOptions, forbidden_in_database, impossible_in_host};
use crate::types::ServerAddress;

/// A parsed connection string, without DNS resolution.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ConnectionString {
    /// The hosts, or the name of their SRV records.
    pub host_info: HostInfo,
    /// The options. Their hosts are those of `host_info`, or none for an SRV name.
    pub options: ClientOptions,
    #[cfg_attr(not(feature = "dns"), allow(dead_code, reason = "used with SRV records"))]
    auth_source: Option<String>,
    text: Text,
}

/// The source of the hosts of a [`ConnectionString`].
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub enum HostInfo {
    /// `mongodb://`: the hosts of the string.
    HostIdentifiers(Vec<ServerAddress>),
    /// `mongodb+srv://`: the name of the SRV records with the hosts.
    DnsRecord(String),
}

/// The parts after the scheme, still percent-encoded.
struct Parts<'a> {
    user_info: Option<&'a str>,
    hosts: &'a str,
    database: Option<&'a str>,
    options: &'a str,
}

impl ConnectionString {
    /// Parses a connection string.
    ///
    /// # Errors
    /// `InvalidArgument` if the string is malformed or contradicts itself. The message names the
    /// faulty part, but never the password.
    ///
    /// # Examples
    /// ```
    /// # fn main() -> driver::Result<()> {
    /// use driver::options::{ConnectionString, HostInfo};
    ///
    /// let text = "mongodb://mongo.example:27018/zoo?retryWritse=false";
    /// let read = ConnectionString::parse(text)?;
    /// assert!(matches!(&read.host_info, HostInfo::HostIdentifiers(hosts) if hosts.len() == 1));
    /// assert_eq!(read.options.default_database.as_deref(), Some("zoo"));
    /// assert!(read.warnings()[0].contains("retryWrites"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn parse(connection_string: impl AsRef<str>) -> Result<Self> {
        let text = connection_string.as_ref();
        let (rest, srv) =
            match (text.strip_prefix("mongodb://"), text.strip_prefix("mongodb+srv://")) {
                (Some(rest), _) => (rest, false),
                (_, Some(rest)) => (rest, true),
                _ => return Err(bad("must begin with mongodb:// or mongodb+srv://")),
            };
        if let Some(c) = text.chars().next_back().filter(|c| c.is_whitespace() || c.is_control()) {
            return Err(bad(format_args!(
                "ends with {c:?}; remove it, or percent-encode it if it is part of a value"
            )));
        }
        let parts = Parts::of(rest);
        if parts.database.is_some_and(|database| database.contains('@')) {
            // The text before the '@' is probably a part of the password. It must not appear in an
            // error as a host name.
            return Err(bad(
                "has an '@' after the first '/'; percent-encode username and password",
            ));
        }
        let host_info = if srv {
            HostInfo::DnsRecord(read_srv_host(parts.hosts)?)
        } else {
            HostInfo::HostIdentifiers(read_hosts(parts.hosts)?)
        };
        let hosts = match &host_info {
            HostInfo::HostIdentifiers(hosts) => hosts.clone(),
            HostInfo::DnsRecord(_) => Vec::new(),
        };
        Self::read(text, &parts, host_info, hosts, None)
    }

    /// Parses everything except the hosts. `defaults` has values for options missing in `parts`.
    fn read(
        text: &str,
        parts: &Parts<'_>,
        host_info: HostInfo,
        hosts: Vec<ServerAddress>,
        defaults: Option<Pairs>,
    ) -> Result<Self> {
        let mut pairs = Pairs::parse(parts.options)?;
        if let Some(defaults) = defaults {
            pairs.add_missing(defaults);
        }
        let srv_host = match &host_info {
            HostInfo::HostIdentifiers(_) => None,
            HostInfo::DnsRecord(name) => Some(name.clone()),
        };
        let default_database = parts.database.map(read_database).transpose()?;
        let mut options =
            ClientOptions { hosts, srv_host, default_database, ..ClientOptions::default() };
        let (credential, auth_source) =
            credential::read(parts.user_info, &mut pairs, options.default_database.as_deref())?;
        options.credential = credential;
        options::read(&mut pairs, &mut options)?;
        options.warnings = pairs.into_warnings();
        options.warn_of_missing_features();
        options.validate()?;
        Ok(ConnectionString { host_info, options, auth_source, text: Text(text.to_owned()) })
    }

    /// Like [`parse`](ConnectionString::parse), but a warning is an error.
    ///
    /// # Errors
    /// `InvalidArgument` as for `parse`, or with the first warning.
    ///
    /// # Examples
    /// ```
    /// use driver::options::ConnectionString;
    ///
    /// assert!(ConnectionString::parse_strictly("mongodb://localhost/?appName=mabel").is_ok());
    /// assert!(ConnectionString::parse_strictly("mongodb://localhost/?appNmae=mabel").is_err());
    /// ```
    pub fn parse_strictly(connection_string: impl AsRef<str>) -> Result<Self> {
        let parsed = Self::parse(connection_string)?;
        match parsed.options.warnings.first() {
            None => Ok(parsed),
            Some(warning) => Err(Error::invalid_argument(format!(
                "strict parsing: the connection string is refused because of a warning: {warning}"
            ))),
        }
    }

    /// The warnings, one sentence each.
    pub fn warnings(&self) -> &[String] {
        self.options.warnings()
    }

    /// The database of `authSource`, also without a user.
    #[cfg(all(feature = "conformance", feature = "dns"))]
    pub(crate) fn auth_source(&self) -> Option<&str> {
        self.auth_source.as_deref()
    }

    /// The options with their hosts. For `mongodb+srv` this queries DNS.
    #[cfg(feature = "dns")]
    pub(crate) async fn resolve(self) -> Result<ClientOptions> {
        Ok(self.resolve_at(None).await?.options)
    }

    /// Like [`resolve`](Self::resolve), with the given name server instead of the system's.
    #[cfg(feature = "dns")]
    pub(crate) async fn resolve_at(
        self,
        name_server: Option<std::net::SocketAddr>,
    ) -> Result<Self> {
        let HostInfo::DnsRecord(name) = &self.host_info else { return Ok(self) };
        let service = self.options.srv_service_name.as_deref().unwrap_or(srv::DEFAULT_SERVICE);
        let question =
            dns::Question { name: name.clone(), service: service.to_owned(), name_server };
        let runtime = crate::rt::Runtime::current().or_else(|_| crate::rt::Runtime::blocking())?;
        let (records, _) = dns::lookup(question, &runtime).await?;
        self.with_records(&records)
    }

    #[cfg(not(feature = "dns"))]
    pub(crate) async fn resolve(self) -> Result<ClientOptions> {
        match self.host_info {
            HostInfo::HostIdentifiers(_) => Ok(self.options),
            HostInfo::DnsRecord(name) => Err(Error::invalid_argument(format!(
                "the connection string names the SRV record {name:?}, which needs the feature \
                 \"dns\"; add it to the dependency on driver"
            ))),
        }
    }

    /// The connection string with the hosts and options of its DNS records.
    ///
    /// # Errors
    /// `DnsResolve` for invalid records; `InvalidArgument` for contradictory options.
    #[cfg_attr(not(feature = "dns"), allow(dead_code, reason = "used with SRV records"))]
    pub(crate) fn with_records(self, records: &srv::Records) -> Result<Self> {
        let ConnectionString { host_info, options, text: Text(text), .. } = self;
        let HostInfo::DnsRecord(name) = &host_info else {
            return ConnectionString::parse(text);
        };
        let seeds = srv::seeds(name, records)?;
        let defaults = srv::txt_options(name, records)?;
        let seeds = srv::choose(seeds, options.srv_max_hosts.unwrap_or(0));
        let rest = text.strip_prefix("mongodb+srv://").unwrap_or(&text);
        Self::read(&text, &Parts::of(rest), host_info, seeds, defaults)
    }
}

/// The original string, for parsing it again. `Debug` hides it, because it contains the password.
#[derive(Clone, PartialEq)]
struct Text(String);

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("REDACTED")
    }
}

impl<'a> Parts<'a> {
    fn of(rest: &'a str) -> Self {
        let (before, options) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = match before.split_once('/') {
            Some((authority, "")) => (authority, None),
            Some((authority, database)) => (authority, Some(database)),
            None => (before, None),
        };
        let (user_info, hosts) = match authority.rsplit_once('@') {
            Some((user_info, hosts)) => (Some(user_info), hosts),
            None => (None, authority),
        };
        Parts { user_info, hosts, database, options }
    }
}

fn bad(why: impl std::fmt::Display) -> Error {
    Error::invalid_argument(format!("the connection string {why}"))
}

fn read_hosts(hosts: &str) -> Result<Vec<ServerAddress>> {
    if hosts.is_empty() {
        return Err(bad("names no host; percent-encode the path of a Unix domain socket, as in \
             mongodb://%2Ftmp%2Fmongodb-27017.sock"));
    }
    hosts.split(',').map(read_host).collect()
}

fn read_host(host: &str) -> Result<ServerAddress> {
    let host = percent::decode(host)
        .map_err(|why| bad(format_args!("names the host {host:?}, which {why}")))?;
    if host.contains('/') && !host.ends_with(".sock") {
        return Err(bad(format_args!(
            "names the host {host:?}, which has a '/' but is not the path of a Unix domain socket: \
             such a path ends in .sock"
        )));
    }
    ServerAddress::parse(&*host)
}

fn read_srv_host(host: &str) -> Result<String> {
    let name = percent::decode(host)
        .map_err(|why| bad(format_args!("names the host {host:?}, which {why}")))?;
    if name.contains(',') {
        return Err(bad("names several hosts; mongodb+srv takes one name"));
    }
    if name.contains(':') {
        return Err(bad("names a port; the ports of mongodb+srv come from the SRV records"));
    }
    let name = name.strip_suffix('.').unwrap_or(&name).to_ascii_lowercase();
    if let Some(c) = impossible_in_host(&name) {
        return Err(bad(format_args!(
            "names the host {name:?}, which contains {c:?}; host names cannot contain it"
        )));
    }
    if name.split('.').any(str::is_empty) {
        return Err(bad(format_args!("names the invalid host {name:?}")));
    }
    Ok(name)
}

fn read_database(database: &str) -> Result<String> {
    let name = percent::decode(database)
        .map_err(|why| bad(format_args!("names the database {database:?}, which {why}")))?;
    match forbidden_in_database(&name) {
        None => Ok(name.into_owned()),
        Some(c) => Err(bad(format_args!("names the database {name:?}, which contains {c:?}"))),
    }
}

#[cfg(test)]
mod tests;
