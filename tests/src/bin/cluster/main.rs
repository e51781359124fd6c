//! `cluster`: holds the test rig open for a person. It makes hosts, prints the map and gives a shell; when the shell
//! ends, nothing is left.
//!
//! That nothing is left is the kernel's promise, not this program's care: all that it makes hangs on one process, the
//! first of a PID namespace of its own. With it die its shells and whatever they started, and so the namespaces. It dies
//! with the process that a person sees, whatever kills that: Ctrl-C, a closed terminal, SIGKILL.

#![forbid(unsafe_code)]

mod arguments;
mod session;

use std::io::{self, Write};
use std::process::{Command, ExitCode};

use arguments::{Arguments, HELP};
use nix::sched::{CloneFlags, unshare};

/// The argument that tells the first process of the PID namespace what it is.
const INSIDE: &str = "--inside";

fn main() -> ExitCode {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let inside = words.first().is_some_and(|word| word == INSIDE);
    if inside {
        words.remove(0);
    }
    let outcome = match arguments::parse(&words) {
        Ok(Arguments::Help) => io::stdout().write_all(HELP.as_bytes()).map(|()| 0).map_err(|error| error.to_string()),
        Ok(Arguments::Build(plan)) if inside => session::hold(plan),
        Ok(Arguments::Build(_)) => supervise(&words),
        Err(misuse) => {
            complain(&format!("{misuse}\n{HELP}"));
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(why) => {
            complain(&why);
            ExitCode::FAILURE
        }
    }
}

/// Starts this program again as the first process of a PID namespace and waits for its end.
#[expect(clippy::disallowed_methods, reason = "this program itself, on the terminal of whoever started it")]
fn supervise(words: &[String]) -> Result<u8, String> {
    unshare(CloneFlags::CLONE_NEWPID).map_err(|error| {
        format!("new PID namespace: {error}; this needs root: sudo env \"PATH=$PATH\" make cluster")
    })?;
    let program = std::env::current_exe().map_err(|error| format!("find this program: {error}"))?;
    let mut command = Command::new(program);
    command.arg(INSIDE).args(words);
    let status = command.status().map_err(|error| format!("start this program again: {error}"))?;
    // No exit status: it was killed, for instance by the kernel for want of memory.
    status.code().and_then(|code| u8::try_from(code).ok()).ok_or_else(|| format!("the cluster ended: {status}"))
}

fn complain(why: &str) {
    // Nobody is left to tell when that fails.
    let _ = writeln!(io::stderr(), "cluster: {why}");
}
