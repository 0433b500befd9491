//! Starts ten thousand threads, each with its own value and a callback for its end. Counts the
//! callbacks and the reclaimed values.
//!
//! ```text
//! cargo run --release --example vigil -- [--threads N] [--at-once K]
//! ```
//!
//! The same threads are started once more without being watched, to measure the cost of watching.
//! The exit status is 0 only if each death was noticed exactly once before `join` returned.

use std::{
    collections::HashSet,
    env,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use threadwatch::{PerThread, ThreadToken, ThreadWatcher, Watch};

const USAGE: &str = "usage: vigil [--threads N] [--at-once K]

  --threads N  threads to start (default 10000)
  --at-once K  how many of them live at a time (default 64)";

struct Options {
    threads: usize,
    at_once: usize,
}

/// `None` if the usage was requested.
fn options() -> Result<Option<Options>, String> {
    let mut options = Options { threads: 10_000, at_once: 64 };
    let mut arguments = env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = match name.as_str() {
            "--threads" => &mut options.threads,
            "--at-once" => &mut options.at_once,
            "-h" | "--help" => return Ok(None),
            _ => return Err(format!("unknown option `{name}`\n{USAGE}")),
        };
        let given = arguments.next().ok_or_else(|| format!("`{name}` wants a number after it"))?;
        *value = given.parse().map_err(|e| format!("`{name} {given}`: {e}"))?;
    }
    if options.at_once == 0 {
        return Err("`--at-once 0`: at least one thread must live at a time".into());
    }
    Ok(Some(options))
}

/// Starts all threads, `at_once` at a time, and joins each. Calls `joined` with its result.
fn start_and_join<R: Send + 'static>(
    options: &Options,
    live: impl Fn(usize) -> R + Clone + Send + 'static,
    mut joined: impl FnMut(R),
) -> Result<Duration, String> {
    let begun = Instant::now();
    for first in (0..options.threads).step_by(options.at_once) {
        let batch: Vec<_> = (first..options.threads.min(first + options.at_once))
            .map(|nth| {
                let live = live.clone();
                thread::Builder::new().spawn(move || live(nth))
            })
            .collect();
        for thread in batch {
            let thread = thread.map_err(|e| {
                format!("the system starts no more threads ({e}): try a smaller `--at-once`")
            })?;
            joined(thread.join().map_err(|_| "a thread panicked".to_owned())?);
        }
    }
    Ok(begun.elapsed())
}

fn run() -> Result<bool, String> {
    let Some(options) = options()? else {
        println!("{USAGE}");
        return Ok(true);
    };
    let unwatched = start_and_join(&options, |nth| nth, |_| {})?;

    let watcher = Arc::new(ThreadWatcher::new());
    let (called, reclaimed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let values = Arc::new(PerThread::new({
        let reclaimed = reclaimed.clone();
        move |_nth: usize| {
            reclaimed.fetch_add(1, Relaxed);
        }
    }));
    let live = {
        let (watcher, values, called) = (watcher.clone(), values.clone(), called.clone());
        move |nth| {
            let called = called.clone();
            let watch = watcher.watch(move || {
                called.fetch_add(1, Relaxed);
            });
            (ThreadToken::current(), watch == Watch::Started && values.insert(nth) == Ok(None))
        }
    };
    let (mut joined, mut late, mut refused, mut tokens) = (0, 0, 0, HashSet::new());
    let watched = start_and_join(&options, live, |(token, began)| {
        joined += 1;
        late += usize::from(called.load(Relaxed) < joined);
        refused += usize::from(!began);
        tokens.insert(token);
    })?;

    let (called, reclaimed) = (called.load(Relaxed), reclaimed.load(Relaxed));
    println!("threads        {joined:>8}   {:>8} different tokens", tokens.len());
    println!("callbacks      {called:>8}   {late:>8} later than `join`");
    println!("values back    {reclaimed:>8}   {:>8} still out", values.len());
    for (name, elapsed) in [("watched", watched), ("not watched", unwatched)] {
        let each = elapsed.as_secs_f64() * 1e6 / joined.max(1) as f64;
        println!("{name:<14} {:>8.1} ms {each:>7.2} us a thread", elapsed.as_secs_f64() * 1e3);
    }
    let all = [called, reclaimed, tokens.len()] == [joined; 3];
    Ok(all && late == 0 && refused == 0 && watcher.watched() == 0 && values.is_empty())
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("vigil: a death was missed, or seen twice, or late");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("vigil: {error}");
            ExitCode::from(2)
        }
    }
}
