//! The version and the command line of a server.

use std::{fs::OpenOptions, io::Write, os::unix::fs::OpenOptionsExt, path::Path};

use crate::{
    error::{Error, Result},
    resolve::Mongod,
    scram::Key,
    version::Version,
};

/// The common settings of standalones and sets.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) version: Option<Version>,
    pub(crate) args: Vec<String>,
    /// Whether authentication is enabled.
    pub(crate) guarded: bool,
}

impl Settings {
    pub(crate) fn set_parameter(&mut self, name: &str, value: &str) {
        self.args.extend(["--setParameter".into(), format!("{name}={value}")]);
    }

    pub(crate) fn mongod(&self) -> Result<Mongod> {
        Mongod::resolve(self.version)
    }

    /// The shared key of the servers in `dir` and its arguments, if authentication is enabled.
    pub(crate) fn key(&self, dir: &Path) -> Result<Option<(Key, [String; 2])>> {
        if !self.guarded {
            return Ok(None);
        }
        let (key, file) = (Key::new(), dir.join("key"));
        // Servers refuse a key file that others can read.
        let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file);
        written.and_then(|mut file| file.write_all(key.as_str().as_bytes())).map_err(|error| {
            Error::io(format!("writing the key file {}", file.display()), error)
        })?;
        Ok(Some((key, ["--keyFile".into(), file.to_string_lossy().into_owned()])))
    }
}

/// The default options: fail points, loopback only, little memory and disk. The journal stays on,
/// because tests check which data survives SIGKILL. Its files are small and not preallocated.
const USUAL: &[(&str, &str)] = &[
    ("--bind_ip", "127.0.0.1"),
    ("--wiredTigerCacheSizeGB", "0.25"),
    // In MB. A standalone ignores it.
    ("--oplogSize", "64"),
    ("--wiredTigerEngineConfigString", "log=(prealloc=false,file_max=16MB)"),
    (SET_PARAMETER, "enableTestCommands=1"),
    (SET_PARAMETER, "diagnosticDataCollectionEnabled=false"),
];

const SET_PARAMETER: &str = "--setParameter";
const NO_UNIX_SOCKET: &str = "--nounixsocket";

/// Limits a clean shutdown's wait for clients to 0.1 s instead of 15 s. Servers before 5.0 do not
/// wait and do not know the parameter.
const BRIEF_GOODBYE: (Version, &str) =
    (Version::new(5, 0, 0), "shutdownTimeoutMillisForSignaledShutdown=100");

/// The whole command line: `given`, and the default options that it does not override. A server
/// refuses repeated options.
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

/// Whether `given` sets the parameter of the default `usual`, which has the form `name=value`.
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
    fn given_options_replace_the_defaults() {
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
    fn unknown_parameters_are_omitted() {
        let old = complete(Version::V4_4_2, &[]).join(" ");
        assert!(!old.contains("shutdownTimeout") && completed(&[]).contains("shutdownTimeout"));
    }
}
