//! Processor time: what this process uses, and what others take from it.

use std::time::{Duration, Instant};

/// Processor time spent so far, by all threads of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTime {
    /// In the program itself.
    pub user: Duration,
    /// In the kernel on its behalf.
    pub system: Duration,
    /// How many times a thread gave up its processor of its own accord, to wait.
    pub voluntary_switches: u64,
    /// How many times a thread was made to give up its processor.
    pub involuntary_switches: u64,
}

impl CpuTime {
    /// What the process has used until now.
    pub fn now() -> Self {
        // SAFETY: `rusage` is a C struct of integers, for which all zeros are a value.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        // SAFETY: `usage` is a live `rusage` that the call may write. With RUSAGE_SELF and a valid
        // pointer the call cannot fail; were it to, the zeros would stand.
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

    /// What was used since `earlier`.
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

/// Runs `f` and tells the processor time that the process used meanwhile.
pub fn measure<R>(f: impl FnOnce() -> R) -> (R, CpuTime) {
    let before = CpuTime::now();
    let result = f();
    (result, CpuTime::now().since(&before))
}

/// How much of the machine other processes used while `f` ran: 0 when it was ours alone, 1 for one
/// whole processor. Includes what the hypervisor took. `None` where the system does not tell.
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

/// Processor time that was not idle since the machine started, over all processors: the first line
/// of `/proc/stat`, which counts hundredths of seconds as user, nice, system, idle, iowait, irq,
/// softirq, steal.
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
