//! Rules of iptables in nf_tables, as its nf_tables variant (`iptables-nft`) writes and understands them: addresses and
//! devices in nf_tables' own words, matches and targets as the kernel's structures of iptables (`nft_compat`).

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::expression::{Expression, FIRST, Meta, Payload};
use super::object::{Family, Table, Verdict};
use super::read::{be32, expressions, verdict};
use super::rule::Rule;
use super::{HEADER, Kind};
use crate::netlink::{Attributes, Message, read_text};
use crate::xtables::{self, Action, Is, Match};

impl Rule {
    /// A rule of iptables; `None` when it holds something that is not known.
    pub(crate) fn of_iptables(rule: &xtables::Rule, v6: bool) -> Option<Self> {
        let mut own = Self::default();
        for (device, meta) in [(&rule.entry, Meta::Iifname), (&rule.exit, Meta::Oifname)] {
            if let Some(Is { not, value }) = device {
                // With its NUL: without, it would be the beginning of a name.
                let name = [value.as_bytes(), &[0]].concat();
                own = own.then([Expression::Meta(meta, FIRST), compare(*not, name)]);
            }
        }
        if let Some(number) = rule.protocol {
            own = own.then([Expression::Meta(Meta::L4proto, FIRST), compare(false, vec![number])]).of_protocol(number);
        }
        for (net, payload) in [(&rule.source, Payload::source(v6)), (&rule.destination, Payload::destination(v6))] {
            if let Some(Is { not, value }) = net {
                if value.addr().is_ipv6() != v6 || (*not && value.prefix_len() == 0) {
                    return None;
                }
                own = own.within(payload, *value, *not);
            }
        }
        for one in &rule.matches {
            own = own.matching(one.structure(rule.protocol)?);
        }
        own = own.counted();
        Some(match &rule.action {
            Action::Nothing => own,
            Action::Accept => own.verdict(Verdict::Accept),
            Action::Drop => own.verdict(Verdict::Drop),
            Action::Return => own.verdict(Verdict::Return),
            Action::Jump(chain) => own.verdict(Verdict::Jump(chain.clone())),
            Action::Goto(chain) => own.verdict(Verdict::Goto(chain.clone())),
            target => {
                let structure = target.structure(v6)?;
                own.then([Expression::Target(structure.name, structure.revision.into(), structure.bytes)])
            }
        })
    }
}

fn compare(not: bool, bytes: Vec<u8>) -> Expression {
    if not { Expression::Differs(bytes) } else { Expression::Equals(bytes) }
}

/// A rule as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) chain: String,
    pub(crate) handle: u64,
    pub(crate) rule: xtables::Rule,
}

/// Reads one of a table, of a chain if there is one, and if there are some, only what leads `to` one of these.
pub(super) fn rule(message: &Message<'_>, table: Table, chain: Option<&str>, to: &[&str]) -> Option<Listed> {
    if message.kind != Kind::NewRule.number() {
        return None;
    }
    let attributes = message.attributes(HEADER);
    let (mut handle, mut there) = (0, (None, None));
    for (kind, value) in attributes {
        match kind {
            1 => there.0 = Some(value),
            2 => there.1 = Some(value),
            3 => handle = u64::from_be_bytes(value.try_into().ok()?),
            _ => {}
        }
    }
    let leads = |(name, data): (&[u8], Attributes<'_>)| {
        let chain = (name == b"immediate\0").then(|| verdict(data)).flatten();
        chain.and_then(|verdict| verdict.chain().map(|chain| to.contains(&chain))).unwrap_or(false)
    };
    // Where thousands are read for one, most of them are not worth more than this.
    if !to.is_empty() && !expressions(attributes).last().is_some_and(leads) {
        return None;
    }
    let is =
        |found: Option<&[u8]>, name: &str| found.and_then(|found| found.strip_suffix(&[0])) == Some(name.as_bytes());
    if !is(there.0, table.name) || chain.is_some_and(|chain| !is(there.1, chain)) {
        return None;
    }
    let mut reading = Reading { v6: table.family == Family::Ipv6, ..Reading::default() };
    expressions(attributes).for_each(|(name, data)| reading.take(name, data));
    Some(Listed { chain: there.1.map(read_text)?, handle, rule: reading.rule })
}

/// What is in the first register.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Loaded {
    #[default]
    Nothing,
    Meta(u32),
    /// Header, offset, length.
    Bytes(u32, u32, u32),
}

/// A rule while it is read.
#[derive(Debug, Default)]
struct Reading<'a> {
    v6: bool,
    loaded: Loaded,
    mask: Option<&'a [u8]>,
    rule: xtables::Rule,
}

impl<'a> Reading<'a> {
    fn take(&mut self, name: &[u8], data: Attributes<'a>) {
        let taken = match name {
            b"meta\0" => self.load(data.find(1), data.find(2).map(|key| Loaded::Meta(be32(key)))),
            b"payload\0" => {
                let number = |kind| data.find(kind).map(be32);
                let bytes = || Some(Loaded::Bytes(number(2)?, number(3)?, number(4)?));
                self.load(data.find(1), bytes())
            }
            b"bitwise\0" => self.masked(data),
            b"cmp\0" => self.compare(data),
            b"counter\0" => Some(()),
            b"immediate\0" => self.ends(data),
            b"match\0" => self.structure(data, |reading, name, revision, bytes| {
                reading.rule.matches.push(Match::of(name, revision, bytes, reading.rule.protocol));
            }),
            b"target\0" => self.structure(data, |reading, name, revision, bytes| {
                reading.rule.action = Action::of(name, revision, bytes, reading.v6);
            }),
            _ => None,
        };
        if taken.is_none() {
            self.rule.more();
        }
    }

    fn load(&mut self, register: Option<&[u8]>, loaded: Option<Loaded>) -> Option<()> {
        (self.loaded, self.mask) = (loaded?, None);
        (register.map(be32) == Some(FIRST)).then_some(())
    }

    /// `bitwise`: a mask, and nothing is turned over.
    fn masked(&mut self, data: Attributes<'a>) -> Option<()> {
        let inside = |kind| data.find(kind).and_then(|value| Attributes::inside(value).find(1));
        self.mask = Some(inside(4)?);
        inside(5)?.iter().all(|byte| *byte == 0).then_some(())
    }

    fn compare(&mut self, data: Attributes<'a>) -> Option<()> {
        let not = match be32(data.find(2)?) {
            0 => false,
            1 => true,
            _ => return None,
        };
        let bytes = Attributes::inside(data.find(3)?).find(1)?;
        let (mask, loaded) = (self.mask.take(), std::mem::take(&mut self.loaded));
        let (v6, rule) = (self.v6, &mut self.rule);
        let is = |payload: Payload, offset| payload.offset == offset;
        match (loaded, mask) {
            (Loaded::Meta(key), None) if key == Meta::Iifname as u32 => rule.entry = Some(device(not, bytes)?),
            (Loaded::Meta(key), None) if key == Meta::Oifname as u32 => rule.exit = Some(device(not, bytes)?),
            (Loaded::Meta(key), None) if key == Meta::L4proto as u32 && !not => rule.protocol = bytes.first().copied(),
            (Loaded::Meta(MARK), mask) if !not => {
                let number = |bytes: &[u8]| Some(u32::from_ne_bytes(bytes.try_into().ok()?));
                rule.matches.push(Match::Mark(number(bytes)?, mask.map_or(Some(u32::MAX), number)?));
            }
            // Older versions ask the header for the protocol.
            (Loaded::Bytes(1, offset, 1), None) if !not && offset == if v6 { 6 } else { 9 } => {
                rule.protocol = bytes.first().copied();
            }
            (Loaded::Bytes(1, offset, _), mask) if is(Payload::source(v6), offset) => {
                rule.source = Some(Is { not, value: net(v6, bytes, mask)? });
            }
            (Loaded::Bytes(1, offset, _), mask) if is(Payload::destination(v6), offset) => {
                rule.destination = Some(Is { not, value: net(v6, bytes, mask)? });
            }
            (Loaded::Bytes(2, 2, 2), None) if !not && matches!(rule.protocol, Some(6 | 17 | 132)) => {
                rule.matches.push(Match::Port(u16::from_be_bytes(bytes.try_into().ok()?)));
            }
            _ => return None,
        }
        Some(())
    }

    fn ends(&mut self, data: Attributes<'_>) -> Option<()> {
        self.rule.action = match verdict(data)? {
            Verdict::Accept => Action::Accept,
            Verdict::Drop => Action::Drop,
            Verdict::Return => Action::Return,
            Verdict::Jump(chain) => Action::Jump(chain),
            Verdict::Goto(chain) => Action::Goto(chain),
        };
        Some(())
    }

    fn structure(&mut self, data: Attributes<'a>, read: impl FnOnce(&mut Self, &[u8], u32, &[u8])) -> Option<()> {
        let name = data.find(1)?;
        read(self, name.strip_suffix(&[0]).unwrap_or(name), be32(data.find(2)?), data.find(3)?);
        Some(())
    }
}

/// `NFT_META_MARK`.
const MARK: u32 = 3;

/// A device's name, which its NUL ends; without, it is the beginning of one.
fn device(not: bool, bytes: &[u8]) -> Option<Is<String>> {
    bytes.contains(&0).then(|| Is { not, value: read_text(bytes) })
}

/// A net, of which only the bytes that matter are compared, or that has a mask.
fn net(v6: bool, bytes: &[u8], mask: Option<&[u8]>) -> Option<IpNet> {
    let length = match mask {
        None => 8 * bytes.len(),
        Some(mask) => {
            let ones = mask.iter().map(|byte| byte.leading_ones() as usize).sum::<usize>();
            let whole = mask.iter().map(|byte| byte.count_ones() as usize).sum::<usize>();
            let begins = mask.iter().rev().skip_while(|byte| **byte == 0).skip(1).all(|byte| *byte == 0xff);
            (ones == whole && begins && mask.len() == bytes.len()).then_some(ones)?
        }
    };
    let length = u8::try_from(length).ok()?;
    let mut address = [0; 16];
    address.get_mut(..bytes.len())?.copy_from_slice(bytes);
    if v6 {
        return Some(Ipv6Net::new(address.into(), length).ok()?.into());
    }
    let [a, b, c, d, ..] = address;
    Some(Ipv4Net::new([a, b, c, d].into(), length).ok()?.into())
}
