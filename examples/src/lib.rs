//! Programs that show the three crates at work, one file each under `examples/`.
