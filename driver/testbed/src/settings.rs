//! How a server is started: which one, and with which options beyond those every server gets.

use std::{fs::OpenOptions, io::Write, os::unix::fs::OpenOptionsExt, path::Path};

use crate::{
    error::{Error, Result},
    resolve::Mongod,
    scram::Key,
    version::Version,
};

/// What the builders of standalones and sets have in common.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) version: Option<Version>,
    pub(crate) args: Vec<String>,
    /// Servers demand a user.
    pub(crate) guarded: bool,
}

impl Settings {
    pub(crate) fn set_parameter(&mut self, name: &str, value: &str) {
        self.args.extend(["--setParameter".into(), format!("{name}={value}")]);
    }

    pub(crate) fn mongod(&self) -> Result<Mongod> {
        Mongod::resolve(self.version)
    }

    /// The key that the servers in `dir` share and the arguments that tell them of it, where they
    /// demand a user.
    pub(crate) fn key(&self, dir: &Path) -> Result<Option<(Key, [String; 2])>> {
        if !self.guarded {
            return Ok(None);
        }
        let (key, file) = (Key::new(), dir.join("key"));
        // Servers take no key file that others may read.
        let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file);
        written.and_then(|mut file| file.write_all(key.as_str().as_bytes())).map_err(|error| {
            Error::io(format!("writing the key file {}", file.display()), error)
        })?;
        Ok(Some((key, ["--keyFile".into(), file.to_string_lossy().into_owned()])))
    }
}

/// What every server gets: fail points, loopback only, little memory and disk. The journal stays
/// on, since what must survive SIGKILL is what is being tested; only its files are small and not
/// laid out in advance.
const USUAL: &[(&str, &str)] = &[
    ("--bind_ip", "127.0.0.1"),
    ("--wiredTigerCacheSizeGB", "0.25"),
    // In MB; a standalone has no use for it and does not mind.
    ("--oplogSize", "64"),
    ("--wiredTigerEngineConfigString", "log=(prealloc=false,file_max=16MB)"),
    (SET_PARAMETER, "enableTestCommands=1"),
    (SET_PARAMETER, "diagnosticDataCollectionEnabled=false"),
];

const SET_PARAMETER: &str = "--setParameter";
const NO_UNIX_SOCKET: &str = "--nounixsocket";

/// A clean shutdown gives clients a tenth of a second to go elsewhere, instead of 15 seconds.
/// Servers before 5.0 do not wait and do not know the parameter.
const BRIEF_GOODBYE: (Version, &str) =
    (Version::new(5, 0, 0), "shutdownTimeoutMillisForSignaledShutdown=100");

/// The whole command line: the usual options, except where `given` says otherwise, and then
/// `given`. A server refuses to be told the same thing twice.
pub(crate) fn complete(version: Version, given: &[String]) -> Vec<String> {
    let (since, goodbye) = BRIEF_GOODBYE;
    let goodbye = (version >= since).then_some((SET_PARAMETER, goodbye));
    let usual = USUAL.iter().copied().chain(goodbye).filter(|(option, value)| match *option {
        SET_PARAMETER => !sets_parameter(given, value),
        option => !has_option(given, option),
    });
    let mut args: Vec<String> =
        usual.flat_map(|(option, value)| [option.into(), value.into()]).collect();
    if !has_option(given, NO_UNIX_SOCKET) && !has_option(given, "--unixSocketPrefix") {
        args.push(NO_UNIX_SOCKET.into());
    }
    args.extend_from_slice(given);
    args
}

fn has_option(given: &[String], option: &str) -> bool {
    given.iter().any(|arg| arg.split('=').next() == Some(option))
}

/// Whether `given` sets the parameter that `usual`, as `name=value`, sets.
fn sets_parameter(given: &[String], usual: &str) -> bool {
    let name = |setting: &str| setting.split('=').next().map(str::to_owned);
    let separate =
        given.windows(2).filter(|pair| pair[0] == SET_PARAMETER).map(|pair| pair[1].as_str());
    let joined = given.iter().filter_map(|arg| arg.strip_prefix(SET_PARAMETER)?.strip_prefix('='));
    separate.chain(joined).any(|setting| name(setting) == name(usual))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(given: &[&str]) -> String {
        let given: Vec<String> = given.iter().map(|arg| (*arg).to_owned()).collect();
        complete(Version::V6_0_5, &given).join(" ")
    }

    #[test]
    fn what_is_given_replaces_what_is_usual() {
        assert_eq!(completed(&[]).matches("enableTestCommands=").count(), 1);
        for given in [
            &["--setParameter", "enableTestCommands=0"][..],
            &["--setParameter=enableTestCommands=0"],
        ] {
            let line = completed(given);
            assert_eq!(line.matches("enableTestCommands=").count(), 1, "{line}");
            assert!(line.contains("diagnosticDataCollectionEnabled=false"), "{line}");
        }
        for given in [&["--wiredTigerCacheSizeGB", "1"][..], &["--wiredTigerCacheSizeGB=1"]] {
            assert_eq!(completed(given).matches("--wiredTigerCacheSizeGB").count(), 1);
        }
        assert!(!completed(&["--unixSocketPrefix", "/tmp"]).contains(NO_UNIX_SOCKET));
    }

    #[test]
    fn a_server_that_does_not_know_a_parameter_is_not_given_it() {
        let old = complete(Version::V4_4_2, &[]).join(" ");
        assert!(!old.contains("shutdownTimeout") && completed(&[]).contains("shutdownTimeout"));
    }
}
