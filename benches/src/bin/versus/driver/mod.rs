//! `versus driver`: operations compared with the official crate and with a bare socket.

mod blocking;
mod bulk;
mod burst;
mod floor;
mod gridfs;
mod ldjson;
mod lifecycle;
mod measure;
mod operations;
mod setup;
mod small;

use benches::bound::Bound;
use benches::cpu::disturbance;
use benches::options::{Options, Pace};
use benches::report::{Cell, Report};
use benches::round::Figures;
use benches::table::figure;
use measure::{Contender, Idle, Plan, contest};
use setup::Setup;
use std::time::{Duration, Instant};

/// The counts of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Metric {
    Wall,
    /// Processor time of the client, in the program and in the kernel.
    Cpu,
    /// The part of it that is the kernel's.
    Kernel,
    /// The number of voluntary context switches of the client.
    Sleeps,
    Allocations,
    Bytes,
    /// The cell's own counts.
    Exact,
}

impl Metric {
    const ALL: [Metric; 6] = [
        Metric::Wall,
        Metric::Cpu,
        Metric::Kernel,
        Metric::Sleeps,
        Metric::Allocations,
        Metric::Bytes,
    ];

    fn name(self) -> &'static str {
        match self {
            Metric::Wall => "wall",
            Metric::Cpu => "cpu",
            Metric::Kernel => "cpu in the kernel",
            Metric::Sleeps => "sleeps",
            Metric::Allocations => "allocations",
            Metric::Bytes => "bytes allocated",
            Metric::Exact => "",
        }
    }

    fn unit(self) -> &'static str {
        match self {
            Metric::Wall | Metric::Cpu | Metric::Kernel => "us",
            Metric::Sleeps | Metric::Allocations | Metric::Exact => "",
            Metric::Bytes => "B",
        }
    }
}

/// The note on a cell without data.
const NO_DATA: &str = "no data: MONGODB_BENCHMARK_DATA names the folder of parallel.tgz";

/// Makes contenders. `None` if their data is missing.
type Make = Box<dyn FnOnce(&Setup) -> Vec<Contender>>;

/// The measurement of a cell.
enum Source {
    /// By measuring contenders.
    Measured(Make),
    /// By counting, in this unit.
    Exact(&'static str, fn(&Setup) -> Vec<Figures>),
}

/// A cell that may be measured.
struct Trial {
    name: String,
    source: Source,
    bounds: Vec<(Metric, Bound)>,
    multiple: u64,
    slice: Duration,
    rounds: usize,
}

impl Trial {
    fn new(name: impl Into<String>, make: impl FnOnce(&Setup) -> Vec<Contender> + 'static) -> Self {
        Trial {
            name: name.into(),
            source: Source::Measured(Box::new(make)),
            bounds: Vec::new(),
            multiple: 1,
            slice: Duration::from_millis(300),
            rounds: usize::MAX,
        }
    }

    /// A cell whose figures are counted.
    fn exact(
        name: impl Into<String>,
        unit: &'static str,
        count: fn(&Setup) -> Vec<Figures>,
    ) -> Self {
        Trial { source: Source::Exact(unit, count), ..Trial::new(name, |_| Vec::new()) }
    }

    /// Holds one of the cell's metrics to bounds.
    fn bound(mut self, metric: Metric, bounds: impl IntoIterator<Item = Bound>) -> Self {
        self.bounds.extend(bounds.into_iter().map(|bound| (metric, bound)));
        self
    }

    /// The number of operations must be a multiple of this.
    fn multiple(mut self, multiple: u64) -> Self {
        self.multiple = multiple;
        self
    }

    /// A cell whose operations are long. It has at most this many rounds.
    fn at_most_rounds(mut self, rounds: usize) -> Self {
        self.rounds = rounds;
        self
    }

    fn measure(self, setup: &Setup, plan: Plan, options: &Options) -> Vec<Cell> {
        let bounds = |of: Metric| -> Vec<Bound> {
            let held =
                self.bounds.iter().filter(|(metric, _)| *metric == of && options.only.is_none());
            held.map(|(_, bound)| *bound).collect()
        };
        let (slice, rounds) = (plan.slice.min(self.slice), plan.rounds.min(self.rounds));
        let plan = Plan { multiple: self.multiple, slice, rounds, ..plan };
        let outcome = match self.source {
            Source::Measured(make) => {
                let mut contenders = make(setup);
                if contenders.is_empty() {
                    return vec![Cell::judged(self.name, "", Vec::new(), &[]).with_remark(NO_DATA)];
                }
                contenders.retain(|contender| options.admits(contender.name));
                contest(plan, &mut contenders)
            }
            Source::Exact(unit, count) => {
                return vec![Cell::judged(self.name, unit, count(setup), &bounds(Metric::Exact))];
            }
        };
        let judged = outcome.into_iter().map(|(metric, figures)| {
            let name = format!("{}: {}", self.name, metric.name());
            let cell = Cell::judged(name, metric.unit(), figures, &bounds(metric));
            if metric == Metric::Wall { cell.timing_operations() } else { cell }
        });
        judged.collect()
    }
}

/// The share of a processor that other processes may use before a cell counts as disturbed. The
/// servers are such processes, and work as long as the clients do.
const DISTURBED: f64 = 1.2;

/// Measures the cells that `options` select.
///
/// # Errors
/// No server is available, or no cell has the requested name.
pub(crate) fn run(options: &Options) -> Result<Report, String> {
    if let (Ok(who), Some(uri)) = (std::env::var(lifecycle::PROBE), &options.uri) {
        lifecycle::probe_memory(&who, uri)?;
        std::process::exit(0);
    }
    let groups = [
        small::cells(),
        blocking::cells(),
        operations::cells(),
        bulk::cells(),
        ldjson::cells(),
        gridfs::cells(),
        lifecycle::cells(),
    ];
    let cells: Vec<Trial> = groups.into_iter().flatten().collect();
    let names: String = cells.iter().map(|cell| format!("\n    {}", cell.name)).collect();
    let cells: Vec<Trial> = cells.into_iter().filter(|cell| options.wants(&cell.name)).collect();
    if cells.is_empty() {
        let part = options.cell.as_deref().unwrap_or_default();
        return Err(format!("no cell has {part:?} in its name; the cells are{names}"));
    }
    let setup = Setup::new(options)?;
    let idle = Idle::measured(Duration::from_secs(1));
    let (rounds, slice) = match options.pace {
        Pace::Full => (9, Duration::from_millis(300)),
        Pace::Quick => (3, Duration::from_millis(100)),
    };
    let plan = Plan { rounds: options.rounds.unwrap_or(rounds), slice, idle, multiple: 1 };
    let begun = Instant::now();
    let mut report = Report {
        title: format!(
            "the driver against the official crate: median of {} interleaved rounds",
            plan.rounds,
        ),
        subject: "driver",
        against: Some("official"),
        shown: &["official", "floor"],
        packages: vec!["driver", "mongodb", "tokio"],
        notes: vec![
            format!(
                "idle clients use {:.2} % of a processor, which is subtracted, as are the sleeps \
                 of their threads",
                idle.cpu / 1e4
            ),
            "both clients write with w=1 and have pools of at most 100 connections, unless --uri \
             says otherwise"
                .into(),
        ],
        cells: Vec::new(),
    };
    for trial in cells {
        let (mut cells, foreign) = disturbance(|| trial.measure(&setup, plan, options));
        for cell in &mut cells {
            if let Some(share) = foreign.filter(|share| *share >= DISTURBED) {
                cell.remark += &format!("; others used {share:.1} processors, servers included");
            }
            eprintln!("{}", progress(cell));
        }
        report.cells.extend(cells);
    }
    report.notes.push(format!("measured in {:.0} s", begun.elapsed().as_secs_f64()));
    Ok(report)
}

/// A line about one cell with the figures of all contenders.
fn progress(cell: &Cell) -> String {
    let figures =
        cell.figures.iter().map(|figures| format!("{} {}", figures.name, figure(figures.median())));
    let figures = figures.collect::<Vec<_>>().join(", ");
    format!("{} [{}]: {figures}", cell.name, cell.unit)
}
