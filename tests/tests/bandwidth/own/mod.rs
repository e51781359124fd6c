//! What goes beyond the reference plugin.

mod bad_input;
mod beside;
mod collect;
mod crash;
mod detach;
mod reference;
mod upgrade;
mod versions;

/// The version of the specification that has GC and STATUS.
const NEWEST: &str = "1.1.0";
