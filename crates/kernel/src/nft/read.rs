//! What nf_tables answers, as values.

use super::object::{Element, Set, Verdict, read_comment};
use super::{HEADER, Kind};
use crate::netlink::{Attributes, Message, read_text};

/// A chain as the kernel lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListedChain {
    pub(crate) table: String,
    pub(crate) name: String,
    /// Whether it hangs on a hook.
    pub(crate) base: bool,
}

/// A rule as the kernel lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListedRule {
    pub(crate) table: String,
    pub(crate) chain: String,
    pub(crate) handle: u64,
    /// What nft(8) shows as comment, or empty.
    pub(crate) comment: String,
}

fn be32(value: &[u8]) -> u32 {
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
    Some(ListedChain {
        table: attributes.find(1).map(read_text)?,
        name: attributes.find(3).map(read_text)?,
        base: attributes.find(4).is_some(),
    })
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
        comment: attributes.find(7).map(read_comment).unwrap_or_default(),
    })
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
    let verdict = attributes.find(2).and_then(|data| Attributes::inside(data).find(2)).and_then(|verdict| {
        let inside = Attributes::inside(verdict);
        Verdict::read(inside.find(1).map(be32)?.cast_signed(), inside.find(2).map(read_text))
    });
    let comment = attributes.find(6).map(read_comment).unwrap_or_default();
    Some(Element { set, key: key.to_vec(), end, verdict, comment })
}
