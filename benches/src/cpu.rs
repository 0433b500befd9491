//! Processor time: used by this process, and by others.

use std::time::{Duration, Instant};

/// The processor time used so far by all threads of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTime {
    /// In user mode.
    pub user: Duration,
    /// In the kernel.
    pub system: Duration,
    /// The number of voluntary context switches.
    pub voluntary_switches: u64,
    /// The number of involuntary context switches.
    pub involuntary_switches: u64,
}

impl CpuTime {
    /// The processor time used until now.
    pub fn now() -> Self {
        // SAFETY: `rusage` is a C struct of integers, for which all zeros are a value.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        // SAFETY: `usage` is a live `rusage` that the call may write. With RUSAGE_SELF and a valid
        // pointer the call cannot fail, and if it did, the zeros would remain.
        unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut usage) };
        let duration = |time: libc::timeval| {
            Duration::new(time.tv_sec.unsigned_abs(), time.tv_usec.unsigned_abs() as u32 * 1000)
        };
        Self {
            user: duration(usage.ru_utime),
            system: duration(usage.ru_stime),
            voluntary_switches: usage.ru_nvcsw.unsigned_abs(),
            involuntary_switches: usage.ru_nivcsw.unsigned_abs(),
        }
    }

    /// User and kernel time together.
    pub fn total(&self) -> Duration {
        self.user + self.system
    }

    /// The time used since `earlier`.
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            user: self.user.saturating_sub(earlier.user),
            system: self.system.saturating_sub(earlier.system),
            voluntary_switches: self.voluntary_switches.saturating_sub(earlier.voluntary_switches),
            involuntary_switches: self
                .involuntary_switches
                .saturating_sub(earlier.involuntary_switches),
        }
    }
}

/// Runs `f` and returns the processor time that the process used meanwhile.
pub fn measure<R>(f: impl FnOnce() -> R) -> (R, CpuTime) {
    let before = CpuTime::now();
    let result = f();
    (result, CpuTime::now().since(&before))
}

/// The processor time that other processes used while `f` ran: 0 if there were none, 1 for a whole
/// processor. Includes the time taken by the hypervisor. `None` if the system does not report it.
pub fn disturbance<R>(f: impl FnOnce() -> R) -> (R, Option<f64>) {
    let (clock, before) = (Instant::now(), machine_time());
    let (result, ours) = measure(f);
    let elapsed = clock.elapsed().as_secs_f64();
    let foreign = before.zip(machine_time()).map(|(before, after)| {
        let all = after.saturating_sub(before).as_secs_f64();
        ((all - ours.total().as_secs_f64()) / elapsed).max(0.0)
    });
    (result, foreign)
}

/// The processor time that was not idle since the machine started, over all processors. It comes
/// from the first line of `/proc/stat`, which counts hundredths of seconds as user, nice, system,
/// idle, iowait, irq, softirq, steal.
fn machine_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/stat").ok()?;
    let ticks: Vec<u64> = text
        .lines()
        .next()?
        .split_whitespace()
        .skip(1)
        .map_while(|word| word.parse().ok())
        .collect();
    let [user, nice, system, _idle, _iowait, irq, softirq, steal, ..] = ticks[..] else {
        return None;
    };
    Some(Duration::from_millis(10 * (user + nice + system + irq + softirq + steal)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_uses_processor_time() {
        let ((), used) = measure(|| {
            let before = CpuTime::now();
            while CpuTime::now().since(&before).total() < Duration::from_millis(2) {
                std::hint::spin_loop();
            }
        });
        assert!(used.total() >= Duration::from_millis(2), "{used:?}");
    }
}
