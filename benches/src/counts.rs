//! Exact counts that repeat: processes, netlink sends, system calls, instructions, peak memory, sizes.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::cases::Places;
use crate::chain::Chain;
use crate::contender::{Contender, Endpoint, Shape, Verb, Who};
use crate::footprint::{self, Footprint};
use crate::process::Invocation;
use crate::world::World;
use crate::{instructions, memory};

/// The plugins that are compared by size where a suite has them.
const PLUGINS: [&str; 12] = [
    "bridge",
    "host",
    "none",
    "loopback",
    "macvlan",
    "portmap",
    "firewall",
    "tuning",
    "bandwidth",
    "host-local",
    "host-local-ipam",
    "cnm",
];

/// One way of looking at an endpoint's life; each needs a life of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// By strace: processes, netlink sends, system calls.
    Calls,
    /// By an instruction counter.
    Instructions,
    /// At the memory.
    Memory,
}

/// What one verb costs, all plugins of a chain together; 0 where nobody looked.
#[derive(Debug, Clone)]
pub struct Counts {
    /// What is attached.
    pub shape: Shape,
    /// The contender.
    pub who: Who,
    /// The verb.
    pub verb: Verb,
    /// Programs executed besides the plugins.
    pub children: usize,
    /// `sendto`, `sendmsg` and `write` calls on netlink sockets, all processes together.
    pub netlink_sends: usize,
    /// System calls, all processes together.
    pub system_calls: usize,
    /// Instructions in user space, or why they cannot be counted.
    pub instructions: Result<u64, String>,
    /// Peak resident memory of a plugin's own process, KiB.
    pub peak_kib: u64,
}

/// Size of one suite or program.
#[derive(Debug, Clone)]
pub struct Size {
    /// Whose.
    pub what: String,
    /// Bytes; a file with several names counts once.
    pub bytes: u64,
    /// The names.
    pub names: String,
}

impl Counts {
    const fn nothing(contender: &Contender, verb: Verb) -> Self {
        let (who, shape) = (contender.who, contender.shape);
        Self { shape, who, verb, children: 0, netlink_sends: 0, system_calls: 0, instructions: Ok(0), peak_kib: 0 }
    }

    /// Runs a plugin once, under that eye, and adds what it cost; returns its standard output.
    fn look(&mut self, look: Look, invocation: &Invocation) -> Result<String> {
        Ok(match look {
            Look::Calls => {
                let (traced, output) = trace(invocation)?;
                self.children += traced.programs.saturating_sub(1);
                self.netlink_sends += traced.netlink_sends;
                self.system_calls += traced.system_calls;
                output
            }
            Look::Instructions => {
                let (count, output) = instructions::count(invocation)?;
                let so_far = self.instructions.clone();
                self.instructions = so_far.and_then(|so_far| count.map(|count| so_far + count));
                output
            }
            Look::Memory => {
                let (peak, output) = memory::peak(invocation)?;
                self.peak_kib = self.peak_kib.max(peak);
                output
            }
        })
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "who": self.who.as_str(), "chain": self.shape.name(), "verb": self.verb.as_str(), "children": self.children,
            "netlink_sends": self.netlink_sends, "system_calls": self.system_calls,
            "instructions": self.instructions.as_ref().ok(), "peak_kib": self.peak_kib,
        })
    }
}

impl Size {
    /// For programs.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({"what": self.what, "bytes": self.bytes, "names": self.names})
    }
}

/// Counts every verb of every contender, beside one endpoint that is present already.
///
/// # Errors
/// When an operation fails or strace is missing.
pub fn take(places: &Places) -> Result<Vec<Counts>> {
    let mut all = Vec::new();
    let looks = [Look::Calls, Look::Instructions, Look::Memory];
    for contender in places.contenders(Shape::plain()) {
        all.extend(of(&contender, &looks).with_context(|| contender.who.as_str())?);
    }
    for backend in ["nftables", "iptables"] {
        for contender in places.contenders(Shape { chain: Chain::Podman, backend, ..Shape::plain() }) {
            // The reference has one way.
            if contender.who == Who::Ours || backend == "iptables" {
                all.extend(of(&contender, &[Look::Calls, Look::Memory]).with_context(|| contender.who.as_str())?);
            }
        }
    }
    Ok(all)
}

/// Counts every verb of one contender, beside one endpoint that is present already.
///
/// # Errors
/// When an operation fails or strace is missing.
pub fn of(contender: &Contender, looks: &[Look]) -> Result<Vec<Counts>> {
    let (world, sandbox) = beside_one(contender)?;
    let (contender, looks) = (contender.clone(), looks.to_vec());
    world.run(move || every_verb(&contender, &looks, &sandbox))?
}

/// The code that each plugin's call of every verb executes, beside one endpoint that is present already. A call is named
/// after both, `bridge ADD`.
///
/// # Errors
/// When an operation fails or valgrind is missing.
pub fn footprints(contender: &Contender) -> Result<Vec<(String, Footprint)>> {
    let (world, sandbox) = beside_one(contender)?;
    let contender = contender.clone();
    world.run(move || {
        let (endpoint, mut all) = (Endpoint { number: 1, sandbox }, Vec::new());
        live(&contender, &endpoint, &[Verb::Add, Verb::Check, Verb::Del], |verb, plugin| {
            let (footprint, output) = footprint::of(plugin)?;
            let name = plugin.program.file_name().unwrap_or_default().to_string_lossy();
            all.push((format!("{name} {}", verb.as_str()), footprint));
            Ok(output)
        })?;
        Ok(all)
    })?
}

/// One endpoint's life: has `run` run each plugin of each verb, which returns its standard output.
fn live(
    contender: &Contender,
    endpoint: &Endpoint,
    verbs: &[Verb],
    mut run: impl FnMut(Verb, &Invocation) -> Result<String>,
) -> Result<()> {
    let mut previous: Option<String> = None;
    for &verb in verbs {
        let operation = contender.operation(verb, endpoint, previous.as_deref());
        let output = operation.each(|plugin| run(verb, plugin)).with_context(|| verb.as_str())?;
        if verb == Verb::Add {
            previous = Some(output);
        }
    }
    Ok(())
}

/// A world with one endpoint, and the sandbox for another.
fn beside_one(contender: &Contender) -> Result<(World, PathBuf)> {
    let world = World::new(2)?;
    contender.prepare(&world)?;
    let sandbox = |number: usize| world.sandboxes()[number].clone();
    let present = contender.operation(Verb::Add, &Endpoint { number: 0, sandbox: sandbox(0) }, None);
    world.run(move || present.run())??;
    let other = sandbox(1);
    Ok((world, other))
}

fn every_verb(contender: &Contender, looks: &[Look], sandbox: &Path) -> Result<Vec<Counts>> {
    let mut verbs = vec![Verb::Version, Verb::Status, Verb::Add, Verb::Check, Verb::Del];
    verbs.retain(|verb| contender.can(*verb));
    let mut all: Vec<Counts> = verbs.iter().map(|verb| Counts::nothing(contender, *verb)).collect();
    for (look, number) in looks.iter().zip(1..) {
        let endpoint = Endpoint { number, sandbox: sandbox.to_owned() };
        live(contender, &endpoint, &verbs, |verb, plugin| {
            let counts = all.iter_mut().find(|counts| counts.verb == verb).context("a verb that is not counted")?;
            counts.look(*look, plugin)
        })?;
    }
    Ok(all)
}

/// What strace saw.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Traced {
    programs: usize,
    netlink_sends: usize,
    system_calls: usize,
}

/// Runs it under strace.
fn trace(invocation: &Invocation) -> Result<(Traced, String)> {
    let log = format!("/run/strace.{}", std::process::id());
    let strace = "/usr/bin/strace";
    ensure!(Path::new(strace).is_file(), "strace is missing: apt-get install strace");
    let output = invocation.under(strace, &["-f", "-qq", "-yy", "-s", "0", "-o", &log])?;
    if !output.status.success() {
        bail!("under strace: {} {}", output.status, String::from_utf8_lossy(&output.stdout));
    }
    let text = String::from_utf8_lossy(&std::fs::read(&log)?).into_owned();
    std::fs::remove_file(&log)?;
    Ok((read_trace(&text), String::from_utf8_lossy(&output.stdout).into_owned()))
}

/// Each line is `pid call(…) = …`; a call that another process interrupted has a second line, `resumed`.
fn read_trace(text: &str) -> Traced {
    let mut traced = Traced::default();
    for line in text.lines() {
        let Some((_, call)) = line.split_once(' ') else { continue };
        let call = call.trim_start();
        if call.starts_with("<...") && call.contains("execve resumed") && line.ends_with("= 0") {
            traced.programs += 1;
        }
        if call.starts_with(['<', '+', '-']) {
            continue;
        }
        traced.system_calls += 1;
        if call.starts_with("execve(") && line.ends_with("= 0") {
            traced.programs += 1;
        }
        let sends = ["sendto(", "sendmsg(", "sendmmsg(", "write("].iter().any(|name| call.starts_with(name));
        // The descriptor is the first argument: `sendto(4<NETLINK:[ROUTE:123]>, …`.
        let on_netlink = call.split(',').next().is_some_and(|first| first.contains("<NETLINK"));
        if sends && on_netlink {
            traced.netlink_sends += 1;
        }
    }
    traced
}

/// Sizes of the suites. The reference has a program for each plugin; only those that we have, too, are counted.
///
/// # Errors
/// When a folder cannot be read.
pub fn sizes(places: &Places) -> Result<Vec<Size>> {
    let mut sizes = Vec::new();
    for (what, folder) in [("ours", &places.ours), ("reference", &places.reference)] {
        if let Some(folder) = folder {
            sizes.push(size(what, folder)?);
        }
    }
    if let Some(floor) = &places.floor {
        sizes.push(Size { what: String::from("floor"), bytes: floor.metadata()?.len(), names: String::from("floor") });
    }
    Ok(sizes)
}

/// Size of the plugins in one folder.
///
/// # Errors
/// When it cannot be read.
pub fn size(what: &str, folder: &Path) -> Result<Size> {
    let mut files = HashMap::new();
    let mut names = Vec::new();
    for name in PLUGINS {
        if let Ok(file) = folder.join(name).metadata() {
            files.insert((file.dev(), file.ino()), file.len());
            names.push(name);
        }
    }
    ensure!(!names.is_empty(), "no plugins in {}", folder.display());
    Ok(Size { what: what.to_owned(), bytes: files.values().sum(), names: names.join(" ") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_counted() {
        let text = "\
10 execve(\"/bin/bridge\"..., [\"bridge\"...], 0x7 /* 9 vars */) = 0
10 sendto(4<NETLINK:[ROUTE:10]>, [{...}], 108, 0, NULL, 0) = 108
10 write(1<pipe:[5]>, \"<NETLINK\"..., 3) = 3
10 vfork( <unfinished ...>
11 execve(\"/usr/sbin/nft\"..., [\"nft\"...], 0x7 <unfinished ...>
10 <... vfork resumed>) = 11
11 <... execve resumed>) = 0
11 execve(\"/nowhere\"..., [\"x\"...], 0x7) = -1 ENOENT (No such file or directory)
11 +++ exited with 0 +++
10 --- SIGCHLD {...} ---
10 sendmsg(4<NETLINK:[NETFILTER:10]>, {...}, 0) = 20
";
        assert_eq!(read_trace(text), Traced { programs: 2, netlink_sends: 2, system_calls: 7 });
    }
}
