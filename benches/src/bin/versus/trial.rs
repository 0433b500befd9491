//! A cell to measure, and the run through all of them.

use benches::bound::Bound;
use benches::cpu::disturbance;
use benches::options::{Options, Pace};
use benches::report::Cell;
use benches::round::{Contender, Figures, Plan, contest};
use benches::table::figure;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// Makes the contenders or figures of a cell. The runtime is for contending tasks.
type Make<T> = Box<dyn FnOnce(&Arc<Runtime>) -> Vec<T>>;

/// The measurement of a cell.
enum Source {
    /// By measuring contenders, for about this long per round. The first is the subject.
    Timed(Duration, Make<Contender>),
    /// By counting.
    Exact(&'static str, Make<Figures>),
}

/// A cell to measure. The remark of its row depends on `K`.
pub(crate) struct Trial<K> {
    pub(crate) name: String,
    kind: K,
    source: Source,
    bounds: Vec<Bound>,
}

impl<K: Copy> Trial<K> {
    /// A cell in which a single thread works.
    pub(crate) fn alone(
        name: impl Into<String>,
        kind: K,
        bounds: &[Bound],
        build: impl FnOnce() -> Vec<Contender> + 'static,
    ) -> Self {
        Self::timed(name, kind, Duration::from_millis(4), bounds, |_| build())
    }

    /// A cell with several tasks.
    pub(crate) fn together(
        name: impl Into<String>,
        kind: K,
        bounds: &[Bound],
        build: impl FnOnce(&Arc<Runtime>) -> Vec<Contender> + 'static,
    ) -> Self {
        Self::timed(name, kind, Duration::from_millis(15), bounds, build)
    }

    fn timed(
        name: impl Into<String>,
        kind: K,
        slice: Duration,
        bounds: &[Bound],
        build: impl FnOnce(&Arc<Runtime>) -> Vec<Contender> + 'static,
    ) -> Self {
        let source = Source::Timed(slice, Box::new(build));
        Self { name: name.into(), kind, source, bounds: bounds.to_vec() }
    }

    /// A cell whose figures are counted.
    pub(crate) fn exact(
        name: impl Into<String>,
        kind: K,
        unit: &'static str,
        bounds: &[Bound],
        count: impl FnOnce(&Arc<Runtime>) -> Vec<Figures> + 'static,
    ) -> Self {
        let source = Source::Exact(unit, Box::new(count));
        Self { name: name.into(), kind, source, bounds: bounds.to_vec() }
    }

    /// Measures the cell. The row has a remark if other processes used the machine meanwhile.
    fn measure(
        self,
        runtime: &Arc<Runtime>,
        plan: Plan,
        options: &Options,
        remark: impl Fn(K, &[&str]) -> String,
    ) -> Cell {
        let bounds = if options.only.is_some() { &[] } else { &self.bounds[..] };
        let judge = |unit, figures: Vec<Figures>| {
            let names: Vec<&str> = figures.iter().map(|figures| figures.name).collect();
            let remark = remark(self.kind, &names);
            Cell::judged(self.name, unit, figures, bounds).with_remark(remark)
        };
        match self.source {
            Source::Exact(unit, count) => judge(unit, count(runtime)),
            Source::Timed(slice, build) => {
                let plan = Plan { slice: plan.slice.min(slice), ..plan };
                let mut contenders = build(runtime);
                contenders.retain(|contender| options.admits(contender.name()));
                let (figures, foreign) = disturbance(|| contest(plan, &mut contenders));
                let mut cell = judge("ns", figures);
                if let Some(share) = foreign.filter(|share| *share >= DISTURBED) {
                    let parted = if cell.remark.is_empty() { "" } else { "; " };
                    cell.remark += &format!("{parted}disturbed: others used {share:.1} processors");
                }
                cell
            }
        }
    }
}

/// The number of processors that other processes may use during a cell. If they use more, the row
/// says so, because its figures are not those of an idle machine. It matters most for cells with
/// two workers.
const DISTURBED: f64 = 0.2;

/// The number of rounds that `options` select.
pub(crate) fn plan(options: &Options) -> Plan {
    match options.pace {
        Pace::Full => Plan { rounds: options.rounds.unwrap_or(15), slice: Duration::MAX },
        Pace::Quick => {
            Plan { rounds: options.rounds.unwrap_or(5), slice: Duration::from_millis(3) }
        }
    }
}

/// Measures the cells that `options` select, and prints the figures of each.
///
/// # Errors
///
/// No cell has the requested name.
pub(crate) fn measure_all<K: Copy>(
    trials: Vec<Trial<K>>,
    runtime: &Arc<Runtime>,
    options: &Options,
    remark: impl Fn(K, &[&str]) -> String,
) -> Result<Vec<Cell>, String> {
    let names: String = trials.iter().map(|trial| format!("\n    {}", trial.name)).collect();
    let wanted: Vec<_> = trials.into_iter().filter(|trial| options.wants(&trial.name)).collect();
    if wanted.is_empty() {
        let part = options.cell.as_deref().unwrap_or_default();
        return Err(format!("no cell has {part:?} in its name; the cells are{names}"));
    }
    let measure = |trial: Trial<K>| {
        let cell = trial.measure(runtime, plan(options), options, &remark);
        eprintln!("{}", progress(&cell));
        cell
    };
    Ok(wanted.into_iter().map(measure).collect())
}

/// A line about one cell with the figures of all contenders.
fn progress(cell: &Cell) -> String {
    let figures =
        cell.figures.iter().map(|figures| format!("{} {}", figures.name, figure(figures.median())));
    let figures = figures.collect::<Vec<_>>().join(", ");
    format!("{} [{}]: {figures}; {}", cell.name, cell.unit, cell.remark)
}
