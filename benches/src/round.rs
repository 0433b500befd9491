//! Interleaved rounds: contenders measured in turn under the same conditions.
//!
//! One round measures every contender once. The next round starts with the next contender, so that
//! the neighbours differ. A figure is the median over the rounds. Ratios are taken within each
//! round, between measurements that are milliseconds apart, and their median is reported. A machine
//! that slows down for a second slows both sides of the ratio.

use std::time::Duration;

/// The result of one measurement.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// The duration of the measured part.
    pub elapsed: Duration,
    /// The number of operations in that part.
    pub ops: u64,
}

impl Sample {
    /// Nanoseconds per operation.
    pub fn nanos_per_op(&self) -> f64 {
        self.elapsed.as_secs_f64() * 1e9 / self.ops.max(1) as f64
    }
}

/// A measurement that did not end: a task waits for something that never comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stalled;

impl std::fmt::Display for Stalled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the measurement stalled: a task waits for a wake-up that does not come")
    }
}

impl std::error::Error for Stalled {}

/// A contender: a name, and a function that performs about as many operations as requested. The
/// function returns their number and duration.
pub struct Contender {
    name: &'static str,
    run: Box<dyn FnMut(u64) -> Result<Sample, Stalled>>,
}

impl Contender {
    /// A contender whose `run` performs at least one operation, and about as many as requested, and
    /// times them.
    pub fn new(name: &'static str, mut run: impl FnMut(u64) -> Sample + 'static) -> Self {
        Self::may_stall(name, move |ops| Ok(run(ops)))
    }

    /// A contender that may stall. See [`Contender::new`].
    pub fn may_stall(
        name: &'static str,
        run: impl FnMut(u64) -> Result<Sample, Stalled> + 'static,
    ) -> Self {
        Self { name, run: Box::new(run) }
    }

    /// The name in tables and bounds.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Measures about `ops` operations.
    ///
    /// # Errors
    ///
    /// [`Stalled`] if they did not end. Such a contender must not be measured again.
    pub fn measure(&mut self, ops: u64) -> Result<Sample, Stalled> {
        (self.run)(ops)
    }
}

/// The duration of a contest.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The number of measured rounds, at least 1.
    pub rounds: usize,
    /// The approximate duration of one measurement of one contender.
    pub slice: Duration,
}

/// The measurements of one contender, one per round, in nanoseconds per operation (or another unit
/// of the caller).
#[derive(Clone, Debug)]
pub struct Figures {
    /// The name of the contender.
    pub name: &'static str,
    /// One figure per round, in order. Empty for a contender that stalled.
    pub rounds: Vec<f64>,
}

/// The quartiles of a set of figures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// A quarter of the figures is at or below this.
    pub low: f64,
    /// Half of the figures is at or below this.
    pub median: f64,
    /// Three quarters of the figures are at or below this.
    pub high: f64,
}

impl Spread {
    /// The quartiles of `figures`, interpolated between neighbours. All NaN if there are none.
    pub fn of(figures: &[f64]) -> Self {
        let mut sorted = figures.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |part: f64| {
            let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
            let place = part * last as f64;
            let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
            below + (above - below) * place.fract()
        };
        Self { low: at(0.25), median: at(0.5), high: at(0.75) }
    }
}

impl Figures {
    /// A figure that is exact and needs no rounds, such as a size in bytes.
    pub fn exact(name: &'static str, value: f64) -> Self {
        Self { name, rounds: vec![value] }
    }

    /// Whether the contender stalled in one of the rounds.
    pub fn stalled(&self) -> bool {
        self.rounds.is_empty()
    }

    /// The quartiles over the rounds.
    pub fn spread(&self) -> Spread {
        Spread::of(&self.rounds)
    }

    /// The median over the rounds.
    pub fn median(&self) -> f64 {
        self.spread().median
    }

    /// The quartiles of this contender's figures divided, round by round, by those of `other`. Zero
    /// divided by zero counts as equal.
    pub fn ratio_to(&self, other: &Self) -> Spread {
        let ratio = |(mine, theirs): (&f64, &f64)| if mine == theirs { 1.0 } else { mine / theirs };
        Spread::of(&self.rounds.iter().zip(&other.rounds).map(ratio).collect::<Vec<_>>())
    }
}

/// Measures the contenders against each other. A contender that stalls is left out from then on and
/// has no figures.
pub fn contest(plan: Plan, contenders: &mut [Contender]) -> Vec<Figures> {
    let mut ops: Vec<Result<u64, Stalled>> =
        contenders.iter_mut().map(|contender| calibrate(plan.slice, contender)).collect();
    let mut figures: Vec<Figures> = contenders
        .iter()
        .map(|contender| Figures { name: contender.name, rounds: Vec::new() })
        .collect();
    for round in 0..plan.rounds.max(1) {
        for turn in 0..contenders.len() {
            let index = (round + turn) % contenders.len();
            let Ok(wanted) = ops[index] else { continue };
            match contenders[index].measure(wanted) {
                Ok(sample) => figures[index].rounds.push(sample.nanos_per_op()),
                Err(stalled) => {
                    ops[index] = Err(stalled);
                    figures[index].rounds.clear();
                }
            }
        }
    }
    figures
}

/// Warms up a contender, and finds how many of its operations fill a slice: doubles until a tenth
/// of the slice is filled, then extrapolates.
fn calibrate(slice: Duration, contender: &mut Contender) -> Result<u64, Stalled> {
    let mut ops = 16;
    loop {
        let sample = contender.measure(ops)?;
        if sample.elapsed * 10 >= slice || ops >= 1 << 32 {
            let wanted = slice.as_nanos() as f64 / sample.nanos_per_op().max(0.01);
            let ops = (wanted as u64).max(1);
            contender.measure(ops)?;
            return Ok(ops);
        }
        ops = ops.max(sample.ops) * 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_interpolate() {
        let spread = Spread::of(&[4.0, 1.0, 3.0, 2.0]);
        assert_eq!(spread, Spread { low: 1.75, median: 2.5, high: 3.25 });
        assert!(Spread::of(&[]).median.is_nan());
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        // In the second round, the machine is ten times slower for both.
        let fast = Figures { name: "fast", rounds: vec![1.0, 10.0, 1.0] };
        let slow = Figures { name: "slow", rounds: vec![2.0, 20.0, 2.0] };
        assert_eq!(fast.ratio_to(&slow), Spread { low: 0.5, median: 0.5, high: 0.5 });
        assert_eq!(Figures::exact("a", 0.0).ratio_to(&Figures::exact("b", 0.0)).median, 1.0);
    }

    #[test]
    fn each_contender_runs_once_a_round_in_rotating_order() {
        let order = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
        let mut contenders: Vec<Contender> = ["a", "b", "c"]
            .into_iter()
            .map(|name| {
                let order = order.clone();
                Contender::new(name, move |ops| {
                    order.borrow_mut().push(name);
                    Sample { elapsed: Duration::from_nanos(ops * 10), ops }
                })
            })
            .collect();
        let plan = Plan { rounds: 3, slice: Duration::from_nanos(160) };
        let figures = contest(plan, &mut contenders);
        assert!(figures.iter().all(|figures| figures.rounds == [10.0; 3]));
        // Two calls each to warm up and calibrate, then the rounds.
        let order = order.borrow();
        assert_eq!(order[6..], ["a", "b", "c", "b", "c", "a", "c", "a", "b"]);
    }

    #[test]
    fn stalled_contender_is_left_out() {
        let mut calls = 0;
        let stalls = Contender::may_stall("stalls", move |ops| {
            calls += 1;
            if calls == 4 {
                Err(Stalled)
            } else {
                Ok(Sample { elapsed: Duration::from_nanos(ops), ops })
            }
        });
        let runs = Contender::new("runs", |ops| Sample { elapsed: Duration::from_nanos(ops), ops });
        let figures =
            contest(Plan { rounds: 4, slice: Duration::from_nanos(16) }, &mut [stalls, runs]);
        assert!(figures[0].stalled() && figures[1].rounds.len() == 4);
        assert!(figures[0].ratio_to(&figures[1]).median.is_nan());
    }
}
