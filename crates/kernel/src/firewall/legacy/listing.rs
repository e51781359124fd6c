//! What the older iptables has in a table, as rules: the entries as the kernel keeps them (`struct ipt_entry`,
//! `linux/netfilter/x_tables.h`), one behind the other.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::netlink::{read_text, read_u16, read_u32};
use crate::xtables::{Action, Is, Match, Rule};

/// The chains of a table, whose rules are read when somebody asks for them.
#[derive(Debug)]
pub(in super::super) struct Listing<'a> {
    v6: bool,
    /// Where rules lead to, and the chain that begins there.
    names: HashMap<usize, String>,
    chains: Vec<Chain<'a>>,
}

/// A chain, and its entries with their places in the table.
#[derive(Debug)]
struct Chain<'a> {
    name: String,
    entries: Vec<(usize, &'a [u8])>,
}

/// The names of the hooks' own chains.
const HOOKS: [&str; 5] = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"];
/// The head of a match or target: size, name, revision.
const HEAD: usize = 32;
const DEVICE: usize = 16;

/// Where the parts of an entry are. IPv4 and IPv6 differ in the length of addresses.
#[derive(Debug, Clone, Copy)]
struct Layout {
    address: usize,
    /// Behind four addresses and two devices with their masks.
    protocol: usize,
    /// `IPT_F_*`, `IPT_INV_*`.
    flags: usize,
    inverted: usize,
    /// Where the target is, and behind it where the next entry is.
    target: usize,
    /// Where the matches begin.
    matches: usize,
}

const V4: Layout = Layout { address: 4, protocol: 80, flags: 82, inverted: 83, target: 88, matches: 112 };
/// Protocol, type of service, flags, inverted.
const V6: Layout = Layout { address: 16, protocol: 128, flags: 131, inverted: 132, target: 140, matches: 168 };

/// `IPT_F_GOTO`, `IP6T_F_GOTO`; in IPv6 a bit says that the protocol matters.
const GOTO: [u8; 2] = [0x02, 0x04];
const PROTOCOL_MATTERS: u8 = 0x01;
/// `IPT_INV_*`.
const NOT_ENTRY: u8 = 0x01;
const NOT_EXIT: u8 = 0x02;
const NOT_SOURCE: u8 = 0x08;
const NOT_DESTINATION: u8 = 0x10;

impl<'a> Listing<'a> {
    /// Reads a table: what the kernel tells of it (`struct ipt_getinfo` behind the name), and its entries. `None` when
    /// they are not as they should be.
    pub(super) fn read(v6: bool, info: &[u8], entries: &'a [u8]) -> Option<Self> {
        let layout = if v6 { V6 } else { V4 };
        let number = |at: usize| info.get(at..at + 4).map(|bytes| read_u32(bytes) as usize);
        let hooks = number(0)?;
        let begins = |hook: usize| (hooks & 1 << hook != 0).then(|| number(4 + 4 * hook)).flatten();
        let starts: HashMap<usize, &str> =
            (0..HOOKS.len()).filter_map(|hook| Some((begins(hook)?, HOOKS[hook]))).collect();
        let (mut names, mut chains, mut at) = (HashMap::new(), Vec::<Chain<'_>>::new(), 0);
        while at < entries.len() {
            let entry = entries.get(at..)?;
            let next = usize::from(read_u16(entry.get(layout.target + 2..layout.target + 4)?));
            let entry = entry.get(..next).filter(|_| next >= layout.matches)?;
            let target = entry.get(usize::from(read_u16(&entry[layout.target..]))..)?;
            if let Some(name) = starts.get(&at) {
                chains.push(Chain { name: (*name).to_owned(), entries: Vec::new() });
            }
            if target.get(2..8)? == b"ERROR\0" {
                // A chain's name; at the very end the word itself.
                let name = read_text(target.get(HEAD..)?);
                names.insert(at + next, name.clone());
                chains.push(Chain { name, entries: Vec::new() });
            } else {
                chains.last_mut()?.entries.push((at, entry));
            }
            at += next;
        }
        // The last one ends the table, and the last rule of a chain is its policy, or returns.
        chains.pop();
        for chain in &mut chains {
            chain.entries.pop();
        }
        Some(Self { v6, names, chains })
    }

    /// The names of all chains, in order.
    pub(in super::super) fn chains(&self) -> impl Iterator<Item = &str> {
        self.chains.iter().map(|chain| chain.name.as_str())
    }

    /// The rules of the chain at a place among them.
    pub(in super::super) fn rules(&self, place: usize) -> impl Iterator<Item = Rule> {
        let entries = self.chains.get(place).map(|chain| chain.entries.as_slice()).unwrap_or_default();
        entries.iter().map(|(at, entry)| rule(self.v6, *at, entry, &self.names).unwrap_or_else(unknown))
    }
}

fn unknown() -> Rule {
    Rule { matches: vec![Match::Unknown], action: Action::Unknown, ..Rule::default() }
}

fn rule(v6: bool, at: usize, entry: &[u8], names: &HashMap<usize, String>) -> Option<Rule> {
    let layout = if v6 { V6 } else { V4 };
    let (flags, inverted) = (entry[layout.flags], entry[layout.inverted]);
    let not = |bit: u8| inverted & bit != 0;
    let devices = 4 * layout.address;
    let mut rule = Rule {
        source: net(layout, entry, 0, not(NOT_SOURCE))?,
        destination: net(layout, entry, 1, not(NOT_DESTINATION))?,
        entry: device(entry, devices, not(NOT_ENTRY))?,
        exit: device(entry, devices + DEVICE, not(NOT_EXIT))?,
        protocol: u8::try_from(read_u16(&entry[layout.protocol..])).ok().filter(|number| *number != 0),
        ..Rule::default()
    };
    let goto = GOTO[usize::from(v6)];
    let usual = goto | if v6 { PROTOCOL_MATTERS } else { 0 };
    if flags & !usual != 0 || inverted & !(NOT_ENTRY | NOT_EXIT | NOT_SOURCE | NOT_DESTINATION) != 0 {
        rule.more();
    }
    let end = usize::from(read_u16(&entry[layout.target..]));
    let mut rest = entry.get(layout.matches..end)?;
    while !rest.is_empty() {
        let (name, revision, bytes, behind) = structure(rest)?;
        rule.matches.push(Match::of(name.as_bytes(), revision, bytes, rule.protocol));
        rest = behind;
    }
    let (name, revision, bytes, _) = structure(entry.get(end..)?)?;
    rule.action = if name.is_empty() {
        standard(read_u32(bytes.get(..4)?).cast_signed(), at + entry.len(), flags & goto != 0, names)
    } else {
        Action::of(name.as_bytes(), revision, bytes, v6)
    };
    Some(rule)
}

/// The first match or target of some, and what is behind it.
fn structure(bytes: &[u8]) -> Option<(String, u32, &[u8], &[u8])> {
    let size = usize::from(read_u16(bytes.get(..2)?));
    let (first, rest) = bytes.split_at_checked(size).filter(|_| size >= HEAD)?;
    Some((read_text(&first[2..HEAD - 1]), first[HEAD - 1].into(), &first[HEAD..], rest))
}

/// A target without a name: what to do, negative, or where to go on.
fn standard(verdict: i32, next: usize, goto: bool, names: &HashMap<usize, String>) -> Action {
    match usize::try_from(verdict) {
        Err(_) => match verdict {
            -1 => Action::Drop,
            -2 => Action::Accept,
            -5 => Action::Return,
            _ => Action::Unknown,
        },
        Ok(to) if to == next => Action::Nothing,
        Ok(to) => match names.get(&to) {
            Some(name) if goto => Action::Goto(name.clone()),
            Some(name) => Action::Jump(name.clone()),
            None => Action::Unknown,
        },
    }
}

/// An address and its mask: the source is before the destination, the masks behind both. Any address is none.
#[expect(clippy::option_option, reason = "outside: it is not understood; inside: any address")]
fn net(layout: Layout, entry: &[u8], which: usize, not: bool) -> Option<Option<Is<IpNet>>> {
    let bytes = |at: usize| entry.get(at * layout.address..(at + 1) * layout.address);
    let address = |bytes: &[u8]| {
        Some(match layout.address {
            4 => IpAddr::from(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?)),
            _ => IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)),
        })
    };
    let mask = bytes(2 + which)?;
    if mask.iter().all(|byte| *byte == 0) && !not {
        return Some(None);
    }
    Some(Some(Is { not, value: IpNet::with_netmask(address(bytes(which)?)?, address(mask)?).ok()? }))
}

/// A device and its mask, which for a whole name covers the NUL.
#[expect(clippy::option_option, reason = "outside: it is not understood; inside: any device")]
fn device(entry: &[u8], at: usize, not: bool) -> Option<Option<Is<String>>> {
    let name = entry.get(at..at + DEVICE)?;
    let mask = entry.get(at + 2 * DEVICE..at + 3 * DEVICE)?;
    let value = read_text(name);
    if mask.iter().all(|byte| *byte == 0) {
        return Some(None);
    }
    (mask.get(value.len()) == Some(&0xff)).then_some(Some(Is { not, value }))
}
