//! Why something of ours cannot be installed: who else has the bridge, the subnet, the key. It changes nothing.

use cnm::KernelError;

use super::ruleset::{EEXIST, listed};
use super::scheme::Chain;
use crate::nft::{Element, Nft, Step};

/// An element, there or among the steps so far, that has addresses of the range `wished`. Asked by key, the kernel finds
/// only one that holds the beginning of the range, and it does not refuse a range that encloses another: then the order
/// in which they were made would decide which one a packet meets.
pub(super) fn overlapping(nft: &mut Nft, wished: &Element, steps: &[Step]) -> Result<Option<Element>, KernelError> {
    let Some(end) = &wished.end else { return Ok(None) };
    let coming = steps.iter().filter_map(|step| match step {
        Step::AddElement(element) if element.set == wished.set => Some(element.clone()),
        _ => None,
    });
    let mut all = nft.elements(wished.set)?.into_iter().chain(coming);
    // The device comes first in a key: the ranges of another one are all before or all after.
    Ok(all.find(|other| other.key <= *end && wished.key <= *other.end.as_ref().unwrap_or(&other.key)))
}

/// Two networks want different things of one bridge.
pub(super) fn conflict(nft: &mut Nft, chain: &Chain, found: &Element) -> Result<KernelError, KernelError> {
    let there = found.leads_to().unwrap_or("something else");
    let members = listed(nft, &[chain.members()])?;
    let members = members.iter().filter(|member| member.leads_to() == Some(there));
    let networks: Vec<&str> = members.filter_map(|member| Some(member.comment.split_once(", net: ")?.1)).collect();
    let holders = if networks.is_empty() { "nobody".into() } else { networks.join(", ") };
    let (what, words) = match chain {
        Chain::Guard { device, .. } => (
            format!("guard {device} by chain {}", chain.name()),
            format!(
                "it is guarded by chain {there} for {holders}; \"internal\" and \"icc\" must be the same for all networks on \
                 a bridge, and cannot change while a network has endpoints"
            ),
        ),
        Chain::Apart { device } => (
            format!("keep {device} apart by chain {}", chain.name()),
            format!("its element leads to {there} of {holders}; delete that one"),
        ),
        Chain::Ingress { .. } | Chain::Accept { .. } => (
            format!("keep others away by chain {}", chain.name()),
            format!(
                "chain {there} of {holders} does it; \"ingressPolicy\" must be the same for all networks on a bridge, and \
                 cannot change while a network has endpoints"
            ),
        ),
        Chain::Outside { .. } => (
            format!("masquerade by chain {}", chain.name()),
            format!(
                "chain {there} of {holders} overlaps; give each network a bridge or a subnet of its own; a subnet cannot \
                 change while its network has endpoints"
            ),
        ),
    };
    Ok(KernelError::new(what, EEXIST, words))
}

/// The key is another attachment's.
pub(super) fn taken(wished: &Element, found: &Element) -> KernelError {
    let holder = if found.comment.is_empty() { "nobody that we know" } else { &found.comment };
    KernelError::new(
        format!("add element {wished} to {}", wished.set),
        EEXIST,
        format!(
            "it belongs to {holder}; asked for by {}; if that one is gone, delete it (DEL or GC) first",
            wished.comment
        ),
    )
}
