//! How a server is started: which one, and with which options beyond those every server gets.

use crate::{error::Result, resolve::Mongod, version::Version};

/// What the builders of standalones and sets have in common.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) version: Option<Version>,
    pub(crate) args: Vec<String>,
}

impl Settings {
    pub(crate) fn set_parameter(&mut self, name: &str, value: &str) {
        self.args.extend(["--setParameter".into(), format!("{name}={value}")]);
    }

    pub(crate) fn mongod(&self) -> Result<Mongod> {
        Mongod::resolve(self.version)
    }
}

/// What every server gets: fail points, loopback only, little memory and disk. The journal stays on, since what must
/// survive SIGKILL is what is being tested; only its files are small and not laid out in advance.
pub(crate) const USUAL_ARGS: &[&str] = &[
    "--bind_ip",
    "127.0.0.1",
    "--nounixsocket",
    "--wiredTigerCacheSizeGB",
    "0.25",
    "--wiredTigerEngineConfigString",
    "log=(prealloc=false,file_max=16MB)",
    "--setParameter",
    "enableTestCommands=1",
    "--setParameter",
    "diagnosticDataCollectionEnabled=false",
];

/// A clean shutdown gives clients a tenth of a second to go elsewhere, instead of 15 seconds. Servers before 5.0 do not
/// wait and do not know the parameter.
pub(crate) const BRIEF_GOODBYE: (Version, &str) =
    (Version::new(5, 0, 0), "shutdownTimeoutMillisForSignaledShutdown=100");
