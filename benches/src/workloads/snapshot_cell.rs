//! Reads a value that may be replaced.

use crate::peers::snapshot_cell::{Locked, Nest, Shared, SnapshotCell, Swap, Value, Watch};
use crate::round::{Contender, Sample};
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Whether the value is replaced meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    /// It is not.
    None,
    /// Another thread replaces it, after every [`PAUSE`].
    Swaps,
}

/// The writer's pause between two replacements, shorter than in any deployment.
pub const PAUSE: Duration = Duration::from_micros(100);

/// Reads one number of the value.
pub fn read(writer: Writer) -> Vec<Contender> {
    vec![
        reads::<Nest>(Nest::NAME, writer),
        reads::<Swap>(Swap::NAME, writer),
        reads::<Shared>(Shared::NAME, writer),
        reads::<Watch>(Watch::NAME, writer),
        reads::<Locked>(Locked::NAME, writer),
    ]
}

/// The name of the nest in [`with_and_without`] without a writer.
pub const QUIET: &str = "nest without a writer";

/// The nest with a writer compared with the nest without.
pub fn with_and_without() -> Vec<Contender> {
    vec![reads::<Nest>(Nest::NAME, Writer::Swaps), reads::<Nest>(QUIET, Writer::None)]
}

fn reads<B: SnapshotCell>(name: &'static str, writer: Writer) -> Contender {
    let cell = Arc::new(B::new(value(0)));
    Contender::new(name, move |ops| {
        let stop = Arc::new(AtomicBool::new(false));
        let writing = (writer == Writer::Swaps).then(|| {
            let (cell, stop) = (cell.clone(), stop.clone());
            std::thread::spawn(move || {
                let mut number = 0;
                while !stop.load(Ordering::Relaxed) {
                    number += 1;
                    cell.replace(value(number));
                    std::thread::sleep(PAUSE);
                }
            })
        });
        let start = Instant::now();
        for op in 0..ops {
            black_box(black_box(&*cell).read(op as usize % 32));
        }
        let elapsed = start.elapsed();
        stop.store(true, Ordering::Relaxed);
        if let Some(writing) = writing {
            writing.join().expect("a writer ends without a panic");
        }
        Sample { elapsed, ops }
    })
}

fn value(number: u64) -> Value {
    [number; 32]
}
