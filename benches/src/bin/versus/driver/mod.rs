//! `versus driver`: operations against the official crate and against the bare socket.

mod floor;
mod ground;
mod measure;
mod small;

use benches::bound::Bound;
use benches::cpu::disturbance;
use benches::options::{Options, Pace};
use benches::report::{Cell, Report};
use benches::table::figure;
use ground::Ground;
use measure::{Contender, Plan, contest, idle_share};
use std::time::{Duration, Instant};

/// What is counted of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Metric {
    Wall,
    Cpu,
    Allocations,
    Bytes,
}

impl Metric {
    const ALL: [Metric; 4] = [Metric::Wall, Metric::Cpu, Metric::Allocations, Metric::Bytes];

    fn name(self) -> &'static str {
        match self {
            Metric::Wall => "wall",
            Metric::Cpu => "cpu",
            Metric::Allocations => "allocations",
            Metric::Bytes => "bytes allocated",
        }
    }

    fn unit(self) -> &'static str {
        match self {
            Metric::Wall | Metric::Cpu => "us",
            Metric::Allocations => "",
            Metric::Bytes => "B",
        }
    }
}

/// Makes the contenders of a cell when its turn has come.
type Make = Box<dyn FnOnce(&Ground) -> Vec<Contender>>;

/// A cell that may be measured.
struct Trial {
    name: String,
    make: Make,
    bounds: Vec<(Metric, Bound)>,
    multiple: u64,
    slice: Duration,
}

impl Trial {
    fn new(name: impl Into<String>, make: impl FnOnce(&Ground) -> Vec<Contender> + 'static) -> Self {
        Trial {
            name: name.into(),
            make: Box::new(make),
            bounds: Vec::new(),
            multiple: 1,
            slice: Duration::from_millis(300),
        }
    }

    /// Holds one of the cell's metrics to bounds.
    fn bound(mut self, metric: Metric, bounds: impl IntoIterator<Item = Bound>) -> Self {
        self.bounds.extend(bounds.into_iter().map(|bound| (metric, bound)));
        self
    }

    /// The number of operations is a multiple of this.
    fn multiple(mut self, multiple: u64) -> Self {
        self.multiple = multiple;
        self
    }

    fn measure(self, ground: &Ground, plan: Plan) -> Vec<Cell> {
        let plan = Plan { multiple: self.multiple, slice: plan.slice.min(self.slice), ..plan };
        let outcome = contest(plan, &mut (self.make)(ground));
        let all = [outcome.wall, outcome.cpu, outcome.allocations, outcome.bytes];
        let judged = Metric::ALL.into_iter().zip(all).map(|(metric, figures)| {
            let bounds = self.bounds.iter().filter(|(of, _)| *of == metric).map(|(_, bound)| *bound);
            let bounds: Vec<Bound> = bounds.collect();
            Cell::judged(format!("{}: {}", self.name, metric.name()), metric.unit(), figures, &bounds)
        });
        judged.collect()
    }
}

/// The share of a processor that others may use before a cell counts as disturbed. The servers are others, and work as long as the clients do.
const DISTURBED: f64 = 1.2;

/// Measures the cells that `options` ask for.
///
/// # Errors
/// If there are no servers, or no cell has the name that was asked for.
pub(crate) fn run(options: &Options) -> Result<Report, String> {
    let cells: Vec<Trial> = small::cells();
    let names: String = cells.iter().map(|cell| format!("\n    {}", cell.name)).collect();
    let cells: Vec<Trial> = cells.into_iter().filter(|cell| options.wants(&cell.name)).collect();
    if cells.is_empty() {
        let part = options.cell.as_deref().unwrap_or_default();
        return Err(format!("no cell has {part:?} in its name; the cells are{names}"));
    }
    let ground = Ground::new(options)?;
    let idle = idle_share(Duration::from_secs(1));
    let (rounds, slice) = match options.pace {
        Pace::Full => (9, Duration::from_millis(300)),
        Pace::Quick => (3, Duration::from_millis(100)),
    };
    let plan = Plan { rounds: options.rounds.unwrap_or(rounds), slice, idle, multiple: 1 };
    let begun = Instant::now();
    let mut report = Report {
        title: format!("the driver against the official crate: median of {} interleaved rounds", plan.rounds),
        subject: "driver",
        packages: vec!["driver", "mongodb", "tokio"],
        notes: vec![format!("idle clients use {:.2} % of a processor, which is subtracted", idle * 100.0)],
        cells: Vec::new(),
    };
    for trial in cells {
        let (mut cells, foreign) = disturbance(|| trial.measure(&ground, plan));
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

/// A line about one cell with every contender's figure, for whoever watches.
fn progress(cell: &Cell) -> String {
    let figures = cell.figures.iter().map(|figures| format!("{} {}", figures.name, figure(figures.median())));
    let figures = figures.collect::<Vec<_>>().join(", ");
    format!("{} [{}]: {figures}", cell.name, cell.unit)
}
