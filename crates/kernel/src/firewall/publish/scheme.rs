//! The part of table `inet cnm` that publishes ports: sets, chains, rules, as values. `docs/rules.md` says the same in
//! prose. It sends nothing.
//!
//! A packet costs the same however many ports are published: it is looked up in maps. They are maps of data and not of
//! verdicts, because each element that is added to a map of verdicts makes the kernel look at all the others.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

use crate::firewall::scheme::{ABOUT, INET};
use crate::nft::{Field, Hook, Keys, Part, Rule, Set, Step, Value, Verdict};

/// The label of connections to an address of the host: set before anything is redirected, because afterwards nobody can
/// ask whether the first address was the host's. The highest but one: labels with names are counted from the other end.
const TO_HOST: u8 = 126;

const LOOPBACK: IpNet = IpNet::new_assert(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8);

/// The sets of one family.
#[derive(Debug)]
pub(super) struct Sets {
    /// The registry: protocol, port of the host and a slot -> who has it. No packet is ever looked up here; the other
    /// sets follow from it.
    pub(super) published: Set,
    /// Protocol and port of the host -> address and port of the endpoint.
    pub(super) ports: Set,
    /// The same at one address of the host.
    pub(super) host_ports: Set,
    /// The same two for packets from one device, where a container is attached to its network, too.
    pub(super) near_ports: Set,
    pub(super) near_host_ports: Set,
    /// Device, address, protocol and port of an endpoint: masqueraded for neighbours.
    pub(super) hairpins: Set,
    /// The same: masqueraded for everybody.
    pub(super) veiled: Set,
}

const fn set(name: &'static str, key: &'static [Field], value: Value) -> Set {
    Set { table: INET, name, key, value, keys: Keys::Exact }
}

use Field::{Ifname, Ipv4, Ipv6, Mark, Port, Protocol};

static V4: Sets = Sets {
    published: set("published4", &[Protocol, Port, Mark], Value::Data(&[Ipv4, Ipv4, Port, Ifname, Mark])),
    ports: set("ports4", &[Protocol, Port], Value::Data(&[Ipv4, Port])),
    host_ports: set("host_ports4", &[Ipv4, Protocol, Port], Value::Data(&[Ipv4, Port])),
    near_ports: set("near_ports4", &[Ifname, Protocol, Port], Value::Data(&[Ipv4, Port])),
    near_host_ports: set("near_host_ports4", &[Ifname, Ipv4, Protocol, Port], Value::Data(&[Ipv4, Port])),
    hairpins: set("hairpins4", &[Ifname, Ipv4, Protocol, Port], Value::Nothing),
    veiled: set("veiled4", &[Ifname, Ipv4, Protocol, Port], Value::Nothing),
};

static V6: Sets = Sets {
    published: set("published6", &[Protocol, Port, Mark], Value::Data(&[Ipv6, Ipv6, Port, Ifname, Mark])),
    ports: set("ports6", &[Protocol, Port], Value::Data(&[Ipv6, Port])),
    host_ports: set("host_ports6", &[Ipv6, Protocol, Port], Value::Data(&[Ipv6, Port])),
    near_ports: set("near_ports6", &[Ifname, Protocol, Port], Value::Data(&[Ipv6, Port])),
    near_host_ports: set("near_host_ports6", &[Ifname, Ipv6, Protocol, Port], Value::Data(&[Ipv6, Port])),
    hairpins: set("hairpins6", &[Ifname, Ipv6, Protocol, Port], Value::Nothing),
    veiled: set("veiled6", &[Ifname, Ipv6, Protocol, Port], Value::Nothing),
};

/// An attachment's tag (128 bits) and a number -> what it has published: family, protocol, port of the host. By it DEL
/// knows, without looking through the registry, what there is of an attachment.
pub(super) static PUBLISHERS: Set =
    set("publishers", &[Mark, Mark, Mark, Mark, Mark], Value::Data(&[Mark, Protocol, Port]));

pub(super) const fn sets(v6: bool) -> &'static Sets {
    if v6 { &V6 } else { &V4 }
}

impl Sets {
    const fn all(&'static self) -> [&'static Set; 7] {
        [
            &self.published,
            &self.ports,
            &self.host_ports,
            &self.near_ports,
            &self.near_host_ports,
            &self.hairpins,
            &self.veiled,
        ]
    }
}

/// The chain that redirects.
pub(super) const REDIRECTING: &str = "publish";
/// The chains whose one rule leads there.
pub(super) const LEADING: [&str; 2] = ["publish-prerouting", "publish-output"];

/// Every chain of the base, its hook and its rules, in the order in which they are made. The one that others jump to
/// comes first; all are made in one transaction.
pub(super) fn chains() -> [(&'static str, Option<Hook>, Vec<Rule>); 6] {
    let to_host = || Rule::default().for_host().verdict(Verdict::Jump(REDIRECTING.into()));
    let known = Rule::default().label(TO_HOST);
    let conditional = Rule::default().verdict(Verdict::Jump(CONDITIONAL.into()));
    let before = |number| Some(Hook { kind: "nat", number, priority: -100 });
    [
        (CONDITIONAL, None, Vec::new()),
        (REDIRECTING, None, [vec![known, conditional], redirects(false), redirects(true)].concat()),
        (LEADING[0], before(0), vec![to_host()]),
        (LEADING[1], before(3), vec![to_host()]),
        // Before `postrouting`: whoever masquerades first decides.
        ("publish-postrouting", Some(Hook { kind: "nat", number: 4, priority: 99 }), masquerades()),
        // Before everything else looks at the packet, connection tracking included (`raw`).
        ("publish-loopback", Some(Hook { kind: "filter", number: 0, priority: -300 }), loopback_guard()),
    ]
}

/// Where ports with conditions are listed, one rule for each attachment and family.
pub(super) const CONDITIONAL: &str = "publish-conditional";

/// The nearest comes first, then the most exact.
fn redirects(v6: bool) -> Vec<Rule> {
    let (sets, to) = (sets(v6), if v6 { Part::To6 } else { Part::To4 });
    let by = |parts: &[Part], map| Rule::default().family(v6).redirect_by(v6, parts, map);
    vec![
        by(&[Part::Entry, to, Part::Protocol, Part::Port], &sets.near_host_ports),
        by(&[Part::Entry, Part::Protocol, Part::Port], &sets.near_ports),
        by(&[to, Part::Protocol, Part::Port], &sets.host_ports),
        by(&[Part::Protocol, Part::Port], &sets.ports),
    ]
}

/// Only connections that an address of the host was redirected from: what others redirect to the same endpoint (service
/// addresses, say), and what goes there directly, is left alone.
fn masquerades() -> Vec<Rule> {
    let mut rules = Vec::new();
    for v6 in [false, true] {
        let sets = sets(v6);
        let to = if v6 { Part::To6 } else { Part::To4 };
        let of = |device| [device, to, Part::Protocol, Part::Port];
        let redirected = || Rule::default().family(v6).redirected().labelled(TO_HOST);
        rules.push(redirected().found_in(&of(Part::Exit), &sets.veiled).masquerade());
        // From the network that the endpoint is in, itself included.
        rules.push(redirected().found_in(&of(Part::Entry), &sets.hairpins).masquerade());
        // The same where the bridge's frames visit the rules of IPv4 and IPv6: then nobody tells where they came from.
        rules.push(redirected().bridged().found_in(&of(Part::Exit), &sets.hairpins).masquerade());
        if !v6 {
            // From the host's loopback address; IPv6 lets none of its packets out.
            let local = Rule::default().from(LOOPBACK).redirected().labelled(TO_HOST);
            rules.push(local.found_in(&of(Part::Exit), &sets.hairpins).masquerade());
        }
    }
    rules
}

/// Loopback addresses do not come by wire (RFC 1122). The kernel sees to that itself, but only after a packet was
/// redirected, and not at all where `route_localnet` is set.
fn loopback_guard() -> Vec<Rule> {
    let elsewhere = || Rule::default().enters_elsewhere("lo");
    vec![elsewhere().to(LOOPBACK).verdict(Verdict::Drop), elsewhere().from(LOOPBACK).verdict(Verdict::Drop)]
}

/// The steps that make the base from nothing.
pub(super) fn create() -> Vec<Step> {
    let mut steps = vec![Step::AddTable(INET, ABOUT)];
    steps.extend(V4.all().into_iter().chain(V6.all()).chain([&PUBLISHERS]).map(Step::AddSet));
    for (name, hook, rules) in chains() {
        steps.push(Step::AddChain(INET, name.into(), hook));
        steps.extend(rules.into_iter().map(|rule| Step::AddRule(INET, name.into(), rule)));
    }
    steps
}
