//! Our tables of nf_tables: every set, chain and rule in them, as values. `docs/rules.md` says the same in prose. It
//! sends nothing.
//!
//! - A *base* (sets, base chain, its rules) is made by the first that needs it and stays: deleting a base chain would
//!   cost the next transaction about 10 ms.
//! - A *chain* is shared by endpoints; its content is a pure function of its name. The kernel counts the elements that
//!   lead to it, which tells the last endpoint that it is the last.
//! - An *element* belongs to one endpoint and says so in its comment.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::nft::{Element, Family, Field, Hook, Key, Rule, Set, Step, Table, Verdict};

const MULTICAST4: IpNet = IpNet::new_assert(IpAddr::V4(Ipv4Addr::new(224, 0, 0, 0)), 4);
const MULTICAST6: IpNet = IpNet::new_assert(IpAddr::V6(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0)), 8);

/// Comment of the tables, for whoever lists them.
const ABOUT: &str = "container networks; made by cnm";

pub(super) const INET: Table = Table { family: Family::Inet, name: "cnm" };
pub(super) const BRIDGE: Table = Table { family: Family::Bridge, name: "cnm" };

/// Endpoint by bridge and IPv4 address -> the chain of its subnet.
pub(super) static MASQ4: Set = Set { table: INET, name: "masq4", key: &[Field::Ifname, Field::Ipv4], verdicts: true };
/// The same for IPv6.
pub(super) static MASQ6: Set = Set { table: INET, name: "masq6", key: &[Field::Ifname, Field::Ipv6], verdicts: true };
/// Owner tag -> the chain of its network's guard. No packet is ever looked up here: the elements make the kernel
/// count the endpoints.
pub(super) static MEMBERS: Set =
    Set { table: INET, name: "members", key: &[Field::Mark, Field::Mark, Field::Mark, Field::Mark], verdicts: true };
/// Guarded bridge -> its chain, for packets that come from it.
pub(super) static GUARD_IN: Set = Set { table: INET, name: "guard_in", key: &[Field::Ifname], verdicts: true };
/// The same for packets that go to it.
pub(super) static GUARD_OUT: Set = Set { table: INET, name: "guard_out", key: &[Field::Ifname], verdicts: true };
/// Bridge port and the hardware address that it may use.
pub(super) static SOURCES: Set =
    Set { table: BRIDGE, name: "sources", key: &[Field::Ifname, Field::Ether], verdicts: false };
/// Bridge ports that may use nothing else.
pub(super) static PORTS: Set = Set { table: BRIDGE, name: "ports", key: &[Field::Ifname], verdicts: false };

/// The sets whose elements belong to endpoints.
pub(super) static OWNED: [&Set; 5] = [&MASQ4, &MASQ6, &MEMBERS, &SOURCES, &PORTS];

/// What an intent stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Base {
    Masquerade,
    Guard,
    Spoof,
}

impl Base {
    pub(super) const fn table(self) -> Table {
        match self {
            Self::Masquerade | Self::Guard => INET,
            Self::Spoof => BRIDGE,
        }
    }

    /// Its base chain. It is created last and in one transaction with the rest: where it is, all of the base is.
    pub(super) const fn chain(self) -> &'static str {
        match self {
            Self::Masquerade => "postrouting",
            Self::Guard => "forward",
            Self::Spoof => "prerouting",
        }
    }

    /// Where the base chain hangs. 100 is `srcnat`; 0 is `filter`; -300 is where the reference plugins' check sits.
    const fn hook(self) -> Hook {
        match self {
            Self::Masquerade => Hook { kind: "nat", number: 4, priority: 100 },
            Self::Guard => Hook { kind: "filter", number: 2, priority: 0 },
            Self::Spoof => Hook { kind: "filter", number: 0, priority: -300 },
        }
    }

    fn sets(self) -> Vec<&'static Set> {
        match self {
            Self::Masquerade => vec![&MASQ4, &MASQ6],
            Self::Guard => vec![&MEMBERS, &GUARD_IN, &GUARD_OUT],
            Self::Spoof => vec![&SOURCES, &PORTS],
        }
    }

    pub(super) fn rules(self) -> Vec<Rule> {
        match self {
            Self::Masquerade => vec![
                Rule::default().to(MULTICAST4).verdict(Verdict::Return),
                Rule::default().to(MULTICAST6).verdict(Verdict::Return),
                Rule::default().source_in(false, &MASQ4),
                Rule::default().source_in(true, &MASQ6),
            ],
            Self::Guard => vec![Rule::default().entry_in(&GUARD_IN), Rule::default().exit_in(&GUARD_OUT)],
            Self::Spoof => vec![
                Rule::default().station_in(&SOURCES).verdict(Verdict::Return),
                Rule::default().entry_in(&PORTS).verdict(Verdict::Drop),
            ],
        }
    }

    /// The steps that make it from nothing.
    pub(super) fn create(self) -> Vec<Step> {
        let mut steps = vec![Step::AddTable(self.table(), ABOUT)];
        steps.extend(self.sets().into_iter().map(Step::AddSet));
        steps.push(Step::AddChain(self.table(), self.chain().into(), Some(self.hook())));
        steps.extend(self.rules().into_iter().map(|rule| Step::AddRule(self.table(), self.chain().into(), rule)));
        steps
    }
}

/// A shared chain of table `inet cnm`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Chain {
    /// Masquerades what leaves the subnet.
    Outside(IpNet),
    /// What may be forwarded from and to a bridge; at least one of the two is set.
    Guard { device: String, internal: bool, isolated: bool },
}

impl Chain {
    /// Names hold only what nft(8) takes without quotes, so that its listing can be loaded again: `:` of an IPv6
    /// address becomes `_`, and an unusual byte of a device's name `/` with two hexadecimal digits.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Outside(subnet) => format!("outside-{}", subnet.trunc()).replace(':', "_"),
            Self::Guard { device, internal, isolated } => {
                format!("{}-{}", policy(*internal, *isolated), escape(device))
            }
        }
    }

    /// Understands a name that [`Chain::name`] has made.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let (kind, rest) = name.split_once('-')?;
        let guard = |internal, isolated| {
            Some(Self::Guard { device: unescape(rest).filter(|device| !device.is_empty())?, internal, isolated })
        };
        match kind {
            "outside" => rest.replace('_', ":").parse().ok().map(Self::Outside),
            "internal" => guard(true, false),
            "isolated" => guard(false, true),
            "closed" => guard(true, true),
            _ => None,
        }
    }

    pub(super) fn rules(&self) -> Vec<Rule> {
        match self {
            Self::Outside(subnet) => {
                vec![Rule::default().to(*subnet).verdict(Verdict::Return), Rule::default().masquerade()]
            }
            Self::Guard { device, internal, isolated } => {
                let within = || Rule::default().enters(device).leaves(device);
                match (*internal, *isolated) {
                    (true, true) => vec![Rule::default().verdict(Verdict::Drop)],
                    (true, false) => vec![within().verdict(Verdict::Return), Rule::default().verdict(Verdict::Drop)],
                    (false, true) => vec![within().verdict(Verdict::Drop)],
                    (false, false) => Vec::new(),
                }
            }
        }
    }

    /// The elements that come and go with the chain itself.
    pub(super) fn companions(&self) -> Vec<Element> {
        match self {
            Self::Outside(_) => Vec::new(),
            Self::Guard { device, .. } => [&GUARD_IN, &GUARD_OUT]
                .into_iter()
                .map(|set| Element {
                    set,
                    key: Key::default().ifname(device).done(),
                    verdict: Some(Verdict::Jump(self.name())),
                    comment: String::new(),
                })
                .collect(),
        }
    }

    /// The steps that make it; companions are separate.
    pub(super) fn create(&self) -> Vec<Step> {
        let mut steps = vec![Step::AddChain(INET, self.name(), None)];
        steps.extend(self.rules().into_iter().map(|rule| Step::AddRule(INET, self.name(), rule)));
        steps
    }
}

/// The word for a guard.
const fn policy(internal: bool, isolated: bool) -> &'static str {
    match (internal, isolated) {
        (true, true) => "closed",
        (true, false) => "internal",
        (false, true) => "isolated",
        (false, false) => "open",
    }
}

fn escape(device: &str) -> String {
    let mut name = String::with_capacity(device.len());
    for byte in device.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') {
            name.push(char::from(byte));
        } else {
            name.push_str(&format!("/{byte:02x}"));
        }
    }
    name
}

fn unescape(name: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((plain, escaped)) = rest.split_once('/') {
        bytes.extend_from_slice(plain.as_bytes());
        bytes.push(u8::from_str_radix(escaped.get(..2)?, 16).ok()?);
        rest = &escaped[2..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(device: &str, internal: bool, isolated: bool) -> Chain {
        Chain::Guard { device: device.into(), internal, isolated }
    }

    #[test]
    fn names_are_read_back_and_fit_nft() {
        let chains = [
            (Chain::Outside("10.1.2.0/24".parse().unwrap()), "outside-10.1.2.0/24"),
            (Chain::Outside("fd00:1::/64".parse().unwrap()), "outside-fd00_1__/64"),
            (Chain::Outside("::/0".parse().unwrap()), "outside-__/0"),
            (guard("cni0", true, false), "internal-cni0"),
            (guard("a-b.1_c", false, true), "isolated-a-b.1_c"),
            (guard("br@%é", true, true), "closed-br/40/25/c3/a9"),
        ];
        for (chain, name) in chains {
            assert_eq!(chain.name(), name);
            assert_eq!(Chain::parse(name), Some(chain), "{name}");
        }
        assert_eq!(Chain::Outside("10.1.2.3/24".parse().unwrap()).name(), "outside-10.1.2.0/24");
    }

    #[test]
    fn other_names_are_not_ours() {
        for name in
            ["", "postrouting", "outside-", "outside-x", "open-cni0", "internal-", "internal-a/zz", "internal-a/4"]
        {
            assert_eq!(Chain::parse(name), None, "{name}");
        }
    }
}
