//! The `cnm` command from outside: what plugins are asked, what is kept, what a person and a program see.
//!
//! Plugins are scripts that note their calls, or the suite that `CNM_TEST_BIN` names.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod attach;
mod collect;
mod demo;
mod keep;
mod overlay;
mod own;
mod shown;
mod stage;
