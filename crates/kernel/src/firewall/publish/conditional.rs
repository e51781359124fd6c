//! Ports that not every packet may use: conditions are text in the words of nft(8), so this is the one place where the
//! nftables path starts a program, once for each ADD that has some. Taking them away needs none.

use cnm::{KernelError, Owner, OwnerTag, Publication};

use super::scheme::CONDITIONAL;
use crate::firewall::programs;
use crate::firewall::scheme::INET;
use crate::nft::{Nft, Step};

/// [`INET`] as nft(8) takes it.
const INET_NAME: &str = "inet cnm";

/// The chain of an attachment's ports.
pub(super) fn chain_of(tag: &OwnerTag) -> String {
    format!("published-{tag}")
}

/// Publishes what has conditions. The base is there.
pub(super) fn install(nft: &mut Nft, owner: &Owner, publications: &[&Publication]) -> Result<(), KernelError> {
    let publications: Vec<_> = publications.iter().filter(|publication| !publication.conditions.is_empty()).collect();
    if publications.is_empty() {
        return Ok(());
    }
    let chain = chain_of(&owner.tag());
    let mut script = format!("add chain {INET_NAME} {chain}\nflush chain {INET_NAME} {chain}\n");
    for rule in listed(nft, &owner.tag())? {
        script.push_str(&format!("delete rule {INET_NAME} {CONDITIONAL} handle {rule}\n"));
    }
    for publication in publications {
        script.push_str(&rules(owner, publication, &chain));
    }
    programs::nft(&script).map_err(|error| KernelError {
        words: format!("{}; do conditionsV4 and conditionsV6 hold a match of nft, word by word?", error.words),
        what: "publish ports under conditions".into(),
        ..error
    })
}

fn rules(owner: &Owner, publication: &Publication, chain: &str) -> String {
    let target = publication.target.addr();
    let v6 = target.is_ipv6();
    let (family, nfproto) = if v6 { ("ip6", "ipv6") } else { ("ip", "ipv4") };
    let mut text = String::new();
    for port in publication.ports.iter().filter(|port| port.is_of(v6)) {
        let to = port.address().map(|host| format!("{family} daddr {host} ")).unwrap_or_default();
        let target = if v6 { format!("[{target}]") } else { target.to_string() };
        let (protocol, number, target_port) = (port.protocol, port.port, port.target_port);
        text.push_str(&format!(
            "add rule {INET_NAME} {chain} meta nfproto {nfproto} {to}{protocol} dport {number} dnat {family} to {target}:{target_port}\n"
        ));
    }
    // A line's end would begin a command of its own.
    let conditions = publication.conditions.join(" ").replace(['\n', '\r', ';'], " ");
    let comment = owner.comment();
    text.push_str(&format!(
        "add rule {INET_NAME} {CONDITIONAL} meta nfproto {nfproto} {conditions} jump {chain} comment \"{comment}\"\n"
    ));
    text
}

/// The handles of the rules that lead to an attachment's ports.
fn listed(nft: &mut Nft, tag: &OwnerTag) -> Result<Vec<u64>, KernelError> {
    let rules = nft.rules(INET, CONDITIONAL)?.into_iter();
    Ok(rules
        .filter(|rule| OwnerTag::read(&rule.comment).is_some_and(|owner| owner == *tag))
        .map(|rule| rule.handle)
        .collect())
}

/// The steps that take them away; asked only where the attachment has a chain.
pub(super) fn remove(nft: &mut Nft, tag: &OwnerTag) -> Result<Vec<Step>, KernelError> {
    let rules = listed(nft, tag)?.into_iter();
    let mut steps: Vec<Step> = rules.map(|handle| Step::DropRule(INET, CONDITIONAL.into(), handle)).collect();
    steps.push(Step::DropChain(INET, chain_of(tag)));
    Ok(steps)
}

/// What is missing.
pub(super) fn drift(nft: &mut Nft, owner: &Owner, publications: &[&Publication]) -> Result<Vec<String>, KernelError> {
    let wanted = publications.iter().filter(|publication| !publication.conditions.is_empty()).count();
    let chain = chain_of(&owner.tag());
    if wanted > listed(nft, &owner.tag())?.len() {
        return Ok(vec![format!("a rule of chain {CONDITIONAL} of {INET} that leads to {chain} is missing")]);
    }
    let ports: usize = publications
        .iter()
        .filter(|publication| !publication.conditions.is_empty())
        .map(|publication| {
            publication.ports.iter().filter(|port| port.is_of(publication.target.addr().is_ipv6())).count()
        })
        .sum();
    if ports > nft.rules(INET, &chain)?.len() {
        return Ok(vec![format!("chain {chain} of {INET} has lost rules")]);
    }
    Ok(Vec::new())
}
