//! `versus toro`: every primitive compared with its peers, cell by cell.

mod cells;
mod footprint;
mod probe;

use crate::trial::{measure_all, plan};
use benches::drive::two_workers;
use benches::options::Options;
use benches::peers::PACKAGES;
use benches::report::Report;
use std::time::Instant;

/// A cell whose remark lists the cancel-safe contenders.
type Trial = crate::trial::Trial<probe::Kind>;

/// Measures the cells that `options` select.
///
/// # Errors
///
/// No cell has the requested name.
pub(crate) fn run(options: &Options) -> Result<Report, String> {
    // crossfire then waits as it would in a program: by yielding where there are few processors.
    crossfire::detect_backoff_cfg();
    let begun = Instant::now();
    let probed = probe::Findings::new();
    let cells = measure_all(cells::all(), &two_workers(), options, |kind, names| {
        probed.remark(kind, names)
    })?;
    let mut notes = probed.notes();
    notes.push(format!("measured in {:.0} s", begun.elapsed().as_secs_f64()));
    Ok(Report {
        title: format!(
            "toro against its peers: median of {} interleaved rounds",
            plan(options).rounds
        ),
        subject: "toro",
        against: None,
        shown: &[],
        packages: PACKAGES.to_vec(),
        notes,
        cells,
    })
}
