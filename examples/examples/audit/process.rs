//! The mirroring process, as seen by itself and by the program that starts it.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use driver::Async;
use driver::event::EventHandler;
use driver::event::command::CommandEvent;
use examples::failover::{BoxError, Mode, Work};

use super::collections::{self, Collections};
use super::script::Step;
use super::{tasks, threads};

/// The environment variable that turns a process into the mirroring process.
const VARIABLE: &str = "AUDIT_MIRROR";
/// The line that the process prints when it has opened a change stream.
const OPENED: &str = "opened a change stream";
/// The time limit for the mirror to catch up with the writer.
const PATIENCE: Duration = Duration::from_secs(120);

/// The task of the mirroring process.
pub(crate) struct Assignment {
    pub(crate) uri: String,
    pub(crate) database: String,
    pub(crate) mode: Mode,
}

impl Assignment {
    /// The task of this process, if it was started to mirror.
    pub(crate) fn of_this_process() -> Option<Self> {
        let value = std::env::var(VARIABLE).ok()?;
        let mut parts = value.splitn(3, ' ');
        let mode = if parts.next()? == "blocking" { Mode::Blocking } else { Mode::Async };
        let (database, uri) = (parts.next()?.to_owned(), parts.next()?.to_owned());
        Some(Assignment { uri, database, mode })
    }

    /// As the value of the environment variable.
    fn value(&self) -> String {
        let mode = if self.mode == Mode::Blocking { "blocking" } else { "async" };
        format!("{mode} {} {}", self.database, self.uri)
    }

    /// Mirrors until the process is killed, or its parent closes its standard input. Only returns
    /// an error.
    pub(crate) fn fulfil(self) -> BoxError {
        thread::spawn(|| {
            let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
            std::process::exit(0);
        });
        let mirror = || -> Result<BoxError, BoxError> {
            let runtime = tokio::runtime::Runtime::new()?;
            let mut options = runtime.block_on(collections::options(&self.uri))?;
            options.command_event_handler = Some(EventHandler::callback(|event| {
                if let CommandEvent::Succeeded(event) = event
                    && event.command_name == "aggregate"
                {
                    let _ = writeln!(std::io::stdout(), "{OPENED}");
                }
            }));
            Ok(match self.mode {
                Mode::Async => runtime.block_on(async {
                    let client = match driver::Client::with_options(options) {
                        Ok(client) => client,
                        Err(error) => return error.into(),
                    };
                    tasks::mirror(&client, &Collections::of(&client, &self.database)).await
                }),
                Mode::Blocking => {
                    let client = driver::sync::Client::with_options(options)?;
                    threads::mirror(&client, &Collections::of(&client, &self.database))
                }
            })
        };
        mirror().unwrap_or_else(|error| error)
    }
}

/// The mirroring process, as seen by its parent. It is killed on drop.
pub(crate) struct MirrorProcess {
    assignment: Assignment,
    arguments: Vec<String>,
    child: Child,
    /// Reads what the process prints.
    lines: Option<JoinHandle<()>>,
    /// The number of change streams that were opened.
    opened: Arc<AtomicU32>,
}

impl MirrorProcess {
    /// Starts this program again.
    pub(crate) fn start(assignment: Assignment, arguments: Vec<String>) -> Result<Self, BoxError> {
        let opened = Arc::new(AtomicU32::new(0));
        let (child, lines) = spawn(&assignment, &arguments, opened.clone())?;
        let lines = Some(lines);
        Ok(MirrorProcess { assignment, arguments, child, lines, opened })
    }

    /// Kills the process with SIGKILL and restarts it, `restarts` times at equal distances, once it
    /// has opened its first change stream.
    pub(crate) fn restart_during(
        mut self,
        work: Arc<Work>,
        restarts: u32,
    ) -> tokio::task::JoinHandle<Result<Self, BoxError>> {
        tokio::task::spawn_blocking(move || {
            self.await_first_stream().inspect_err(|_| work.end())?;
            for restart in 1..=restarts {
                if !work.reach(work.mark(restart, restarts + 1)) {
                    break;
                }
                // This can happen at any moment of an outage.
                thread::sleep(Duration::from_millis(fastrand::u64(..1000)));
                let restarted = self.restart(work.done());
                restarted.inspect_err(|_| work.end())?;
            }
            Ok(self)
        })
    }

    /// # Errors
    ///
    /// The process has ended, or has opened no change stream within two minutes.
    fn await_first_stream(&mut self) -> Result<(), BoxError> {
        let since = Instant::now();
        while self.opened.load(Ordering::Relaxed) == 0 {
            self.check()?;
            if since.elapsed() > PATIENCE {
                let patience = PATIENCE.as_secs();
                return Err(format!("no change stream was opened within {patience} s").into());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    fn restart(&mut self, done: u32) -> Result<(), BoxError> {
        self.check()?;
        self.child.kill()?;
        self.wait();
        let killed = self.child.id();
        let (child, lines) = spawn(&self.assignment, &self.arguments, self.opened.clone())?;
        (self.child, self.lines) = (child, Some(lines));
        println!(
            "{done} done: kill -9 of the mirroring process {killed}; {} goes on",
            self.child.id()
        );
        Ok(())
    }

    /// Waits until the process has ended and all its lines are read.
    fn wait(&mut self) {
        let _ = self.child.wait();
        let _ = self.lines.take().map(JoinHandle::join);
    }

    /// # Errors
    ///
    /// The process has ended by itself.
    fn check(&mut self) -> Result<(), BoxError> {
        match self.child.try_wait()? {
            Some(status) => Err(format!("the mirroring process ended by itself: {status}").into()),
            None => Ok(()),
        }
    }

    /// Waits until the last of the `events` is mirrored, because changes are mirrored in order.
    /// Gives up after two minutes, so that lost changes are reported.
    pub(crate) async fn catch_up(
        &mut self,
        collections: &Collections<Async>,
        events: u32,
    ) -> Result<(), BoxError> {
        let last = driver::bson::serialize_to_document(&Step::of(events - 1).entry())?;
        let since = Instant::now();
        while collections.journal.find_one(last.clone()).await?.is_none() {
            self.check()?;
            if since.elapsed() > PATIENCE {
                println!("the mirror did not catch up within {} s", PATIENCE.as_secs());
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Ends the process. Returns the number of change streams that all processes have opened.
    pub(crate) fn finish(mut self) -> u32 {
        drop(self.child.stdin.take());
        self.wait();
        self.opened.load(Ordering::Relaxed)
    }
}

impl Drop for MirrorProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        self.wait();
    }
}

fn spawn(
    assignment: &Assignment,
    arguments: &[String],
    opened: Arc<AtomicU32>,
) -> Result<(Child, JoinHandle<()>), BoxError> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(arguments)
        .env(VARIABLE, assignment.value())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let stdout = child.stdout.take().ok_or("the process has no standard output")?;
    let lines = thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            // The test harness may have printed something before it.
            if line.ends_with(OPENED) {
                opened.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    Ok((child, lines))
}
