//! What the reference plugins (containernetworking/plugins) leave in nf_tables for an attachment that they have made:
//! after an upgrade in place our DEL has to remove it. The rules that they make by iptables are in `iptables`.

use cnm::{KernelError, Owner, OwnerTag};

use crate::nft::{Answer, Family, Nft, Question, Step, Table};

/// Their masquerading by nftables: one rule for each address, owner in the comment, as in ours.
const MASQUERADE: Table = Table { family: Family::Inet, name: "cni_plugins_masquerade" };
const CHECKS: &str = "masq_checks";
/// Their check of hardware addresses.
const SPOOF: Table = Table { family: Family::Bridge, name: "nat" };
/// The tables of iptables where that is the nf_tables variant.
pub(super) const NAT4: Table = Table { family: Family::Ipv4, name: "nat" };
pub(super) const NAT6: Table = Table { family: Family::Ipv6, name: "nat" };

/// What there is of one attachment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Found {
    /// Their table of masquerading rules exists.
    masquerade: bool,
    /// The attachment's chains of the address check exist: the first, the second.
    spoof: (bool, bool),
    /// The attachment's chain of iptables exists: IPv4, IPv6.
    pub(super) iptables: [bool; 2],
}

/// Looks, in one send.
pub(super) fn find(nft: &mut Nft, owner: &Owner) -> Result<Found, KernelError> {
    let (first, second) = spoof_chains(owner);
    let masquerade = owner.masquerade_chain();
    let view = nft.ask(&[
        Question::Table(MASQUERADE),
        Question::Chain(SPOOF, &first),
        Question::Chain(SPOOF, &second),
        Question::Chain(NAT4, &masquerade),
        Question::Chain(NAT6, &masquerade),
    ])?;
    let there = |at: usize| view.answers.get(at).is_some_and(|answer| *answer != Answer::Absent);
    Ok(Found { masquerade: there(0), spoof: (there(1), there(2)), iptables: [there(3), there(4)] })
}

/// Whether the nf_tables variant of iptables has a table `nat`, in which anything may be: IPv4, IPv6.
pub(super) fn iptables_tables(nft: &mut Nft) -> Result<[bool; 2], KernelError> {
    let view = nft.ask(&[Question::Table(NAT4), Question::Table(NAT6)])?;
    let there = |at: usize| view.answers.get(at).is_some_and(|answer| *answer != Answer::Absent);
    Ok([there(0), there(1)])
}

/// Removes the attachment's masquerading rules and address check.
pub(super) fn remove(nft: &mut Nft, owner: &Owner, found: Found) -> Result<(), KernelError> {
    let mut steps = Vec::new();
    if found.masquerade {
        let tag = owner.tag();
        steps.extend(masquerade_rules(nft, &mut |owned| *owned == tag)?);
    }
    if found.spoof != (false, false) {
        let comment = format!("macspoofchk-{}", spoof_id(owner));
        for rule in nft.rules(SPOOF, "PREROUTING")? {
            if rule.comment == comment {
                steps.push(Step::DropRule(SPOOF, rule.chain, rule.handle));
            }
        }
        let (first, second) = spoof_chains(owner);
        // The first jumps to the second.
        steps.extend(found.spoof.0.then_some(Step::DropChain(SPOOF, first)));
        steps.extend(found.spoof.1.then_some(Step::DropChain(SPOOF, second)));
    }
    commit(nft, &steps)
}

/// Removes the masquerading rules of a network that `keep` refuses. The address check cannot be collected: its names
/// hold no network.
pub(super) fn collect(nft: &mut Nft, network: &str, keep: &dyn Fn(&OwnerTag) -> bool) -> Result<(), KernelError> {
    let network = OwnerTag::of_network(network);
    let steps = masquerade_rules(nft, &mut |tag| tag.network == network && !keep(tag))?;
    commit(nft, &steps)
}

/// Whether the attachment has a masquerading rule of theirs.
pub(super) fn masquerades(nft: &mut Nft, owner: &Owner) -> Result<bool, KernelError> {
    let tag = owner.tag();
    masquerade_rules(nft, &mut |owned| *owned == tag).map(|steps| !steps.is_empty())
}

fn masquerade_rules(nft: &mut Nft, doomed: &mut dyn FnMut(&OwnerTag) -> bool) -> Result<Vec<Step>, KernelError> {
    let rules = nft.rules(MASQUERADE, CHECKS)?;
    let ours = rules.into_iter().filter(|rule| OwnerTag::read(&rule.comment).is_some_and(|tag| doomed(&tag)));
    Ok(ours.map(|rule| Step::DropRule(MASQUERADE, rule.chain, rule.handle)).collect())
}

/// Handles are never used twice, so that nothing else can be hit. Who else removes them (the reference's DEL of the
/// same attachment) makes the whole fail; the caller's next DEL then has less to do.
fn commit(nft: &mut Nft, steps: &[Step]) -> Result<(), KernelError> {
    for some in steps.chunks(256) {
        nft.commit(None, some).map_err(KernelError::from)?;
    }
    Ok(())
}

fn spoof_id(owner: &Owner) -> String {
    format!("{}-{}", owner.container, owner.ifname)
}

fn spoof_chains(owner: &Owner) -> (String, String) {
    let first = format!("cni-br-iface-{}", spoof_id(owner));
    let second = format!("{first}-mac");
    (first, second)
}
