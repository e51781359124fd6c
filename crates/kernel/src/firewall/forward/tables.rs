//! Runs iptables for the firewall plugin's chains: one look and at most one change for each family. The caller holds
//! the host's lock alone.

use cnm::{Forwarding, KernelError, Owner, OwnerTag};

use super::chains::{Attachment, OWNERS, Saved};
use super::outpost::{ENTRY, FILTER4, FILTER6, Outpost};
use crate::firewall::programs::{Program, TRIES, Variant, locked};
use crate::nft::Question;

/// What tells whether the nf_tables variant has something of the firewall plugin's: the chain of owners and the
/// reference's, IPv4 before IPv6.
pub(super) const QUESTIONS: [Question<'static>; 4] = [
    Question::Chain(FILTER4, OWNERS),
    Question::Chain(FILTER6, OWNERS),
    Question::Chain(FILTER4, ENTRY),
    Question::Chain(FILTER6, ENTRY),
];

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

/// Looks, and makes what `plan` asks for. Somebody who does not know our lock may have been faster: then once more.
fn transact(program: Program, plan: &dyn Fn(&Saved) -> Option<String>) -> Result<(), KernelError> {
    let mut result = Ok(());
    for _ in 0..TRIES {
        let Some(script) = plan(&Saved::read(&program.save("filter")?)) else { return Ok(()) };
        result = program.restore(&script);
        if result.as_ref().map_or_else(|error| locked(&error.words), |()| true) {
            break;
        }
    }
    result
}

/// The families in which an attachment has addresses.
fn families(forwarding: &Forwarding) -> impl Iterator<Item = bool> {
    [false, true].into_iter().filter(|v6| forwarding.addresses.iter().any(|one| one.addr().is_ipv6() == *v6))
}

/// Makes what an attachment has.
pub(super) fn install(owner: &Owner, forwarding: &Forwarding) -> Result<(), KernelError> {
    for v6 in families(forwarding) {
        let attachment = Attachment { owner, forwarding, v6 };
        transact(Program { variant: Variant::Plain, v6 }, &|saved| saved.install(attachment))?;
    }
    Ok(())
}

/// What an attachment lacks.
pub(super) fn drift(forwarding: &Forwarding) -> Result<Vec<String>, KernelError> {
    let nobody = Owner::new("", "", "");
    let mut drift = Vec::new();
    for v6 in families(forwarding) {
        let saved = Saved::read(&Program { variant: Variant::Plain, v6 }.save("filter")?);
        drift.extend(saved.missing(Attachment { owner: &nobody, forwarding, v6 }));
    }
    Ok(drift)
}

/// Whether the reference plugin has made all that it makes for an attachment, in one of the iptables that are suspected.
pub(super) fn made_by_reference(suspects: Suspects, forwarding: &Forwarding) -> Result<bool, KernelError> {
    let nobody = Owner::new("", "", "");
    for v6 in families(forwarding) {
        let mut complete = false;
        for program in suspects.programs().filter(|program| program.v6 == v6) {
            let saved = Saved::read(&program.save("filter")?);
            complete |= saved.made_by_reference(Attachment { owner: &nobody, forwarding, v6 });
        }
        if !complete {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Removes what the `doomed` have, and what the reference plugin has made for the `known` attachments of `owner`.
pub(super) fn remove(
    suspects: Suspects,
    owner: &Owner,
    known: &[&Forwarding],
    doomed: &dyn Fn(&OwnerTag) -> bool,
) -> Vec<KernelError> {
    let each = |program: Program| {
        let known: Vec<_> = known.iter().map(|forwarding| Attachment { owner, forwarding, v6: program.v6 }).collect();
        transact(program, &|saved| saved.remove(doomed, &known)).err()
    };
    suspects.programs().filter_map(each).collect()
}

/// The outposts of each family, with the legacy program.
fn by_family(outposts: &[Outpost]) -> impl Iterator<Item = (Program, Vec<Outpost>)> {
    [false, true].into_iter().filter_map(|v6| {
        let some: Vec<Outpost> = outposts.iter().filter(|one| one.is_v6() == v6).cloned().collect();
        (!some.is_empty()).then_some((Program { variant: Variant::Legacy, v6 }, some))
    })
}

/// Makes outposts in the legacy iptables.
pub(super) fn open(outposts: &[Outpost], admin: &str) -> Result<(), KernelError> {
    by_family(outposts).try_for_each(|(program, some)| transact(program, &|saved| saved.open(&some, admin)))
}

/// Removes them.
pub(super) fn close(outposts: &[Outpost]) -> Result<(), KernelError> {
    by_family(outposts).try_for_each(|(program, some)| transact(program, &|saved| saved.close(&some)))
}
