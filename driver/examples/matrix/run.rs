//! Runs the tests, and writes one report for each version and kind of servers.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use crate::Arguments;

/// Test targets beside the conformance cases: the name of the row, and the arguments for cargo.
pub(crate) const TARGETS: [(&str, &[&str]); 2] = [
    ("failover", &["--test", "failover", "--test", "replica_set"]),
    ("TLS, SCRAM, compression", &["--test", "auth", "--test", "tls", "--test", "transports"]),
];

const POLL: Duration = Duration::from_millis(500);

/// Runs everything that `arguments` ask for.
///
/// # Errors
/// The tests cannot be built or started. Failed tests are no error: reports contain them.
pub(crate) fn all(arguments: &Arguments) -> Result<(), String> {
    fs::create_dir_all(&arguments.reports).map_err(|error| error.to_string())?;
    let mut build = cargo();
    build.args(["--no-run", "--test", "spec"]);
    for (_, target) in TARGETS {
        build.args(target);
    }
    if !build.status().map_err(|error| error.to_string())?.success() {
        return Err("the tests do not build".into());
    }
    for version in &arguments.versions {
        if arguments.servers.is_empty() {
            conformance(arguments, version, None)?;
        }
        for servers in &arguments.servers {
            conformance(arguments, version, Some(servers))?;
        }
        for (name, target) in TARGETS {
            other(&arguments.reports, version, name, target)?;
        }
    }
    Ok(())
}

fn cargo() -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    cargo.args(["test", "--locked", "--quiet", "--all-features", "--no-fail-fast"]);
    cargo
}

fn conformance(arguments: &Arguments, version: &str, servers: Option<&str>) -> Result<(), String> {
    let name = format!("{version} spec {}", servers.unwrap_or("all"));
    let report = arguments.reports.join(format!("{name}.jsonl"));
    let report = std::path::absolute(report).map_err(|error| error.to_string())?;
    let mut tests = cargo();
    tests.args(["--test", "spec"]).env("SPEC_REPORT", &report);
    tests.env("SPEC_SERVERS", servers.unwrap_or_default());
    let status = observe(tests, version, &arguments.reports, &name, || {
        let lines = fs::read_to_string(&report).unwrap_or_default();
        let failed = lines.matches("\"outcome\":\"failed\"").count();
        format!("{} cases, {failed} failed", lines.lines().count())
    })?;
    // An interrupted run has no red case, but must not look green.
    if status.code().is_none() {
        let _ = fs::remove_file(&report);
        return Err(format!("{name}: the tests were ended by a signal"));
    }
    Ok(())
}

fn other(reports: &Path, version: &str, name: &str, target: &[&str]) -> Result<(), String> {
    let mut tests = cargo();
    tests.args(target);
    let log = format!("{version} tests {name}");
    let path = reports.join(format!("{log}.log"));
    observe(tests, version, reports, &log, || {
        let lines = fs::read_to_string(&path).unwrap_or_default();
        format!("{} targets done", lines.matches("test result:").count())
    })?;
    Ok(())
}

/// Runs `tests` with their output in a file, and shows `progress` until they end.
fn observe(
    mut tests: Command,
    version: &str,
    reports: &Path,
    name: &str,
    progress: impl Fn() -> String,
) -> Result<ExitStatus, String> {
    let failed = |error: std::io::Error| format!("{name}: {error}");
    let log = File::create(reports.join(format!("{name}.log"))).map_err(failed)?;
    tests.env("TESTBED_MONGODB", version);
    tests.stdout(log.try_clone().map_err(failed)?).stderr(log);
    let started = Instant::now();
    let mut child: Child = tests.spawn().map_err(failed)?;
    loop {
        let ended = child.try_wait().map_err(failed)?;
        eprint!("\r{name}: {} s, {}\x1b[K", started.elapsed().as_secs(), progress());
        if let Some(status) = ended {
            eprintln!();
            return Ok(status);
        }
        thread::sleep(POLL);
    }
}
