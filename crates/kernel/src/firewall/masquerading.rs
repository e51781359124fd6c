//! Masquerading by iptables: what `iptables` says in words, made true in the kernel.

use cnm::{KernelError, Owner};
use ipnet::IpNet;

use super::access::{Access, Look};
use super::iptables::{self, Found, Rules};
use super::programs::{Program, Suspects, Variant};
use crate::nft::Nft;

/// The table, and the chain of it that leads to those of the attachments.
const TABLE: &str = "nat";
const ENTRY: &str = "POSTROUTING";

/// The addresses of one family.
fn of_family(addresses: &[IpNet], v6: bool) -> Vec<IpNet> {
    addresses.iter().filter(|address| address.addr().is_ipv6() == v6).copied().collect()
}

/// The families of some addresses: whether IPv6, and its addresses.
fn families(addresses: &[IpNet]) -> impl Iterator<Item = (bool, Vec<IpNet>)> {
    [false, true].into_iter().map(|v6| (v6, of_family(addresses, v6))).filter(|(_, some)| !some.is_empty())
}

/// Sees a chain and the rules that lead to it.
fn with_looks<T>(chain: &str, what: impl FnOnce(&[Look<'_>]) -> T) -> T {
    what(&[Look::at(TABLE, chain), Look::leading(TABLE, ENTRY, &[chain])])
}

/// Makes the masquerading of `addresses` true.
pub(super) fn install(mut nft: Option<&mut Nft>, owner: &Owner, addresses: &[IpNet]) -> Result<(), KernelError> {
    let chain = owner.masquerade_chain();
    for (v6, addresses) in families(addresses) {
        let rules = Rules::new(owner, &addresses);
        let mut access = Access::to(Program { variant: Variant::Plain, v6 }, nft.as_deref_mut());
        let plan = &mut |saved: &str| Ok(Some(rules.complete(&Found::read(saved, &chain))));
        with_looks(&chain, |looks| access.transact(looks, plan))?;
    }
    Ok(())
}

/// Removes an attachment's masquerading. `addresses` are those that it is known to have; without any, everything on
/// its chain goes.
pub(super) fn remove(
    mut nft: Option<&mut Nft>,
    owner: &Owner,
    addresses: &[IpNet],
    suspects: Suspects,
) -> Vec<KernelError> {
    let each = |program: Program| {
        let addresses = of_family(addresses, program.v6);
        let known = (!addresses.is_empty()).then_some(addresses.as_slice());
        remove_by(program, nft.as_deref_mut(), &owner.masquerade_chain(), known).err()
    };
    suspects.programs().filter_map(each).collect()
}

fn remove_by(
    program: Program,
    nft: Option<&mut Nft>,
    chain: &str,
    addresses: Option<&[IpNet]>,
) -> Result<(), KernelError> {
    let plan = &mut |saved: &str| Ok(Found::read(saved, chain).delete(chain, addresses));
    with_looks(chain, |looks| Access::to(program, nft).transact(looks, plan))
}

/// What is missing of an attachment's masquerading.
pub(super) fn drift(mut nft: Option<&mut Nft>, owner: &Owner, addresses: &[IpNet]) -> Result<Vec<String>, KernelError> {
    let chain = owner.masquerade_chain();
    let mut drift = Vec::new();
    for (v6, addresses) in families(addresses) {
        let mut access = Access::to(Program { variant: Variant::Plain, v6 }, nft.as_deref_mut());
        let there = Found::read(&with_looks(&chain, |looks| access.look(looks))?, &chain);
        drift.extend(Rules::new(owner, &addresses).missing(&there));
    }
    Ok(drift)
}

/// Removes the masquerading of a network's containers that `keep` refuses.
pub(super) fn collect(
    mut nft: Option<&mut Nft>,
    network: &str,
    keep: &dyn Fn(&str) -> bool,
    suspects: Suspects,
) -> Vec<KernelError> {
    let mut errors = Vec::new();
    for program in suspects.programs() {
        // Chains name nobody, so that only a comment in one of them tells whose they are.
        match Access::to(program, nft.as_deref_mut()).look(&[Look::whole(TABLE)]) {
            Err(error) => errors.push(error),
            Ok(saved) => {
                let gone = iptables::attachments(&saved, network).into_iter().filter(|(container, _)| !keep(container));
                for (_, chain) in gone {
                    errors.extend(remove_by(program, nft.as_deref_mut(), &chain, None).err());
                }
            }
        }
    }
    errors
}
