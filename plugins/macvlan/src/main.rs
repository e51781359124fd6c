//! The plugin as a program of its own, without the IPAM plugins that the multi-call executable holds.

use std::process::ExitCode;

fn main() -> ExitCode {
    lifecycle::serve(&lifecycle::NetworkPlugin::<macvlan::Macvlan>::new(&[]))
}
