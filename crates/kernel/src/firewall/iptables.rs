//! Masquerading in the words of iptables: the chains, rules and comments of the reference plugins, as text for
//! `iptables-restore --noflush` and from `iptables-save`. It runs nothing.
//!
//! One thing differs from the reference: with two addresses of one family all ACCEPTs come before the MASQUERADE,
//! so that traffic within the second subnet is not masqueraded either.

use cnm::Owner;
use ipnet::IpNet;

use crate::xtables::{comment_of, quote};

/// The most that the comment match holds, without its NUL.
const COMMENT: usize = 255;

/// The rules of one attachment in one family, in the form in which `iptables-save` prints them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rules {
    chain: String,
    /// `-A CNI-… -d 10.1.2.0/24 … -j ACCEPT`, one for each subnet.
    accepts: Vec<String>,
    /// `-A CNI-… ! -d 224.0.0.0/4 … -j MASQUERADE`.
    masquerade: String,
    /// `-A POSTROUTING -s 10.1.2.3/32 … -j CNI-…`, one for each address.
    jumps: Vec<String>,
}

impl Rules {
    /// The rules for `addresses`, all of one family.
    pub(super) fn new(owner: &Owner, addresses: &[IpNet]) -> Self {
        let chain = owner.masquerade_chain();
        let comment = format!("-m comment --comment {}", quote(&comment(owner)));
        let mut accepts = Vec::new();
        for subnet in addresses.iter().map(IpNet::trunc) {
            let rule = format!("-A {chain} -d {subnet} {comment} -j ACCEPT");
            if !accepts.contains(&rule) {
                accepts.push(rule);
            }
        }
        let v6 = addresses.iter().any(|address| address.addr().is_ipv6());
        let multicast = if v6 { "ff00::/8" } else { "224.0.0.0/4" };
        let masquerade = format!("-A {chain} ! -d {multicast} {comment} -j MASQUERADE");
        let jump = |address: &IpNet| {
            let (address, length) = (address.addr(), address.max_prefix_len());
            format!("-A POSTROUTING -s {address}/{length} {comment} -j {chain}")
        };
        let jumps = addresses.iter().map(jump).collect();
        Self { chain, accepts, masquerade, jumps }
    }

    /// Makes them true beside what `there` has: nothing, an earlier attempt, or another interface on the same network.
    pub(super) fn complete(&self, there: &Found) -> String {
        let mut accepts: Vec<String> =
            there.chain_rules.iter().filter(|rule| !rule.ends_with(" -j MASQUERADE")).cloned().collect();
        accepts.extend(self.accepts.iter().filter(|rule| !there.chain_rules.contains(rule)).cloned());
        let jumps: Vec<String> = self.jumps.iter().filter(|rule| !there.jumps.contains(rule)).cloned().collect();
        // The declaration makes the chain or empties it.
        script(&[&[format!(":{} - [0:0]", self.chain)], &accepts, std::slice::from_ref(&self.masquerade), &jumps])
    }

    /// What of them `there` lacks, for a person.
    pub(super) fn missing(&self, there: &Found) -> Vec<String> {
        let chain_rules =
            self.accepts.iter().chain([&self.masquerade]).filter(|rule| !there.chain_rules.contains(rule));
        let jumps = self.jumps.iter().filter(|rule| !there.jumps.contains(rule));
        chain_rules.chain(jumps).map(|rule| format!("iptables rule {rule} of table nat is missing")).collect()
    }
}

/// The lines of a table that concern one chain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// The chain is declared.
    pub(super) exists: bool,
    /// Its rules.
    chain_rules: Vec<String>,
    /// Rules of POSTROUTING that lead to it.
    jumps: Vec<String>,
    /// Rules of other chains that do, as nobody's but an operator's: while they are there it cannot go.
    others: Vec<String>,
}

impl Found {
    /// Reads the output of `iptables-save -t nat`.
    pub(super) fn read(saved: &str, chain: &str) -> Self {
        let own = format!("-A {chain} ");
        let declaration = format!(":{chain} ");
        let mut found = Self::default();
        for line in saved.lines() {
            // Counters, if somebody has them printed: `[12:345] -A …`.
            let line = if line.starts_with('[') { line.split_once(' ').map_or(line, |(_, rest)| rest) } else { line };
            if line.starts_with(&declaration) {
                found.exists = true;
            } else if line.starts_with(&own) {
                found.chain_rules.push(line.to_owned());
            } else if line.starts_with("-A ") && target(line) == Some(chain) {
                let there = if line.starts_with("-A POSTROUTING ") { &mut found.jumps } else { &mut found.others };
                there.push(line.to_owned());
            }
        }
        found
    }

    /// Removes what is there of an attachment with these addresses (`None`: all addresses); `None` when there is
    /// nothing to do. The chain goes unless another interface of the container still needs it.
    pub(super) fn delete(&self, chain: &str, addresses: Option<&[IpNet]>) -> Option<String> {
        let ours = |rule: &&String| addresses.is_none_or(|addresses| addresses.iter().any(|net| concerns(rule, *net)));
        let jumps: Vec<String> = self.jumps.iter().filter(ours).map(|rule| deleted(rule)).collect();
        let alone = jumps.len() == self.jumps.len() && self.exists;
        if jumps.is_empty() && !alone {
            return None;
        }
        if !alone {
            return Some(script(&[&jumps]));
        }
        let others: Vec<String> = self.others.iter().map(|rule| deleted(rule)).collect();
        Some(script(&[&jumps, &others, &remove_chain(chain)]))
    }
}

/// The chains of a network's attachments in the output of `iptables-save -t nat`: (container id, chain), each once.
pub(super) fn attachments(saved: &str, network: &str) -> Vec<(String, String)> {
    let prefix = format!("name: {network:?} id: \"");
    let mut found: Vec<(String, String)> = Vec::new();
    for line in saved.lines() {
        let Some(comment) = line.contains("-A ").then(|| comment_of(line)).flatten() else { continue };
        let Some(container) = comment.strip_prefix(&prefix).and_then(|rest| rest.strip_suffix('"')) else { continue };
        let chain = Owner::new(network, container, "").masquerade_chain();
        // A comment that was cut, or somebody else's, does not hash to the chain that it stands on.
        if line.contains(&chain) && !found.iter().any(|(_, known)| *known == chain) {
            found.push((container.to_owned(), chain));
        }
    }
    found
}

/// The reference's rules name their address: `-s 10.1.2.3`, in its old form with the subnet's length.
fn concerns(rule: &str, address: IpNet) -> bool {
    let mut words = rule.split(' ');
    let source = words.by_ref().find(|word| *word == "-s").and_then(|_| words.next()).unwrap_or_default();
    let full = format!("{}/{}", address.addr(), address.max_prefix_len());
    source == full || source == address.addr().to_string() || source == address.trunc().to_string()
}

fn comment(owner: &Owner) -> String {
    let mut text = owner.iptables_comment();
    if text.len() > COMMENT {
        let end = (0..=COMMENT).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        text.truncate(end);
    }
    text
}

fn target(rule: &str) -> Option<&str> {
    rule.rsplit_once(" -j ").map(|(_, rest)| rest.split(' ').next().unwrap_or(rest))
}

pub(super) fn deleted(rule: &str) -> String {
    rule.replacen("-A ", "-D ", 1)
}

fn remove_chain(chain: &str) -> [String; 2] {
    [format!("-F {chain}"), format!("-X {chain}")]
}

fn script(parts: &[&[String]]) -> String {
    let mut text = String::from("*nat\n");
    for line in parts.iter().copied().flatten() {
        text.push_str(line);
        text.push('\n');
    }
    text.push_str("COMMIT\n");
    text
}

#[cfg(test)]
mod tests;
