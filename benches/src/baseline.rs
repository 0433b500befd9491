//! The baseline: the figures of every cell, measured alone on an idle machine. A later run is
//! compared with it to find regressions.
//!
//! The file holds a ratio for each cell of each suite: the subject's figure divided by that of one
//! peer, measured in the same run. Ratios of different machines and days can be compared; times
//! cannot. A cell without a peer, or whose peer counts zero, is compared with its own figure.

use crate::report::{Cell, Report};
use crate::round::Spread;
use crate::table::figure;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// The tolerated fraction by which a cell may be worse than its baseline.
const TOLERATED: f64 = 1.15;

/// The baseline of a cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Mark {
    /// A ratio to a peer.
    Ratio { to: String, ratio: f64 },
    /// The figure itself.
    Figure { figure: f64 },
}

impl Mark {
    /// The baseline of `cell`, against the peer that `report` compares with.
    fn of(report: &Report, cell: &Cell) -> Option<Self> {
        let peer = report.compared_peer(cell);
        let related = peer.and_then(|peer| {
            let ratio = cell.figures.first()?.ratio_to(peer).median;
            ratio
                .is_finite()
                .then(|| Mark::Ratio { to: peer.name.to_owned(), ratio: rounded(ratio) })
        });
        let by_itself = || {
            let median = cell.figures.first()?.median();
            median.is_finite().then(|| Mark::Figure { figure: rounded(median) })
        };
        related.or_else(by_itself)
    }

    /// The current value of `cell` in the same respect. All NaN if it stalled or the peer is gone.
    fn again(&self, cell: &Cell) -> Spread {
        let nothing = Spread::of(&[]);
        let Some((subject, peers)) = cell.figures.split_first() else { return nothing };
        match self {
            Mark::Figure { .. } => subject.spread(),
            Mark::Ratio { to, .. } => match peers.iter().find(|peer| peer.name == *to) {
                Some(peer) => subject.ratio_to(peer),
                None => nothing,
            },
        }
    }

    fn value(&self) -> f64 {
        match self {
            Mark::Ratio { ratio: value, .. } | Mark::Figure { figure: value } => *value,
        }
    }
}

/// Measurements do not repeat beyond three digits.
fn rounded(value: f64) -> f64 {
    format!("{value:.2e}").parse().unwrap_or(value)
}

type Suite = BTreeMap<String, Mark>;

/// The baselines of all cells of all suites.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Baseline {
    suites: BTreeMap<String, Suite>,
}

/// The comparison of a run with a baseline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// One line per cell that became worse.
    pub worse: Vec<String>,
    /// The cells that were measured and are not in the baseline.
    pub unknown: Vec<String>,
    /// The number of compared cells.
    pub compared: usize,
}

impl Baseline {
    /// Reads a baseline from a file.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is not a baseline. The message names it.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path)
            .map_err(|why| format!("cannot read the baseline {}: {why}", path.display()))?;
        serde_json::from_str(&text)
            .map_err(|why| format!("{} is not a baseline: {why}", path.display()))
    }

    /// Writes the baseline to a file.
    ///
    /// # Errors
    ///
    /// The file cannot be written. The message names it.
    pub fn write(&self, path: &Path) -> Result<(), String> {
        let text = serde_json::to_string_pretty(self).map_err(|why| why.to_string())?;
        std::fs::write(path, text + "\n")
            .map_err(|why| format!("cannot write {}: {why}", path.display()))
    }

    /// Stores the results of a run of `suite`. A run of the whole suite replaces all of its cells.
    pub fn update(&mut self, suite: &str, report: &Report, whole: bool) {
        let cells = self.suites.entry(suite.to_owned()).or_default();
        if whole {
            cells.clear();
        }
        for cell in &report.cells {
            if let Some(mark) = Mark::of(report, cell) {
                cells.insert(cell.name.clone(), mark);
            }
        }
    }

    /// Compares a run of `suite` with the baseline. A cell became worse if its median is out of
    /// tolerance, and three quarters of its rounds are worse than before. One disturbed round means
    /// nothing.
    pub fn compare(&self, suite: &str, report: &Report) -> Comparison {
        let nothing = Suite::new();
        let known = self.suites.get(suite).unwrap_or(&nothing);
        let mut comparison = Comparison::default();
        for cell in &report.cells {
            let Some(mark) = known.get(&cell.name) else {
                comparison.unknown.push(cell.name.clone());
                continue;
            };
            comparison.compared += 1;
            let (before, now) = (mark.value(), mark.again(cell));
            // A missing figure is out of tolerance too.
            let within = now.median <= before * TOLERATED || now.low <= before;
            if within {
                continue;
            }
            let what = match mark {
                Mark::Ratio { to, .. } => format!("times {to}"),
                Mark::Figure { .. } => cell.unit.to_owned(),
            };
            let now = if now.median.is_nan() { "nothing".to_owned() } else { figure(now.median) };
            comparison.worse.push(format!("{}: {now} {what}, was {}", cell.name, figure(before)));
        }
        comparison
    }
}

impl std::fmt::Display for Comparison {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "against the baseline: {} cells compared, {} worse",
            self.compared,
            self.worse.len()
        )?;
        self.worse.iter().try_for_each(|line| writeln!(f, "  WORSE {line}"))?;
        self.unknown.iter().try_for_each(|name| writeln!(f, "  not in the baseline: {name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::round::Figures;

    fn report(own: [f64; 4], peer: f64) -> Report {
        let figures = |name, rounds: [f64; 4]| Figures { name, rounds: rounds.to_vec() };
        let measured =
            vec![figures("own", own), figures("slow", [900.0; 4]), figures("peer", [peer; 4])];
        let alone = vec![figures("own", own)];
        Report {
            title: String::new(),
            subject: "own",
            against: None,
            shown: &[],
            packages: vec![],
            notes: vec![],
            cells: vec![
                Cell::judged("lock", "ns", measured, &[]),
                Cell::judged("longest", "us", alone, &[]),
            ],
        }
    }

    fn baseline(own: f64, peer: f64) -> Baseline {
        let mut baseline = Baseline::default();
        baseline.update("toro", &report([own; 4], peer), true);
        baseline
    }

    #[test]
    fn worse_cell_is_named() {
        let before = baseline(10.0, 100.0);
        let worse = |own, peer| before.compare("toro", &report(own, peer)).worse;
        assert!(worse([11.0; 4], 100.0).is_empty());
        assert_eq!(
            worse([12.0; 4], 100.0),
            ["lock: 0.12 times peer, was 0.10", "longest: 12.0 us, was 10.0"]
        );
        // A slower machine slows both.
        assert_eq!(worse([20.0; 4], 200.0).len(), 1);
        assert!(
            worse([9.0, 9.9, 12.0, 99.0], 100.0).is_empty(),
            "half of the rounds are as before"
        );
        assert!(worse([f64::NAN; 4], 100.0).len() == 2, "one that stalled is worse");
    }

    #[test]
    fn change_from_zero_is_worse() {
        let before = baseline(0.0, 0.0);
        assert_eq!(before.suites["toro"]["lock"], Mark::Ratio { to: "peer".into(), ratio: 1.0 });
        assert!(before.compare("toro", &report([0.0; 4], 0.0)).worse.is_empty());
        assert_eq!(before.compare("toro", &report([1.0; 4], 0.0)).worse.len(), 2);
    }

    #[test]
    fn partial_run_keeps_the_other_cells() {
        let mut baseline = baseline(10.0, 100.0);
        let mut part = report([20.0; 4], 100.0);
        part.cells.truncate(1);
        let mut new = part.cells[0].clone();
        new.name = "new".into();
        part.cells.push(new);
        let unknown = baseline.compare("toro", &part).unknown;
        assert_eq!(unknown, ["new"]);
        baseline.update("toro", &part, false);
        assert_eq!(baseline.suites["toro"].len(), 3);
        baseline.update("toro", &part, true);
        assert_eq!(baseline.suites["toro"].len(), 2);
        assert_eq!(baseline.compare("pool", &part).compared, 0);
    }

    #[test]
    fn written_baseline_is_read_back() {
        let baseline = baseline(10.0, 30.0);
        let text = serde_json::to_string(&baseline).expect("it can be written");
        assert!(text.contains(r#"{"to":"peer","ratio":0.333}"#), "{text}");
        assert_eq!(serde_json::from_str::<Baseline>(&text).expect("it can be read"), baseline);
    }
}
