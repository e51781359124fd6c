//! Our tables of nf_tables: every set, chain and rule in them, as values. `docs/rules.md` says the same in prose. It
//! sends nothing.
//!
//! - A *base* (sets, base chain, its rules) is made by the first that needs it and stays: deleting a base chain would
//!   cost the next transaction about 10 ms.
//! - A *chain* is shared by networks; its content is a pure function of its name. Each network that uses it has one
//!   *member* element that leads to it. While there is one the kernel refuses to delete the chain; who takes the last
//!   member away takes the chain along.
//! - The *companions* of a chain are the elements by which packets find it; they come and go with it.
//! - What one endpoint owns (its source check) is elements that say so in their comment.
//!
//! Endpoints own nothing else, because of what it would cost: after a transaction that deletes something, closing the
//! socket waits for RCU (10 to 20 ms, and all of nf_tables with it); and every element that is added to a map which a
//! rule uses makes the kernel look at all that are there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cnm::OwnerTag;
use ipnet::IpNet;

use crate::nft::{Element, Family, Field, Hook, Key, Rule, Set, Step, Table, Verdict, octets};

const MULTICAST4: IpNet = IpNet::new_assert(IpAddr::V4(Ipv4Addr::new(224, 0, 0, 0)), 4);
const MULTICAST6: IpNet = IpNet::new_assert(IpAddr::V6(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0)), 8);

/// Comment of the tables, for whoever lists them.
const ABOUT: &str = "container networks; made by cnm";

pub(super) const INET: Table = Table { family: Family::Inet, name: "cnm" };
pub(super) const BRIDGE: Table = Table { family: Family::Bridge, name: "cnm" };

/// Bridge and IPv4 subnet -> the subnet's chain.
pub(super) static MASQ4: Set = map("masq4", &[Field::Ifname, Field::Ipv4], true);
/// The same for IPv6.
pub(super) static MASQ6: Set = map("masq6", &[Field::Ifname, Field::Ipv6], true);
/// Network -> the chain of a subnet that it masquerades. No packet is ever looked up here: the elements hold the chains.
pub(super) static MASQ_MEMBERS: Set = map("masq_members", &MEMBER, false);
/// Guarded bridge -> its chain, for packets that come from it.
pub(super) static GUARD_IN: Set = map("guard_in", &[Field::Ifname], false);
/// The same for packets that go to it.
pub(super) static GUARD_OUT: Set = map("guard_out", &[Field::Ifname], false);
/// Network -> the chain of its guard; as [`MASQ_MEMBERS`].
pub(super) static GUARD_MEMBERS: Set = map("guard_members", &MEMBER, false);
/// Bridge port and the hardware address that it may use.
pub(super) static SOURCES: Set =
    Set { table: BRIDGE, name: "sources", key: &[Field::Ifname, Field::Ether], verdicts: false, ranges: false };
/// Bridge ports that may use nothing else.
pub(super) static PORTS: Set =
    Set { table: BRIDGE, name: "ports", key: &[Field::Ifname], verdicts: false, ranges: false };

/// 128 bits: the network's tag and a digest of the chain's name.
const MEMBER: [Field; 4] = [Field::Mark; 4];

const fn map(name: &'static str, key: &'static [Field], ranges: bool) -> Set {
    Set { table: INET, name, key, verdicts: true, ranges }
}

/// The sets whose elements belong to endpoints.
pub(super) static OWNED: [&Set; 2] = [&SOURCES, &PORTS];
/// The maps whose elements belong to networks.
pub(super) static SHARED: [&Set; 2] = [&MASQ_MEMBERS, &GUARD_MEMBERS];

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
            Self::Masquerade => vec![&MASQ_MEMBERS, &MASQ4, &MASQ6],
            Self::Guard => vec![&GUARD_MEMBERS, &GUARD_IN, &GUARD_OUT],
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
    /// Masquerades what comes from a device and leaves its subnet.
    Outside { device: String, subnet: IpNet },
    /// What may be forwarded from and to a bridge; at least one of the two is set.
    Guard { device: String, internal: bool, isolated: bool },
}

impl Chain {
    /// Names hold only what nft(8) takes without quotes, so that its listing can be loaded again: `:` of an IPv6
    /// address becomes `_`, and an unusual byte of a device's name `/` with two hexadecimal digits.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Outside { device, subnet } => {
                format!("outside-{}-{}", escape(device), subnet.trunc().to_string().replace(':', "_"))
            }
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
            "outside" => {
                let (device, subnet) = rest.rsplit_once('-')?;
                let device = unescape(device).filter(|device| !device.is_empty())?;
                Some(Self::Outside { device, subnet: subnet.replace('_', ":").parse().ok()? })
            }
            "internal" => guard(true, false),
            "isolated" => guard(false, true),
            "closed" => guard(true, true),
            _ => None,
        }
    }

    pub(super) fn rules(&self) -> Vec<Rule> {
        match self {
            Self::Outside { subnet, .. } => {
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
            Self::Outside { device, subnet } => {
                let key = |address| Key::default().ifname(device).bytes(&octets(address)).done();
                vec![Element {
                    set: if subnet.addr().is_ipv6() { &MASQ6 } else { &MASQ4 },
                    key: key(subnet.network()),
                    end: Some(key(subnet.broadcast())),
                    verdict: Some(Verdict::Goto(self.name())),
                    comment: String::new(),
                }]
            }
            Self::Guard { device, .. } => [&GUARD_IN, &GUARD_OUT]
                .into_iter()
                .map(|set| Element {
                    set,
                    key: Key::default().ifname(device).done(),
                    end: None,
                    verdict: Some(Verdict::Jump(self.name())),
                    comment: String::new(),
                })
                .collect(),
        }
    }

    /// Where its members are.
    pub(super) const fn members(&self) -> &'static Set {
        match self {
            Self::Outside { .. } => &MASQ_MEMBERS,
            Self::Guard { .. } => &GUARD_MEMBERS,
        }
    }

    /// The element that says that a network uses the chain, and keeps it from being deleted. Its key is known without
    /// looking.
    pub(super) fn member(&self, network: &str) -> Element {
        let name = self.name();
        let digits = format!("{}{}", OwnerTag::of_network(network), OwnerTag::digits(&name));
        let marks = (0..4).map(|at| digits.get(at * 8..at * 8 + 8).and_then(|word| u32::from_str_radix(word, 16).ok()));
        Element {
            set: self.members(),
            key: marks.fold(Key::default(), |key, mark| key.bytes(&mark.unwrap_or_default().to_ne_bytes())).done(),
            end: None,
            verdict: Some(Verdict::Goto(name)),
            comment: OwnerTag::shared_comment(network),
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

    fn outside(device: &str, subnet: &str) -> Chain {
        Chain::Outside { device: device.into(), subnet: subnet.parse().unwrap() }
    }

    #[test]
    fn a_member_is_shown_with_the_digits_of_its_network() {
        let member = outside("cni0", "10.1.2.0/24").member("web");
        assert!(member.to_string().starts_with("0xcbead8fe . 0x640f4d4a . "), "{member}");
        assert_eq!(member.comment, "cbead8fe640f4d4a-0000000000000000, net: web");
        assert_ne!(member.key, outside("cni1", "10.1.2.0/24").member("web").key);
    }

    #[test]
    fn names_are_read_back_and_fit_nft() {
        let chains = [
            (outside("cni0", "10.1.2.0/24"), "outside-cni0-10.1.2.0/24"),
            (outside("a-b@", "fd00:1::/64"), "outside-a-b/40-fd00_1__/64"),
            (outside("cni0", "::/0"), "outside-cni0-__/0"),
            (guard("cni0", true, false), "internal-cni0"),
            (guard("a-b.1_c", false, true), "isolated-a-b.1_c"),
            (guard("br@%é", true, true), "closed-br/40/25/c3/a9"),
        ];
        for (chain, name) in chains {
            assert_eq!(chain.name(), name);
            assert_eq!(Chain::parse(name), Some(chain), "{name}");
        }
        assert_eq!(outside("cni0", "10.1.2.3/24").name(), "outside-cni0-10.1.2.0/24");
    }

    #[test]
    fn other_names_are_not_ours() {
        for name in [
            "",
            "postrouting",
            "outside-",
            "outside-x",
            "outside-cni0",
            "outside-cni0-x",
            "outside--10.1.2.0/24",
            "open-cni0",
            "internal-",
            "internal-a/zz",
            "internal-a/4",
        ] {
            assert_eq!(Chain::parse(name), None, "{name}");
        }
    }
}
