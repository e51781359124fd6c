//! Beyond the reference plugin.

mod backends;
mod bad_input;
mod connections;
mod crash;
mod networks;
mod parallel;
mod sctp;
mod verbs;
