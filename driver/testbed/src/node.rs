//! One `mongod` with its port, data and log, across restarts.

use std::{
    fs::OpenOptions,
    io,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use bson::{Document, doc};

use crate::{
    admin::{self, Connection},
    error::{Error, ErrorKind, Result},
    log,
    port::Port,
    process::{self, POLL},
    resolve::Mongod,
    scram::Key,
    settings,
};

/// The time limit for starting, for a shutdown and for replies. It is long, because a busy machine
/// is slow. A process that ends fails at once.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// The time limit for a member's `hello`, before the next member is asked.
const PROBE_PATIENCE: Duration = Duration::from_secs(2);
/// The maximum number of ports to try.
const PORT_ATTEMPTS: usize = 20;

/// The log lines, by id, for "listening" and "port in use".
const LISTENING: &str = "\"id\":23016,";
const PORT_TAKEN: &str = "Address already in use";

#[derive(Debug)]
enum State {
    Down,
    Up { child: Child, paused: bool, watch: log::Watch },
}

/// A server. Its process may restart; its address and data stay.
#[derive(Debug)]
pub(crate) struct Node {
    mongod: Mongod,
    args: Vec<String>,
    port: Port,
    data: PathBuf,
    log: PathBuf,
    state: Mutex<State>,
    /// Idle connections for commands.
    idle: Mutex<Vec<Connection>>,
    /// The connection for `hello`.
    probe: Mutex<Option<Connection>>,
    /// The key for servers with authentication.
    key: Option<Key>,
    owner: u32,
}

impl Node {
    /// Starts a server called `name` in `dir` without waiting for it.
    pub(crate) fn launch(
        mongod: &Mongod,
        args: Vec<String>,
        dir: &Path,
        name: &str,
        key: Option<Key>,
    ) -> Result<Node> {
        let data = dir.join(name);
        std::fs::create_dir(&data).map_err(|error| {
            Error::io(format!("creating the data folder {}", data.display()), error)
        })?;
        let node = Node {
            mongod: mongod.clone(),
            args,
            port: Port::lease()?,
            data,
            log: dir.join(format!("{name}.log")),
            state: Mutex::new(State::Down),
            idle: Mutex::default(),
            probe: Mutex::default(),
            key,
            owner: std::process::id(),
        };
        node.spawn(&mut node.state())?;
        Ok(node)
    }

    /// Waits until the server listens. Uses another port if a program took the port after the
    /// lease.
    pub(crate) fn settle(mut self) -> Result<Node> {
        for _ in 0..PORT_ATTEMPTS {
            let startup = self.await_listening(&mut self.state())?;
            match startup {
                Startup::Listening => return Ok(self),
                Startup::PortTaken => {}
            }
            self.port = Port::lease()?;
            self.spawn(&mut self.state())?;
        }
        Err(self.start_failed("found no free port"))
    }

    fn spawn(&self, state: &mut State) -> Result<()> {
        let failed = |error| {
            Error::io(
                format!("starting {} on {}", self.mongod.path().display(), self.host()),
                error,
            )
        };
        let log = OpenOptions::new().create(true).append(true).open(&self.log).map_err(failed)?;
        let watch = log::Watch::from_end(&self.log).map_err(failed)?;
        let mut command = Command::new(self.mongod.path());
        command
            .args(["--port", &self.port.number().to_string(), "--dbpath"])
            .arg(&self.data)
            .args(settings::complete(self.mongod.version(), &self.args))
            .stdin(Stdio::null())
            .stderr(log.try_clone().map_err(failed)?)
            .stdout(log);
        self.mongod.prepare(&mut command);
        let child = process::spawn(command).map_err(failed)?;
        *state = State::Up { child, paused: false, watch };
        Ok(())
    }

    fn await_listening(&self, state: &mut State) -> Result<Startup> {
        let State::Up { child, watch, .. } = state else {
            return Err(self.not_running("has not been started"));
        };
        let failed = |error| Error::io(format!("waiting for the server on {}", self.host()), error);
        let deadline = Instant::now() + PATIENCE;
        loop {
            // Checked before the log, so that the last log lines of an ended process are read.
            let ended = child.try_wait().map_err(failed)?;
            if let Some(status) = ended {
                let port_taken = watch.has(PORT_TAKEN).map_err(failed)?;
                *state = State::Down;
                return if port_taken {
                    Ok(Startup::PortTaken)
                } else {
                    Err(self.start_failed(&format!("ended while starting ({status})")))
                };
            }
            if watch.has(LISTENING).map_err(failed)? {
                return Ok(Startup::Listening);
            }
            if Instant::now() >= deadline {
                return Err(
                    self.start_failed(&format!("was not listening after {} s", PATIENCE.as_secs()))
                );
            }
            thread::sleep(POLL);
        }
    }

    fn start_failed(&self, what: &str) -> Error {
        Error::new(
            ErrorKind::Start,
            format!(
                "{} on {} {what}; the end of its log:\n{}",
                self.mongod.path().display(),
                self.host(),
                self.log_tail()
            ),
        )
    }

    fn not_running(&self, what: &str) -> Error {
        Error::new(ErrorKind::NotRunning, format!("the server on {} {what}", self.host()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn host(&self) -> String {
        self.port.host()
    }

    pub(crate) fn mongod(&self) -> &Mongod {
        &self.mongod
    }

    pub(crate) fn log_path(&self) -> &Path {
        &self.log
    }

    pub(crate) fn log_tail(&self) -> String {
        log::tail(&self.log)
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        match &mut *self.state() {
            State::Up { child, .. } => matches!(child.try_wait(), Ok(None)).then_some(child.id()),
            State::Down => None,
        }
    }

    /// Kills the process with SIGKILL and waits for its end. Does nothing if the server is down.
    pub(crate) fn kill(&self) -> Result<()> {
        let mut state = self.state();
        if let State::Up { child, .. } = &mut *state {
            child.kill().and_then(|()| child.wait()).map_err(|error| {
                Error::io(format!("killing the server on {}", self.host()), error)
            })?;
        }
        self.down(&mut state);
        Ok(())
    }

    /// Like [`kill`](Self::kill), when this process exits: waits only for the end of the server.
    pub(crate) fn kill_at_exit(&self) {
        let Ok(mut state) = self.state.try_lock() else { return };
        if self.owner == std::process::id()
            && let State::Up { child, .. } = &mut *state
        {
            let _ = child.kill().and_then(|()| child.wait());
            *state = State::Down;
        }
    }

    /// Stops the process with SIGTERM and waits for its end. Does nothing if the server is down.
    pub(crate) fn stop(&self) -> Result<()> {
        let failed = |error| Error::io(format!("stopping the server on {}", self.host()), error);
        let mut state = self.state();
        if let State::Up { child, .. } = &mut *state {
            if child.try_wait().map_err(failed)?.is_none() {
                process::signal(child, libc::SIGTERM).map_err(failed)?;
                process::signal(child, libc::SIGCONT).map_err(failed)?;
            }
            if process::wait_until(child, Instant::now() + PATIENCE).map_err(failed)?.is_none() {
                return Err(Error::new(
                    ErrorKind::Timeout,
                    format!(
                        "the server on {} did not shut down within {} s; the end of its log:\n{}",
                        self.host(),
                        PATIENCE.as_secs(),
                        self.log_tail()
                    ),
                ));
            }
        }
        self.down(&mut state);
        Ok(())
    }

    fn down(&self, state: &mut State) {
        *state = State::Down;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
        *self.probe.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Stops the process with SIGSTOP: connections stay open without replies. Returns once its last
    /// thread has stopped.
    pub(crate) fn pause(&self) -> Result<()> {
        self.signal(libc::SIGSTOP, true)
    }

    /// Continues the process with SIGCONT.
    pub(crate) fn resume(&self) -> Result<()> {
        self.signal(libc::SIGCONT, false)
    }

    fn signal(&self, signal: libc::c_int, pausing: bool) -> Result<()> {
        let failed = |error| Error::io(format!("signalling the server on {}", self.host()), error);
        match &mut *self.state() {
            State::Up { child, paused, .. } => {
                if child.try_wait().map_err(failed)?.is_some() {
                    return Err(self.not_running("has ended by itself"));
                }
                process::signal(child, signal).map_err(failed)?;
                if pausing {
                    process::await_stopped(child).map_err(failed)?;
                }
                *paused = pausing;
                Ok(())
            }
            State::Down => Err(self.not_running("is down")),
        }
    }

    /// Starts a new process with the same address and data. Returns once it listens. A running
    /// server is killed first.
    pub(crate) fn restart(&self) -> Result<()> {
        self.kill()?;
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.state();
        loop {
            self.spawn(&mut state)?;
            match self.await_listening(&mut state)? {
                Startup::Listening => return Ok(()),
                // The port is leased, so another program has it and may release it.
                Startup::PortTaken if Instant::now() < deadline => thread::sleep(POLL),
                Startup::PortTaken => {
                    return Err(self.start_failed("lost its port to another program"));
                }
            }
        }
    }

    /// Runs a command; `ok: 0` is an error with the server's code.
    pub(crate) fn command(&self, db: &str, command: &Document) -> Result<Document> {
        self.expect_awake()?;
        let name = command.keys().next().map_or("", String::as_str);
        let reply = self.exchange(db, command).map_err(|error| {
            if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) {
                let what = format!(
                    "no answer to {name} from {} within {} s",
                    self.host(),
                    PATIENCE.as_secs()
                );
                Error::new(ErrorKind::Timeout, what)
            } else {
                Error::io(format!("giving {name} to the server on {}", self.host()), error)
            }
        })?;
        if is_true(&reply, "ok") {
            return Ok(reply);
        }
        let code = reply.get_i32("code").ok();
        let reason = reply.get_str("errmsg").unwrap_or("no reason given");
        let code_name = reply.get_str("codeName").unwrap_or("no name");
        let what = format!(
            "{} refused {name}: {reason} ({code_name}, {})",
            self.host(),
            code.unwrap_or(0)
        );
        Err(Error::command(what, code))
    }

    /// Runs a command on `admin`.
    pub(crate) fn admin(&self, command: &Document) -> Result<Document> {
        self.command("admin", command)
    }

    fn expect_awake(&self) -> Result<()> {
        match &*self.state() {
            State::Up { paused: false, .. } => Ok(()),
            State::Up { paused: true, .. } => Err(self.not_running("is paused; resume it first")),
            State::Down => Err(self.not_running("is down; restart it first")),
        }
    }

    fn exchange(&self, db: &str, command: &Document) -> io::Result<Document> {
        let pooled = || self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        // Skips connections that the server has closed.
        let live = std::iter::from_fn(pooled).find(Connection::is_quiet);
        let mut connection = match live {
            Some(connection) => connection,
            None => self.connect()?,
        };
        let reply = connection.round_trip(db, command, PATIENCE)?;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        Ok(reply)
    }

    fn connect(&self) -> io::Result<Connection> {
        let mut connection = Connection::open(self.port.number(), PATIENCE)?;
        if let Some(key) = &self.key {
            key.prove(|command| connection.round_trip("local", command, PATIENCE))?;
        }
        Ok(connection)
    }

    /// The member's `hello` reply, if it is up and replies in time.
    pub(crate) fn hello(&self) -> Option<Document> {
        self.expect_awake().ok()?;
        let mut probe = self.probe.lock().unwrap_or_else(PoisonError::into_inner);
        let mut connection = match probe.take().filter(Connection::is_quiet) {
            Some(connection) => connection,
            None => Connection::open(self.port.number(), PROBE_PATIENCE).ok()?,
        };
        let reply = connection.round_trip("admin", &admin::hello(), PROBE_PATIENCE).ok()?;
        *probe = Some(connection);
        Some(reply).filter(|reply| is_true(reply, "ok"))
    }

    /// Turns a fail point off.
    pub(crate) fn disable_fail_point(&self, name: &str) -> Result<()> {
        self.admin(&doc! { "configureFailPoint": name, "mode": "off" }).map(drop)
    }
}

enum Startup {
    Listening,
    PortTaken,
}

/// Whether a number or boolean field of a reply is set.
pub(crate) fn is_true(reply: &Document, field: &str) -> bool {
    match reply.get(field) {
        Some(bson::Bson::Boolean(value)) => *value,
        Some(bson::Bson::Double(value)) => *value == 1.0,
        Some(bson::Bson::Int32(value)) => *value == 1,
        Some(bson::Bson::Int64(value)) => *value == 1,
        _ => false,
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // A forked child has a copy of this value, but the process belongs to the parent.
        if self.owner == std::process::id() {
            let _ = self.kill();
        }
    }
}
