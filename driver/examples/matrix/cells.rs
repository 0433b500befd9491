//! The cells of the matrix, from the reports.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::run::TARGETS;

/// The counts of one row and one version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) passed: usize,
    /// The names of the failed tests.
    pub(crate) failed: Vec<String>,
    /// The missing components, with the number of cases.
    pub(crate) missing: BTreeMap<String, usize>,
}

impl Cell {
    pub(crate) fn is_green(&self) -> bool {
        self.failed.is_empty() && self.passed > 0
    }

    pub(crate) fn missing_cases(&self) -> usize {
        self.missing.values().sum()
    }
}

/// All cells, by row and version.
#[derive(Debug, Default)]
pub(crate) struct Matrix {
    cells: BTreeMap<(String, String), Cell>,
}

/// One line of a report of the conformance cases.
#[derive(Deserialize)]
struct Line {
    name: String,
    servers: Option<String>,
    outcome: String,
    reason: Option<String>,
}

impl Matrix {
    /// Reads all reports in `folder`.
    ///
    /// # Errors
    /// A report cannot be read.
    pub(crate) fn read(folder: &Path) -> Result<Self, String> {
        let mut matrix = Matrix::default();
        let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
        for file in fs::read_dir(folder).map_err(failed)? {
            let path = file.map_err(failed)?.path();
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let content = || fs::read_to_string(&path).map_err(failed);
            let Some((version, what)) = name.split_once(' ') else { continue };
            if path.extension().is_some_and(|extension| extension == "jsonl") {
                for line in content()?.lines() {
                    matrix.add_case(version, line).map_err(|why| format!("{name}: {why}"))?;
                }
            } else if let Some(target) = what.strip_prefix("tests ")
                && TARGETS.iter().any(|(known, _)| *known == target)
            {
                matrix.add_tests(version, target, &content()?);
            }
        }
        Ok(matrix)
    }

    fn cell(&mut self, row: String, version: &str) -> &mut Cell {
        self.cells.entry((row, version.to_owned())).or_default()
    }

    fn add_case(&mut self, version: &str, line: &str) -> Result<(), String> {
        let line: Line = serde_json::from_str(line).map_err(|error| error.to_string())?;
        let servers = line.servers.as_deref().unwrap_or("no servers of its own");
        let api =
            ["async", "blocking"].into_iter().find(|api| line.name.ends_with(&format!("[{api}]")));
        let row = match api {
            Some(api) => format!("{servers}, {api}"),
            None => "data without an API".to_owned(),
        };
        if line.outcome == "ignored" || line.outcome == "missing" && line.servers.is_none() {
            return Ok(());
        }
        let cell = self.cell(row, version);
        match line.outcome.as_str() {
            "passed" => cell.passed += 1,
            "failed" => {
                cell.failed.push(format!("{}: {}", line.name, line.reason.unwrap_or_default()));
            }
            "missing" => *cell.missing.entry(line.reason.unwrap_or_default()).or_default() += 1,
            other => return Err(format!("the outcome {other:?} is unknown")),
        }
        Ok(())
    }

    fn add_tests(&mut self, version: &str, target: &str, log: &str) {
        let cell = self.cell(format!("tests of {target}"), version);
        for line in log.lines() {
            if let Some(counts) = line.strip_prefix("test result: ") {
                let passed = counts.split("; ").next().and_then(|count| {
                    count.split_whitespace().rev().nth(1).and_then(|count| count.parse().ok())
                });
                cell.passed += passed.unwrap_or(0_usize);
            } else if let Some(name) = line.strip_prefix("---- ") {
                cell.failed.push(name.trim_end_matches(" stdout ----").to_owned());
            } else if line.starts_with("error: test failed") || line.contains("(signal: ") {
                cell.failed.push(line.to_owned());
            }
        }
    }

    /// The rows, in order.
    pub(crate) fn rows(&self) -> BTreeSet<&str> {
        self.cells.keys().map(|(row, _)| row.as_str()).collect()
    }

    /// The versions, oldest first.
    pub(crate) fn versions(&self) -> Vec<&str> {
        let all: BTreeSet<&str> = self.cells.keys().map(|(_, version)| version.as_str()).collect();
        let mut all: Vec<_> = all.into_iter().collect();
        all.sort_by_key(|version| {
            version.split('.').map(|part| part.parse().unwrap_or(0_u32)).collect::<Vec<_>>()
        });
        all
    }

    /// The cell, if anything ran there.
    pub(crate) fn at(&self, row: &str, version: &str) -> Option<&Cell> {
        self.cells.get(&(row.to_owned(), version.to_owned()))
    }

    /// Whether no cell is red.
    pub(crate) fn is_green(&self) -> bool {
        !self.cells.is_empty() && self.cells.values().all(Cell::is_green)
    }
}
