//! The options of a connection string, by their names in the specification "URI Options".

use std::path::PathBuf;
use std::time::Duration;

use super::bad;
use super::pairs::{Pairs, read_flag, split_properties};
use crate::error::{Error, Result};
use crate::options::{
    Acknowledgment, ClientOptions, Compressor, ReadConcern, ReadPreference, ReadPreferenceOptions,
    ServerMonitoringMode, Socks5Proxy, TagSet, Tls, TlsOptions, WriteConcern,
};

pub(super) fn read(pairs: &mut Pairs, options: &mut ClientOptions) -> Result<()> {
    options.app_name = pairs.text("appname");
    options.auto_start_request = pairs.flag("autoStartRequest");
    options.compressors = compressors(pairs);
    options.connect_timeout = pairs.milliseconds("connectTimeoutMS");
    options.direct_connection = pairs.flag("directConnection");
    options.enable_overload_retargeting = pairs.flag("enableOverloadRetargeting");
    options.heartbeat_freq = pairs.milliseconds_from("heartbeatFrequencyMS", 500);
    options.load_balanced = pairs.flag("loadBalanced");
    options.local_threshold = pairs.milliseconds("localThresholdMS");
    options.max_adaptive_retries = pairs.number("maxAdaptiveRetries");
    options.max_connecting = pairs.positive("maxConnecting");
    options.max_idle_time = pairs.milliseconds("maxIdleTimeMS");
    options.max_pool_size = pairs.number("maxPoolSize");
    options.min_pool_size = pairs.number("minPoolSize");
    options.read_concern = pairs.text("readConcernLevel").map(ReadConcern::custom);
    options.repl_set_name = pairs.text("replicaSet");
    options.retry_reads = pairs.flag("retryReads");
    options.retry_writes = pairs.flag("retryWrites");
    options.selection_criteria = read_preference(pairs)?.map(Into::into);
    options.server_monitoring_mode =
        pairs.read("serverMonitoringMode", "auto, stream or poll", monitoring_mode);
    options.server_selection_timeout = pairs.milliseconds_from("serverSelectionTimeoutMS", 1);
    options.server_selection_try_once = pairs.flag("serverSelectionTryOnce");
    options.socket_timeout = pairs.milliseconds("socketTimeoutMS");
    options.socks5_proxy = socks5_proxy(pairs)?;
    options.srv_max_hosts = pairs.number("srvMaxHosts");
    options.srv_service_name =
        pairs.read("srvServiceName", "a service name (RFC 6335)", service_name);
    options.timeout = pairs.milliseconds("timeoutMS");
    options.tls = tls(pairs, options.srv_host.is_some())?;
    options.wait_queue_multiple = pairs.positive("waitQueueMultiple");
    options.wait_queue_timeout = pairs.milliseconds("waitQueueTimeoutMS");
    options.write_concern = write_concern(pairs)?;
    Ok(())
}

fn monitoring_mode(value: &str) -> Option<ServerMonitoringMode> {
    match value {
        "auto" => Some(ServerMonitoringMode::Auto),
        "stream" => Some(ServerMonitoringMode::Stream),
        "poll" => Some(ServerMonitoringMode::Poll),
        _ => None,
    }
}

/// RFC 6335, section 5.1: letters, digits and single inner hyphens, with at least one letter. The
/// specification "Initial DNS Seedlist Discovery" (section "srvServiceName") allows 62 characters,
/// the limit of a DNS label.
fn service_name(value: &str) -> Option<String> {
    let fits = value.len() <= 62
        && value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && value.bytes().any(|b| b.is_ascii_alphabetic())
        && !value.starts_with('-')
        && !value.ends_with('-')
        && !value.contains("--");
    fits.then(|| value.to_owned())
}

fn compressors(pairs: &mut Pairs) -> Option<Vec<Compressor>> {
    let level = pairs.read("zlibCompressionLevel", "an integer from -1 to 9", |value| {
        value.parse().ok().filter(|level| (-1..=9).contains(level))
    });
    let names = pairs.text("compressors")?;
    let mut compressors = Vec::new();
    for name in names.split(',') {
        let compressor = match Compressor::named(name) {
            Some(Compressor::Zlib { .. }) => Compressor::Zlib { level },
            Some(other) => other,
            None => {
                pairs.warn(format!(
                    "the option compressors supports snappy, zlib and zstd; {name:?} is ignored"
                ));
                continue;
            }
        };
        if !compressors.contains(&compressor) {
            compressors.push(compressor);
        }
    }
    Some(compressors)
}

fn read_preference(pairs: &mut Pairs) -> Result<Option<ReadPreference>> {
    const MODES: &str = "primary, primaryPreferred, secondary, secondaryPreferred or nearest";
    let max_staleness =
        pairs.read("maxStalenessSeconds", "-1 or a number of seconds", |value| match value {
            "-1" => Some(None),
            seconds => seconds.parse::<u32>().ok().map(|s| Some(Duration::from_secs(s.into()))),
        });
    let narrowing = ReadPreferenceOptions {
        tag_sets: tag_sets(pairs),
        max_staleness: max_staleness.flatten(),
        ..ReadPreferenceOptions::default()
    };
    let narrowed = !narrowing.is_default();
    let options = (narrowing != ReadPreferenceOptions::default()).then_some(narrowing);
    let preference =
        pairs.read("readPreference", MODES, |mode| ReadPreference::from_mode(mode, options));
    if narrowed && matches!(preference, None | Some(ReadPreference::Primary)) {
        return Err(Error::invalid_argument(
            "readPreferenceTags and maxStalenessSeconds need a readPreference other than primary",
        ));
    }
    Ok(preference)
}

fn tag_sets(pairs: &mut Pairs) -> Option<Vec<TagSet>> {
    let mut sets = Vec::new();
    for value in pairs.all("readPreferenceTags") {
        match split_properties(&value) {
            (tags, broken) if broken.is_empty() => {
                sets.push(tags.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect());
            }
            _ => pairs.warn(format!(
                "the option readPreferenceTags must be name:value pairs separated by commas; \
                 {value:?} is ignored"
            )),
        }
    }
    (!sets.is_empty()).then_some(sets)
}

fn write_concern(pairs: &mut Pairs) -> Result<Option<WriteConcern>> {
    let w = match pairs.text("w") {
        None => None,
        Some(value) => Some(match value.parse::<i64>() {
            Err(_) => Acknowledgment::from(value.as_str()),
            Ok(n) => match u32::try_from(n) {
                Ok(n) => Acknowledgment::Nodes(n),
                Err(_) => {
                    return Err(bad(format_args!(
                        "has w={n}; the number of members cannot be negative"
                    )));
                }
            },
        }),
    };
    let old_w_timeout = pairs.has("wtimeout");
    let mut w_timeout = pairs.milliseconds("wtimeout");
    if old_w_timeout {
        pairs.warn("the option wtimeout is deprecated; use wTimeoutMS, which overrides it");
    }
    w_timeout = pairs.milliseconds("wTimeoutMS").or(w_timeout);
    let journal = pairs.flag("journal");
    let concern = WriteConcern { w, w_timeout, journal };
    Ok((!concern.is_empty()).then_some(concern))
}

/// The proxy options (specification "SOCKS5 Support"): each at most once, all only with a host,
/// username and password only together.
fn socks5_proxy(pairs: &mut Pairs) -> Result<Option<Socks5Proxy>> {
    let host = pairs.only("proxyHost")?;
    let port = pairs.only("proxyPort")?;
    let username = pairs.only("proxyUsername")?.filter(|name| !name.is_empty());
    let password = pairs.only("proxyPassword")?.filter(|password| !password.is_empty());
    let Some(host) = host else {
        return match (port, username, password) {
            (None, None, None) => Ok(None),
            _ => Err(bad("has proxyPort, proxyUsername or proxyPassword, but no proxyHost")),
        };
    };
    let port = match port.as_deref() {
        None | Some("0") => None,
        Some(digits) => match digits.parse::<u16>() {
            Ok(port) => Some(port),
            Err(_) => return Err(bad(format_args!("has the invalid port proxyPort={digits:?}"))),
        },
    };
    let authentication = match (username, password) {
        (None, None) => None,
        (Some(username), Some(password)) => Some((username, password)),
        _ => {
            return Err(bad(
                "has only one of proxyUsername and proxyPassword; give both or neither",
            ));
        }
    };
    Ok(Some(Socks5Proxy { host, port, authentication }))
}

/// Pairs of TLS options that exclude each other with any values (specification "URI Options",
/// section "Conflicting TLS options").
const EXCLUSIVE: [(&str, &str); 7] = [
    ("tlsInsecure", "tlsAllowInvalidCertificates"),
    ("tlsInsecure", "tlsAllowInvalidHostnames"),
    ("tlsInsecure", "tlsDisableOCSPEndpointCheck"),
    ("tlsInsecure", "tlsDisableCertificateRevocationCheck"),
    ("tlsAllowInvalidCertificates", "tlsDisableOCSPEndpointCheck"),
    ("tlsAllowInvalidCertificates", "tlsDisableCertificateRevocationCheck"),
    ("tlsDisableOCSPEndpointCheck", "tlsDisableCertificateRevocationCheck"),
];

/// TLS is enabled by `tls=true`, by `mongodb+srv`, and by any other TLS option, unless `tls=false`
/// is given.
fn tls(pairs: &mut Pairs, srv: bool) -> Result<Option<Tls>> {
    for (one, other) in EXCLUSIVE {
        if pairs.has(one) && pairs.has(other) {
            return Err(bad(format_args!("has both {one} and {other}; remove one of them")));
        }
    }
    let written = ["tls", "ssl"].map(|name| (name, pairs.all(name)));
    let (mut wanted, mut misread) = (None, Vec::new());
    for (name, value) in
        written.iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value)))
    {
        match (wanted, read_flag(value)) {
            (_, None) => misread.push((name, value)),
            (Some(before), Some(now)) if before != now => {
                return Err(bad("enables and disables TLS at once, with tls or ssl"));
            }
            (_, now) => wanted = now,
        }
    }
    let options = TlsOptions {
        ca_file_path: pairs.text("tlsCAFile").map(PathBuf::from),
        cert_key_file_path: pairs.text("tlsCertificateKeyFile").map(PathBuf::from),
        tls_certificate_key_file_password: pairs
            .text("tlsCertificateKeyFilePassword")
            .map(String::into_bytes),
        allow_invalid_certificates: pairs.flag("tlsAllowInvalidCertificates"),
        allow_invalid_hostnames: pairs.flag("tlsAllowInvalidHostnames"),
        insecure: pairs.flag("tlsInsecure"),
        disable_certificate_revocation_check: pairs.flag("tlsDisableCertificateRevocationCheck"),
        disable_ocsp_endpoint_check: pairs.flag("tlsDisableOCSPEndpointCheck"),
        ..TlsOptions::default()
    };
    let given = options != TlsOptions::default();
    let tls = match wanted {
        Some(false) => {
            if given {
                pairs.warn("the TLS options are ignored because of tls=false");
            }
            Some(Tls::Disabled)
        }
        Some(true) => Some(Tls::Enabled(options)),
        None if srv || given => Some(Tls::Enabled(options)),
        None => None,
    };
    let state = if matches!(tls, Some(Tls::Enabled(_))) { "on" } else { "off" };
    for (name, value) in misread {
        pairs.warn(format!(
            "the option {name} must be true or false; {value:?} is ignored, and TLS is {state}"
        ));
    }
    Ok(tls)
}
