//! What goes beyond the reference plugin.

mod bad_input;
mod collect;
mod crash;
mod newer;
mod reference;
mod restore;
mod upgrade;
mod versions;

/// The version of the specification that has GC and STATUS.
const NEWEST: &str = "1.1.0";
