//! What goes beyond the reference plugin.

mod bad_input;
mod beside;
mod collect;
mod crash;
mod detach;
mod reference;
mod status;
mod upgrade;
mod versions;
mod vm;

/// The version of the specification that has GC and STATUS.
const NEWEST: &str = "1.1.0";
