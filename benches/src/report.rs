//! The result of a run: one entry per cell, as a table, as JSON and as a plot.

use crate::bound::{Bound, Standing, Verdict, Weight, fastest};
use crate::plot::{Bar, Bars, Tone};
use crate::round::Figures;
use crate::table::{Table, figure};
use crate::versions::version_of;
use serde_json::{Value, json};

/// One cell, measured and checked. The first figure is the subject's, the others are its peers'.
#[derive(Clone, Debug)]
pub struct Cell {
    /// The name of the cell.
    pub name: String,
    /// The unit of the figures, such as `ns`.
    pub unit: &'static str,
    /// The subject's figures, then each peer's.
    pub figures: Vec<Figures>,
    /// The results of the bounds that apply.
    pub verdicts: Vec<Verdict>,
    /// A remark about a contender.
    pub remark: String,
    /// Whether the figures are times of one operation, so that their inverse is a rate.
    is_time: bool,
}

impl Cell {
    /// A cell whose figures are checked against `bounds`.
    pub fn judged(
        name: impl Into<String>,
        unit: &'static str,
        figures: Vec<Figures>,
        bounds: &[Bound],
    ) -> Self {
        let verdicts = bounds.iter().filter_map(|bound| bound.judge(&figures)).collect();
        Self { name: name.into(), unit, figures, verdicts, remark: String::new(), is_time: false }
    }

    /// The same cell, with figures that are times of one operation.
    ///
    /// # Panics
    ///
    /// If the unit of the cell is not a unit of time.
    #[must_use]
    pub fn timing_operations(mut self) -> Self {
        assert!(per_second(self.unit).is_some(), "{:?} is not a unit of time", self.unit);
        self.is_time = true;
        self
    }

    /// The same cell with a remark.
    #[must_use]
    pub fn with_remark(mut self, remark: impl Into<String>) -> Self {
        self.remark = remark.into();
        self
    }

    fn best_peer(&self) -> Option<&Figures> {
        fastest(self.figures.get(1..)?)
    }

    /// Operations of the subject per second, if the cell measures the duration of one operation.
    fn per_second(&self, subject: &Figures) -> Option<f64> {
        let unit = per_second(self.unit).filter(|_| self.is_time && !subject.stalled())?;
        Some(unit / subject.median())
    }

    fn say(&self, which: Weight) -> String {
        let verdicts =
            self.verdicts_of(which).map(|verdict| format!("{} {verdict}", verdict.standing.word()));
        verdicts.collect::<Vec<_>>().join(", ")
    }

    /// The peers that stalled, as the end of a remark.
    fn stalled_peers(&self) -> String {
        let names = self.figures.iter().skip(1).filter(|peer| peer.stalled()).map(|peer| peer.name);
        names.map(|name| format!("; {name} stalled")).collect()
    }

    fn verdicts_of(&self, weight: Weight) -> impl Iterator<Item = &Verdict> {
        self.verdicts.iter().filter(move |verdict| verdict.bound.weight == weight)
    }

    /// The worst result among the required bounds. `None` if there are none.
    pub fn standing(&self) -> Option<Standing> {
        let rank = |standing: &Standing| match standing {
            Standing::Met => 0,
            Standing::Even => 1,
            Standing::Missed => 2,
        };
        self.verdicts_of(Weight::Must).map(|verdict| verdict.standing).max_by_key(rank)
    }
}

/// The number of these units in a second. `None` if it is not a unit of time.
fn per_second(unit: &str) -> Option<f64> {
    match unit {
        "ns" => Some(1e9),
        "us" => Some(1e6),
        "ms" => Some(1e3),
        _ => None,
    }
}

/// The placeholder for an absent value.
fn dash() -> String {
    "-".into()
}

/// The median, or the placeholder.
fn say_median(figures: &Figures) -> String {
    if figures.stalled() { "stalled".into() } else { figure(figures.median()) }
}

/// A whole run.
#[derive(Clone, Debug)]
pub struct Report {
    /// The title, in one line.
    pub title: String,
    /// The name of the subject, which is the heading of its column.
    pub subject: &'static str,
    /// The peer that the plot compares with. `None` means the best in each cell.
    pub against: Option<&'static str>,
    /// The peers with their own columns (median and ratio). If empty, the best of each cell is
    /// shown.
    pub shown: &'static [&'static str],
    /// The packages whose versions are listed with the figures.
    pub packages: Vec<&'static str>,
    /// Notes under the table.
    pub notes: Vec<String>,
    /// The cells in the order they were measured.
    pub cells: Vec<Cell>,
}

impl Report {
    /// The number of required bounds with this result.
    pub fn musts(&self, standing: Standing) -> usize {
        let musts = self.cells.iter().flat_map(|cell| cell.verdicts_of(Weight::Must));
        musts.filter(|verdict| verdict.standing == standing).count()
    }

    /// The headings of [`Report::row`].
    fn headings(&self) -> Vec<String> {
        let mut headings: Vec<String> = vec!["cell".into(), "unit".into(), self.subject.into()];
        if self.shown.is_empty() {
            headings.extend(["best_peer", "peer", "ratio"].map(Into::into));
        } else {
            headings.push("per_second".into());
            headings.extend(
                self.shown.iter().flat_map(|peer| [peer.to_string(), format!("to_{peer}")]),
            );
        }
        headings.extend(["must", "aim", "remark"].map(Into::into));
        headings
    }

    /// The row of one cell.
    fn row(&self, cell: &Cell) -> Vec<String> {
        let subject = cell.figures.first();
        let ratio_to = |peer: Option<&Figures>| {
            let ratio =
                subject.zip(peer).map(|(subject, peer)| figure(subject.ratio_to(peer).median));
            ratio.unwrap_or_else(dash)
        };
        let mut row =
            vec![cell.name.clone(), cell.unit.to_string(), subject.map_or_else(dash, say_median)];
        if self.shown.is_empty() {
            let best = cell.best_peer();
            row.push(best.map_or_else(dash, |best| figure(best.median())));
            row.push(best.map_or_else(dash, |best| best.name.to_string()));
            row.push(ratio_to(best));
        } else {
            row.push(
                subject.and_then(|subject| cell.per_second(subject)).map_or_else(dash, figure),
            );
            for name in self.shown {
                let peer = cell.figures.iter().skip(1).find(|peer| peer.name == *name);
                row.extend([peer.map_or_else(dash, say_median), ratio_to(peer)]);
            }
        }
        row.extend([cell.say(Weight::Must), cell.say(Weight::Aim)]);
        row.push(cell.remark.clone() + &cell.stalled_peers());
        row
    }

    /// The cells with required bounds, as a Markdown table for the project's pages.
    pub fn to_markdown(&self) -> String {
        let line = |words: &[String]| format!("| {} |\n", words.join(" | "));
        // All columns except the aims and the remarks.
        let shown = self.headings().len() - 2;
        let mut text = line(&self.headings()[..shown]) + &"|---".repeat(shown) + "|\n";
        for cell in self.cells.iter().filter(|cell| cell.standing().is_some()) {
            text += &line(&self.row(cell)[..shown]);
        }
        text
    }

    /// The table, the notes and the count of bounds, as text.
    pub fn to_text(&self) -> String {
        let mut table = Table::new(self.headings());
        for cell in &self.cells {
            table.row(self.row(cell));
        }
        let mut text = format!("{}\n\n{table}\n", self.title);
        for note in &self.notes {
            text += note;
            text.push('\n');
        }
        let [met, even, missed] =
            [Standing::Met, Standing::Even, Standing::Missed].map(|standing| self.musts(standing));
        text + &format!(
            "a ratio is the median of the rounds' ratios, not the ratio of the medians beside it\n\
             must and aim: bounds on the ratio to the named peer; \
             met 0.91<=1.00 flume means that the ratio is 0.91 and must be at most 1.00\n\
             musts: {met} met, {even} even (beyond the bound by less than the rounds differ), \
             {missed} missed\n"
        )
    }

    /// All figures of all contenders, with the bounds and the versions.
    pub fn to_json(&self) -> Value {
        let versions: serde_json::Map<String, Value> = self
            .packages
            .iter()
            .map(|&package| (package.to_string(), json!(version_of(package))))
            .collect();
        let cells: Vec<Value> = self.cells.iter().map(|cell| self.cell_to_json(cell)).collect();
        json!({
            "title": self.title,
            "subject": self.subject,
            "versions": versions,
            "notes": self.notes,
            "musts": {
                "met": self.musts(Standing::Met),
                "even": self.musts(Standing::Even),
                "missed": self.musts(Standing::Missed),
            },
            "cells": cells,
        })
    }

    fn cell_to_json(&self, cell: &Cell) -> Value {
        let contenders: Vec<Value> = cell
            .figures
            .iter()
            .map(|figures| {
                let spread = figures.spread();
                let ratio = cell.figures[0].ratio_to(figures).median;
                json!({
                    "name": figures.name,
                    "median": spread.median,
                    "low_quartile": spread.low,
                    "high_quartile": spread.high,
                    "subject_ratio": ratio,
                    "rounds": figures.rounds,
                })
            })
            .collect();
        let bounds: Vec<Value> = cell
            .verdicts
            .iter()
            .map(|verdict| {
                json!({
                    "weight": if verdict.is_must() { "must" } else { "aim" },
                    "peer": verdict.peer,
                    "at_most": verdict.bound.at_most,
                    "reached": verdict.reached.median,
                    "reached_low_quartile": verdict.reached.low,
                    "reached_high_quartile": verdict.reached.high,
                    "standing": verdict.standing.word(),
                })
            })
            .collect();
        json!({
            "cell": cell.name,
            "unit": cell.unit,
            "best_peer": cell.best_peer().map(|best| best.name),
            "contenders": contenders,
            "bounds": bounds,
            "remark": cell.remark,
        })
    }

    /// The peer that a cell is compared with: the one that the report names, or else the best.
    pub(crate) fn compared_peer<'c>(&self, cell: &'c Cell) -> Option<&'c Figures> {
        let named =
            self.against.map(|name| cell.figures.iter().skip(1).find(|peer| peer.name == name));
        named.unwrap_or_else(|| cell.best_peer())
    }

    /// The ratio of the subject to [its peer](Report::against), one bar per cell. Cells without
    /// that peer are left out. If some cells have bounds, only those are drawn.
    pub fn to_plot(&self) -> Bars {
        let bar = |cell: &Cell| {
            let (subject, peer) = (cell.figures.first()?, self.compared_peer(cell)?);
            let ratio = subject.ratio_to(peer).median;
            let tone = match cell.standing() {
                Some(Standing::Met) => Tone::Good,
                Some(Standing::Even) => Tone::Even,
                Some(Standing::Missed) => Tone::Bad,
                None => Tone::Plain,
            };
            let (mine, theirs) = (figure(subject.median()), figure(peer.median()));
            let note = format!("{} ({mine} {} / {theirs} {})", figure(ratio), cell.unit, peer.name);
            Some(Bar { label: cell.name.clone(), value: ratio, note, tone })
        };
        // Cells without bounds would hide the others.
        let bounded = |cell: &&Cell| !cell.verdicts.is_empty();
        let all = !self.cells.iter().any(|cell| bounded(&cell));
        Bars {
            title: self.title.clone(),
            axis: format!(
                "{} over {}, shorter is better; green: every must of the cell is met, \
                 yellow: even, red: missed, grey: no must",
                self.subject,
                self.against.unwrap_or("the best peer")
            ),
            line: 1.0,
            longest: 2.0,
            bars: self.cells.iter().filter(|cell| all || bounded(cell)).filter_map(bar).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let figures = |name, value| Figures { name, rounds: vec![value; 3] };
        let measured = vec![figures("own", 5.0), figures("slow", 20.0), figures("quick", 10.0)];
        let bounds =
            [Bound::must("quick", 0.4), Bound::must("slow", 0.4), Bound::aim("quick", 0.6)];
        let cell = Cell::judged("lock", "ns", measured, &bounds).with_remark("slow is unfair");
        Report {
            title: "t".into(),
            subject: "own",
            against: None,
            shown: &[],
            packages: vec!["benches"],
            notes: vec![],
            cells: vec![cell],
        }
    }

    #[test]
    fn plot_draws_cells_with_bounds_or_else_all_cells() {
        let mut report = report();
        let free = Cell { name: "free".into(), verdicts: Vec::new(), ..report.cells[0].clone() };
        report.cells.push(free.clone());
        let drawn = |report: &Report| -> Vec<String> {
            report.to_plot().bars.into_iter().map(|bar| bar.label).collect()
        };
        assert_eq!(drawn(&report), ["lock"]);
        report.cells = vec![free];
        assert_eq!(drawn(&report), ["free"]);
    }

    #[test]
    fn table_names_the_best_peer_and_the_missed_bounds() {
        let text = report().to_text();
        let row = text.lines().find(|line| line.starts_with("lock")).expect("the cell has a row");
        let words: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(words[..6], ["lock", "ns", "5.00", "10.0", "quick", "0.50"]);
        assert!(row.contains("MISSED 0.50>0.40 quick, met 0.25<=0.40 slow"), "{row}");
        assert!(row.contains("met 0.50<=0.60 quick") && row.contains("slow is unfair"), "{row}");
        assert!(text.contains("musts: 1 met, 0 even"), "{text}");
    }

    #[test]
    fn shown_peers_have_columns_and_bounded_cells_are_listed() {
        let mut report = Report { shown: &["slow", "absent"], ..report() };
        report.cells[0] = report.cells[0].clone().timing_operations();
        report.cells.push(Cell {
            name: "free".into(),
            verdicts: vec![],
            ..report.cells[0].clone()
        });
        let text = report.to_text();
        let row = text.lines().find(|line| line.starts_with("lock")).expect("the cell has a row");
        let words: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(words[..8], ["lock", "ns", "5.00", "200000000", "20.0", "0.25", "-", "-"]);
        let markdown = report.to_markdown();
        let lines: Vec<&str> = markdown.lines().collect();
        assert_eq!(lines.len(), 3, "a heading, a rule, one cell: {markdown}");
        assert_eq!(
            lines[0],
            "| cell | unit | own | per_second | slow | to_slow | absent | to_absent | must |"
        );
        assert_eq!(lines[1], "|---|---|---|---|---|---|---|---|---|");
        assert!(
            lines[2].starts_with("| lock | ns | 5.00 | 200000000 | 20.0 | 0.25 | - | - | MISSED"),
            "{markdown}"
        );
    }

    #[test]
    fn json_holds_every_peer() {
        let json = report().to_json();
        assert_eq!(json["cells"][0]["contenders"][1]["median"], 20.0);
        assert_eq!(json["cells"][0]["bounds"][0]["standing"], "MISSED");
        assert_eq!(json["musts"]["missed"], 1);
        assert_eq!(json["versions"]["benches"], env!("CARGO_PKG_VERSION"));
    }

    #[test]
    fn plot_shows_ratios() {
        let bars = report().to_plot().bars;
        assert_eq!((bars[0].value, bars[0].tone), (0.5, Tone::Bad));
        let bars = Report { against: Some("slow"), ..report() }.to_plot().bars;
        assert_eq!(bars[0].value, 0.25);
        assert!(Report { against: Some("absent"), ..report() }.to_plot().bars.is_empty());
    }
}
