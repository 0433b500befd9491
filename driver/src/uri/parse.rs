//! Connection strings as arguments, parsed with `.await` or `.run()`.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{ConnectionString, HostInfo};
use crate::error::{Error, Result};
use crate::options::ClientOptions;
use crate::rt;
use crate::types::ServerAddress;

/// Reads a connection string. Created by [`ClientOptions::parse`].
#[must_use = "parsing does nothing until it is awaited or run"]
#[derive(Debug)]
pub struct ParseConnectionString {
    connection_string: Result<ConnectionString>,
}

impl ClientOptions {
    /// Parses a connection string, such as
    /// `mongodb://user:password@host1,host2/database?replicaSet=rs0` (specification "Connection
    /// String"), or takes a parsed one. Run it with `.await`, or with `.run()` on a thread.
    ///
    /// Unknown options and invalid values are ignored and reported by
    /// [`warnings`](ClientOptions::warnings). For `mongodb+srv` this queries DNS.
    ///
    /// # Errors
    /// - `InvalidArgument` if the string is malformed or contradicts itself. The message names the
    ///   part and the remedy.
    /// - `DnsResolve` if the records of a `mongodb+srv` name are missing or invalid.
    ///
    /// # Example
    /// ```
    /// use driver::options::{ClientOptions, ConnectionString};
    ///
    /// # fn main() -> driver::Result<()> {
    /// let read: ConnectionString = "mongodb://mongo.example/zoo".parse()?;
    /// let options = ClientOptions::parse(read).run()?;
    /// assert_eq!(options.default_database.as_deref(), Some("zoo"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn parse<C>(connection_string: C) -> ParseConnectionString
    where
        C: TryInto<ConnectionString>,
        C::Error: Into<Error>,
    {
        ParseConnectionString {
            connection_string: connection_string.try_into().map_err(Into::into),
        }
    }
}

impl ParseConnectionString {
    async fn parsed(self) -> Result<ClientOptions> {
        self.connection_string?.resolve().await
    }

    /// Parses it on the calling thread.
    ///
    /// # Errors
    /// Those of [`ClientOptions::parse`].
    pub fn run(self) -> Result<ClientOptions> {
        rt::block_on(self.parsed())
    }
}

impl IntoFuture for ParseConnectionString {
    type Output = Result<ClientOptions>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.parsed())
    }
}

impl FromStr for ConnectionString {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        ConnectionString::parse(text)
    }
}

impl TryFrom<&str> for ConnectionString {
    type Error = Error;

    fn try_from(text: &str) -> Result<Self> {
        ConnectionString::parse(text)
    }
}

impl TryFrom<&String> for ConnectionString {
    type Error = Error;

    fn try_from(text: &String) -> Result<Self> {
        ConnectionString::parse(text)
    }
}

impl TryFrom<String> for ConnectionString {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        ConnectionString::parse(text)
    }
}

/// `mongodb://localhost:27017`.
impl Default for ConnectionString {
    fn default() -> Self {
        let text = format!("mongodb://{}", ServerAddress::default());
        ConnectionString::parse(text).expect("the default address makes a valid connection string")
    }
}

/// `localhost:27017`.
impl Default for HostInfo {
    fn default() -> Self {
        HostInfo::HostIdentifiers(vec![ServerAddress::default()])
    }
}

impl<'de> Deserialize<'de> for ConnectionString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// As it was written, with the password.
impl Serialize for ConnectionString {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The original string, including the password. `Debug` hides the password.
impl fmt::Display for ConnectionString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text.0)
    }
}
