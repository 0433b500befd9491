//! `versus`: this workspace compared with its peers.
//!
//! `cargo run --release -p benches --bin versus -- toro` measures the primitives of `toro`.
//! `versus` without arguments lists the measurements and the options.

mod driver;
mod failover;
mod pool;
mod toro;
mod trial;

use benches::baseline::Baseline;
use benches::counting_alloc::CountingAlloc;
use benches::options::{Options, USAGE};
use benches::report::Report;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: CountingAlloc = CountingAlloc;

/// A measurement: its name on the command line, its description, and its function.
type Measurement = (&'static str, &'static str, fn(&Options) -> Result<Report, String>);

const MEASUREMENTS: [Measurement; 4] = [
    (
        "driver",
        "operations of the driver against the official crate and the bare socket",
        driver::run,
    ),
    (
        "failover",
        "first acknowledged writes after a primary was killed or stepped down",
        failover::run,
    ),
    (
        "toro",
        "toro's primitives against tokio, async-lock, event-listener, asyncband and four queues",
        toro::run,
    ),
    (
        "pool",
        "the driver's pool, its snapshot cell and threadwatch's slots against their alternatives",
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
            Ok(Standing::NoWorse) => ExitCode::SUCCESS,
            Ok(Standing::Worse) => ExitCode::FAILURE,
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

/// The comparison of a run with the baseline, if requested.
enum Standing {
    NoWorse,
    Worse,
}

fn measure(name: &str, words: impl Iterator<Item = String>) -> Result<Standing, String> {
    let Some((_, _, run)) = MEASUREMENTS.iter().find(|(known, _, _)| *known == name) else {
        return Err(format!("{name:?} is not a measurement\n{}", usage()));
    };
    let options = Options::parse(words)?;
    // Read first, so that an unreadable baseline fails before the long measurement.
    let before = options.against.as_deref().map(Baseline::read).transpose()?;
    let mut written = match options.write_baseline.as_deref().filter(|path| path.exists()) {
        Some(path) => Baseline::read(path)?,
        None => Baseline::default(),
    };
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
    if let Some(path) = &options.write_baseline {
        written.update(name, &report, options.cell.is_none());
        written.write(path)?;
    }
    let Some(before) = before else { return Ok(Standing::NoWorse) };
    let comparison = before.compare(name, &report);
    println!("{comparison}");
    Ok(if comparison.worse.is_empty() { Standing::NoWorse } else { Standing::Worse })
}
