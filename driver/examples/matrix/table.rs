//! The matrix as a Markdown table, with the reasons behind its cells.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::cells::Matrix;

/// The whole page.
pub(crate) fn of(matrix: &Matrix) -> String {
    let versions = matrix.versions();
    let mut page = String::from("# Conformance and failover by server version\n\n");
    page.push_str(
        "`cargo run -p driver --example matrix` writes this page. A cell shows the passed ",
    );
    page.push_str("cases, and the\nmissing ones: cases that need a component named below.\n\n");
    let _ = writeln!(page, "| | {} |", versions.join(" | "));
    let _ = writeln!(page, "|---|{}", "---|".repeat(versions.len()));
    let mut missing = BTreeMap::<&str, usize>::new();
    let mut failed = Vec::new();
    for row in matrix.rows() {
        let _ = write!(page, "| {row} |");
        for version in &versions {
            let Some(cell) = matrix.at(row, version) else {
                page.push_str(" not run |");
                continue;
            };
            let word = if cell.is_green() { "green" } else { "**red**" };
            let _ = write!(page, " {word}: {} passed", cell.passed);
            if !cell.failed.is_empty() {
                let _ = write!(page, ", {} failed", cell.failed.len());
            }
            if cell.missing_cases() > 0 {
                let _ = write!(page, ", {} missing", cell.missing_cases());
            }
            page.push_str(" |");
            for (component, count) in &cell.missing {
                *missing.entry(component).or_default() += count;
            }
            failed.extend(cell.failed.iter().map(|name| format!("- {version}, {row}: {name}")));
        }
        page.push('\n');
    }
    if !missing.is_empty() {
        page.push_str("\n## Missing components\n\n");
        for (component, count) in missing {
            let _ = writeln!(page, "- {count} cases: {component}");
        }
    }
    if !failed.is_empty() {
        let _ = writeln!(page, "\n## Failed\n\n{}", failed.join("\n"));
    }
    page
}
