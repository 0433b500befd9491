//! Contenders measured in wall time and processor time, alone or in many tasks.

use super::Metric;
use benches::counting_alloc::{Allocations, count};
use benches::cpu::CpuTime;
use benches::round::Figures;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// The figures of one slice of one contender.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken {
    /// The time of the operations.
    pub(super) wall: Duration,
    /// The time in which `cpu` was used.
    elapsed: Duration,
    pub(super) cpu: CpuTime,
    pub(super) ops: u64,
}

impl Taken {
    fn per_op(&self, figure: f64) -> f64 {
        figure / self.ops.max(1) as f64
    }
}

/// A contender. It performs the requested number of operations.
pub(super) struct Contender {
    pub(super) name: &'static str,
    /// Performs operations. Returns their duration if it differs from that of the call.
    run: Box<dyn FnMut(u64) -> Option<Duration>>,
}

/// The work of one task. The arguments are the number of the task and the number of operations.
pub(super) type Work =
    Arc<dyn Fn(usize, u64) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// Wraps an async function of task number and operations.
pub(super) fn work<F>(work: impl Fn(usize, u64) -> F + Send + Sync + 'static) -> Work
where
    F: Future<Output = ()> + Send + 'static,
{
    Arc::new(move |task, ops| Box::pin(work(task, ops)))
}

impl Contender {
    /// A contender whose operations are spread over `tasks` tasks of `runtime`.
    pub(super) fn tasks(
        name: &'static str,
        runtime: &Arc<Runtime>,
        tasks: usize,
        work: Work,
    ) -> Self {
        let runtime = Arc::clone(runtime);
        let run = move |ops: u64| {
            let (each, rest) = (ops / tasks as u64, ops % tasks as u64);
            let share = |task: usize| each + u64::from((task as u64) < rest);
            let all: Vec<_> =
                (0..tasks).map(|task| runtime.spawn(work(task, share(task)))).collect();
            runtime.block_on(async {
                for one in all {
                    one.await.expect("the work of a task does not panic");
                }
            });
            None
        };
        Contender { name, run: Box::new(run) }
    }

    /// A contender that works on the calling thread.
    pub(super) fn blocking(name: &'static str, mut run: impl FnMut(u64) + 'static) -> Self {
        let run = move |ops| {
            run(ops);
            None
        };
        Contender { name, run: Box::new(run) }
    }

    /// A contender that measures the duration of its operations itself.
    pub(super) fn timed(
        name: &'static str,
        mut run: impl FnMut(u64) -> Duration + 'static,
    ) -> Self {
        Contender { name, run: Box::new(move |ops| Some(run(ops))) }
    }

    /// Performs `ops` operations.
    fn measure(&mut self, ops: u64) -> Taken {
        let (before, clock) = (CpuTime::now(), Instant::now());
        let measured = (self.run)(ops);
        let (elapsed, cpu) = (clock.elapsed(), CpuTime::now().since(&before));
        Taken { wall: measured.unwrap_or(elapsed), elapsed, cpu, ops }
    }

    /// The allocations of `ops` operations, of the whole process.
    fn allocations(&mut self, ops: u64) -> Allocations {
        (self.run)(ops);
        count(|| (self.run)(ops)).1
    }
}

/// The result of a contest: for each metric the figures of each contender, in microseconds or
/// pieces per operation.
pub(super) type Outcome = [(Metric, Vec<Figures>); Metric::ALL.len()];

/// The duration of a contest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) rounds: usize,
    /// The approximate time of one contender in one round.
    pub(super) slice: Duration,
    /// The costs of the process without operations.
    pub(super) idle: Idle,
    /// The number of operations must be a multiple of this.
    pub(super) multiple: u64,
}

/// Measures the contenders in turn. Each round starts with the next contender.
pub(super) fn contest(plan: Plan, contenders: &mut [Contender]) -> Outcome {
    let ops: Vec<u64> = contenders.iter_mut().map(|contender| calibrate(plan, contender)).collect();
    let mut outcome = Metric::ALL.map(|metric| (metric, blank(contenders)));
    for round in 0..plan.rounds.max(1) {
        for turn in 0..contenders.len() {
            let index = (round + turn) % contenders.len();
            let taken = contenders[index].measure(ops[index]);
            let idle = |per_second: f64| taken.elapsed.as_secs_f64() * per_second;
            for (metric, figures) in &mut outcome {
                let figure = match metric {
                    Metric::Wall => micros(taken.wall),
                    Metric::Cpu => micros(taken.cpu.total()) - idle(plan.idle.cpu),
                    Metric::Kernel => micros(taken.cpu.system) - idle(plan.idle.kernel),
                    Metric::Sleeps => taken.cpu.voluntary_switches as f64 - idle(plan.idle.sleeps),
                    Metric::Allocations | Metric::Bytes | Metric::Exact => continue,
                };
                figures[index].rounds.push(taken.per_op(figure.max(0.0)));
            }
        }
    }
    for (index, contender) in contenders.iter_mut().enumerate() {
        let sample = ops[index].min(1000).div_ceil(plan.multiple) * plan.multiple;
        let counted = contender.allocations(sample);
        for (metric, figures) in &mut outcome {
            let figure = match metric {
                Metric::Allocations => counted.calls,
                Metric::Bytes => counted.bytes,
                Metric::Wall | Metric::Cpu | Metric::Kernel | Metric::Sleeps | Metric::Exact => {
                    continue;
                }
            };
            figures[index].rounds.push(figure as f64 / sample as f64);
        }
    }
    outcome
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn blank(contenders: &[Contender]) -> Vec<Figures> {
    contenders
        .iter()
        .map(|contender| Figures { name: contender.name, rounds: Vec::new() })
        .collect()
}

/// Warms up a contender, and finds how many of its operations fill a slice.
fn calibrate(plan: Plan, contender: &mut Contender) -> u64 {
    let mut ops = plan.multiple;
    loop {
        let taken = contender.measure(ops);
        if taken.wall * 4 >= plan.slice {
            let wanted = plan.slice.as_secs_f64() / taken.wall.as_secs_f64() * ops as f64;
            return ((wanted / plan.multiple as f64).round() as u64).max(1) * plan.multiple;
        }
        ops *= 2;
    }
}

/// The costs of the process per second without operations.
#[derive(Clone, Copy, Debug)]
pub(super) struct Idle {
    /// Processor time, in microseconds.
    pub(super) cpu: f64,
    /// The part of it that is the kernel's.
    kernel: f64,
    /// The number of times that its threads sleep.
    sleeps: f64,
}

impl Idle {
    /// Measures for this long.
    pub(super) fn measured(over: Duration) -> Self {
        let (before, clock) = (CpuTime::now(), Instant::now());
        std::thread::sleep(over);
        let (used, seconds) = (CpuTime::now().since(&before), clock.elapsed().as_secs_f64());
        Idle {
            cpu: micros(used.total()) / seconds,
            kernel: micros(used.system) / seconds,
            sleeps: used.voluntary_switches as f64 / seconds,
        }
    }
}
