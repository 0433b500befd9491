//! The conformance cases and the failover tests, on every version and kind of servers.
//!
//! ```sh
//! cargo run -p driver --example matrix                      # all versions
//! cargo run -p driver --example matrix -- --versions 6.0.5  # one column
//! cargo run -p driver --example matrix -- --draw            # from the reports of earlier runs
//! ```
//!
//! A run writes its reports to `target/matrix`, and the diagram `matrix.svg` and the table
//! `matrix.md` to `driver/matrix`. Each conformance case runs once for each version, on the first
//! servers that meet its requirements. With `--servers standalone,replica-set` it runs on each of
//! these servers that meets them. The exit code is 1 if a cell is red.

mod cells;
mod run;
mod svg;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use lexopt::{Arg, Parser, ValueExt};

use self::cells::Matrix;

/// The versions that the testbed knows by default.
const VERSIONS: [&str; 4] = ["4.4.2", "5.0.4", "6.0.5", "6.0.27"];

/// The command line.
struct Arguments {
    versions: Vec<String>,
    /// One run of the conformance cases for each. Empty: one run on all.
    servers: Vec<String>,
    draw_only: bool,
    reports: PathBuf,
    output: PathBuf,
}

fn main() -> ExitCode {
    let done = Arguments::read().and_then(|arguments| {
        if !arguments.draw_only {
            run::all(&arguments)?;
        }
        let matrix = Matrix::read(&arguments.reports)?;
        std::fs::create_dir_all(&arguments.output).map_err(|error| error.to_string())?;
        let write = |name: &str, content: String| {
            let path = arguments.output.join(name);
            std::fs::write(&path, content).map_err(|error| format!("{}: {error}", path.display()))
        };
        write("matrix.svg", svg::of(&matrix))?;
        let table = table::of(&matrix);
        write("matrix.md", table.clone())?;
        println!("{table}");
        Ok(matrix.is_green())
    });
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("matrix: {why}");
            ExitCode::from(2)
        }
    }
}

impl Arguments {
    fn read() -> Result<Self, String> {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let mut arguments = Arguments {
            versions: VERSIONS.map(str::to_owned).to_vec(),
            servers: Vec::new(),
            draw_only: false,
            reports: root.join("../target/matrix"),
            output: root.join("matrix"),
        };
        let list = |text: String| text.split(',').map(str::to_owned).collect();
        let mut parser = Parser::from_env();
        let failed = |error: lexopt::Error| error.to_string();
        while let Some(argument) = parser.next().map_err(failed)? {
            let option = match argument {
                Arg::Long(name) => name.to_owned(),
                other => return Err(other.unexpected().to_string()),
            };
            let mut value = || parser.value().and_then(|value| value.string()).map_err(failed);
            match option.as_str() {
                "versions" => arguments.versions = list(value()?),
                "servers" => arguments.servers = list(value()?),
                "reports" => arguments.reports = value()?.into(),
                "output" => arguments.output = value()?.into(),
                "draw" => arguments.draw_only = true,
                other => {
                    return Err(format!(
                        "--{other} is unknown; the options are --versions, --servers, --reports, \
                         --output and --draw"
                    ));
                }
            }
        }
        Ok(arguments)
    }
}
