//! The firewall plugin in the words of iptables: the chains, rules and comments of the reference plugin, as text for
//! `iptables-restore --noflush` and from `iptables-save -t filter`. It runs nothing.
//!
//! Rules of the reference do not say whose they are. So beside them stands a chain to which nothing leads, `CNM-FORWARD`,
//! with a rule for each address that has its owner in the comment: DEL and GC find everything with it, and the
//! reference plugin does not mind it.

use cnm::{Forwarding, Ingress, Owner, OwnerTag};
use ipnet::IpNet;

use super::outpost::{ADMIN_COMMENT, ENTRY, ENTRY_COMMENT, Outpost};
use crate::firewall::iptables::deleted;
use crate::xtables::{comment_of, quote};

/// The chain that says whose addresses are accepted.
pub(super) const OWNERS: &str = "CNM-FORWARD";
/// The chains of the bridges' ingress policies.
pub(super) const STAGE_1: &str = "CNI-ISOLATION-STAGE-1";
pub(super) const STAGE_2: &str = "CNI-ISOLATION-STAGE-2";
/// On the rules that all bridges with an ingress policy share.
const ISOLATION_COMMENT: &str = "CNI firewall plugin rules (ingressPolicy: same-bridge|isolated)";

/// The table `filter` of one family.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Saved {
    chains: Vec<String>,
    rules: Vec<String>,
}

/// What one attachment has in one family.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attachment<'a> {
    pub(super) owner: &'a Owner,
    pub(super) forwarding: &'a Forwarding,
    pub(super) v6: bool,
}

/// Lines of a script, and the rules that are there or will be.
struct Script<'a> {
    saved: &'a Saved,
    chains: Vec<String>,
    rules: Vec<String>,
}

impl Script<'_> {
    fn chain(&mut self, name: &str) {
        if !self.saved.has_chain(name) && !self.chains.iter().any(|line| line == &format!("-N {name}")) {
            self.chains.push(format!("-N {name}"));
        }
    }

    /// A rule `-A …` at the end of its chain, unless one that says the same is anywhere in it.
    fn append(&mut self, rule: String) {
        if !self.saved.has_rule(&rule) && !self.rules.contains(&rule) {
            self.rules.push(rule);
        }
    }

    /// The same at the head.
    fn insert(&mut self, rule: &str) {
        if !self.saved.has_rule(rule) {
            let rest = rule.trim_start_matches("-A ");
            let (chain, rest) = rest.split_once(' ').unwrap_or((rest, ""));
            self.rules.push(format!("-I {chain} 1 {rest}"));
        }
    }

    fn entry(&mut self, admin: &str) {
        self.chain(admin);
        self.chain(ENTRY);
        self.insert(&format!("-A {ENTRY} {} -j {admin}", comment(ADMIN_COMMENT)));
        self.insert(&format!("-A FORWARD {} -j {ENTRY}", comment(ENTRY_COMMENT)));
    }

    /// `None` when there is nothing to do.
    fn done(self) -> Option<String> {
        script(&[&self.chains, &self.rules])
    }
}

fn script(parts: &[&[String]]) -> Option<String> {
    let lines: Vec<&str> = parts.iter().copied().flatten().map(String::as_str).collect();
    (!lines.is_empty()).then(|| format!("*filter\n{}\nCOMMIT\n", lines.join("\n")))
}

fn comment(text: &str) -> String {
    format!("-m comment --comment {}", quote(text))
}

/// A rule without its comment: versions of the reference differ in them.
fn bare(rule: &str) -> String {
    let Some((before, after)) = rule.split_once(" -m comment --comment ") else { return rule.to_owned() };
    let rest = match after.strip_prefix('"') {
        None => after.split_once(' ').map_or("", |(_, rest)| rest),
        Some(quoted) => {
            let mut escaped = false;
            let end = quoted.find(|character: char| {
                let ends = character == '"' && !escaped;
                escaped = character == '\\' && !escaped;
                ends
            });
            quoted.get(end.map_or(quoted.len(), |end| end + 1)..).unwrap_or_default().trim_start()
        }
    };
    if rest.is_empty() { before.to_owned() } else { format!("{before} {rest}") }
}

/// The value of an option of a rule.
fn option<'a>(rule: &'a str, name: &str) -> Option<&'a str> {
    let mut words = rule.split(' ');
    words.by_ref().find(|word| *word == name).and_then(|_| words.next())
}

fn full(address: IpNet) -> String {
    format!("{}/{}", address.addr(), address.max_prefix_len())
}

/// What comes from an address; what goes there, if it was asked for.
fn accepts(address: &str) -> [String; 2] {
    [
        format!("-A {ENTRY} -d {address} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"),
        format!("-A {ENTRY} -s {address} -j ACCEPT"),
    ]
}

/// What was sent to a port or an address of the host that leads there, which the reference plugin does not accept.
fn accepts_redirected(address: &str) -> String {
    format!("-A {ENTRY} -d {address} -m conntrack --ctstate DNAT -j ACCEPT")
}

impl Saved {
    /// Reads the output of `iptables-save -t filter`.
    pub(super) fn read(saved: &str) -> Self {
        let mut this = Self::default();
        for line in saved.lines() {
            // Counters, if somebody has them printed: `[12:345] -A …`.
            let line = if line.starts_with('[') { line.split_once(' ').map_or(line, |(_, rest)| rest) } else { line };
            if let Some(chain) = line.strip_prefix(':') {
                this.chains.push(chain.split(' ').next().unwrap_or(chain).to_owned());
            } else if line.starts_with("-A ") {
                this.rules.push(line.to_owned());
            }
        }
        this
    }

    fn has_chain(&self, name: &str) -> bool {
        self.chains.iter().any(|chain| chain == name)
    }

    fn has_rule(&self, rule: &str) -> bool {
        let wanted = bare(rule);
        self.rules.iter().any(|rule| bare(rule) == wanted)
    }

    fn rules_of(&self, chain: &str) -> impl Iterator<Item = &String> {
        let prefix = format!("-A {chain} ");
        self.rules.iter().filter(move |rule| rule.starts_with(&prefix))
    }

    /// The rules of the chain of owners: whose, the address, the bridge whose policy they need.
    fn owners(&self) -> impl Iterator<Item = (&String, Option<OwnerTag>, &str, Option<&str>)> {
        self.rules_of(OWNERS).filter_map(|rule| {
            let tag = comment_of(rule).and_then(|text| OwnerTag::read(&text));
            Some((rule, tag, option(rule, "-s")?, option(rule, "-o")))
        })
    }

    /// Makes what an attachment has; `None` when it is there.
    pub(super) fn install(&self, attachment: Attachment<'_>) -> Option<String> {
        let Attachment { owner, forwarding, .. } = attachment;
        let mut script = Script { saved: self, chains: Vec::new(), rules: Vec::new() };
        script.entry(&forwarding.admin_chain);
        script.chain(OWNERS);
        for address in attachment.addresses() {
            accepts(&address).into_iter().for_each(|rule| script.append(rule));
            script.append(accepts_redirected(&address));
            let bridge = attachment.bridge().map(|bridge| format!(" -o {bridge}")).unwrap_or_default();
            let rule = format!("-A {OWNERS} -s {address}{bridge} {}", comment(&owner.comment()));
            // Here the comment matters.
            if !self.rules.contains(&rule) {
                script.rules.push(rule);
            }
        }
        if let Some(bridge) = attachment.bridge() {
            script.chain(STAGE_1);
            script.chain(STAGE_2);
            for (first, rule) in attachment.isolation(bridge) {
                if first { script.insert(&rule) } else { script.append(rule) }
            }
        }
        script.done()
    }

    /// What an attachment lacks, for a person.
    pub(super) fn missing(&self, attachment: Attachment<'_>) -> Vec<String> {
        let redirected: Vec<String> = attachment.addresses().iter().map(|one| accepts_redirected(one)).collect();
        let mut missing = self.missing_of_reference(attachment);
        missing.extend(self.lost(redirected));
        missing
    }

    /// Whether the reference plugin has made all that it makes for an attachment: one of ours has a record.
    pub(super) fn made_by_reference(&self, attachment: Attachment<'_>) -> bool {
        let addresses = attachment.addresses();
        let recorded = self.owners().any(|(_, _, address, _)| addresses.iter().any(|one| one == address));
        !recorded && self.missing_of_reference(attachment).is_empty()
    }

    fn missing_of_reference(&self, attachment: Attachment<'_>) -> Vec<String> {
        let mut wanted = vec![
            format!("-A FORWARD {} -j {ENTRY}", comment(ENTRY_COMMENT)),
            format!("-A {ENTRY} {} -j {}", comment(ADMIN_COMMENT), attachment.forwarding.admin_chain),
        ];
        wanted.extend(attachment.addresses().iter().flat_map(|address| accepts(address)));
        if let Some(bridge) = attachment.bridge() {
            wanted.extend(attachment.isolation(bridge).map(|(_, rule)| rule));
        }
        self.lost(wanted)
    }

    /// Those of some rules that are not there, for a person.
    fn lost(&self, wanted: Vec<String>) -> Vec<String> {
        let missing = wanted.into_iter().filter(|rule| !self.has_rule(rule));
        missing.map(|rule| format!("iptables rule {rule} of table filter is missing")).collect()
    }

    /// Removes what the `doomed` have, and what the reference plugin has made for the attachments `known`. The rules of
    /// a bridge's ingress policy go with the last attachment that needs them.
    pub(super) fn remove(&self, doomed: &dyn Fn(&OwnerTag) -> bool, known: &[Attachment<'_>]) -> Option<String> {
        let (mut gone, mut kept) = (Vec::new(), Vec::new());
        for record in self.owners() {
            if record.1.as_ref().is_some_and(doomed) { gone.push(record) } else { kept.push(record) }
        }
        let mut rules: Vec<String> = gone.iter().map(|(rule, ..)| deleted(rule)).collect();
        let mut addresses: Vec<String> = gone.iter().map(|(_, _, address, _)| (*address).to_owned()).collect();
        addresses.extend(known.iter().flat_map(Attachment::addresses));
        addresses.sort_unstable();
        addresses.dedup();
        // Somebody else may have got the address meanwhile.
        addresses.retain(|address| !kept.iter().any(|(_, _, other, _)| other == address));
        let mut wanted: Vec<String> = addresses.iter().flat_map(|address| accepts(address)).collect();
        wanted.extend(addresses.iter().map(|address| accepts_redirected(address)));
        let is_wanted = |rule: &&String| wanted.contains(&bare(rule));
        rules.extend(self.rules_of(ENTRY).filter(is_wanted).map(|rule| deleted(rule)));
        let mut bridges: Vec<&str> = gone.iter().filter_map(|(_, _, _, bridge)| *bridge).collect();
        bridges.extend(known.iter().filter_map(|attachment| attachment.bridge()));
        bridges.retain(|bridge| !kept.iter().any(|(_, _, _, other)| *other == Some(*bridge)));
        // Whom the reference plugin has attached has no record; it may need the policies.
        let unknown = || {
            self.rules_of(ENTRY).filter(|rule| !is_wanted(rule) && rule.ends_with(" -j ACCEPT")).any(|rule| {
                let address = option(rule, "-s").or_else(|| option(rule, "-d"));
                address.is_some_and(|address| !kept.iter().any(|(_, _, other, _)| *other == address))
            })
        };
        if !bridges.is_empty() && !unknown() {
            let concerns = |rule: &&String| {
                option(rule, "-i").or_else(|| option(rule, "-o")).is_some_and(|device| bridges.contains(&device))
            };
            rules.extend(
                self.rules_of(STAGE_1).chain(self.rules_of(STAGE_2)).filter(concerns).map(|rule| deleted(rule)),
            );
        }
        let last = kept.is_empty() && self.has_chain(OWNERS) && self.rules_of(OWNERS).count() == gone.len();
        script(&[&rules, &last.then(|| format!("-X {OWNERS}")).into_iter().collect::<Vec<_>>()])
    }

    /// Makes an outpost.
    pub(super) fn open(&self, outposts: &[Outpost], admin: &str) -> Option<String> {
        let mut script = Script { saved: self, chains: Vec::new(), rules: Vec::new() };
        script.entry(admin);
        for outpost in outposts {
            let Outpost { device, subnet, name, .. } = outpost;
            let device = |option: &str| device.as_ref().map(|device| format!(" {option} {device}")).unwrap_or_default();
            script.chain(name);
            script.append(format!("-A {name} -s {subnet}{} -j ACCEPT", device("-i")));
            for state in ["RELATED,ESTABLISHED", "DNAT"] {
                let to = format!("-A {name} -d {subnet}{}", device("-o"));
                script.append(format!("{to} -m conntrack --ctstate {state} -j ACCEPT"));
            }
            script.append(format!("-A {ENTRY} {} -j {name}", comment(&outpost.comment)));
        }
        script.done()
    }

    /// Removes outposts.
    pub(super) fn close(&self, outposts: &[Outpost]) -> Option<String> {
        let mut lines = Vec::new();
        for Outpost { name, .. } in outposts.iter().filter(|outpost| self.has_chain(&outpost.name)) {
            let leads = |rule: &&String| option(rule, "-j") == Some(name);
            lines.extend(self.rules.iter().filter(leads).map(|rule| deleted(rule)));
            lines.extend([format!("-F {name}"), format!("-X {name}")]);
        }
        script(&[&lines])
    }
}

impl Attachment<'_> {
    fn addresses(&self) -> Vec<String> {
        let of_family = |address: &&IpNet| address.addr().is_ipv6() == self.v6;
        self.forwarding.addresses.iter().filter(of_family).map(|address| full(*address)).collect()
    }

    /// The bridge, if it has an ingress policy.
    fn bridge(&self) -> Option<&str> {
        match self.forwarding.ingress {
            Ingress::Open => None,
            Ingress::SameBridge | Ingress::Isolated => self.forwarding.device.as_deref(),
        }
    }

    /// The rules of a bridge's ingress policy in the order in which the reference makes them, and whether at the head.
    fn isolation(&self, bridge: &str) -> impl Iterator<Item = (bool, String)> + use<> {
        let own = comment(&format!("CNI firewall plugin rules (ingressPolicy: {})", self.forwarding.ingress.as_str()));
        let all = comment(ISOLATION_COMMENT);
        let within = (true, format!("-A {STAGE_1} -i {bridge} -o {bridge} {own} -j DROP"));
        let within = (self.forwarding.ingress == Ingress::Isolated).then_some(within);
        let first = [
            (true, format!("-A FORWARD {all} -j {STAGE_1}")),
            (true, format!("-A {STAGE_1} -i {bridge} ! -o {bridge} {own} -j {STAGE_2}")),
        ];
        let last = [
            (false, format!("-A {STAGE_1} {all} -j RETURN")),
            (true, format!("-A {STAGE_2} -o {bridge} {all} -j DROP")),
            (false, format!("-A {STAGE_2} {all} -j RETURN")),
        ];
        first.into_iter().chain(within).chain(last)
    }
}

#[cfg(test)]
mod tests;
