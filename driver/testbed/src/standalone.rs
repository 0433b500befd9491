//! A standalone server.

use std::path::Path;

use bson::Document;

use crate::{
    dir::Dir, error::Result, fail_point::FailPoint, node::Node, settings::Settings,
    version::Version,
};

/// A running `mongod`. Dropping it kills the server and removes its data.
#[derive(Debug)]
pub struct Standalone {
    // Dropped in this order: server, folder.
    node: Node,
    dir: Dir,
}

/// The settings of a new [`Standalone`].
#[derive(Clone, Debug, Default)]
#[must_use = "nothing runs before `start`"]
pub struct StandaloneBuilder {
    settings: Settings,
}

impl StandaloneBuilder {
    /// Selects a version instead of the one in `TESTBED_MONGODB`.
    pub fn version(mut self, version: Version) -> StandaloneBuilder {
        self.settings.version = Some(version);
        self
    }

    /// Adds a command-line argument.
    pub fn arg(mut self, arg: impl Into<String>) -> StandaloneBuilder {
        self.settings.args.push(arg.into());
        self
    }

    /// Adds command-line arguments.
    pub fn args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> StandaloneBuilder {
        self.settings.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets a server parameter at startup.
    pub fn set_parameter(mut self, name: &str, value: &str) -> StandaloneBuilder {
        self.settings.set_parameter(name, value);
        self
    }

    /// Enables authentication. The testbed itself has all rights. Create users with
    /// [`admin`](Standalone::admin) and `createUser`.
    pub fn guarded(mut self) -> StandaloneBuilder {
        self.settings.guarded = true;
        self
    }

    /// Starts the server and waits until it listens.
    ///
    /// # Errors
    /// - No server can be found or installed.
    /// - The server ends while starting. The error quotes its log.
    /// - The server does not listen within two minutes.
    pub fn start(self) -> Result<Standalone> {
        let mongod = self.settings.mongod()?;
        let dir = Dir::create()?;
        let started = self.settings.key(dir.path()).and_then(|key| {
            let (key, more) = key.unzip();
            let args = self.settings.args.into_iter().chain(more.into_iter().flatten()).collect();
            Node::launch(&mongod, args, dir.path(), "mongod", key)?.settle()
        });
        match started {
            Ok(node) => Ok(Standalone { node, dir }),
            Err(error) => Err(dir.clean_up_after(error)),
        }
    }
}

impl Standalone {
    /// Starts a server with default settings.
    ///
    /// # Errors
    /// Those of [`StandaloneBuilder::start`].
    pub fn start() -> Result<Standalone> {
        Standalone::builder().start()
    }

    /// Builds a server with custom settings.
    pub fn builder() -> StandaloneBuilder {
        StandaloneBuilder::default()
    }

    /// Ends the server and removes its folder at process exit, when nothing is dropped.
    pub(crate) fn end(&self, keep_logs: bool) {
        if keep_logs {
            self.dir.keep_logs();
        }
        self.node.kill_at_exit();
        self.dir.remove();
    }

    /// The connection string.
    pub fn uri(&self) -> String {
        format!("mongodb://{}/?directConnection=true", self.host())
    }

    /// `127.0.0.1:port`. The port stays the same across restarts.
    pub fn host(&self) -> String {
        self.node.host()
    }

    /// The server's version.
    pub fn version(&self) -> Version {
        self.node.mongod().version()
    }

    /// The process id while the server runs.
    pub fn pid(&self) -> Option<u32> {
        self.node.pid()
    }

    /// The log across restarts.
    pub fn log_path(&self) -> &Path {
        self.node.log_path()
    }

    /// The last lines of the log.
    pub fn log_tail(&self) -> String {
        self.node.log_tail()
    }

    /// Runs a command on the database `db`.
    ///
    /// # Errors
    /// The server replies `ok: 0` (see [`Error::code`](crate::Error::code)), is down or paused, or
    /// does not reply within two minutes.
    pub fn command(&self, db: &str, command: Document) -> Result<Document> {
        self.node.command(db, &command)
    }

    /// Runs a command on the database `admin`. Errors as [`command`](Self::command).
    pub fn admin(&self, command: Document) -> Result<Document> {
        self.node.admin(&command)
    }

    /// Sets a fail point until the returned value is dropped. `command` is the whole
    /// `configureFailPoint` command.
    ///
    /// # Errors
    /// Those of [`command`](Self::command); an argument error if `command` is not
    /// `configureFailPoint`.
    pub fn fail_point(&self, command: Document) -> Result<FailPoint<'_>> {
        FailPoint::set(&self.node, &command)
    }

    /// Kills the server with SIGKILL and waits for its end. Does nothing if it is down.
    ///
    /// # Errors
    /// The system refuses the signal.
    pub fn kill(&self) -> Result<()> {
        self.node.kill()
    }

    /// Shuts the server down with SIGTERM and waits for its end. Does nothing if it is down.
    ///
    /// # Errors
    /// The server does not end within two minutes.
    pub fn stop(&self) -> Result<()> {
        self.node.stop()
    }

    /// Suspends the server with SIGSTOP: connections stay open without replies.
    ///
    /// # Errors
    /// The server is down.
    pub fn pause(&self) -> Result<()> {
        self.node.pause()
    }

    /// Resumes a paused server.
    ///
    /// # Errors
    /// The server is down.
    pub fn resume(&self) -> Result<()> {
        self.node.resume()
    }

    /// Restarts the server with the same port and data, and waits until it listens. A running
    /// server is killed first.
    ///
    /// # Errors
    /// The server ends while starting, or does not listen within two minutes.
    pub fn restart(&self) -> Result<()> {
        self.node.restart()
    }
}
