//! What the reference plugin leaves for an attachment that it has published: after an upgrade in place our DEL has to
//! remove it.

use cnm::{KernelError, Owner};

use super::chains::chain_of;
use crate::firewall::reference::{NAT4, NAT6};
use crate::nft::{Answer, Family, Nft, Question, Step, Table};

/// Its tables of nftables, one for each family.
const TABLES: [Table; 2] =
    [Table { family: Family::Ipv4, name: "cni_hostport" }, Table { family: Family::Ipv6, name: "cni_hostport" }];
/// The chains in which rules have the container's id as comment.
const CHAINS: [&str; 3] = ["hostports", "hostip_hostports", "masquerading"];

/// What there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Its tables.
    tables: [bool; 2],
    /// The attachment's chain of iptables in the nf_tables variant, the reference's or ours: IPv4, IPv6.
    pub(super) iptables: [bool; 2],
}

/// Looks, in one send.
pub(super) fn find(nft: &mut Nft, owner: &Owner) -> Result<Found, KernelError> {
    let chain = chain_of(owner);
    let view = nft.ask(&[
        Question::Table(TABLES[0]),
        Question::Table(TABLES[1]),
        Question::Chain(NAT4, &chain),
        Question::Chain(NAT6, &chain),
    ])?;
    let there = |at: usize| view.answers.get(at).is_some_and(|answer| *answer != Answer::Absent);
    Ok(Found { tables: [there(0), there(1)], iptables: [there(2), there(3)] })
}

/// The steps that remove the container's rules from its tables.
fn rules(nft: &mut Nft, owner: &Owner, found: Found) -> Result<Vec<Step>, KernelError> {
    let mut steps = Vec::new();
    for (table, _) in TABLES.into_iter().zip(found.tables).filter(|(_, there)| *there) {
        for chain in CHAINS {
            let rules = nft.rules(table, chain)?.into_iter().filter(|rule| rule.comment == owner.container);
            steps.extend(rules.map(|rule| Step::DropRule(table, rule.chain, rule.handle)));
        }
    }
    Ok(steps)
}

/// Whether the container has rules in its tables.
pub(super) fn has_rules(nft: &mut Nft, owner: &Owner, found: Found) -> Result<bool, KernelError> {
    rules(nft, owner, found).map(|steps| !steps.is_empty())
}

/// Removes the container's rules from its tables. They name no network: the reference, too, removes those of all of them.
pub(super) fn remove(nft: &mut Nft, owner: &Owner, found: Found) -> Result<(), KernelError> {
    for some in rules(nft, owner, found)?.chunks(256) {
        nft.commit(None, some).map_err(KernelError::from)?;
    }
    Ok(())
}
