//! Runs `iptables-restore` and `iptables-save`, which exist in two variants: over nf_tables, and over the older
//! interface ("legacy"). What is installed under the plain name is the administrator's choice and ours; rules are
//! removed by the variant that has them.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use cnm::{KernelError, Owner};
use ipnet::IpNet;

use super::iptables::{self, Found, Rules};
use crate::process::{self, Call, Limits};

/// Seconds that iptables waits for its lock, which others hold for as long as they rewrite their rules.
const WAIT: &str = "--wait=10";
/// How long one of the programs may run, the wait included.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a removal is planned anew because somebody else changed the chain meanwhile.
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

    /// What a table holds, as `iptables-save` prints it.
    pub(super) fn save(self, table: &str) -> Result<String, KernelError> {
        self.save_by(&["-t", table])
    }

    /// What all tables hold.
    pub(super) fn save_all(self) -> Result<String, KernelError> {
        self.save_by(&[])
    }

    fn save_by(self, arguments: &[&str]) -> Result<String, KernelError> {
        let program = self.find("save")?;
        let mut call = Call::new(&program);
        call.arguments = arguments;
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

    fn find_chain(self, chain: &str) -> Result<Found, KernelError> {
        Ok(Found::read(&self.save("nat")?, chain))
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

/// Whether the programs are there.
pub(super) fn usable() -> Result<(), KernelError> {
    Program { variant: Variant::Plain, v6: false }.find("restore").map(|_| ())
}

/// The addresses of one family.
fn of_family(addresses: &[IpNet], v6: bool) -> Vec<IpNet> {
    addresses.iter().filter(|address| address.addr().is_ipv6() == v6).copied().collect()
}

/// Makes the masquerading of `addresses` true: one child process for each family where nothing is yet.
pub(super) fn install(owner: &Owner, addresses: &[IpNet]) -> Result<(), KernelError> {
    for v6 in [false, true] {
        let addresses = of_family(addresses, v6);
        if addresses.is_empty() {
            continue;
        }
        let program = Program { variant: Variant::Plain, v6 };
        let rules = Rules::new(owner, &addresses);
        match program.restore(&rules.create()) {
            Err(error) if !locked(&error.words) => {
                // The usual reason is that the chain exists; any other shows again here.
                let there = program.find_chain(&owner.masquerade_chain())?;
                program.restore(&rules.complete(&there))?;
            }
            other => other?,
        }
    }
    Ok(())
}

/// Which iptables have rules to look at.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Suspects {
    /// The nf_tables variant: IPv4, IPv6.
    pub(super) nft: (bool, bool),
    /// The legacy one: IPv4, IPv6.
    pub(super) legacy: (bool, bool),
}

impl Suspects {
    fn programs(self) -> impl Iterator<Item = Program> {
        let program = |there: bool, variant, v6| there.then_some(Program { variant, v6 });
        [
            program(self.nft.0, Variant::Nft, false),
            program(self.nft.1, Variant::Nft, true),
            program(self.legacy.0, Variant::Legacy, false),
            program(self.legacy.1, Variant::Legacy, true),
        ]
        .into_iter()
        .flatten()
    }
}

/// Removes an attachment's masquerading. `addresses` are those that it is known to have; without any, everything on
/// its chain goes.
pub(super) fn remove(owner: &Owner, addresses: &[IpNet], suspects: Suspects) -> Vec<KernelError> {
    suspects.programs().filter_map(|program| remove_by(program, owner, addresses).err()).collect()
}

fn remove_by(program: Program, owner: &Owner, addresses: &[IpNet]) -> Result<(), KernelError> {
    let addresses = of_family(addresses, program.v6);
    if !addresses.is_empty() {
        match program.restore(&Rules::new(owner, &addresses).delete()) {
            Err(error) if !locked(&error.words) => {}
            other => return other,
        }
    }
    let known = (!addresses.is_empty()).then_some(addresses.as_slice());
    remove_found(program, &owner.masquerade_chain(), known)
}

fn remove_found(program: Program, chain: &str, addresses: Option<&[IpNet]>) -> Result<(), KernelError> {
    let mut result = Ok(());
    for _ in 0..TRIES {
        let Some(script) = program.find_chain(chain)?.delete(chain, addresses) else { return Ok(()) };
        result = program.restore(&script);
        if result.as_ref().map_or_else(|error| locked(&error.words), |()| true) {
            break;
        }
    }
    result
}

/// What is missing of an attachment's masquerading.
pub(super) fn drift(owner: &Owner, addresses: &[IpNet]) -> Result<Vec<String>, KernelError> {
    let mut drift = Vec::new();
    for v6 in [false, true] {
        let addresses = of_family(addresses, v6);
        if !addresses.is_empty() {
            let there = Program { variant: Variant::Plain, v6 }.find_chain(&owner.masquerade_chain())?;
            drift.extend(Rules::new(owner, &addresses).missing(&there));
        }
    }
    Ok(drift)
}

/// Removes the masquerading of a network's containers that `keep` refuses.
pub(super) fn collect(network: &str, keep: &dyn Fn(&str) -> bool, suspects: Suspects) -> Vec<KernelError> {
    let mut errors = Vec::new();
    for program in suspects.programs() {
        match program.save("nat") {
            Err(error) => errors.push(error),
            Ok(saved) => {
                let gone = iptables::attachments(&saved, network).into_iter().filter(|(container, _)| !keep(container));
                errors.extend(gone.filter_map(|(_, chain)| remove_found(program, &chain, None).err()));
            }
        }
    }
    errors
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
