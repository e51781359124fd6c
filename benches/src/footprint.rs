//! Which code a verb executes: its functions, and how far apart they lie. Exact, by callgrind.
//!
//! A page of code that was not touched before costs a fault, and the kernel maps the [`WINDOW`] around it at once; a process
//! that lives half a millisecond pays for each window. So what a call executes should lie together.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Result, bail, ensure};

use crate::process::Invocation;

/// What the kernel maps around a fault, bytes (`fault_around_bytes`, `mm/memory.c`).
pub const WINDOW: u64 = 64 << 10;

/// The code of a run.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Footprint {
    /// Symbols, mangled; none that callgrind does not know by name.
    pub functions: BTreeSet<String>,
    /// Numbers of the program's windows in which an instruction was executed.
    pub windows: BTreeSet<u64>,
}

/// Runs it once and looks; also its standard output. Static programs only.
///
/// # Errors
/// When valgrind is missing or the run fails.
pub fn of(invocation: &Invocation) -> Result<(Footprint, String)> {
    let profile = format!("/run/callgrind.{}", std::process::id());
    let valgrind = "/usr/bin/valgrind";
    ensure!(Path::new(valgrind).is_file(), "valgrind is missing: apt-get install valgrind");
    let out = format!("--callgrind-out-file={profile}");
    let plain = ["--compress-pos=no", "--compress-strings=no", "--dump-instr=yes", "--demangle=no"];
    let output = invocation.under(valgrind, &[&["-q", "--tool=callgrind", &out][..], &plain].concat())?;
    if !output.status.success() {
        bail!("under valgrind: {} {}", output.status, String::from_utf8_lossy(&output.stdout));
    }
    let footprint = read(&std::fs::read_to_string(&profile)?, &invocation.program);
    std::fs::remove_file(&profile)?;
    ensure!(!footprint.windows.is_empty(), "callgrind saw no instruction: is it still understood?");
    Ok((footprint, String::from_utf8_lossy(&output.stdout).into_owned()))
}

/// Reads a profile: `ob=`, `fn=` and `cfn=` lines, and one line for each instruction, that begins with its address.
fn read(profile: &str, program: &Path) -> Footprint {
    let mut footprint = Footprint::default();
    let mut ours = false;
    for line in profile.lines() {
        if let Some(object) = line.strip_prefix("ob=") {
            ours = Path::new(object) == program;
        } else if let Some(function) = line.strip_prefix("fn=").filter(|_| ours) {
            // Behind an apostrophe is how deep a recursion was.
            let name = function.split('\'').next().unwrap_or_default();
            if !name.starts_with("0x") && !name.contains(' ') {
                footprint.functions.insert(name.to_owned());
            }
        } else if let Some(address) = line.strip_prefix("0x").filter(|_| ours) {
            let digits = address.split(' ').next().unwrap_or_default();
            footprint.windows.extend(u64::from_str_radix(digits, 16).ok().map(|address| address / WINDOW));
        }
    }
    footprint
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_and_windows_of_the_program_are_read() {
        let profile = "\
positions: instr line
ob=/bin/bridge
fl=???
fn=_ZN3cni4gate5admit17h00E
0x1b86f0 0 1
0x1b86f1 0 1
cfn=memcpy
calls=1 0x20000 0
0x1b86f5 0 7
fn=visit'2
0x1c0000 0 1
fn=0x0000000000001000
0x1000 0 1
fn=(below main)
ob=???
fn=vdso
0x7f0000 0 1
";
        let expected = Footprint {
            functions: ["_ZN3cni4gate5admit17h00E", "visit"].map(String::from).into(),
            windows: [0, 0x1b, 0x1c].into(),
        };
        assert_eq!(read(profile, Path::new("/bin/bridge")), expected);
    }
}
