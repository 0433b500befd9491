//! The round-trip times of one server (specifications "Server Selection", section "Calculation of
//! Average Round Trip Times", and "Server Monitoring", section "Measuring RTT").

use std::time::Duration;

use crate::description::RoundTrip;

/// The number of recent samples for the minimum.
const RECENT: usize = 10;
/// The weight of a new sample.
const ALPHA: f64 = 0.2;

/// The samples since the server was last unreachable, as a summary.
#[derive(Clone, Debug, Default)]
pub(crate) struct RoundTrips {
    average: Option<Duration>,
    recent: [Duration; RECENT],
    count: usize,
}

impl RoundTrips {
    /// Adds a sample.
    pub(crate) fn add(&mut self, sample: Duration) {
        self.average = Some(moving_average(self.average, sample));
        self.recent[self.count % RECENT] = sample;
        self.count += 1;
    }

    /// Discards all samples after the server was unreachable.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    /// The average, and the minimum of the recent samples, which is zero until there are two. Zero
    /// without samples.
    pub(crate) fn summary(&self) -> RoundTrip {
        let minimum = match self.count {
            0 | 1 => Duration::ZERO,
            count => self.recent[..count.min(RECENT)].iter().min().copied().unwrap_or_default(),
        };
        RoundTrip { average: self.average.unwrap_or_default(), minimum }
    }
}

/// The exponentially weighted moving average after one more sample.
pub(crate) fn moving_average(old: Option<Duration>, sample: Duration) -> Duration {
    match old {
        None => sample,
        Some(old) => sample.mul_f64(ALPHA) + old.mul_f64(1.0 - ALPHA),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn average_moves_by_a_fifth_of_the_difference() {
        let mut trips = RoundTrips::default();
        trips.add(ms(10));
        assert_eq!(trips.summary().average, ms(10));
        trips.add(ms(60));
        assert_eq!(trips.summary().average, ms(20));
        trips.reset();
        trips.add(ms(60));
        assert_eq!(trips.summary().average, ms(60));
    }

    #[test]
    fn minimum_of_ten_samples_is_zero_before_two() {
        let mut trips = RoundTrips::default();
        trips.add(ms(1));
        assert_eq!(trips.summary().minimum, ms(0));
        trips.add(ms(5));
        assert_eq!(trips.summary().minimum, ms(1));
        (0..9).for_each(|_| trips.add(ms(7)));
        assert_eq!(trips.summary().minimum, ms(5));
        trips.add(ms(8));
        assert_eq!(trips.summary().minimum, ms(7));
    }
}
