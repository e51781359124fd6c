//! Peak resident memory of a process, exactly: it is stopped at its exit and `/proc` is read.
//!
//! `wait4` would not do: what it reports includes the parent's memory at the time of the fork.

use std::io::Read;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::process::Invocation;

/// Runs it; `VmHWM` at its exit in KiB, and its standard output.
///
/// # Errors
/// When it fails or cannot be traced.
pub fn peak(invocation: &Invocation) -> Result<(u64, String)> {
    // The shell waits until we trace it, then becomes the program.
    let mut held = invocation.clone();
    held.program = "/bin/sh".into();
    held.arguments = ["-c", "kill -STOP $$; exec \"$0\""].map(String::from).to_vec();
    held.arguments.push(invocation.program.display().to_string());
    let mut child = held.command()?.stdout(Stdio::piped()).spawn().context("start /bin/sh")?;
    let pid = Pid::from_raw(i32::try_from(child.id())?);
    waitpid(pid, Some(WaitPidFlag::WUNTRACED))?;
    ptrace::seize(pid, ptrace::Options::PTRACE_O_TRACEEXIT).context("trace the plugin")?;
    kill(pid, Signal::SIGCONT)?;
    let mut peak = None;
    let code = loop {
        match waitpid(pid, None)? {
            WaitStatus::PtraceEvent(_, _, event) if event == ptrace::Event::PTRACE_EVENT_EXIT as i32 => {
                peak = Some(high_water(pid)?);
                ptrace::cont(pid, None)?;
            }
            WaitStatus::Stopped(_, Signal::SIGTRAP) | WaitStatus::PtraceEvent(..) => ptrace::cont(pid, None)?,
            WaitStatus::Stopped(_, signal) => ptrace::cont(pid, signal)?,
            WaitStatus::Exited(_, code) => break code,
            other => bail!("{}: {other:?}", invocation.program.display()),
        }
    };
    let mut output = String::new();
    child.stdout.take().context("no pipe")?.read_to_string(&mut output)?;
    if code != 0 {
        bail!("{}: exit status {code}: {output}", invocation.program.display());
    }
    Ok((peak.context("it exited unseen")?, output))
}

fn high_water(pid: Pid) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    line.trim().trim_end_matches(" kB").parse().context("VmHWM")
}
