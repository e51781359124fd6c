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

use cnm::{Owner, OwnerTag};
use ipnet::IpNet;

use crate::nft::{Element, Family, Field, Hook, Key, Keys, Rule, Set, Step, Table, Value, Verdict, octets};

const MULTICAST4: IpNet = IpNet::new_assert(IpAddr::V4(Ipv4Addr::new(224, 0, 0, 0)), 4);
const MULTICAST6: IpNet = IpNet::new_assert(IpAddr::V6(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0)), 8);

/// Comment of the tables, for whoever lists them.
pub(super) const ABOUT: &str = "container networks; made by cnm";

pub(super) const INET: Table = Table { family: Family::Inet, name: "cnm" };
pub(super) const BRIDGE: Table = Table { family: Family::Bridge, name: "cnm" };

/// Bridge and IPv4 subnet -> the subnet's chain.
pub(super) static MASQ4: Set = map("masq4", &[Field::Ifname, Field::Ipv4], Keys::Ranges);
/// The same for IPv6.
pub(super) static MASQ6: Set = map("masq6", &[Field::Ifname, Field::Ipv6], Keys::Ranges);
/// Network -> the chain of a subnet that it masquerades. No packet is ever looked up here: the elements hold the chains.
pub(super) static MASQ_MEMBERS: Set = map("masq_members", &MEMBER, Keys::Exact);
/// Guarded bridge -> its chain, for packets that come from it.
pub(super) static GUARD_IN: Set = map("guard_in", &[Field::Ifname], Keys::Exact);
/// The same for packets that go to it.
pub(super) static GUARD_OUT: Set = map("guard_out", &[Field::Ifname], Keys::Exact);
/// Network -> the chain of its guard; as [`MASQ_MEMBERS`].
pub(super) static GUARD_MEMBERS: Set = map("guard_members", &MEMBER, Keys::Exact);
/// Bridge that is kept apart -> its chain, for packets that come from it.
pub(super) static APART_IN: Set = map("apart_in", &[Field::Ifname], Keys::Exact);
/// Bridges that are kept apart, for packets that go to them.
pub(super) static APART_OUT: Set = set("apart_out", &[Field::Ifname]);
/// Network -> the chain that keeps it apart; as [`MASQ_MEMBERS`].
pub(super) static APART_MEMBERS: Set = map("apart_members", &MEMBER, Keys::Exact);
/// Bridge -> the chain of its ingress policy, for packets that come from it.
pub(super) static INGRESS_IN: Set = map("ingress_in", &[Field::Ifname], Keys::Exact);
/// Bridges with an ingress policy, for packets that go to them.
pub(super) static INGRESS_OUT: Set = set("ingress_out", &[Field::Ifname]);
/// Network or endpoint -> a chain of the firewall plugin; as [`MASQ_MEMBERS`].
pub(super) static FIREWALL_MEMBERS: Set = map("firewall_members", &MEMBER, Keys::Exact);
/// Endpoints that own something in [`FIREWALL_MEMBERS`] or in a zone of firewalld, so that one question tells.
pub(super) static FIREWALL_OWNERS: Set = set("firewall_owners", &[Field::Mark, Field::Mark]);
/// Addresses that we gave to firewalld, and whose they are: it keeps no comments.
pub(super) static ZONED4: Set = set("zoned4", &[Field::Ipv4]);
/// The same for IPv6.
pub(super) static ZONED6: Set = set("zoned6", &[Field::Ipv6]);
/// Bridge port and the hardware address that it may use.
pub(super) static SOURCES: Set = Set {
    table: BRIDGE,
    name: "sources",
    key: &[Field::Ifname, Field::Ether],
    value: Value::Nothing,
    keys: Keys::Exact,
};
/// Bridge ports that may use nothing else.
pub(super) static PORTS: Set =
    Set { table: BRIDGE, name: "ports", key: &[Field::Ifname], value: Value::Nothing, keys: Keys::Exact };

/// 128 bits: the network's tag and a digest of the chain's name.
const MEMBER: [Field; 4] = [Field::Mark; 4];

const fn set(name: &'static str, key: &'static [Field]) -> Set {
    Set { table: INET, name, key, value: Value::Nothing, keys: Keys::Exact }
}

const fn map(name: &'static str, key: &'static [Field], keys: Keys) -> Set {
    Set { table: INET, name, key, value: Value::Verdict, keys }
}

/// The sets whose elements belong to endpoints.
pub(super) static OWNED: [&Set; 2] = [&SOURCES, &PORTS];
/// The maps whose elements belong to networks.
pub(super) static SHARED: [&Set; 4] = [&MASQ_MEMBERS, &GUARD_MEMBERS, &APART_MEMBERS, &FIREWALL_MEMBERS];

/// The chain that belongs to the administrator: made when it is missing, never looked into, never deleted.
pub(super) const ADMIN: &str = "admin";

/// What an intent stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Base {
    Masquerade,
    Guard,
    Apart,
    Firewall,
    Spoof,
}

impl Base {
    pub(super) const fn table(self) -> Table {
        match self {
            Self::Masquerade | Self::Guard | Self::Apart | Self::Firewall => INET,
            Self::Spoof => BRIDGE,
        }
    }

    /// Its base chain. It is created last and in one transaction with the rest: where it is, all of the base is.
    pub(super) const fn chain(self) -> &'static str {
        match self {
            Self::Masquerade => "postrouting",
            Self::Guard => "forward",
            Self::Apart => "between",
            Self::Firewall => "firewall",
            Self::Spoof => "prerouting",
        }
    }

    /// Where the base chain hangs. 100 is `srcnat`; 0 is `filter`; -300 is where the reference plugins' check sits.
    const fn hook(self) -> Hook {
        match self {
            Self::Masquerade => Hook { kind: "nat", number: 4, priority: 100 },
            Self::Guard | Self::Apart | Self::Firewall => Hook { kind: "filter", number: 2, priority: 0 },
            Self::Spoof => Hook { kind: "filter", number: 0, priority: -300 },
        }
    }

    fn sets(self) -> Vec<&'static Set> {
        match self {
            Self::Masquerade => vec![&MASQ_MEMBERS, &MASQ4, &MASQ6],
            Self::Guard => vec![&GUARD_MEMBERS, &GUARD_IN, &GUARD_OUT],
            Self::Apart => vec![&APART_MEMBERS, &APART_IN, &APART_OUT],
            Self::Firewall => {
                vec![&FIREWALL_MEMBERS, &FIREWALL_OWNERS, &ZONED4, &ZONED6, &INGRESS_IN, &INGRESS_OUT]
            }
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
            Self::Apart => vec![Rule::default().entry_in(&APART_IN)],
            Self::Firewall => {
                vec![Rule::default().entry_in(&INGRESS_IN), Rule::default().verdict(Verdict::Jump(ADMIN.into()))]
            }
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
        if self == Self::Firewall {
            steps.push(Step::EnsureChain(INET, ADMIN.into()));
        }
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
    /// Keeps what comes from a bridge away from the other bridges that are kept apart.
    Apart { device: String },
    /// Keeps away from a bridge what comes from others of the kind, or, isolated, from itself, too.
    Ingress { device: String, isolated: bool },
    /// Empty, and no packet comes here: it says what is accepted in chains of others (`outpost`), and holds the members
    /// that want it.
    Accept { device: Option<String>, subnet: IpNet },
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
            Self::Apart { device } => format!("apart-{}", escape(device)),
            Self::Ingress { device, isolated: false } => format!("ingress-same-bridge-{}", escape(device)),
            Self::Ingress { device, isolated: true } => format!("ingress-isolated-{}", escape(device)),
            Self::Accept { device, subnet } => {
                let device = device.as_deref().map(escape).unwrap_or_default();
                format!("accept-{device}-{}", subnet.trunc().to_string().replace(':', "_"))
            }
        }
    }

    /// Understands a name that [`Chain::name`] has made.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let (kind, rest) = name.split_once('-')?;
        let named = |rest: &str| unescape(rest).filter(|device| !device.is_empty());
        let at_subnet = |rest: &str| {
            let (device, subnet) = rest.rsplit_once('-')?;
            Some((unescape(device)?, subnet.replace('_', ":").parse::<IpNet>().ok()?))
        };
        let guard = |internal, isolated| Some(Self::Guard { device: named(rest)?, internal, isolated });
        match kind {
            "outside" => {
                let (device, subnet) = at_subnet(rest).filter(|(device, _)| !device.is_empty())?;
                Some(Self::Outside { device, subnet })
            }
            "accept" => {
                let (device, subnet) = at_subnet(rest)?;
                Some(Self::Accept { device: Some(device).filter(|device| !device.is_empty()), subnet })
            }
            "ingress" => match rest.strip_prefix("same-bridge-") {
                Some(rest) => Some(Self::Ingress { device: named(rest)?, isolated: false }),
                None => Some(Self::Ingress { device: named(rest.strip_prefix("isolated-")?)?, isolated: true }),
            },
            "apart" => Some(Self::Apart { device: named(rest)? }),
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
            Self::Apart { device } => vec![
                Rule::default().leaves(device).verdict(Verdict::Return),
                Rule::default().exit_in(&APART_OUT).verdict(Verdict::Drop),
            ],
            Self::Ingress { device, isolated } => {
                let within = Rule::default().leaves(device).verdict(Verdict::Return);
                let away = Rule::default().exit_in(&INGRESS_OUT).verdict(Verdict::Drop);
                if *isolated { vec![away] } else { vec![within, away] }
            }
            Self::Accept { .. } => Vec::new(),
        }
    }

    /// The elements that come and go with the chain itself.
    pub(super) fn companions(&self) -> Vec<Element> {
        match self {
            Self::Outside { device, subnet } => {
                let key = |address| Key::default().ifname(device).bytes(&octets(address)).done();
                let set = if subnet.addr().is_ipv6() { &MASQ6 } else { &MASQ4 };
                vec![Element {
                    end: Some(key(subnet.broadcast())),
                    verdict: Some(Verdict::Goto(self.name())),
                    ..Element::new(set, key(subnet.network()))
                }]
            }
            Self::Guard { device, .. } => [&GUARD_IN, &GUARD_OUT].map(|set| self.of_device(set, device)).to_vec(),
            Self::Apart { device } => [&APART_IN, &APART_OUT].map(|set| self.of_device(set, device)).to_vec(),
            Self::Ingress { device, .. } => [&INGRESS_IN, &INGRESS_OUT].map(|set| self.of_device(set, device)).to_vec(),
            Self::Accept { .. } => Vec::new(),
        }
    }

    /// An element for a device; in a map it leads to the chain.
    fn of_device(&self, set: &'static Set, device: &str) -> Element {
        let verdict = (set.value == Value::Verdict).then(|| Verdict::Jump(self.name()));
        Element { verdict, ..Element::new(set, Key::default().ifname(device).done()) }
    }

    /// Where its members are.
    pub(super) const fn members(&self) -> &'static Set {
        match self {
            Self::Outside { .. } => &MASQ_MEMBERS,
            Self::Guard { .. } => &GUARD_MEMBERS,
            Self::Apart { .. } => &APART_MEMBERS,
            Self::Ingress { .. } | Self::Accept { .. } => &FIREWALL_MEMBERS,
        }
    }

    /// The element that says that a network uses the chain, and keeps it from being deleted. Its key is known without
    /// looking.
    pub(super) fn member(&self, network: &str) -> Element {
        self.member_of(&OwnerTag::of_network(network), OwnerTag::shared_comment(network))
    }

    /// The same for an endpoint that answers for itself.
    pub(super) fn member_alone(&self, owner: &Owner) -> Element {
        self.member_of(&OwnerTag::digits(&owner.tag().to_string()), owner.comment())
    }

    fn member_of(&self, who: &str, comment: String) -> Element {
        let name = self.name();
        let digits = format!("{who}{}", OwnerTag::digits(&name));
        Element { verdict: Some(Verdict::Goto(name)), comment, ..Element::new(self.members(), marks(&digits)) }
    }

    /// The steps that make it; companions are separate.
    pub(super) fn create(&self) -> Vec<Step> {
        let mut steps = vec![Step::AddChain(INET, self.name(), None)];
        steps.extend(self.rules().into_iter().map(|rule| Step::AddRule(INET, self.name(), rule)));
        steps
    }
}

/// Hexadecimal digits as a key of marks, which nft(8) shows as they are.
pub(super) fn marks(digits: &str) -> Vec<u8> {
    let words = (0..digits.len() / 8).map(|at| digits.get(at * 8..at * 8 + 8));
    let numbers = words.map(|word| word.and_then(|word| u32::from_str_radix(word, 16).ok()).unwrap_or_default());
    numbers.fold(Key::default(), |key, mark| key.bytes(&mark.to_ne_bytes())).done()
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
mod tests;
