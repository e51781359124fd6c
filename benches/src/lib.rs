//! Measured comparisons with the reference plugins and the kernel floor.
//!
//! Three contenders do the same work in one run, in turns, each in network and mount namespaces of its own. The
//! crate knows the plugins only as programs: nothing of the project is linked into it.

pub mod cases;
pub mod chain;
pub mod contender;
pub mod counts;
pub mod footprint;
pub mod instructions;
pub mod memory;
pub mod operation;
pub mod process;
pub mod published;
pub mod report;
pub mod statistics;
pub mod world;
