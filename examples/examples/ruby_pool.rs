//! "A Curious Concurrency Case": the cost of waking the wrong thread.

use std::error::Error;
use std::fmt::Write;
use std::path::PathBuf;

use examples::arguments::refuse;
use examples::ruby_pool::{Design, LONGEST_USE, Outcome, PAUSE, SOCKETS, run};
use examples::virtual_time::Seconds;

const THREADS: [usize; 13] = [5, 10, 11, 12, 15, 20, 25, 30, 50, 100, 150, 200, 300];

/// One row of the table: a number of threads, and the result of each design.
type Row = (usize, Vec<(Design, Outcome)>);

const USAGE: &str = "\
usage: ruby_pool [--plot FILE.svg] [--seconds N] [--seed N]

  --plot FILE.svg  draw the figure of the post
  --seconds N      virtual seconds of each run (default 50000)
  --seed N         seed of the random times (default 1)";

struct Options {
    plot: Option<PathBuf>,
    seconds: Seconds,
    seed: u64,
}

/// `None` if the usage was requested.
fn options() -> Result<Option<Options>, lexopt::Error> {
    use lexopt::prelude::*;
    let mut options = Options { plot: None, seconds: 50_000, seed: 1 };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("plot") => options.plot = Some(PathBuf::from(parser.value()?)),
            Long("seconds") => options.seconds = parser.value()?.parse()?,
            Long("seed") => options.seed = parser.value()?.parse()?,
            Short('h') | Long("help") => return Ok(None),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(options))
}

fn main() -> Result<(), Box<dyn Error>> {
    let Some(Options { plot, seconds, seed }) =
        options().unwrap_or_else(|wrong| refuse(&wrong, USAGE))
    else {
        println!("{USAGE}");
        return Ok(());
    };
    let rows: Vec<Row> = THREADS
        .into_iter()
        .map(|threads| {
            let outcome = |design| (design, run(design, threads, seconds, seed));
            (threads, Design::ALL.into_iter().map(outcome).collect())
        })
        .collect();
    print_table(&rows);
    explain(&rows);
    if let Some(file) = plot {
        std::fs::write(&file, draw(&rows)?)
            .map_err(|e| format!("cannot write {}: {e}", file.display()))?;
        println!("plot written to {}", file.display());
    }
    Ok(())
}

fn print_table(rows: &[Row]) {
    println!(
        "{SOCKETS} sockets, each used for 1 to {LONGEST_USE} s; a pause of {PAUSE} s; virtual time"
    );
    print!("{:>7}", "threads");
    for design in Design::ALL {
        print!("  {design:>17} {:>7}", "longest");
    }
    println!();
    for (threads, outcomes) in rows {
        print!("{threads:>7}");
        for (_, outcome) in outcomes {
            print!("  {:>10.3} % idle {:>5} s", outcome.unused * 100.0, outcome.longest_wait);
        }
        println!();
    }
}

/// Explains the waste of `signal`, with the figures of this run.
fn explain(rows: &[Row]) {
    let Some((threads, outcomes)) = rows.iter().find(|(threads, _)| *threads == 100) else {
        return;
    };
    let Some((_, signal)) = outcomes.iter().find(|(design, _)| *design == Design::Signal) else {
        return;
    };
    let mean_use = (1 + LONGEST_USE) as f64 / 2.0;
    let pause = PAUSE as f64;
    let idle = signal.at_once * pause;
    println!(
        "why: with {threads} threads, {:.0} % of the signals wake a thread whose own socket is in \
         use. That thread queues again at the back. The returned socket stays idle until the \
         thread that returned it comes back from its pause of {pause} s and takes it before all \
         waiters, as in {:.0} % of all checkouts. That is {:.2} of every {mean_use} + {:.2} s, or \
         {:.1} % of the {:.1} % measured. In the rest of the time the socket waited for a stray \
         signal. More threads do not help: they wait in the same queue, one of them for {} s.",
        signal.woken_in_vain * 100.0,
        signal.at_once * 100.0,
        idle,
        idle,
        idle / (mean_use + idle) * 100.0,
        signal.unused * 100.0,
        signal.longest_wait,
    );
}

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 60.0;
const BOTTOM: f64 = 50.0;
const TOP: f64 = 50.0;
const RIGHT: f64 = 20.0;
const MOST_PERCENT: f64 = 10.0;
const MOST_THREADS: f64 = 300.0;

/// The chart of the blog post: the share of unused sockets over the number of threads.
fn draw(rows: &[Row]) -> Result<String, std::fmt::Error> {
    let x = |threads: usize| LEFT + (WIDTH - LEFT - RIGHT) * threads as f64 / MOST_THREADS;
    let y = |percent: f64| HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * percent / MOST_PERCENT;
    let mut svg = String::new();
    writeln!(
        svg,
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"
font-family="sans-serif" font-size="12">
<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>
<text x="{LEFT}" y="24" font-size="15">Percentage of unused sockets</text>
<path d="M{LEFT} {TOP}V{:.0}H{:.0}" fill="none" stroke="#333"/>
<text x="{:.0}" y="{:.0}" text-anchor="middle">threads</text>"##,
        HEIGHT - BOTTOM,
        WIDTH - RIGHT,
        (LEFT + WIDTH - RIGHT) / 2.0,
        HEIGHT - 10.0,
    )?;
    for percent in [0.0, 2.0, 4.0, 6.0, 8.0, 10.0] {
        let at = y(percent);
        writeln!(svg, r##"<path d="M{LEFT} {at:.1}H{:.0}" stroke="#ddd"/>"##, WIDTH - RIGHT)?;
        writeln!(
            svg,
            r##"<text x="{:.0}" y="{:.1}" text-anchor="end">{percent} %</text>"##,
            LEFT - 6.0,
            at + 4.0
        )?;
    }
    for threads in [10, 50, 100, 150, 200, 250, 300] {
        let base = HEIGHT - BOTTOM + 18.0;
        writeln!(
            svg,
            r##"<text x="{:.1}" y="{base:.0}" text-anchor="middle">{threads}</text>"##,
            x(threads)
        )?;
    }
    for (index, (design, colour)) in
        Design::ALL.into_iter().zip(["#b03030", "#4878a8", "#308030", "#222222"]).enumerate()
    {
        let points: Vec<String> = rows
            .iter()
            .filter(|(threads, _)| *threads >= SOCKETS)
            .filter_map(|(threads, outcomes)| {
                let (_, outcome) = outcomes.iter().find(|(d, _)| *d == design)?;
                Some(format!("{:.1},{:.1}", x(*threads), y(outcome.unused * 100.0)))
            })
            .collect();
        let points = points.join(" ");
        writeln!(
            svg,
            r##"<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>"##
        )?;
        let (at, text) = (TOP + 110.0 + 20.0 * index as f64, WIDTH - 190.0);
        writeln!(
            svg,
            r##"<path d="M{:.0} {at:.0}h24" stroke="{colour}" stroke-width="2"/>"##,
            text - 30.0
        )?;
        writeln!(svg, r##"<text x="{text:.0}" y="{:.0}">{design}</text>"##, at + 4.0)?;
    }
    writeln!(svg, "</svg>")?;
    Ok(svg)
}
