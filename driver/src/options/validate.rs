//! Validation of the client options and their combinations.

use std::time::Duration;

use super::{ClientOptions, SelectionCriteria, impossible_in_host};
use crate::error::{Error, Result};
use crate::types::{Compressor, ServerAddress};

/// The minimum interval between two checks of a server (specification "Server Monitoring",
/// `minHeartbeatFrequencyMS`).
pub(crate) const MIN_HEARTBEAT_FREQUENCY: Duration = Duration::from_millis(500);

/// The maximum size of the application name (specification "MongoDB Handshake").
const MAX_APP_NAME: usize = 128;

impl ClientOptions {
    /// Refuses invalid and contradictory options.
    ///
    /// # Errors
    /// `InvalidArgument` with the names of the options in connection strings.
    pub(crate) fn validate(&self) -> Result<()> {
        self.validate_hosts()?;
        self.validate_pool()?;
        self.validate_names()?;
        if self.heartbeat_freq() < MIN_HEARTBEAT_FREQUENCY {
            return wrong("heartbeatFrequencyMS must be at least 500");
        }
        if self.server_selection_timeout().is_zero() {
            return wrong(
                "serverSelectionTimeoutMS must be at least 1; see also serverSelectionTryOnce",
            );
        }
        for compressor in self.compressors.iter().flatten() {
            validate_level(compressor)?;
        }
        if let Some(credential) = &self.credential {
            credential.validate()?;
        }
        if let Some(write_concern) = &self.write_concern {
            write_concern.validate()?;
        }
        if let Some(SelectionCriteria::ReadPreference(preference)) = &self.selection_criteria {
            preference.validate(self.heartbeat_freq())?;
        }
        Ok(())
    }

    fn validate_hosts(&self) -> Result<()> {
        self.hosts.iter().try_for_each(ServerAddress::validate)?;
        let several = self.hosts.len() > 1;
        if self.direct_connection() && several {
            return wrong(format!(
                "directConnection=true allows one host, but {} are given; remove the option, or \
                 all hosts but one",
                self.hosts.len()
            ));
        }
        if self.direct_connection() && self.srv_host.is_some() {
            return wrong("directConnection=true cannot be used with mongodb+srv");
        }
        if self.load_balanced() {
            if several {
                return wrong("loadBalanced=true allows one host");
            }
            if self.repl_set_name.is_some() {
                return wrong("loadBalanced=true and replicaSet contradict each other");
            }
            if self.direct_connection() {
                return wrong("loadBalanced=true and directConnection=true contradict each other");
            }
        }
        if self.srv_host.is_none() {
            if self.srv_service_name.is_some() {
                return wrong("srvServiceName is only for mongodb+srv");
            }
            if self.srv_max_hosts.is_some() {
                return wrong("srvMaxHosts is only for mongodb+srv");
            }
        }
        if self.srv_max_hosts.is_some_and(|max| max > 0) {
            if self.repl_set_name.is_some() {
                return wrong("srvMaxHosts and replicaSet contradict each other");
            }
            if self.load_balanced() {
                return wrong("srvMaxHosts and loadBalanced=true contradict each other");
            }
        }
        match &self.socks5_proxy {
            Some(proxy) if proxy.host.is_empty() => wrong("proxyHost is empty"),
            Some(proxy) => match impossible_in_host(&proxy.host) {
                Some(c) => wrong(format!(
                    "proxyHost={:?} contains {c:?}, which is impossible in a host name",
                    proxy.host
                )),
                None => Ok(()),
            },
            None => Ok(()),
        }
    }

    fn validate_pool(&self) -> Result<()> {
        let (max, min) = (self.max_pool_size(), self.min_pool_size());
        if max != 0 && min > max {
            return wrong(format!("minPoolSize={min} is above maxPoolSize={max}"));
        }
        if self.max_connecting() == 0 {
            return wrong("maxConnecting must be at least 1");
        }
        if self.wait_queue_multiple == Some(0) {
            return wrong("waitQueueMultiple must be at least 1; omit it for no limit");
        }
        Ok(())
    }

    fn validate_names(&self) -> Result<()> {
        if let Some(name) = &self.app_name
            && name.len() > MAX_APP_NAME
        {
            return wrong(format!(
                "appName has {} bytes, but may have at most {MAX_APP_NAME}",
                name.len()
            ));
        }
        if let Some(name) = &self.default_database
            && let Some(c) = forbidden_in_database(name)
        {
            return wrong(format!(
                "the default database {name:?} contains {c:?}, which is impossible in a database \
                 name"
            ));
        }
        if self.repl_set_name.as_deref() == Some("") {
            return wrong("replicaSet is empty; omit it to accept any set");
        }
        if let Some(info) = &self.driver_info {
            let parts = [Some(&info.name), info.version.as_ref(), info.platform.as_ref()];
            if info.name.is_empty() || parts.into_iter().flatten().any(|part| part.contains('|')) {
                return wrong(
                    "the driver info needs a name, and none of its parts may contain '|'",
                );
            }
        }
        Ok(())
    }
}

fn validate_level(compressor: &Compressor) -> Result<()> {
    let (level, levels) = match compressor {
        Compressor::Snappy => return Ok(()),
        Compressor::Zlib { level } => (level, -1..=9),
        Compressor::Zstd { level } => (level, 1..=22),
    };
    match level {
        Some(level) if !levels.contains(level) => wrong(format!(
            "the level {level} of the compressor {} is outside {} to {}",
            compressor.name(),
            levels.start(),
            levels.end()
        )),
        _ => Ok(()),
    }
}

/// The first character of a database name that is forbidden in one (specification "Connection
/// String", section "Auth Database").
pub(crate) fn forbidden_in_database(name: &str) -> Option<char> {
    const FORBIDDEN: [char; 6] = ['/', '\\', ' ', '"', '$', '\0'];
    name.chars().find(|c| FORBIDDEN.contains(c))
}

fn wrong<T>(message: impl Into<String>) -> Result<T> {
    Err(Error::invalid_argument(message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Socks5Proxy;

    #[test]
    fn invalid_compression_level_is_refused() {
        let with = |compressor| ClientOptions {
            compressors: Some(vec![compressor]),
            ..ClientOptions::default()
        };
        for (level, zlib, zstd) in [
            (None, true, true),
            (Some(-1), true, false),
            (Some(9), true, true),
            (Some(22), false, true),
            (Some(23), false, false),
        ] {
            assert_eq!(with(Compressor::Zlib { level }).validate().is_ok(), zlib, "{level:?}");
            assert_eq!(with(Compressor::Zstd { level }).validate().is_ok(), zstd, "{level:?}");
        }
        let error = with(Compressor::Zlib { level: Some(10) }).validate().unwrap_err().to_string();
        assert!(error.contains("zlib") && error.contains("10"), "{error}");
    }

    /// Options set in code follow the rules of connection strings.
    #[test]
    fn impossible_names_in_options_are_refused() {
        let seed = |host: &str, port| {
            ClientOptions::builder()
                .hosts(vec![ServerAddress::Tcp { host: host.into(), port }])
                .build()
        };
        let socket = ServerAddress::Unix { path: "/tmp/a\0.sock".into() };
        let proxy = Socks5Proxy { host: "pro xy".into(), port: None, authentication: None };
        for (options, culprit) in [
            (seed("local host", 1), "' '"),
            (seed("local\0host", 1), "'\\0'"),
            (seed("", 1), "names no host"),
            (seed("h", 0), "port"),
            (ClientOptions::builder().hosts(vec![socket]).build(), "'\\0'"),
            (ClientOptions::builder().default_database("a\0b".to_owned()).build(), "'\\0'"),
            (ClientOptions::builder().socks5_proxy(proxy).build(), "pro xy"),
        ] {
            let error = options.validate().unwrap_err().to_string();
            assert!(error.contains(culprit), "{error}");
        }
        assert_eq!(seed("Mongo.Example", 1).seeds()[0].to_string(), "mongo.example:1");
    }

    #[test]
    fn default_seed_is_localhost() {
        let seeds = |options: &ClientOptions| {
            options.hosts.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(seeds(&ClientOptions::default()), ["localhost:27017"]);
        assert_eq!(seeds(&ClientOptions::builder().build()), ["localhost:27017"]);
    }

    #[test]
    fn compressor_without_its_feature_gives_one_warning() {
        let all = vec![
            Compressor::Snappy,
            Compressor::Zlib { level: None },
            Compressor::Zstd { level: None },
        ];
        let features = [cfg!(feature = "snappy"), cfg!(feature = "zlib"), cfg!(feature = "zstd")];
        let mut options = ClientOptions::builder().compressors(all).build();
        options.warn_of_missing_features();
        options.warn_of_missing_features();
        let missing: Vec<_> =
            ["snappy", "zlib", "zstd"].into_iter().zip(features).filter(|(_, on)| !on).collect();
        assert_eq!(options.warnings.len(), missing.len(), "{:?}", options.warnings);
        for ((name, _), warning) in missing.into_iter().zip(&options.warnings) {
            assert!(warning.contains(&format!("the feature {name:?}")), "{warning}");
        }
        let read = crate::uri::ConnectionString::parse("mongodb://h/?compressors=snappy,zlib,zstd")
            .unwrap();
        assert_eq!(read.warnings(), options.warnings);
    }
}
