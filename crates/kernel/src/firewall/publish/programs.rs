//! Runs iptables for published ports: one look and at most one change for each family. The look cannot be spared: a port
//! may be another container's. The caller holds the host's lock alone.

use cnm::{KernelError, Owner, Publication};

use super::chains::{Rules, Saved};
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

/// Publishes.
pub(super) fn install(owner: &Owner, publication: &Publication) -> Result<(), KernelError> {
    let program = Program { variant: Variant::Plain, v6: publication.target.addr().is_ipv6() };
    let rules = Rules::new(owner, publication);
    transact(&|| rules.install(&Saved::read(&program.save_all()?)).map(Some), program)
}

/// What is missing.
pub(super) fn drift(owner: &Owner, publication: &Publication) -> Result<Vec<String>, KernelError> {
    let program = Program { variant: Variant::Plain, v6: publication.target.addr().is_ipv6() };
    Ok(Rules::new(owner, publication).missing(&Saved::read(&program.save_all()?)))
}

/// Takes away what an attachment has published, by name alone.
pub(super) fn remove(owner: &Owner, suspects: Suspects) -> Vec<KernelError> {
    let each = |program: Program| transact(&|| Ok(Saved::read(&program.save("nat")?).remove(owner)), program).err();
    suspects.programs().filter_map(each).collect()
}

/// Takes away what containers of a network have published that `keep` refuses.
pub(super) fn collect(network: &str, keep: &dyn Fn(&str) -> bool, suspects: Suspects) -> Vec<KernelError> {
    let mut errors = Vec::new();
    for program in suspects.programs() {
        match program.save("nat") {
            Err(error) => errors.push(error),
            Ok(text) => {
                let gone =
                    Saved::read(&text).attachments(network).into_iter().filter(|(container, _)| !keep(container));
                for (container, _) in gone {
                    let owner = Owner::new(network, container, "");
                    let plan = || Ok(Saved::read(&program.save("nat")?).remove(&owner));
                    errors.extend(transact(&plan, program).err());
                }
            }
        }
    }
    errors
}
