//! Measurements of this workspace against its peers and against the floor.
//!
//! The library holds the common parts of all measurements. The binary `versus` and the criterion
//! benches use it.
//!
//! | module | content |
//! |---|---|
//! | [`round`] | contenders measured in turn, round by round, and their figures |
//! | [`baseline`] | earlier ratios, and the cells that became worse |
//! | [`bound`] | the bounds of a figure against a peer, and whether it meets them |
//! | [`report`] | a table of cells: as text, as JSON, as a plot |
//! | [`table`], [`plot`] | aligned rows; bars in SVG |
//! | [`counting_alloc`], [`cpu`] | allocations and processor time of a piece of code |
//! | [`drive`] | polling by hand: ready futures, crowds of waiters, tasks that start together |
//! | [`peers`] | the primitives of `toro`, the driver's pool and nest, and their peers |
//! | [`workloads`] | the measured workloads, with their contenders |
//! | [`options`], [`versions`] | the command line; the versions that were measured |
//!
//! How figures are kept fair: contenders take turns within every round, and the order rotates from
//! round to round, so that a slow moment of the machine affects all of them. Ratios are taken
//! within a round, and their median is reported. Each contender is warmed up, and its number of
//! operations is chosen so that one measurement fills a fixed slice of time. Memory for a
//! measurement is allocated before its clock starts.

pub mod baseline;
pub mod bound;
pub mod counting_alloc;
pub mod cpu;
pub mod drive;
pub mod options;
pub mod peers;
pub mod plot;
pub mod report;
pub mod round;
pub mod table;
pub mod versions;
pub mod workloads;
