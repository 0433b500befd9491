//! `versus`: this workspace against its peers.
//!
//! `cargo run --release -p benches --bin versus -- toro` measures the primitives of `toro`. `versus` without arguments
//! lists what can be measured and the options.

mod driver;
mod failover;
mod pool;
mod toro;
mod trial;

use benches::counting_alloc::CountingAlloc;
use benches::options::{Options, USAGE};
use benches::report::Report;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: CountingAlloc = CountingAlloc;

/// A measurement: its name on the command line, what it is, and the function that carries it out.
type Measurement = (&'static str, &'static str, fn(&Options) -> Result<Report, String>);

const MEASUREMENTS: [Measurement; 4] = [
    ("driver", "operations of the driver against the official crate and the bare socket", driver::run),
    ("failover", "first acknowledged writes after a primary was killed or stepped down", failover::run),
    ("toro", "toro's primitives against tokio, async-lock, event-listener and five queues", toro::run),
    (
        "pool",
        "the driver's pool, the nest and threadwatch's slots against pools, locks and thread_local",
        pool::run,
    ),
];

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    match words.next().as_deref() {
        None | Some("-h" | "--help") => {
            println!("{}", usage());
            ExitCode::SUCCESS
        }
        Some(name) => match measure(name, words) {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => {
                eprintln!("versus: {why}");
                ExitCode::from(2)
            }
        },
    }
}

fn usage() -> String {
    let list: String =
        MEASUREMENTS.iter().map(|(name, what, _)| format!("    {name:<10} {what}\n")).collect();
    format!("usage: versus MEASUREMENT [OPTIONS]\n\nmeasurements:\n{list}\noptions:\n{USAGE}")
}

fn measure(name: &str, words: impl Iterator<Item = String>) -> Result<(), String> {
    let Some((_, _, run)) = MEASUREMENTS.iter().find(|(known, _, _)| *known == name) else {
        return Err(format!("{name:?} is not a measurement\n{}", usage()));
    };
    let options = Options::parse(words)?;
    let report = run(&options)?;
    println!("\n{}", report.to_text());
    let write = |path: &std::path::Path, text: String| {
        std::fs::write(path, text).map_err(|why| format!("cannot write {}: {why}", path.display()))
    };
    if let Some(path) = &options.json {
        write(path, format!("{:#}\n", report.to_json()))?;
    }
    if let Some(path) = &options.table {
        write(path, report.to_markdown())?;
    }
    if let Some(path) = &options.plot {
        write(path, report.to_plot().to_svg())?;
    }
    Ok(())
}
