//! Runs iptables for published ports: one look and at most one change for each family. The look cannot be spared: a port
//! may be another container's. The caller holds the host's lock alone.

use std::cell::RefCell;

use cnm::{KernelError, Owner, Publication};

use super::chains::{Rules, Saved};
use super::flows::Redirection;
use crate::firewall::programs::{Program, TRIES, Variant, locked};

/// Which iptables have something to look at: IPv4, IPv6.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Suspects {
    /// The nf_tables variant.
    pub(super) nft: [bool; 2],
    /// The legacy one.
    pub(super) legacy: [bool; 2],
}

impl Suspects {
    fn programs(self) -> impl Iterator<Item = Program> {
        let of = |variant, there: [bool; 2]| {
            [false, true].into_iter().filter_map(move |v6| there[usize::from(v6)].then_some(Program { variant, v6 }))
        };
        of(Variant::Nft, self.nft).chain(of(Variant::Legacy, self.legacy))
    }
}

/// Makes what `plan` asks for. Somebody who does not know our lock may have been faster: then it is planned once more.
fn transact(plan: &dyn Fn() -> Result<Option<String>, KernelError>, program: Program) -> Result<(), KernelError> {
    let mut result = Ok(());
    for _ in 0..TRIES {
        let Some(script) = plan()? else { return Ok(()) };
        result = program.restore(&script);
        if result.as_ref().map_or_else(|error| locked(&error.words), |()| true) {
            break;
        }
    }
    result
}

/// Publishes, and tells where the container's other networks lead the same ports.
pub(super) fn install(owner: &Owner, publication: &Publication) -> Result<Vec<Redirection>, KernelError> {
    let program = Program { variant: Variant::Plain, v6: publication.target.addr().is_ipv6() };
    let rules = Rules::new(owner, publication);
    let others = RefCell::default();
    let plan = || {
        let (script, met) = rules.install(&Saved::read(&program.save_all()?))?;
        others.replace(met);
        Ok(Some(script))
    };
    transact(&plan, program)?;
    Ok(others.into_inner())
}

/// What is missing.
pub(super) fn drift(owner: &Owner, publication: &Publication) -> Result<Vec<String>, KernelError> {
    let program = Program { variant: Variant::Plain, v6: publication.target.addr().is_ipv6() };
    Ok(Rules::new(owner, publication).missing(&Saved::read(&program.save_all()?)))
}

/// Takes away what an attachment has published, by name alone, and adds to `gone` what that was.
pub(super) fn remove(owner: &Owner, suspects: Suspects, gone: &mut Vec<Redirection>) -> Vec<KernelError> {
    suspects.programs().filter_map(|program| remove_by(program, owner, gone).err()).collect()
}

fn remove_by(program: Program, owner: &Owner, gone: &mut Vec<Redirection>) -> Result<(), KernelError> {
    let found = RefCell::default();
    let plan = || {
        let saved = Saved::read(&program.save("nat")?);
        let script = saved.remove(owner);
        if script.is_some() {
            found.replace(saved.redirections(owner));
        }
        Ok(script)
    };
    transact(&plan, program)?;
    gone.append(&mut found.into_inner());
    Ok(())
}

/// Takes away what containers of a network have published that `keep` refuses.
pub(super) fn collect(
    network: &str,
    keep: &dyn Fn(&str) -> bool,
    suspects: Suspects,
    gone: &mut Vec<Redirection>,
) -> Vec<KernelError> {
    let mut errors = Vec::new();
    for program in suspects.programs() {
        match program.save("nat") {
            Err(error) => errors.push(error),
            Ok(text) => {
                let all = Saved::read(&text).attachments(network).into_iter();
                for (container, _) in all.filter(|(container, _)| !keep(container)) {
                    errors.extend(remove_by(program, &Owner::new(network, container, ""), gone).err());
                }
            }
        }
    }
    errors
}
