//! Runs `iptables-restore` and `iptables-save`, which exist in two variants: over nf_tables, and over the older
//! interface ("legacy"). What is installed under the plain name is the administrator's choice and ours; rules are
//! removed by the variant that has them.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use cnm::KernelError;

use crate::process::{self, Call, Limits};

/// Seconds that iptables waits for its lock, which others hold for as long as they rewrite their rules.
const WAIT: &str = "--wait=10";
/// How long one of the programs may run, the wait included.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a change is planned anew because somebody else was faster.
pub(super) const TRIES: usize = 3;

/// Which iptables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Variant {
    /// Whatever has the plain name.
    Plain,
    Nft,
    Legacy,
}

/// One program of a variant and family.
#[derive(Debug, Clone, Copy)]
pub(super) struct Program {
    pub(super) variant: Variant,
    pub(super) v6: bool,
}

impl Program {
    /// The names under which `action` (`save`, `restore`) may be installed, best first.
    fn names(self, action: &str) -> Vec<String> {
        let family = if self.v6 { "ip6tables" } else { "iptables" };
        let plain = format!("{family}-{action}");
        match self.variant {
            Variant::Plain => vec![plain],
            Variant::Nft => vec![format!("{family}-nft-{action}"), plain],
            Variant::Legacy => vec![format!("{family}-legacy-{action}"), plain],
        }
    }

    fn find(self, action: &str) -> Result<PathBuf, KernelError> {
        let names = self.names(action);
        let path = std::env::var_os("PATH").unwrap_or_default();
        names.iter().find_map(|name| look_up(&path, name)).ok_or_else(|| {
            KernelError::other(
                format!("run {}", names.join(" or ")),
                "not found; install it with: apt-get install iptables",
            )
        })
    }

    /// The same with the plain name's variant said, where the file tells which it is.
    pub(super) fn resolved(self) -> Self {
        if self.variant != Variant::Plain {
            return self;
        }
        let file = self.find("restore").ok().and_then(|path| path.canonicalize().ok());
        let name = file.as_ref().and_then(|file| file.file_name()?.to_str()).unwrap_or_default();
        // Both variants are one program each, with a link for each name. What is neither is somebody's own.
        let variant = match name {
            "xtables-nft-multi" => Variant::Nft,
            "xtables-legacy-multi" => Variant::Legacy,
            _ => Variant::Plain,
        };
        Self { variant, ..self }
    }

    /// What one table holds, or all of them, as `iptables-save` prints it.
    pub(super) fn save(self, tables: &[&str]) -> Result<String, KernelError> {
        let program = self.find("save")?;
        let mut call = Call::new(&program);
        let one = tables.first().map(|table| ["-t", table]);
        call.arguments = one.as_ref().filter(|_| tables.len() == 1).map_or(&[], |arguments| arguments);
        call.limits = Limits { output: 256 << 20, time: Some(PATIENCE) };
        run(&call).map(|output| String::from_utf8_lossy(&output).into_owned())
    }

    /// Makes the changes of a script, all or none.
    pub(super) fn restore(self, script: &str) -> Result<(), KernelError> {
        let program = self.find("restore")?;
        let mut call = Call::new(&program);
        call.arguments = &["--noflush", WAIT];
        call.stdin = script.as_bytes();
        call.limits = Limits { time: Some(PATIENCE), ..Limits::default() };
        run(&call).map(|_| ())
    }
}

/// Looks a program up where `PATH` says, then where administrators' programs are: users' paths often lack that.
fn look_up(path: &OsStr, name: &str) -> Option<PathBuf> {
    let usual = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/bin"].map(PathBuf::from);
    std::env::split_paths(path)
        .chain(usual)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(|file| file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0))
}

/// The changes of a script in the words of nft(8), all or none.
pub(super) fn nft(script: &str) -> Result<(), KernelError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let program = look_up(&path, "nft")
        .ok_or_else(|| KernelError::other("run nft", "not found; install it with: apt-get install nftables"))?;
    let mut call = Call::new(&program);
    call.arguments = &["-f", "-"];
    call.stdin = script.as_bytes();
    call.limits = Limits { time: Some(PATIENCE), ..Limits::default() };
    run(&call).map(|_| ())
}

fn run(call: &Call<'_>) -> Result<Vec<u8>, KernelError> {
    let what = || format!("run {}", call.program.display());
    let output = process::run(call).map_err(|error| KernelError::io(what(), &error))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let mut words = format!("{}: {}", output.ending(), said.split_whitespace().collect::<Vec<_>>().join(" "));
    if locked(&words) {
        words.push_str("; see who holds the lock with: fuser -v /run/xtables.lock");
    }
    Err(KernelError::other(what(), words))
}

/// The lock was not to be had: trying something else will not help.
pub(super) fn locked(words: &str) -> bool {
    words.contains("xtables lock")
}

/// Which iptables have something to look at: IPv4, IPv6.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Suspects {
    /// The nf_tables variant.
    pub(super) nft: [bool; 2],
    /// The legacy one.
    pub(super) legacy: [bool; 2],
}

impl Suspects {
    pub(super) fn programs(self) -> impl Iterator<Item = Program> {
        let of = |variant, there: [bool; 2]| {
            [false, true].into_iter().filter_map(move |v6| there[usize::from(v6)].then_some(Program { variant, v6 }))
        };
        of(Variant::Nft, self.nft).chain(of(Variant::Legacy, self.legacy))
    }
}

/// Whether the programs are there.
pub(super) fn usable() -> Result<(), KernelError> {
    Program { variant: Variant::Plain, v6: false }.find("restore").map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_although_the_path_lacks_it() {
        let name = "iptables-restore";
        assert!(look_up(OsStr::new("/nonexistent"), name).is_some(), "apt-get install iptables");
        assert_eq!(look_up(OsStr::new("/nonexistent:relative"), "no-such-program"), None);
    }
}
