//! `versus toro`: every primitive against its peers, cell by cell.

mod cells;
mod footprint;
mod probe;

use benches::bound::Bound;
use benches::cpu::disturbance;
use benches::drive::two_workers;
use benches::options::{Options, Pace};
use benches::peers::PACKAGES;
use benches::report::{Cell, Report};
use benches::round::{Contender, Figures, Plan, contest};
use benches::table::figure;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// What cells share.
struct Ground {
    /// tokio's multi-thread runtime with two workers, for the cells in which tasks contend.
    runtime: Arc<Runtime>,
    /// Which peers lose something when a future is dropped.
    probed: probe::Findings,
}

/// Makes what a cell needs when its turn has come. The runtime is for tasks that contend.
type Make<T> = Box<dyn FnOnce(&Arc<Runtime>) -> Vec<T>>;

/// How a cell gets its figures.
enum Source {
    /// By measuring contenders, of which the first is `toro`, for about this long each round.
    Timed(Duration, Make<Contender>),
    /// By counting.
    Exact(&'static str, Make<Figures>),
}

/// A cell that may be measured.
struct Trial {
    name: String,
    kind: probe::Kind,
    source: Source,
    bounds: Vec<Bound>,
}

impl Trial {
    /// A cell in which one thread works alone.
    fn alone(
        name: impl Into<String>,
        kind: probe::Kind,
        bounds: &[Bound],
        build: impl FnOnce() -> Vec<Contender> + 'static,
    ) -> Self {
        Self::timed(name, kind, Duration::from_millis(4), bounds, |_| build())
    }

    /// A cell in which tasks meet.
    fn together(
        name: impl Into<String>,
        kind: probe::Kind,
        bounds: &[Bound],
        build: impl FnOnce(&Arc<Runtime>) -> Vec<Contender> + 'static,
    ) -> Self {
        Self::timed(name, kind, Duration::from_millis(15), bounds, build)
    }

    fn timed(
        name: impl Into<String>,
        kind: probe::Kind,
        slice: Duration,
        bounds: &[Bound],
        build: impl FnOnce(&Arc<Runtime>) -> Vec<Contender> + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            kind,
            source: Source::Timed(slice, Box::new(build)),
            bounds: bounds.to_vec(),
        }
    }

    /// A cell whose figures are exact.
    fn exact(
        name: impl Into<String>,
        kind: probe::Kind,
        unit: &'static str,
        bounds: &[Bound],
        count: impl FnOnce() -> Vec<Figures> + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            kind,
            source: Source::Exact(unit, Box::new(|_| count())),
            bounds: bounds.to_vec(),
        }
    }

    fn measure(self, ground: &Ground, plan: Plan, options: &Options) -> Cell {
        let (unit, figures) = match self.source {
            Source::Timed(slice, build) => {
                let slice = plan.slice.min(slice);
                let mut contenders = build(&ground.runtime);
                contenders.retain(|contender| options.admits(contender.name()));
                ("ns", contest(Plan { slice, ..plan }, &mut contenders))
            }
            Source::Exact(unit, count) => (unit, count(&ground.runtime)),
        };
        let bounds = if options.only.is_some() { &[] } else { &self.bounds[..] };
        let names: Vec<&str> = figures.iter().map(|figures| figures.name).collect();
        let remark = ground.probed.remark(self.kind, &names);
        Cell::judged(self.name, unit, figures, bounds).with_remark(remark)
    }
}

/// The share of a processor that others may use before a cell counts as disturbed: its figures are then not those of a
/// quiet machine, and cells in which two workers run suffer more than others.
const DISTURBED: f64 = 0.2;

/// Measures the cells that `options` ask for.
///
/// # Errors
/// If no cell has the name that was asked for.
pub(crate) fn run(options: &Options) -> Result<Report, String> {
    crossfire::detect_backoff_cfg();
    let ground = Ground { runtime: two_workers(), probed: probe::Findings::new() };
    let cells = cells::all();
    let names: String = cells.iter().map(|cell| format!("\n    {}", cell.name)).collect();
    let cells: Vec<Trial> = cells.into_iter().filter(|cell| options.wants(&cell.name)).collect();
    if cells.is_empty() {
        let part = options.cell.as_deref().unwrap_or_default();
        return Err(format!("no cell has {part:?} in its name; the cells are{names}"));
    }
    let plan = match options.pace {
        Pace::Full => Plan { rounds: options.rounds.unwrap_or(15), slice: Duration::MAX },
        Pace::Quick => Plan { rounds: options.rounds.unwrap_or(5), slice: Duration::from_millis(3) },
    };
    let begun = Instant::now();
    let mut report = Report {
        title: format!("toro against its peers: median of {} interleaved rounds", plan.rounds),
        subject: "toro",
        packages: PACKAGES.to_vec(),
        notes: ground.probed.notes(),
        cells: Vec::new(),
    };
    for cell in cells {
        let is_timed = matches!(cell.source, Source::Timed(..));
        let (mut cell, foreign) = disturbance(|| cell.measure(&ground, plan, options));
        if let Some(share) = foreign.filter(|share| is_timed && *share >= DISTURBED) {
            cell.remark += &format!("; disturbed: others used {share:.1} processors");
        }
        eprintln!("{}", progress(&cell));
        report.cells.push(cell);
    }
    report.notes.push(format!("measured in {:.0} s", begun.elapsed().as_secs_f64()));
    Ok(report)
}

/// A line about one cell with every contender's figure, for whoever watches.
fn progress(cell: &Cell) -> String {
    let figures = cell.figures.iter().map(|figures| format!("{} {}", figures.name, figure(figures.median())));
    let figures = figures.collect::<Vec<_>>().join(", ");
    format!("{} [{}]: {figures}; {}", cell.name, cell.unit, cell.remark)
}
