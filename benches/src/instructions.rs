//! Instructions in user space: by the processor's counter where it has one for us, else by callgrind.

use std::path::Path;

use anyhow::Result;

use crate::process::Invocation;

/// The count or the reason why there is none, and the standard output of the run.
type Counted = (Result<u64, String>, String);

/// Runs it once and counts.
///
/// # Errors
/// When even the plain run fails.
pub fn count(invocation: &Invocation) -> Result<Counted> {
    if Path::new("/usr/bin/perf").is_file() && processor_counts() {
        let arguments = ["stat", "-x", ",", "-e", "instructions:u", "--"];
        if let Some(counted) = under(invocation, "/usr/bin/perf", &arguments, read_perf)? {
            return Ok(counted);
        }
    }
    // Go's runtime does not survive in valgrind, and children would each be counted apart: static programs only.
    let name = invocation.program.display().to_string();
    if !Path::new("/usr/bin/valgrind").is_file() {
        return plain(invocation, "no counter for us in this processor (virtual machine?), and no valgrind");
    }
    if name.starts_with("/usr/lib/cni") {
        return plain(invocation, "no counter for us in this processor, and valgrind cannot run the Go runtime");
    }
    let arguments = ["--tool=callgrind", "--callgrind-out-file=/dev/null"];
    match under(invocation, "/usr/bin/valgrind", &arguments, read_callgrind)? {
        Some(counted) => Ok(counted),
        None => plain(invocation, "valgrind could not run it"),
    }
}

/// Whether the counter exists: many virtual machines have none.
#[expect(clippy::disallowed_methods, reason = "a tool of the bench")]
fn processor_counts() -> bool {
    std::process::Command::new("/usr/bin/perf")
        .args(["stat", "-x", ",", "-e", "instructions:u", "--", "/bin/true"])
        .output()
        .is_ok_and(|output| read_perf(&String::from_utf8_lossy(&output.stderr)).is_some())
}

fn plain(invocation: &Invocation, reason: &str) -> Result<Counted> {
    Ok((Err(reason.to_owned()), invocation.run()?.output))
}

/// `None` when the run under the tool failed; it must then be harmless to run it again.
fn under(
    invocation: &Invocation,
    tool: &str,
    arguments: &[&str],
    read: fn(&str) -> Option<u64>,
) -> Result<Option<Counted>> {
    let output = invocation.under(tool, arguments)?;
    if !output.status.success() {
        return Ok(None);
    }
    let count = read(&String::from_utf8_lossy(&output.stderr)).ok_or_else(|| format!("{tool} printed no count"));
    Ok(Some((count, String::from_utf8_lossy(&output.stdout).into_owned())))
}

/// `123456,,instructions:u,…`
fn read_perf(text: &str) -> Option<u64> {
    text.lines().find(|line| line.contains("instructions:u"))?.split(',').next()?.parse().ok()
}

/// `==12== Collected : 123456`
fn read_callgrind(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.split_once("Collected : "))?.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_tools_are_read() {
        assert_eq!(read_perf("1234,,instructions:u,100,100.00,,\n"), Some(1234));
        assert_eq!(read_perf("<not supported>,,instructions:u,0,100.00,,\n"), None);
        assert_eq!(read_callgrind("==1== Events    : Ir\n==1== Collected : 5678\n"), Some(5678));
        assert_eq!(read_callgrind("==1== nothing\n"), None);
    }
}
