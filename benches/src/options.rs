//! The common command line of all measurements.

use std::path::PathBuf;

/// The thoroughness of a measurement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    /// For figures to be published.
    #[default]
    Full,
    /// A quick look: few, short rounds.
    Quick,
}

/// The parsed command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Where to write all figures as JSON.
    pub json: Option<PathBuf>,
    /// Where to write a plot as SVG.
    pub plot: Option<PathBuf>,
    /// Where to write the cells with bounds, as a Markdown table.
    pub table: Option<PathBuf>,
    /// The baseline to compare with.
    pub against: Option<PathBuf>,
    /// The baseline to store the figures in.
    pub write_baseline: Option<PathBuf>,
    /// The number of rounds, instead of the usual one.
    pub rounds: Option<usize>,
    /// Measure only cells whose name contains this.
    pub cell: Option<String>,
    /// Measure only contenders of this name, and compare nothing: for use with a profiler.
    pub only: Option<String>,
    /// The servers to measure with, instead of new ones.
    pub uri: Option<String>,
    /// The thoroughness.
    pub pace: Pace,
}

/// The options, for the usage text.
pub const USAGE: &str = "    --json FILE       write every figure as JSON
    --plot FILE.svg   draw the ratios as bars
    --table FILE.md   write the cells with a bound as a Markdown table
    --against FILE    list the cells that are more than 15 % worse than in the baseline FILE,
                      and fail if there are any
    --write-baseline FILE
                      store the ratios of this run in the baseline FILE
    --rounds N        measure N rounds (1 to 1000)
    --cell SUBSTRING  measure only the cells whose name contains SUBSTRING
    --only NAME       run only the contender NAME, without a comparison: for a profiler
    --uri URI         measure with these servers instead of new ones (driver, failover)
    --quick           few, short rounds: a quick look, not for publication";

impl Options {
    /// Parses the arguments after the name of the measurement.
    ///
    /// # Errors
    ///
    /// An argument is unknown. The message names it and the valid ones.
    pub fn parse(words: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let mut value =
                |what: &str| words.next().ok_or(format!("{word} needs {what} after it"));
            match word.as_str() {
                "--json" => options.json = Some(value("the name of a file")?.into()),
                "--plot" => options.plot = Some(value("the name of a file")?.into()),
                "--table" => options.table = Some(value("the name of a file")?.into()),
                "--against" => options.against = Some(value("the name of a file")?.into()),
                "--write-baseline" => {
                    options.write_baseline = Some(value("the name of a file")?.into())
                }
                "--cell" => options.cell = Some(value("a part of a cell's name")?),
                "--only" => options.only = Some(value("the name of a contender")?),
                "--uri" => options.uri = Some(value("a connection string")?),
                "--quick" => options.pace = Pace::Quick,
                "--rounds" => {
                    let text = value("a number")?;
                    let rounds = text.parse().ok().filter(|rounds| (1..=1000).contains(rounds));
                    options.rounds =
                        Some(rounds.ok_or(format!(
                            "--rounds takes a number from 1 to 1000, not {text:?}"
                        ))?);
                }
                other => {
                    return Err(format!("{other:?} is not an option; the options are\n{USAGE}"));
                }
            }
        }
        if options.only.is_some() && (options.against.is_some() || options.write_baseline.is_some())
        {
            return Err(
                "--only compares nothing: it goes with neither --against nor --write-baseline"
                    .into(),
            );
        }
        Ok(options)
    }

    /// Whether to measure a contender of this name.
    pub fn admits(&self, contender: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only == contender)
    }

    /// Whether to measure a cell of this name.
    pub fn wants(&self, cell: &str) -> bool {
        self.cell.as_ref().is_none_or(|part| cell.contains(part.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(line.split_whitespace().map(String::from))
    }

    #[test]
    fn options_are_read() {
        let options = parse(
            "--json a.json --plot b.svg --table c.md --rounds 31 --cell lock --only flume --quick",
        )
        .expect("all are options");
        assert_eq!(options.json, Some("a.json".into()));
        assert_eq!((&options.plot, &options.table), (&Some("b.svg".into()), &Some("c.md".into())));
        assert_eq!((options.rounds, options.pace), (Some(31), Pace::Quick));
        assert!(options.wants("lock, uncontended") && !options.wants("queue"));
        assert!(options.admits("flume") && !options.admits("toro"));
        assert!(parse("").expect("nothing is needed").wants("anything"));
    }

    #[test]
    fn errors_name_the_wrong_argument() {
        assert_eq!(parse("--json").unwrap_err(), "--json needs the name of a file after it");
        assert!(parse("--rounds 0").unwrap_err().contains("1 to 1000, not \"0\""));
        assert!(
            parse("--only a --against b.json").unwrap_err().contains("--only compares nothing")
        );
        assert!(parse("--fast").unwrap_err().contains("\"--fast\" is not an option"));
    }
}
