//! The matrix as an SVG, without a plotting library.

use std::fmt::Write as _;

use crate::cells::Matrix;

const LABELS: usize = 250;
const WIDTH: usize = 150;
const HEIGHT: usize = 34;
const TOP: usize = 60;
const GREEN: &str = "#2f8f5b";
const RED: &str = "#c0392b";
const GREY: &str = "#d5dbe0";

/// The whole diagram.
pub(crate) fn of(matrix: &Matrix) -> String {
    let (rows, versions) = (matrix.rows(), matrix.versions());
    let width = LABELS + WIDTH * versions.len() + 20;
    let height = TOP + HEIGHT * rows.len() + 20;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"10\" y=\"24\" font-size=\"16\">Conformance cases and failover tests by server \
         version</text>\n"
    );
    for (column, version) in versions.iter().enumerate() {
        let x = LABELS + WIDTH * column + WIDTH / 2;
        let _ = writeln!(svg, "<text x=\"{x}\" y=\"52\" text-anchor=\"middle\">{version}</text>");
    }
    for (line, row) in rows.iter().enumerate() {
        let y = TOP + HEIGHT * line;
        let _ = writeln!(svg, "<text x=\"10\" y=\"{}\">{}</text>", y + 21, escaped(row));
        for (column, version) in versions.iter().enumerate() {
            let (colour, text) = match matrix.at(row, version) {
                None => (GREY, "not run".to_owned()),
                Some(cell) if cell.is_green() => match cell.missing_cases() {
                    0 => (GREEN, format!("{} passed", cell.passed)),
                    missing => (GREEN, format!("{} passed, {missing} missing", cell.passed)),
                },
                Some(cell) => (RED, format!("{} failed", cell.failed.len())),
            };
            let x = LABELS + WIDTH * column;
            let ink = if colour == GREY { "#333" } else { "white" };
            let _ = writeln!(
                svg,
                "<rect x=\"{x}\" y=\"{y}\" width=\"{}\" height=\"{}\" rx=\"4\" fill=\"{colour}\"/>\
                 <text x=\"{}\" y=\"{}\" text-anchor=\"middle\" fill=\"{ink}\" \
                 font-size=\"11\">{text}</text>",
                WIDTH - 4,
                HEIGHT - 4,
                x + WIDTH / 2 - 2,
                y + 20,
            );
        }
    }
    svg.push_str("</svg>\n");
    svg
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
