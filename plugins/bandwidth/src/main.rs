//! The plugin as a program of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    lifecycle::serve(&lifecycle::ChainedPlugin::<bandwidth::Limiter>::new())
}
