//! The values of the options, by their names in connection strings.

use std::time::Duration;

use driver::options::{
    Acknowledgment, ClientOptions, Compressor, ReadPreference, ServerMonitoringMode, Tls,
    TlsOptions,
};
use serde_json::{Value, json};

/// Compares every option of `expected`.
pub(crate) fn compare(options: &ClientOptions, expected: &Value) -> Result<(), String> {
    for (name, expected) in expected.as_object().ok_or("\"options\" is not an object")? {
        let actual = value(options, name)?;
        if actual != *expected {
            return Err(format!("option {name}: expected {expected}, found {actual}"));
        }
    }
    Ok(())
}

/// The value of the option `name`; null if it is unset.
///
/// # Errors
/// The harness does not know the name.
pub(crate) fn value(options: &ClientOptions, name: &str) -> Result<Value, String> {
    let milliseconds = |duration: Option<Duration>| {
        duration.map(|d| d.as_millis()).map_or(Value::Null, |ms| json!(ms))
    };
    let credential = options.credential.as_ref();
    let preference = options.selection_criteria.as_ref().and_then(|c| c.as_read_preference());
    let write_concern = options.write_concern.as_ref();
    let proxy = options.socks5_proxy.as_ref();
    let proxy_login = proxy.and_then(|proxy| proxy.authentication.as_ref());
    let tls = match &options.tls {
        Some(Tls::Enabled(tls)) => Some(tls),
        _ => None,
    };
    let tls_flag = |flag: fn(&TlsOptions) -> Option<bool>| json!(tls.and_then(flag));
    Ok(match name.to_ascii_lowercase().as_str() {
        "appname" => json!(options.app_name),
        "authmechanism" => json!(credential.and_then(|c| c.mechanism).map(|m| m.as_str())),
        "authmechanismproperties" => {
            json!(credential.and_then(|c| c.mechanism_properties.as_ref()))
        }
        "authsource" => json!(credential.and_then(|c| c.source.as_ref())),
        "compressors" => {
            json!(
                options
                    .compressors
                    .as_ref()
                    .map(|all| all.iter().map(Compressor::name).collect::<Vec<_>>())
            )
        }
        "connecttimeoutms" => milliseconds(options.connect_timeout),
        "directconnection" => json!(options.direct_connection),
        "enableoverloadretargeting" => json!(options.enable_overload_retargeting),
        "heartbeatfrequencyms" => milliseconds(options.heartbeat_freq),
        "journal" => json!(write_concern.and_then(|w| w.journal)),
        "loadbalanced" => json!(options.load_balanced),
        "localthresholdms" => milliseconds(options.local_threshold),
        "maxadaptiveretries" => json!(options.max_adaptive_retries),
        "maxconnecting" => json!(options.max_connecting),
        "maxidletimems" => milliseconds(options.max_idle_time),
        "maxpoolsize" => json!(options.max_pool_size),
        "maxstalenessseconds" => {
            json!(preference.and_then(|p| p.max_staleness()).map(|d| d.as_secs()))
        }
        "minpoolsize" => json!(options.min_pool_size),
        "readconcernlevel" => json!(options.read_concern.as_ref().map(|c| c.level.as_str())),
        "readpreference" => json!(preference.map(ReadPreference::mode)),
        "readpreferencetags" => json!(preference.map(ReadPreference::tag_sets)),
        "proxyhost" => json!(proxy.map(|proxy| &proxy.host)),
        "proxypassword" => json!(proxy_login.map(|(_, password)| password)),
        "proxyport" => json!(proxy.and_then(|proxy| proxy.port)),
        "proxyusername" => json!(proxy_login.map(|(username, _)| username)),
        "replicaset" => json!(options.repl_set_name),
        "retryreads" => json!(options.retry_reads),
        "retrywrites" => json!(options.retry_writes),
        "servermonitoringmode" => json!(options.server_monitoring_mode.and_then(mode_name)),
        "serverselectiontimeoutms" => milliseconds(options.server_selection_timeout),
        "serverselectiontryonce" => json!(options.server_selection_try_once),
        "sockettimeoutms" => milliseconds(options.socket_timeout),
        "srvmaxhosts" => json!(options.srv_max_hosts),
        "srvservicename" => json!(options.srv_service_name),
        "timeoutms" => milliseconds(options.timeout),
        "tls" => json!(options.tls.as_ref().map(|tls| matches!(tls, Tls::Enabled(_)))),
        "tlsallowinvalidcertificates" => tls_flag(|tls| tls.allow_invalid_certificates),
        "tlsallowinvalidhostnames" => tls_flag(|tls| tls.allow_invalid_hostnames),
        "tlscafile" => json!(tls.and_then(|tls| tls.ca_file_path.as_ref())),
        "tlscertificatekeyfile" => json!(tls.and_then(|tls| tls.cert_key_file_path.as_ref())),
        "tlscertificatekeyfilepassword" => {
            let password = tls.and_then(|tls| tls.tls_certificate_key_file_password.as_deref());
            json!(password.map(String::from_utf8_lossy))
        }
        "tlsdisablecertificaterevocationcheck" => {
            tls_flag(|tls| tls.disable_certificate_revocation_check)
        }
        "tlsdisableocspendpointcheck" => tls_flag(|tls| tls.disable_ocsp_endpoint_check),
        "tlsinsecure" => tls_flag(|tls| tls.insecure),
        "w" => match write_concern.and_then(|w| w.w.as_ref()) {
            None => Value::Null,
            Some(Acknowledgment::Nodes(n)) => json!(n),
            Some(Acknowledgment::Majority) => json!("majority"),
            Some(Acknowledgment::Custom(name)) => json!(name),
            Some(other) => return Err(format!("the harness does not know {other:?}")),
        },
        "waitqueuetimeoutms" => milliseconds(options.wait_queue_timeout),
        "wtimeoutms" => milliseconds(write_concern.and_then(|w| w.w_timeout)),
        "zlibcompressionlevel" => {
            let level =
                options.compressors.iter().flatten().find_map(|compressor| match compressor {
                    Compressor::Zlib { level } => Some(*level),
                    _ => None,
                });
            json!(level.flatten())
        }
        other => return Err(format!("the harness does not know the option {other:?}")),
    })
}

fn mode_name(mode: ServerMonitoringMode) -> Option<&'static str> {
    match mode {
        ServerMonitoringMode::Auto => Some("auto"),
        ServerMonitoringMode::Stream => Some("stream"),
        ServerMonitoringMode::Poll => Some("poll"),
        _ => None,
    }
}
