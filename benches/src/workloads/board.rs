//! Reads a value that may be replaced.

use crate::peers::board::{Board, Locked, Nest, Picture, Shared, Swap, Watch};
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
pub fn look(writer: Writer) -> Vec<Contender> {
    vec![
        looks::<Nest>(Nest::NAME, writer),
        looks::<Swap>(Swap::NAME, writer),
        looks::<Shared>(Shared::NAME, writer),
        looks::<Watch>(Watch::NAME, writer),
        looks::<Locked>(Locked::NAME, writer),
    ]
}

/// The name of the nest in [`with_and_without`] without a writer.
pub const QUIET: &str = "nest without a writer";

/// The nest with a writer compared with the nest without.
pub fn with_and_without() -> Vec<Contender> {
    vec![looks::<Nest>(Nest::NAME, Writer::Swaps), looks::<Nest>(QUIET, Writer::None)]
}

fn looks<B: Board>(name: &'static str, writer: Writer) -> Contender {
    let board = Arc::new(B::new(picture(0)));
    Contender::new(name, move |ops| {
        let stop = Arc::new(AtomicBool::new(false));
        let writing = (writer == Writer::Swaps).then(|| {
            let (board, stop) = (board.clone(), stop.clone());
            std::thread::spawn(move || {
                let mut number = 0;
                while !stop.load(Ordering::Relaxed) {
                    number += 1;
                    board.replace(picture(number));
                    std::thread::sleep(PAUSE);
                }
            })
        });
        let start = Instant::now();
        for op in 0..ops {
            black_box(black_box(&*board).look(op as usize % 32));
        }
        let elapsed = start.elapsed();
        stop.store(true, Ordering::Relaxed);
        if let Some(writing) = writing {
            writing.join().expect("a writer ends without a panic");
        }
        Sample { elapsed, ops }
    })
}

fn picture(number: u64) -> Picture {
    [number; 32]
}
