//! The firewall plugin's chains of iptables: one look and at most one change for each family. The caller holds the host's
//! lock alone.

use cnm::{Forwarding, KernelError, Owner, OwnerTag};

use super::chains::{Attachment, OWNERS, STAGE_1, STAGE_2, Saved};
use super::outpost::{ENTRY, FILTER4, FILTER6, FORWARD, Outpost};
use crate::firewall::access::{Access, Look};
use crate::firewall::programs::{Program, Suspects, Variant};
use crate::nft::{Nft, Question};
use crate::xtables::Rule;

/// What tells whether the nf_tables variant has something of the firewall plugin's: the chain of owners and the
/// reference's, IPv4 before IPv6.
pub(super) const QUESTIONS: [Question<'static>; 4] = [
    Question::Chain(FILTER4, OWNERS),
    Question::Chain(FILTER6, OWNERS),
    Question::Chain(FILTER4, ENTRY),
    Question::Chain(FILTER6, ENTRY),
];

const FILTER: &str = "filter";

/// The families in which an attachment has addresses.
fn families(forwarding: &Forwarding) -> impl Iterator<Item = bool> {
    [false, true].into_iter().filter(|v6| forwarding.addresses.iter().any(|one| one.addr().is_ipv6() == *v6))
}

/// Sees what matters to an attachment: the shared rules, and those for its addresses.
fn with_looks<T>(forwarding: &Forwarding, what: impl FnOnce(&[Look<'_>]) -> T) -> T {
    let concerns = |rule: &Rule| {
        let mut ends = [&rule.source, &rule.destination].into_iter().flatten();
        ends.any(|end| forwarding.addresses.iter().any(|address| address.addr() == end.value.addr()))
    };
    let entry = |rule: &Rule| rule.leads_to().is_some() || concerns(rule);
    what(&[
        Look::leading(FILTER, FORWARD, &[ENTRY, STAGE_1]),
        Look::some(FILTER, ENTRY, &entry),
        Look::some(FILTER, &forwarding.admin_chain, &|_| false),
        Look::some(FILTER, OWNERS, &concerns),
        Look::at(FILTER, STAGE_1),
        Look::at(FILTER, STAGE_2),
    ])
}

/// By whatever has the plain name.
fn plain(v6: bool, nft: Option<&mut Nft>) -> Access<'_> {
    Access::to(Program { variant: Variant::Plain, v6 }, nft)
}

/// Makes what an attachment has.
pub(super) fn install(mut nft: Option<&mut Nft>, owner: &Owner, forwarding: &Forwarding) -> Result<(), KernelError> {
    for v6 in families(forwarding) {
        let attachment = Attachment { owner, forwarding, v6 };
        let plan = &mut |saved: &str| Ok(Saved::read(saved).install(attachment));
        with_looks(forwarding, |looks| plain(v6, nft.as_deref_mut()).transact(looks, plan))?;
    }
    Ok(())
}

/// What an attachment lacks.
pub(super) fn drift(mut nft: Option<&mut Nft>, forwarding: &Forwarding) -> Result<Vec<String>, KernelError> {
    let nobody = Owner::new("", "", "");
    let mut drift = Vec::new();
    for v6 in families(forwarding) {
        let saved = with_looks(forwarding, |looks| plain(v6, nft.as_deref_mut()).look(looks))?;
        drift.extend(Saved::read(&saved).missing(Attachment { owner: &nobody, forwarding, v6 }));
    }
    Ok(drift)
}

/// Whether the reference plugin has made all that it makes for an attachment, in one of the iptables that are suspected.
pub(super) fn made_by_reference(
    mut nft: Option<&mut Nft>,
    suspects: Suspects,
    forwarding: &Forwarding,
) -> Result<bool, KernelError> {
    let nobody = Owner::new("", "", "");
    for v6 in families(forwarding) {
        let mut complete = false;
        for program in suspects.programs().filter(|program| program.v6 == v6) {
            let saved = with_looks(forwarding, |looks| Access::to(program, nft.as_deref_mut()).look(looks))?;
            complete |= Saved::read(&saved).made_by_reference(Attachment { owner: &nobody, forwarding, v6 });
        }
        if !complete {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Removes what the `doomed` have, and what the reference plugin has made for the `known` attachments of `owner`.
pub(super) fn remove(
    mut nft: Option<&mut Nft>,
    suspects: Suspects,
    owner: &Owner,
    known: &[&Forwarding],
    doomed: &dyn Fn(&OwnerTag) -> bool,
) -> Vec<KernelError> {
    let looks = [ENTRY, OWNERS, STAGE_1, STAGE_2].map(|chain| Look::at(FILTER, chain));
    let each = |program: Program| {
        let known: Vec<_> = known.iter().map(|forwarding| Attachment { owner, forwarding, v6: program.v6 }).collect();
        let plan = &mut |saved: &str| Ok(Saved::read(saved).remove(doomed, &known));
        Access::to(program, nft.as_deref_mut()).transact(&looks, plan).err()
    };
    suspects.programs().filter_map(each).collect()
}

/// The outposts of each family, with the legacy variant, where they are not made by netlink.
fn by_family(outposts: &[Outpost]) -> impl Iterator<Item = (Access<'static>, Vec<Outpost>)> {
    [false, true].into_iter().filter_map(|v6| {
        let some: Vec<Outpost> = outposts.iter().filter(|one| one.is_v6() == v6).cloned().collect();
        (!some.is_empty()).then(|| (Access::to(Program { variant: Variant::Legacy, v6 }, None), some))
    })
}

/// Sees the chains of outposts, and what leads there.
fn with_outposts<T>(outposts: &[Outpost], admin: &str, what: impl FnOnce(&[Look<'_>]) -> T) -> T {
    let mut looks: Vec<Look<'_>> = outposts.iter().map(|outpost| Look::at(FILTER, &outpost.name)).collect();
    looks.extend([
        Look::leading(FILTER, FORWARD, &[ENTRY]),
        Look::at(FILTER, ENTRY),
        Look::some(FILTER, admin, &|_| false),
    ]);
    what(&looks)
}

/// Makes outposts in the legacy iptables.
pub(super) fn open(outposts: &[Outpost], admin: &str) -> Result<(), KernelError> {
    by_family(outposts).try_for_each(|(mut access, some)| {
        let plan = &mut |saved: &str| Ok(Saved::read(saved).open(&some, admin));
        with_outposts(&some, admin, |looks| access.transact(looks, plan))
    })
}

/// Removes them.
pub(super) fn close(outposts: &[Outpost]) -> Result<(), KernelError> {
    by_family(outposts).try_for_each(|(mut access, some)| {
        let plan = &mut |saved: &str| Ok(Saved::read(saved).close(&some));
        with_outposts(&some, "", |looks| access.transact(looks, plan))
    })
}
