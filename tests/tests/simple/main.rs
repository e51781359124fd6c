//! The networks without an interface of their own: loopback, none, host.
//!
//! What is below `own` has no counterpart among the reference plugins.

mod loopback;
mod own;
