//! What nf_tables answers, as values.

use super::object::{Verdict, read_comment};
use super::set::{Element, Set};
use super::{HEADER, Kind};
use crate::netlink::{Attributes, Message, read_text};

/// A chain as the kernel lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListedChain {
    pub(crate) table: String,
    pub(crate) name: String,
    /// Whether it hangs on a hook.
    pub(crate) base: bool,
    pub(crate) family: u8,
    /// `filter`, `nat`, …; empty for chains without a hook.
    pub(crate) kind: String,
    /// `NF_INET_*`, of chains with a hook.
    pub(crate) hook: u32,
    pub(crate) state: ChainState,
}

/// What the kernel tells of a chain beside its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ChainState {
    /// The number of its rules and of the rules and elements that lead to it.
    pub(crate) uses: u32,
    /// It hangs on a hook, and its policy is to drop.
    pub(crate) drops: bool,
}

/// A rule as the kernel lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListedRule {
    pub(crate) table: String,
    pub(crate) chain: String,
    pub(crate) handle: u64,
    /// What nft(8) or iptables shows as comment, or empty.
    pub(crate) comment: String,
    /// What it ends with, when that is a verdict.
    pub(crate) verdict: Option<Verdict>,
}

impl ListedRule {
    /// The chain that it leads to.
    pub(crate) fn leads_to(&self) -> Option<&str> {
        self.verdict.as_ref().and_then(Verdict::chain)
    }
}

pub(super) fn be32(value: &[u8]) -> u32 {
    value.get(..4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_be_bytes)
}

fn be64(value: &[u8]) -> u64 {
    value.get(..8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes)
}

/// `NFTA_GEN_ID`.
pub(super) fn generation(message: &Message<'_>) -> u32 {
    message.attributes(HEADER).find(1).map_or(0, be32)
}

/// `NFT_MSG_NEWCHAIN`.
pub(super) fn chain(message: &Message<'_>) -> Option<ListedChain> {
    if message.kind != Kind::NewChain.number() {
        return None;
    }
    let attributes = message.attributes(HEADER);
    let hook = attributes.find(4);
    Some(ListedChain {
        table: attributes.find(1).map(read_text)?,
        name: attributes.find(3).map(read_text)?,
        base: hook.is_some(),
        family: message.payload.first().copied().unwrap_or_default(),
        kind: attributes.find(7).map(read_text).unwrap_or_default(),
        hook: hook.and_then(|hook| Attributes::inside(hook).find(1)).map_or(0, be32),
        state: chain_state(message),
    })
}

/// `NFTA_CHAIN_USE`, and `NFTA_CHAIN_POLICY` where there is a hook.
pub(super) fn chain_state(message: &Message<'_>) -> ChainState {
    let attributes = message.attributes(HEADER);
    ChainState {
        uses: attributes.find(6).map_or(0, be32),
        drops: attributes.find(4).is_some() && attributes.find(5).map(be32) == Some(0),
    }
}

/// `NFT_MSG_NEWRULE`.
pub(super) fn rule(message: &Message<'_>) -> Option<ListedRule> {
    if message.kind != Kind::NewRule.number() {
        return None;
    }
    let attributes = message.attributes(HEADER);
    Some(ListedRule {
        table: attributes.find(1).map(read_text)?,
        chain: attributes.find(2).map(read_text)?,
        handle: attributes.find(3).map(be64)?,
        comment: attributes.find(7).map(read_comment).or_else(|| xt_comment(attributes)).unwrap_or_default(),
        verdict: expressions(attributes)
            .last()
            .and_then(|(name, data)| (name == b"immediate\0").then(|| verdict(data))?),
    })
}

/// The names and data of a rule's expressions.
pub(super) fn expressions(rule: Attributes<'_>) -> impl Iterator<Item = (&[u8], Attributes<'_>)> {
    Attributes::inside(rule.find(4).unwrap_or_default()).map(|(_, expression)| {
        let inside = Attributes::inside(expression);
        (inside.find(1).unwrap_or_default(), Attributes::inside(inside.find(2).unwrap_or_default()))
    })
}

/// The verdict in `NFTA_DATA_VERDICT`, inside the attribute 2 of an immediate expression or an element.
pub(super) fn verdict(data: Attributes<'_>) -> Option<Verdict> {
    let verdict = Attributes::inside(Attributes::inside(data.find(2)?).find(2)?);
    Verdict::read(verdict.find(1).map(be32)?.cast_signed(), verdict.find(2).map(read_text))
}

/// The text of iptables' match `comment`.
fn xt_comment(rule: Attributes<'_>) -> Option<String> {
    let mut matches = expressions(rule).filter(|(name, _)| *name == b"match\0").map(|(_, data)| data);
    matches.find(|data| data.find(1) == Some(b"comment\0"))?.find(3).map(read_text)
}

/// `NFT_MSG_NEWSETELEM`.
pub(super) fn elements(set: &'static Set, message: &Message<'_>) -> Vec<Element> {
    if message.kind != Kind::NewElement.number() {
        return Vec::new();
    }
    let list = message.attributes(HEADER).find(3).unwrap_or_default();
    Attributes::inside(list).filter_map(|(_, bytes)| element(set, Attributes::inside(bytes))).collect()
}

fn element(set: &'static Set, attributes: Attributes<'_>) -> Option<Element> {
    let key = attributes.find(1).and_then(|key| Attributes::inside(key).find(1))?;
    let end = attributes.find(10).and_then(|key| Attributes::inside(key).find(1)).map(<[u8]>::to_vec);
    let verdict = verdict(attributes);
    let data = attributes.find(2).and_then(|data| Attributes::inside(data).find(1));
    let data = data.map(<[u8]>::to_vec).unwrap_or_default();
    let comment = attributes.find(6).map(read_comment).unwrap_or_default();
    Some(Element { set, key: key.to_vec(), end, verdict, data, comment })
}
