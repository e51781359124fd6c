//! Published ports in the words of iptables: the chains, rules and comments of the reference plugin, as text for
//! `iptables-restore --noflush` and from `iptables-save`. It runs nothing.
//!
//! Two things go beyond the reference: packets with loopback addresses that come by wire are dropped, and where a
//! container has published a port on another of its networks, packets from the second network go to its address there.

use std::net::{IpAddr, SocketAddr};

use cnm::{Hairpin, KernelError, Owner, Protocol, Publication, PublishedPort, SetMark};

use super::flows::Redirection;
use crate::firewall::iptables::deleted;
use crate::xtables::{comment_of, quote};

/// Where all published ports are listed.
pub(super) const ENTRY: &str = "CNI-HOSTPORT-DNAT";
/// Which marks packets for that.
pub(super) const SET_MARK: &str = "CNI-HOSTPORT-SETMARK";
/// Where marked packets are masqueraded.
pub(super) const MASQUERADE: &str = "CNI-HOSTPORT-MASQ";
/// Where versions of the reference before 0.7 listed them once more.
pub(super) const OLD_ENTRY: &str = "CNI-HOSTPORT-SNAT";
/// On the rules of table `raw`.
const GUARD: &str = "CNI portfwd loopback addresses do not come by wire";
/// The most ports that the match `multiport` takes.
const MULTIPORT: usize = 15;
/// The most that the comment match holds, without its NUL.
const COMMENT: usize = 255;

const EADDRINUSE: i32 = 98;
const ENOENT: i32 = 2;

/// The chain of an attachment's ports. The interface is not in it.
pub(super) fn chain_of(owner: &Owner) -> String {
    format!("CNI-DN-{}", digits(owner))
}

/// What versions of the reference before 0.7 made beside it.
pub(super) fn old_chain_of(owner: &Owner) -> String {
    format!("CNI-SN-{}", digits(owner))
}

fn digits(owner: &Owner) -> String {
    // As the masquerading's, but shorter.
    owner.masquerade_chain().chars().skip(4).take(21).collect()
}

fn comment(network: &str, container: &str) -> String {
    let mut text = format!("dnat name: {network:?} id: {container:?}");
    if text.len() > COMMENT {
        let end = (0..=COMMENT - 3).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        text.truncate(end);
        text.push_str("...");
    }
    text
}

/// What iptables has: tables `nat` and `raw` of one family.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Saved {
    chains: Vec<String>,
    rules: Vec<String>,
    raw: Vec<String>,
}

impl Saved {
    /// Reads the output of `iptables-save`.
    pub(super) fn read(text: &str) -> Self {
        let (mut saved, mut table) = (Self::default(), "nat");
        for line in text.lines() {
            // Counters, if somebody has them printed: `[12:345] -A …`.
            let line = if line.starts_with('[') { line.split_once(' ').map_or(line, |(_, rest)| rest) } else { line };
            if let Some(name) = line.strip_prefix('*') {
                table = name;
            } else if line.starts_with("-A ") {
                match table {
                    "nat" => saved.rules.push(line.to_owned()),
                    "raw" => saved.raw.push(line.to_owned()),
                    _ => {}
                }
            } else if let Some((name, _)) =
                line.strip_prefix(':').filter(|_| table == "nat").and_then(|l| l.split_once(' '))
            {
                saved.chains.push(name.to_owned());
            }
        }
        saved
    }

    fn has_chain(&self, name: &str) -> bool {
        self.chains.iter().any(|chain| chain == name)
    }

    fn has_rule(&self, rule: &str) -> bool {
        self.rules.iter().any(|there| there == rule)
    }

    /// The rules of a chain.
    fn rules_of<'a>(&'a self, chain: &'a str) -> impl Iterator<Item = &'a String> {
        self.rules
            .iter()
            .filter(move |rule| rule.strip_prefix("-A ").and_then(|rest| rest.split(' ').next()) == Some(chain))
    }

    /// The rules that lead to a chain.
    fn leading_to<'a>(&'a self, chain: &'a str) -> impl Iterator<Item = &'a String> {
        self.rules.iter().filter(move |rule| target(rule) == Some(chain))
    }

    /// The networks' containers that have published something: (container, chain), each once.
    pub(super) fn attachments(&self, network: &str) -> Vec<(String, String)> {
        let prefix = format!("dnat name: {network:?} id: \"");
        let mut found: Vec<(String, String)> = Vec::new();
        for rule in self.rules_of(ENTRY) {
            let comment = comment_of(rule);
            let container = comment.as_deref().and_then(|text| text.strip_prefix(&prefix)?.strip_suffix('"'));
            let Some(container) = container else { continue };
            let chain = chain_of(&Owner::new(network, container, ""));
            if target(rule) == Some(&chain) && !found.iter().any(|(_, known)| *known == chain) {
                found.push((container.to_owned(), chain));
            }
        }
        found
    }

    /// Where an attachment's ports lead.
    pub(super) fn redirections(&self, owner: &Owner) -> Vec<Redirection> {
        self.rules_of(&chain_of(owner)).filter_map(|rule| redirection(rule)).collect()
    }

    /// Takes away a chain and what leads to it, by name alone; `None` when there is nothing.
    pub(super) fn remove(&self, owner: &Owner) -> Option<String> {
        let mut lines = Vec::new();
        for chain in [chain_of(owner), old_chain_of(owner)] {
            lines.extend(self.leading_to(&chain).map(|rule| deleted(rule)));
            if self.has_chain(&chain) {
                lines.extend([format!("-F {chain}"), format!("-X {chain}")]);
            }
        }
        (!lines.is_empty()).then(|| script("nat", &lines))
    }
}

/// What a rule of the entry chain leads where.
fn target(rule: &str) -> Option<&str> {
    rule.rsplit_once(" -j ").map(|(_, rest)| rest.split(' ').next().unwrap_or(rest))
}

/// The word after another one.
fn after<'a>(rule: &'a str, word: &str) -> Option<&'a str> {
    let mut words = rule.split(' ');
    words.by_ref().find(|found| *found == word)?;
    words.next()
}

fn script(table: &str, lines: &[String]) -> String {
    if lines.is_empty() { String::new() } else { format!("*{table}\n{}\nCOMMIT\n", lines.join("\n")) }
}

/// The rules of one attachment in one family, in the form in which `iptables-save` prints them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rules<'a> {
    owner: &'a Owner,
    publication: &'a Publication,
    chain: String,
    v6: bool,
}

impl<'a> Rules<'a> {
    pub(super) fn new(owner: &'a Owner, publication: &'a Publication) -> Self {
        let v6 = publication.target.addr().is_ipv6();
        Self { owner, publication, chain: chain_of(owner), v6 }
    }

    fn ports(&self) -> impl Iterator<Item = &'a PublishedPort> {
        let v6 = self.v6;
        self.publication.ports.iter().filter(move |port| port.is_of(v6))
    }

    /// Marks, where our own chains do that; with the bit that they use.
    fn mark(&self) -> Option<String> {
        match (&self.publication.mark, self.publication.masquerade) {
            (SetMark::Chain(_), _) | (_, Hairpin::Nobody) => None,
            (SetMark::Bit(bit), _) => Some(format!("{0:#x}/{0:#x}", 1u32 << (bit & 31))),
        }
    }

    /// Chains that everybody shares.
    fn shared_chains(&self) -> Vec<&'static str> {
        if self.mark().is_some() { vec![SET_MARK, MASQUERADE, ENTRY] } else { vec![ENTRY] }
    }

    /// Rules that everybody shares, at the end of their chain.
    fn shared_rules(&self) -> Vec<String> {
        let to_host = |hook: &str| format!("-A {hook} -m addrtype --dst-type LOCAL -j {ENTRY}");
        let marks = self.mark().into_iter().flat_map(|mark| {
            [
                format!(
                    "-A {SET_MARK} -m comment --comment \"CNI portfwd masquerade mark\" -j MARK --set-xmark {mark}"
                ),
                format!("-A {MASQUERADE} -m mark --mark {mark} -j MASQUERADE"),
            ]
        });
        marks.chain(["PREROUTING", "OUTPUT"].map(to_host)).collect()
    }

    /// The rule that everybody shares at the head of POSTROUTING.
    fn masquerading(&self) -> Option<String> {
        let rule = "-A POSTROUTING -m comment --comment \"CNI portfwd requiring masquerade\" -j CNI-HOSTPORT-MASQ";
        self.mark().map(|_| rule.to_owned())
    }

    /// The rules at the head of PREROUTING of table `raw`.
    fn guards(&self) -> Vec<String> {
        if self.v6 || self.publication.masquerade == Hairpin::Nobody {
            return Vec::new();
        }
        let guard =
            |which| format!("-A PREROUTING {which} 127.0.0.0/8 ! -i lo -m comment --comment \"{GUARD}\" -j DROP");
        vec![guard("-d"), guard("-s")]
    }

    /// The attachment's own chain.
    fn own_rules(&self) -> Vec<String> {
        let (chain, target) = (&self.chain, self.publication.target);
        let mark = match &self.publication.mark {
            SetMark::Bit(_) => SET_MARK,
            SetMark::Chain(name) => name,
        };
        let mut rules = Vec::new();
        for port in self.ports() {
            let protocol = port.protocol;
            let length = if self.v6 { 128 } else { 32 };
            let to = port.address().map(|host| format!("-d {host}/{length} ")).unwrap_or_default();
            let what = format!("{to}-p {protocol} -m {protocol} --dport {}", port.port);
            match self.publication.masquerade {
                Hairpin::Nobody => {}
                Hairpin::Neighbours => {
                    rules.push(format!("-A {chain} -s {} {what} -j {mark}", target.trunc()));
                    if !self.v6 {
                        rules.push(format!("-A {chain} -s 127.0.0.1/32 {what} -j {mark}"));
                    }
                }
                Hairpin::Everybody => rules.push(format!("-A {chain} {what} -j {mark}")),
            }
            let destination = match target.addr() {
                IpAddr::V4(address) => format!("{address}:{}", port.target_port),
                IpAddr::V6(address) => format!("[{address}]:{}", port.target_port),
            };
            rules.push(format!("-A {chain} {what} -j DNAT --to-destination {destination}"));
        }
        rules
    }

    /// The rules that lead there: for each protocol, in the order of their names, up to fifteen ports at a time. The
    /// reference lists ports of the other family, too.
    fn entries(&self, device: Option<&str>) -> Vec<String> {
        let comment = quote(&comment(&self.owner.network, &self.owner.container));
        let from = device.map(|device| format!("-i {device} ")).unwrap_or_default();
        let mut conditions = String::new();
        for word in &self.publication.conditions {
            let plain = word.chars().all(|c| c.is_ascii_alphanumeric() || "!-_./:,@=+%".contains(c));
            conditions.push_str(&if plain { format!("{word} ") } else { format!("{} ", quote(word)) });
        }
        let mut rules = Vec::new();
        for protocol in [Protocol::Sctp, Protocol::Tcp, Protocol::Udp] {
            let of_protocol = self.publication.ports.iter().filter(|port| port.protocol == protocol);
            let ports: Vec<String> = of_protocol.map(|port| port.port.to_string()).collect();
            for some in ports.chunks(MULTIPORT) {
                rules.push(format!(
                    "-A {ENTRY} {from}-p {protocol} -m comment --comment {comment} -m multiport --dports {} {conditions}-j {}",
                    some.join(","),
                    self.chain
                ));
            }
        }
        rules
    }

    /// The script that makes them beside what there is, all or nothing.
    /// Gives also where the container's other networks lead the same ports.
    pub(super) fn install(&self, there: &Saved) -> Result<(String, Vec<Redirection>), KernelError> {
        if let SetMark::Chain(name) = &self.publication.mark
            && !there.has_chain(name)
        {
            let words = "externalSetMarkChain must be there before; who makes it (kube-proxy: KUBE-MARK-MASQ)?";
            return Err(KernelError::new(format!("lead to chain {name} of table nat"), ENOENT, words));
        }
        let others = self.meet_others(there)?;
        let guards = self.guards().into_iter().filter(|rule| !there.raw.contains(rule));
        let raw: Vec<String> = guards.map(|rule| inserted(&rule)).collect();
        let new = |name: &&&str| !there.has_chain(name);
        // What an attachment of the same name has left is replaced: the declaration makes the chain or empties it.
        let mut nat = vec![format!(":{} - [0:0]", self.chain)];
        nat.extend(self.shared_chains().iter().filter(new).map(|name| format!("-N {name}")));
        let missing = |rule: &String| !there.has_rule(rule);
        nat.extend(self.shared_rules().into_iter().filter(missing));
        nat.extend(self.masquerading().into_iter().filter(missing).map(|rule| inserted(&rule)));
        nat.extend(there.leading_to(&self.chain).map(|rule| deleted(rule)));
        nat.extend(self.own_rules());
        nat.extend(self.entries(None));
        if let Some(device) = self.publication.device.as_deref().filter(|_| !others.is_empty()) {
            nat.extend(self.entries(Some(device)).iter().map(|rule| inserted(rule)));
        }
        Ok((script("raw", &raw) + &script("nat", &nat), others))
    }

    /// Looks for who else has one of the ports: another container is an error; the same is there by another of its
    /// networks. Conditions may keep the two apart: nothing is refused where there are some.
    fn meet_others(&self, there: &Saved) -> Result<Vec<Redirection>, KernelError> {
        let ours = format!("id: {:?}", self.owner.container);
        let mut others = Vec::new();
        for rule in there.rules_of(ENTRY) {
            let Some(chain) = target(rule).filter(|chain| *chain != self.chain) else { continue };
            let who = comment_of(rule).unwrap_or_default();
            let plain = is_plain(rule) && self.publication.conditions.is_empty();
            for port in self.ports() {
                if !lists(rule, port) {
                    continue;
                }
                let met: Vec<Redirection> =
                    there.rules_of(chain).filter_map(|rule| redirection(rule)).filter(|one| meets(one, port)).collect();
                if who.ends_with(&ours) {
                    others.extend(met);
                } else if plain && !met.is_empty() {
                    return Err(KernelError::new(
                        format!("publish port {port} of the host"),
                        EADDRINUSE,
                        format!(
                            "port {}/{} is published by another container ({who}); choose another hostPort or hostIP, or delete \
                             that one (DEL, or GC if it is gone)",
                            port.port, port.protocol
                        ),
                    ));
                }
            }
        }
        Ok(others)
    }

    /// What of them is missing, for a person.
    pub(super) fn missing(&self, there: &Saved) -> Vec<String> {
        let rules = self.shared_rules().into_iter().chain(self.masquerading()).chain(self.own_rules());
        let mut missing: Vec<String> = rules.filter(|rule| !there.has_rule(rule)).collect();
        for rule in self.entries(None) {
            // iptables-save puts conditions in an order of its own.
            let alike = |found: &&String| {
                after(found, "-p") == after(&rule, "-p") && after(found, "--dports") == after(&rule, "--dports")
            };
            let conditional = !self.publication.conditions.is_empty();
            if there.has_rule(&rule) || conditional && there.leading_to(&self.chain).any(|found| alike(&found)) {
                continue;
            }
            missing.push(rule);
        }
        let mut missing: Vec<String> =
            missing.into_iter().map(|rule| format!("iptables rule {rule} of table nat is missing")).collect();
        let guards = self.guards().into_iter().filter(|rule| !there.raw.contains(rule));
        missing.extend(guards.map(|rule| format!("iptables rule {rule} of table raw is missing")));
        missing
    }
}

/// A rule `-A …` at the head of its chain.
fn inserted(rule: &str) -> String {
    let mut words = rule.splitn(3, ' ').skip(1);
    let (chain, rest) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    format!("-I {chain} 1 {rest}")
}

/// Whether a rule of the entry chain has no conditions: nothing but protocol, comment and ports.
fn is_plain(rule: &str) -> bool {
    let head = rule.split(" -m comment ").next().unwrap_or_default();
    let tail = rule.rsplit_once(" --dports ").map_or("", |(_, tail)| tail);
    head.split(' ').count() == 4 && tail.split(' ').nth(1) == Some("-j")
}

/// Whether a rule of the entry chain lists a port.
fn lists(rule: &str, port: &PublishedPort) -> bool {
    let listed = rule.rsplit_once(" --dports ").map_or("", |(_, tail)| tail.split(' ').next().unwrap_or_default());
    after(rule, "-p") == Some(port.protocol.as_str()) && listed.split(',').any(|text| text.parse() == Ok(port.port))
}

/// What a rule of somebody's chain does, if it redirects.
fn redirection(rule: &str) -> Option<Redirection> {
    let protocol = after(rule, "-p")?;
    let target: SocketAddr = after(rule, "--to-destination")?.parse().ok()?;
    Some(Redirection {
        protocol: [Protocol::Sctp, Protocol::Tcp, Protocol::Udp].into_iter().find(|one| one.as_str() == protocol)?,
        port: after(rule, "--dport")?.parse().ok()?,
        host: after(rule, "-d").and_then(|text| text.split('/').next()?.parse().ok()),
        target: (target.ip(), target.port()),
    })
}

/// Whether both want the same packets.
fn meets(one: &Redirection, port: &PublishedPort) -> bool {
    let everywhere = one.host.is_none() || port.address().is_none();
    (one.protocol, one.port) == (port.protocol, port.port) && (everywhere || one.host == port.address())
}

#[cfg(test)]
mod tests;
