//! Finds the server: by `TESTBED_MONGOD`, on `PATH`, in the cache, or by installing it.

use std::{
    collections::HashMap,
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, OnceLock, PoisonError},
};

use crate::{
    error::{Error, ErrorKind, Result},
    install, missing,
    pinned::{self, Build},
    version::Version,
};

/// The oldest supported server.
const OLDEST: Version = Version::V4_4_2;

/// A `mongod` that runs on this system.
#[derive(Clone, Debug)]
pub struct Mongod {
    path: PathBuf,
    version: Version,
    /// The folder of libraries that the system may lack.
    libraries: Option<PathBuf>,
}

impl Mongod {
    /// Finds or installs a server. The result is cached for the life of the process.
    ///
    /// `None` means the version in `TESTBED_MONGODB`. If that is unset, any version since 4.4.2 is
    /// accepted, and 6.0.5 is installed if there is none. The order is: `TESTBED_MONGOD`, `mongod`
    /// on `PATH`, the cache, an installation.
    ///
    /// # Errors
    /// - `TESTBED_MONGOD` does not run or has another version.
    /// - `TESTBED_MONGODB` is not a version.
    /// - The version can neither be found nor installed.
    ///
    /// The message has the remedy.
    pub fn resolve(version: impl Into<Option<Version>>) -> Result<Mongod> {
        static FOUND: OnceLock<Mutex<HashMap<Option<Version>, Mongod>>> = OnceLock::new();
        let wanted = match version.into() {
            Some(version) => Some(version),
            None => version_from_environment()?,
        };
        let mut found =
            FOUND.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mongod) = found.get(&wanted) {
            return Ok(mongod.clone());
        }
        let mongod = find(wanted)?;
        found.insert(wanted, mongod.clone());
        Ok(mongod)
    }

    /// The path of the executable.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The version of the server.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Completes a command that runs the executable.
    pub(crate) fn prepare(&self, command: &mut Command) {
        prepare(command, self.libraries.as_deref());
    }

    /// Runs the executable to check it and to get its version.
    pub(crate) fn examine(path: PathBuf, libraries: Option<PathBuf>) -> Result<Mongod> {
        let mut command = Command::new(&path);
        command.arg("--version").stdin(Stdio::null());
        prepare(&mut command, libraries.as_deref());
        let output = command.output().map_err(|error| {
            Error::no_mongod(format!("{} cannot be run: {error}", path.display()))
        })?;
        let text = String::from_utf8_lossy(&output.stdout);
        match Version::announced(&text) {
            Some(version) if output.status.success() => Ok(Mongod { path, version, libraries }),
            _ => {
                let complaint = String::from_utf8_lossy(&output.stderr);
                let complaint = if complaint.trim().is_empty() { text } else { complaint };
                Err(Error::no_mongod(missing::explain(&path, complaint.trim(), output.status)))
            }
        }
    }
}

fn prepare(command: &mut Command, libraries: Option<&Path>) {
    if let Some(libraries) = libraries {
        command.env("LD_LIBRARY_PATH", libraries);
    }
}

fn version_from_environment() -> Result<Option<Version>> {
    match env::var("TESTBED_MONGODB") {
        Ok(text) if text.trim().is_empty() => Ok(None),
        Ok(text) => text
            .parse()
            .map(Some)
            .map_err(|error| Error::argument(format!("TESTBED_MONGODB: {error}"))),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => {
            Err(Error::argument("TESTBED_MONGODB is not a server version"))
        }
    }
}

fn find(wanted: Option<Version>) -> Result<Mongod> {
    if let Some(path) = env::var_os("TESTBED_MONGOD").filter(|path| !path.is_empty()) {
        return named(PathBuf::from(path), wanted);
    }
    let mut skipped = Vec::new();
    if let Some(mongod) = on_path(wanted, &mut skipped) {
        return Ok(mongod);
    }
    installed(wanted).map_err(|error| match &skipped[..] {
        [] => error,
        _ => error.and(&format!("skipped on PATH: {}", skipped.join("; "))),
    })
}

/// The server in the cache, which is installed if it is missing.
fn installed(wanted: Option<Version>) -> Result<Mongod> {
    if !cfg!(target_arch = "x86_64") {
        return Err(Error::no_mongod(
            "no suitable mongod is on PATH, and only x86-64 builds can be installed",
        ));
    }
    let version = wanted.unwrap_or(pinned::USUAL);
    let build = Build::of(version).ok_or_else(|| {
        Error::no_mongod(format!(
            "MongoDB {version} is not on PATH, and only {} can be installed; set TESTBED_MONGODB \
             to one of these",
            Build::versions()
        ))
    })?;
    let (path, libraries) = install::ensure(build)?;
    Mongod::examine(path, libraries)
}

/// `TESTBED_MONGOD` is used or refused, never replaced.
fn named(path: PathBuf, wanted: Option<Version>) -> Result<Mongod> {
    let mongod = Mongod::examine(path, None)
        .map_err(|error| Error::new(ErrorKind::NoMongod, format!("TESTBED_MONGOD: {error}")))?;
    let shown = mongod.path.display();
    let has = mongod.version;
    match wanted {
        Some(wanted) if wanted != has => Err(Error::new(
            ErrorKind::NoMongod,
            format!(
                "TESTBED_MONGOD names {shown}, which is {has}, but {wanted} is requested; unset \
                 one of them"
            ),
        )),
        _ if has < OLDEST => Err(Error::new(
            ErrorKind::NoMongod,
            format!("TESTBED_MONGOD names {shown}, which is {has}; {OLDEST} or later is required"),
        )),
        _ => Ok(mongod),
    }
}

/// The first suitable server on `PATH`. Appends to `skipped` why each server before it is not.
fn on_path(wanted: Option<Version>, skipped: &mut Vec<String>) -> Option<Mongod> {
    let path = env::var_os("PATH")?;
    let files = env::split_paths(&path).map(|folder| folder.join("mongod"));
    for file in files.filter(|file| file.is_file()) {
        match Mongod::examine(file, None) {
            Ok(mongod)
                if mongod.version >= OLDEST
                    && wanted.is_none_or(|wanted| wanted == mongod.version) =>
            {
                return Some(mongod);
            }
            Ok(other) => {
                skipped.push(format!("{} has version {}", other.path.display(), other.version));
            }
            Err(error) => skipped.push(error.to_string()),
        }
    }
    None
}
