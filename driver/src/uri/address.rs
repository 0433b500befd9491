//! Parses server addresses.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer};

use crate::error::{Error, Result};
use crate::options::{fault_of_host, is_ip6};
use crate::types::ServerAddress;

impl ServerAddress {
    /// Parses `host`, `host:port`, `[::1]:port` or `/path/to/mongodb.sock`, without
    /// percent-encoding. A path contains a slash: `mongodb.sock` is a host name, `./mongodb.sock`
    /// is a path.
    ///
    /// # Errors
    /// `InvalidArgument` with the address and its fault.
    ///
    /// # Examples
    /// ```
    /// # fn main() -> driver::Result<()> {
    /// use driver::options::ServerAddress;
    ///
    /// assert_eq!(ServerAddress::parse("Mongo.Example")?.to_string(), "mongo.example:27017");
    /// assert_eq!(ServerAddress::parse("[::1]:27018")?.port(), Some(27018));
    /// assert!(ServerAddress::parse("mongo.example:99999").is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub fn parse(address: impl AsRef<str>) -> Result<Self> {
        let address = address.as_ref();
        let bad =
            |why: &str| Error::invalid_argument(format!("the server address {address:?} {why}"));
        if address.ends_with(".sock") && address.contains('/') {
            let address = ServerAddress::Unix { path: PathBuf::from(address) };
            return address.validate().map(|()| address);
        }
        let (host, port) = match address.strip_prefix('[') {
            Some(rest) => {
                let (host, after) =
                    rest.split_once(']').ok_or_else(|| bad("has '[' without ']'"))?;
                match after.strip_prefix(':') {
                    Some(port) => (host, Some(port)),
                    None if after.is_empty() => (host, None),
                    None => return Err(bad("has text after ']'")),
                }
            }
            None => match address.split_once(':') {
                Some((_, port)) if port.contains(':') => {
                    return Err(bad(
                        "has more than one ':'; write an IPv6 address in brackets: [::1]:27017",
                    ));
                }
                Some((host, port)) => (host, Some(port)),
                None => (address, None),
            },
        };
        if let Some(why) = fault_of_host(host) {
            return Err(bad(&why));
        }
        if address.starts_with('[') && !is_ip6(host) {
            return Err(bad("has brackets around a host that is not an IPv6 address"));
        }
        let port = match port {
            None => Self::DEFAULT_PORT,
            Some(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits
                    .parse()
                    .ok()
                    .filter(|port| *port != 0)
                    .ok_or_else(|| bad("has a port outside 1 to 65535"))?
            }
            Some(_) => return Err(bad("has a port that is not a number")),
        };
        Ok(ServerAddress::Tcp { host: host.to_ascii_lowercase(), port })
    }
}

impl std::str::FromStr for ServerAddress {
    type Err = Error;

    fn from_str(address: &str) -> Result<Self> {
        Self::parse(address)
    }
}

impl TryFrom<&str> for ServerAddress {
    type Error = Error;

    fn try_from(address: &str) -> Result<Self> {
        ServerAddress::parse(address)
    }
}

/// From `host:port`, the path of a Unix domain socket, or `{ host, port }`.
impl<'de> Deserialize<'de> for ServerAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Text(String),
            Parts { host: String, port: Option<u16> },
        }
        match Form::deserialize(deserializer)? {
            Form::Text(text) => text.parse(),
            Form::Parts { host, port } => {
                let port = port.unwrap_or(ServerAddress::DEFAULT_PORT);
                let address = ServerAddress::Tcp { host, port };
                address.validate().map(|()| address.in_lower_case())
            }
        }
        .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_round_trip() {
        for (written, read) in [
            ("Mongo.Example", "mongo.example:27017"),
            ("localhost:1", "localhost:1"),
            ("[::1]", "[::1]:27017"),
            ("[::1]:27018", "[::1]:27018"),
            ("/tmp/mongodb-27017.sock", "/tmp/mongodb-27017.sock"),
        ] {
            assert_eq!(ServerAddress::parse(written).unwrap().to_string(), read);
        }
    }

    #[test]
    fn error_names_the_impossible_character() {
        for (address, culprit) in [
            ("local host", "' '"),
            ("localhost ", "' '"),
            ("local\0host:1", "'\\0'"),
            ("local\nhost", "'\\n'"),
            ("a\\b", "'\\\\'"),
            ("a\"b", "'\"'"),
            ("a%b", "'%'"),
            ("a\u{a0}b", "'\\u{a0}'"),
            ("[::1 ]:1", "' '"),
            ("/tmp/a\0.sock", "'\\0'"),
        ] {
            let error = ServerAddress::parse(address).unwrap_err().to_string();
            assert!(error.contains(culprit), "{error}");
        }
        for address in ["b\u{fc}cher.example", "under_score", "[fe80::1%eth0]:1", "127.0.0.1"] {
            ServerAddress::parse(address).unwrap();
        }
    }

    #[test]
    fn error_names_the_bad_address() {
        for bad in [
            "",
            ":27017",
            "a:",
            "a:0",
            "a:65536",
            "a:b",
            "a:1:2",
            "[::1",
            "[::1]x",
            "::1",
            "a/b",
            "a:+1",
            "[foo]:1",
            "[1:2]",
            "[::1%]",
            "[127.0.0.1]:1",
        ] {
            let error = ServerAddress::parse(bad).unwrap_err().to_string();
            assert!(error.contains(&format!("{bad:?}")), "{error}");
        }
        let error = ServerAddress::parse("[::1]x").unwrap_err().to_string();
        assert!(error.contains("after ']'"), "{error}");
    }

    /// Host and port in one document.
    fn of_parts(host: &str, port: Option<i32>) -> bson::error::Result<ServerAddress> {
        bson::deserialize_from_document(bson::doc! { "host": host, "port": port })
    }

    #[test]
    fn address_of_parts_is_that_of_the_text() {
        for (host, port, text) in [
            ("Mongo.Example", None, "mongo.example"),
            ("Mongo.Example", Some(1), "mongo.example:1"),
            ("::1", None, "[::1]"),
            ("::1", Some(1), "[::1]:1"),
            ("fe80::1%eth0", None, "[fe80::1%eth0]"),
        ] {
            let address = of_parts(host, port).unwrap_or_else(|error| panic!("{host}: {error}"));
            assert_eq!(address, ServerAddress::parse(text).unwrap());
        }
    }

    #[test]
    fn invalid_parts_of_an_address_are_refused() {
        for (host, port, fault) in [
            ("a:1", None, "IPv6"),
            ("a:1", Some(1), "IPv6"),
            ("", Some(1), "names no host"),
            ("a b", Some(1), "' '"),
            ("a", Some(0), "1 to 65535"),
        ] {
            let error = of_parts(host, port).map(|read| read.to_string()).unwrap_err().to_string();
            assert!(error.contains(fault), "{error}");
        }
    }
}
