//! Servers end with the process that started them, however it ends, but not with the thread that
//! started them.
//!
//! This program runs the tests. With a special first argument it is the process that ends.

mod support;

use std::{
    env, fs,
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use libtest_mimic::{Arguments, Failed, Trial};
use support::is_alive;
use testbed::{ReplicaSet, Standalone, bson::doc, eventually};

const PART: &str = "--end-like-this";

fn main() {
    let mut args = env::args().skip(1);
    if args.next().as_deref() == Some(PART) {
        play(&args.next().unwrap_or_default());
        return;
    }
    let parts = ["is-killed", "aborts", "exits", "panics", "forgets"];
    let mut trials: Vec<Trial> = parts
        .map(|part| {
            Trial::test(
                format!("servers_end_when_their_process_{}", part.replace('-', "_")),
                move || ends(part),
            )
        })
        .into();
    trials.push(Trial::test("servers_survive_the_thread_that_started_them", outlives_its_thread));
    trials.push(Trial::test(
        "forked_child_leaves_its_parents_servers_alone",
        is_left_alone_by_forked_children,
    ));
    trials.push(Trial::test("shared_servers_leave_nothing_behind", || leaves_no_folder("shares")));
    trials.push(Trial::test("shared_servers_leave_their_logs_after_a_panic", leaves_logs));
    trials.push(Trial::test("next_process_removes_what_a_killed_one_left", is_swept));
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// The report of the other process about its servers.
struct Report {
    child: Child,
    pids: Vec<u32>,
    folder: PathBuf,
}

fn start(part: &str) -> Result<Report, Failed> {
    let mut child = Command::new(env::current_exe()?)
        .args([PART, part])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut lines = BufReader::new(child.stdout.as_mut().ok_or("no output")?).lines();
    let mut line =
        || lines.next().ok_or("the process ended before it said anything")?.map_err(Failed::from);
    let pids = line()?.split(' ').map(str::parse).collect::<Result<_, _>>()?;
    let folder = PathBuf::from(line()?);
    Ok(Report { child, pids, folder })
}

/// The other process: starts servers, reports them, waits for a line, and ends.
fn play(part: &str) {
    let report = |pids: &[u32], log: &std::path::Path| {
        let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
        println!("{}\n{}", pids.join(" "), log.parent().unwrap().display());
        let mut word = String::new();
        std::io::stdin().read_line(&mut word).unwrap();
    };
    if part.starts_with("shares") {
        let standalone = testbed::shared_standalone().unwrap();
        assert!(std::ptr::eq(standalone, testbed::shared_standalone().unwrap()));
        report(&[standalone.pid().unwrap()], standalone.log_path());
        if part == "shares-and-panics" {
            panic!("as a failed test would");
        }
        return;
    }
    let set = ReplicaSet::start(2).unwrap();
    report(&[set.pid(0).unwrap(), set.pid(1).unwrap()], set.log_path(0).unwrap());
    match part {
        "aborts" => std::process::abort(),
        "exits" => std::process::exit(3),
        "panics" => panic!("the process ends by a panic"),
        "forgets" => std::mem::forget(set),
        // The process is killed while it waits.
        _ => unreachable!("the word was given to a process that was to be killed"),
    }
}

fn ends(part: &str) -> Result<(), Failed> {
    let Report { mut child, pids, folder } = start(part)?;
    if !pids.iter().all(|pid| is_alive(*pid)) {
        return Err("a server was dead before its process".into());
    }
    finish(&mut child, part == "is-killed")?;
    for pid in pids {
        eventually("the server is gone", || !is_alive(pid));
    }
    let kept = PathBuf::from(folder.to_string_lossy().replace("-run-", "-kept-"));
    let _ = fs::remove_dir_all(kept);
    Ok(())
}

/// Kills the process or lets it end, and waits for it.
fn finish(child: &mut Child, kill: bool) -> Result<String, Failed> {
    if kill {
        child.kill()?;
    }
    drop(child.stdin.take());
    let mut said = String::new();
    child.stderr.take().ok_or("no errors")?.read_to_string(&mut said)?;
    child.wait()?;
    Ok(said)
}

fn outlives_its_thread() -> Result<(), Failed> {
    let server =
        std::thread::spawn(Standalone::start).join().map_err(|_| "the thread panicked")??;
    let pid = server.pid().ok_or("it died with its thread")?;
    server.admin(doc! { "ping": 1 })?;
    assert!(is_alive(pid));
    Ok(())
}

fn is_left_alone_by_forked_children() -> Result<(), Failed> {
    let server = Standalone::start()?;
    // SAFETY: the child only drops its copy of `server`, which in another process closes
    // descriptors and frees memory, and calls `_exit`.
    let child = unsafe { libc::fork() };
    if child == 0 {
        drop(server);
        // SAFETY: ends the process at once, without its parent's exit handlers.
        unsafe { libc::_exit(0) };
    }
    let mut status = 0;
    // SAFETY: `status` is writable for the whole call.
    let ended = unsafe { libc::waitpid(child, &mut status, 0) };
    assert_eq!((ended, status), (child, 0));
    server.admin(doc! { "ping": 1 })?;
    assert!(server.log_path().exists());
    Ok(())
}

fn leaves_no_folder(part: &str) -> Result<(), Failed> {
    let Report { mut child, pids, folder } = start(part)?;
    finish(&mut child, false)?;
    assert!(!is_alive(pids[0]) && !folder.exists());
    Ok(())
}

fn leaves_logs() -> Result<(), Failed> {
    let Report { mut child, folder, .. } = start("shares-and-panics")?;
    let said = finish(&mut child, false)?;
    assert!(!folder.exists());
    let kept = folder.to_string_lossy().replace("-run-", "-kept-");
    assert!(said.contains(&format!("logs are in {kept}")), "{said}");
    assert!(fs::exists(PathBuf::from(&kept).join("mongod.log"))?);
    fs::remove_dir_all(kept)?;
    Ok(())
}

fn is_swept() -> Result<(), Failed> {
    let Report { mut child, pids, folder } = start("is-killed")?;
    finish(&mut child, true)?;
    for pid in pids {
        eventually("the server is gone", || !is_alive(pid));
    }
    // A process removes abandoned folders when it creates its first one.
    leaves_no_folder("shares")?;
    assert!(!folder.exists());
    Ok(())
}
