//! The client metadata in the handshake, which servers log: application, driver, operating system,
//! environment.
//!
//! Specification "MongoDB Handshake", section "client". The document is limited to 512 bytes. If it
//! is longer, parts are omitted in the specification's order: details of the environment, details
//! of the operating system, the environment, the end of the platform.

use std::sync::{Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use bson::raw::cstr;
use bson::{RawDocument, RawDocumentBuf};

use crate::error::{Error, Result};
use crate::types::DriverInfo;
use crate::wire::DocWriter;

/// The size limit of servers.
const LIMIT: usize = 512;

/// The metadata of one client. Libraries built on the driver can append theirs.
#[derive(Debug)]
pub(crate) struct ClientMetadata {
    app_name: Option<String>,
    environment: Environment,
    infos: Mutex<Vec<DriverInfo>>,
    document: ArcSwap<RawDocumentBuf>,
}

impl ClientMetadata {
    /// # Errors
    /// `InvalidArgument` if the application name is longer than 128 bytes, or if `driver_info`
    /// contains a `|`.
    pub(crate) fn new(app_name: Option<&str>, info: Option<&DriverInfo>) -> Result<Self> {
        Self::in_environment(app_name, info, Environment::of_process())
    }

    fn in_environment(
        app_name: Option<&str>,
        info: Option<&DriverInfo>,
        environment: Environment,
    ) -> Result<Self> {
        if let Some(name) = app_name.filter(|name| name.len() > 128) {
            return Err(Error::invalid_argument(format!(
                "the application name has {} bytes; servers accept at most 128",
                name.len()
            )));
        }
        let metadata = ClientMetadata {
            app_name: app_name.map(str::to_owned),
            environment,
            infos: Mutex::default(),
            document: ArcSwap::from_pointee(RawDocumentBuf::new()),
        };
        metadata.publish(&metadata.lock());
        if let Some(info) = info {
            metadata.append(info)?;
        }
        Ok(metadata)
    }

    /// Appends a library to the metadata of new connections. A library that is already there is not
    /// repeated.
    ///
    /// # Errors
    /// `InvalidArgument` if a part of it contains a `|`, the separator of libraries.
    pub(crate) fn append(&self, info: &DriverInfo) -> Result<()> {
        let parts = [Some(&info.name), info.version.as_ref(), info.platform.as_ref()];
        if let Some(part) = parts.into_iter().flatten().find(|part| part.contains('|')) {
            return Err(Error::invalid_argument(format!(
                "the driver info {part:?} contains a '|', which separates libraries"
            )));
        }
        let filled = |part: &Option<String>| part.clone().filter(|part| !part.is_empty());
        let mut info = info.clone();
        (info.version, info.platform) = (filled(&info.version), filled(&info.platform));
        let mut infos = self.lock();
        if !infos.contains(&info) {
            infos.push(info);
            self.publish(&infos);
        }
        Ok(())
    }

    /// The document of the next handshake.
    pub(crate) fn document(&self) -> arc_swap::Guard<std::sync::Arc<RawDocumentBuf>> {
        self.document.load()
    }

    /// Whether the process is a cloud function (FaaS).
    pub(crate) fn is_faas(&self) -> bool {
        self.environment.provider.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<DriverInfo>> {
        self.infos.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, infos: &[DriverInfo]) {
        let joined = |first: &str, part: fn(&DriverInfo) -> Option<&str>| {
            let mut joined = first.to_owned();
            for part in infos.iter().filter_map(part) {
                joined.push('|');
                joined.push_str(part);
            }
            joined
        };
        let words = Words {
            app_name: self.app_name.as_deref(),
            name: joined(env!("CARGO_PKG_NAME"), |info| Some(&info.name)),
            version: joined(env!("CARGO_PKG_VERSION"), |info| info.version.as_deref()),
            platform: joined("Rust, tokio", |info| info.platform.as_deref()),
            environment: &self.environment,
        };
        self.document.store(std::sync::Arc::new(words.fit()));
    }
}

/// The content of the document before its size is limited.
struct Words<'a> {
    app_name: Option<&'a str>,
    name: String,
    version: String,
    platform: String,
    environment: &'a Environment,
}

/// The amount of detail in the optional parts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Detail {
    OsTypeOnly,
    EnvironmentNameOnly,
    All,
}

impl Words<'_> {
    fn fit(&self) -> RawDocumentBuf {
        let attempts = [
            (Detail::All, true),
            (Detail::EnvironmentNameOnly, true),
            (Detail::OsTypeOnly, true),
            (Detail::OsTypeOnly, false),
        ];
        for (detail, environment) in attempts {
            let bytes = self.written(detail, environment, &self.platform);
            if bytes.len() <= LIMIT {
                return document(bytes);
            }
        }
        let excess = self.written(Detail::OsTypeOnly, false, &self.platform).len() - LIMIT;
        let mut end = self.platform.len().saturating_sub(excess);
        while !self.platform.is_char_boundary(end) {
            end -= 1;
        }
        let bytes = self.written(Detail::OsTypeOnly, false, &self.platform[..end]);
        if bytes.len() <= LIMIT { document(bytes) } else { RawDocumentBuf::new() }
    }

    fn written(&self, detail: Detail, environment: bool, platform: &str) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(LIMIT);
        let mut client = DocWriter::begin(&mut bytes);
        if let Some(name) = self.app_name {
            client.nested(cstr!("application")).str(cstr!("name"), name);
        }
        let mut driver = client.nested(cstr!("driver"));
        driver.str(cstr!("name"), &self.name);
        driver.str(cstr!("version"), &self.version);
        drop(driver);
        let mut os = client.nested(cstr!("os"));
        os.str(cstr!("type"), os_type());
        if detail > Detail::OsTypeOnly {
            if let Some(name) = &self.environment.os_name {
                os.str(cstr!("name"), name);
            }
            os.str(cstr!("architecture"), std::env::consts::ARCH);
        }
        drop(os);
        client.str(cstr!("platform"), platform);
        if environment && !self.environment.is_empty() {
            self.environment.write(&mut client.nested(cstr!("env")), detail);
        }
        drop(client);
        bytes
    }
}

fn document(bytes: Vec<u8>) -> RawDocumentBuf {
    RawDocument::from_bytes(&bytes).map(RawDocument::to_owned).unwrap_or_default()
}

fn os_type() -> &'static str {
    match std::env::consts::OS {
        "linux" => "Linux",
        "macos" => "Darwin",
        "windows" => "Windows",
        "" => "unknown",
        other => other,
    }
}

/// The environment of the process, according to its environment variables.
#[derive(Debug, Default, PartialEq)]
struct Environment {
    os_name: Option<String>,
    /// The FaaS provider.
    provider: Option<&'static str>,
    timeout_sec: Option<i32>,
    memory_mb: Option<i32>,
    region: Option<String>,
    docker: bool,
    kubernetes: bool,
}

impl Environment {
    fn of_process() -> Self {
        let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
        let pretty = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
        let os_name =
            pretty.map(|name| name.trim_matches('"').to_owned()).filter(|name| !name.is_empty());
        let docker = std::path::Path::new("/.dockerenv").exists();
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Environment { os_name, docker, ..Self::of_variables(variable) }
    }

    fn of_variables(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name| variable(name).is_some();
        let aws = variable("AWS_EXECUTION_ENV").is_some_and(|v| v.starts_with("AWS_Lambda_"))
            || set("AWS_LAMBDA_RUNTIME_API");
        let azure = set("FUNCTIONS_WORKER_RUNTIME");
        let gcp = set("K_SERVICE") || set("FUNCTION_NAME");
        let provider = match (set("VERCEL"), aws, azure, gcp) {
            (true, _, false, false) => Some("vercel"),
            (false, true, false, false) => Some("aws.lambda"),
            (false, false, true, false) => Some("azure.func"),
            (false, false, false, true) => Some("gcp.func"),
            _ => None,
        };
        let number = |name| variable(name)?.parse().ok();
        let (timeout_sec, memory_mb, region) = match provider {
            Some("aws.lambda") => {
                (None, number("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"), variable("AWS_REGION"))
            }
            Some("gcp.func") => (
                number("FUNCTION_TIMEOUT_SEC"),
                number("FUNCTION_MEMORY_MB"),
                variable("FUNCTION_REGION"),
            ),
            Some("vercel") => (None, None, variable("VERCEL_REGION")),
            _ => (None, None, None),
        };
        let kubernetes = set("KUBERNETES_SERVICE_HOST");
        Environment { provider, timeout_sec, memory_mb, region, kubernetes, ..Self::default() }
    }

    fn is_empty(&self) -> bool {
        self.provider.is_none() && !self.docker && !self.kubernetes
    }

    fn write(&self, env: &mut DocWriter<'_>, detail: Detail) {
        if let Some(provider) = self.provider {
            env.str(cstr!("name"), provider);
        }
        if detail < Detail::All {
            return;
        }
        if let Some(seconds) = self.timeout_sec {
            env.i32(cstr!("timeout_sec"), seconds);
        }
        if let Some(megabytes) = self.memory_mb {
            env.i32(cstr!("memory_mb"), megabytes);
        }
        if let Some(region) = &self.region {
            env.str(cstr!("region"), region);
        }
        if self.docker || self.kubernetes {
            let mut container = env.nested(cstr!("container"));
            if self.docker {
                container.str(cstr!("runtime"), "docker");
            }
            if self.kubernetes {
                container.str(cstr!("orchestrator"), "kubernetes");
            }
        }
    }
}

#[cfg(test)]
mod tests;
