//! Aligned rows of text.

use std::fmt;

/// Rows of cells under a heading. Each column is as wide as its widest cell. The first column and
/// text are left-aligned, numbers are right-aligned.
#[derive(Clone, Debug)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these column headings.
    pub fn new<S: Into<String>>(headings: impl IntoIterator<Item = S>) -> Self {
        Self { rows: vec![headings.into_iter().map(Into::into).collect()] }
    }

    /// Adds a row. A short row is filled with empty cells.
    pub fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }
}

/// Whether the first word of a cell is a number.
fn is_number(cell: &str) -> bool {
    cell.split_whitespace().next().is_some_and(|word| word.parse::<f64>().is_ok())
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let cell =
            |row: usize, column: usize| self.rows[row].get(column).map_or("", String::as_str);
        let rows = 0..self.rows.len();
        let widths: Vec<usize> = (0..columns)
            .map(|column| {
                rows.clone().map(|row| cell(row, column).chars().count()).max().unwrap_or(0)
            })
            .collect();
        let to_right: Vec<bool> = (0..columns)
            .map(|column| {
                column > 0 && rows.clone().skip(1).any(|row| is_number(cell(row, column)))
            })
            .collect();
        for row in rows {
            let mut line = String::new();
            for column in 0..columns {
                let (text, width) = (cell(row, column), widths[column]);
                line += &if to_right[column] {
                    format!("{text:>width$}  ")
                } else {
                    format!("{text:<width$}  ")
                };
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// A figure with at least three significant digits, and at most two decimals.
pub fn figure(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align() {
        let mut table = Table::new(["cell", "ns", "peer"]);
        table.row(["lock", "7.10", "tokio"]);
        table.row(["a longer name", "117", "async-lock"]);
        let text = "cell             ns  peer\n\
                    lock           7.10  tokio\n\
                    a longer name   117  async-lock\n";
        assert_eq!(table.to_string(), text);
    }

    #[test]
    fn figures_keep_their_digits() {
        assert_eq!([0.123, 7.1, 42.25, 1234.5].map(figure), ["0.12", "7.10", "42.2", "1234"]);
    }
}
