//! Async primitives that need no runtime: fair, cancel-safe, allocation-free waits.
