//! Contenders as a criterion group.

use benches::round::Contender;
use criterion::Criterion;
use std::time::Duration;

/// Measures the contenders of one workload, each under its own name.
pub(crate) fn side_by_side(criterion: &mut Criterion, work: &str, contenders: Vec<Contender>) {
    let mut group = criterion.benchmark_group(work);
    group.sample_size(20);
    group.warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_millis(800));
    for mut contender in contenders {
        group.bench_function(contender.name(), |bencher| {
            bencher.iter_custom(|iterations| {
                let sample = contender
                    .measure(iterations)
                    .unwrap_or_else(|stalled| panic!("{work}: {stalled}"));
                // Some workloads run in portions. Scales the measured time to the requested number.
                sample.elapsed.mul_f64(iterations as f64 / sample.ops as f64)
            });
        });
    }
    group.finish();
}
