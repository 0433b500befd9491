//! Measurements of this workspace against its peers and against the floor.
//!
//! The library holds what every measurement shares; the binary `versus` and the criterion benches
//! stand on it.
//!
//! | module | what it is |
//! |---|---|
//! | [`round`] | contenders measured in turn, round by round, and the figures that come out |
//! | [`bound`] | what a figure must reach against a peer, and whether it does |
//! | [`report`] | a table of cells: as text, as JSON, as a plot |
//! | [`table`], [`plot`] | aligned rows; bars in SVG |
//! | [`counting_alloc`], [`cpu`] | allocations and processor time of a piece of code |
//! | [`drive`] | polling by hand: ready futures, crowds of waiters, tasks that start together |
//! | [`peers`] | each primitive of `toro` and of its peers behind one trait a kind |
//! | [`workloads`] | the work that is measured, with its contenders |
//! | [`options`], [`versions`] | the command line; the versions that were measured |
//!
//! How a figure is kept honest: contenders take turns within every round and the order rotates from
//! round to round, so that a slow stretch of the machine falls on all of them; ratios are taken
//! within a round and their median is reported; each contender is warmed and its number of
//! operations chosen so that one measurement fills a fixed slice of time; what a measurement needs
//! is allocated before its clock starts.

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
