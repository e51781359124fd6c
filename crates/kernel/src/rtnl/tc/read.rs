//! What the kernel tells of disciplines, classes and filters.

use cnm::{Bucket, Class, Selector, Side};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::{
    EGRESS_REDIRECT, ETH_P_IP, ETH_P_IPV6, HEADER, KEY, NEW_CLASS, NEW_FILTER, NEW_QDISC, ROOT_HANDLE, SELECTOR,
    TCA_ACT_KIND, TCA_ACT_OPTIONS, TCA_HTB_INIT, TCA_HTB_PARMS, TCA_HTB_RATE64, TCA_KIND, TCA_MIRRED_PARMS,
    TCA_OPTIONS, TCA_TBF_PARMS, TCA_TBF_RATE64, TCA_U32_ACT, TCA_U32_CLASSID, TCA_U32_SEL,
};
use crate::netlink::{Attributes, Message, read_text, read_u32};

/// A discipline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Qdisc {
    pub(crate) kind: String,
    pub(crate) handle: u32,
    /// Of a `tbf`.
    pub(crate) bucket: Option<Bucket>,
    /// Of an `htb`: the minor number of its default class.
    pub(crate) default: Option<u16>,
}

/// A filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filter {
    /// Everything is redirected to the link with this index.
    Redirect(u32),
    /// A subnet belongs to a class.
    Select(Selector),
    /// Any other.
    Other,
}

/// A 32-bit field of a structure.
fn field(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).map_or(0, read_u32)
}

/// The minor number of a class.
const fn minor(handle: u32) -> u16 {
    (handle & 0xffff) as u16
}

/// The rate of a `struct tc_ratespec`, or the one of more than 32 bits.
fn rate(options: Attributes<'_>, parameters: &[u8], wide: u16) -> u64 {
    let wide = options.find(wide).and_then(|value| value.try_into().ok()).map(u64::from_ne_bytes);
    wide.unwrap_or_else(|| field(parameters, 8).into())
}

/// The kind and the options of an object.
fn parts<'a>(message: &Message<'a>, kind: u16) -> Option<(String, Attributes<'a>)> {
    if message.kind != kind || message.payload.len() < HEADER {
        return None;
    }
    let attributes = message.attributes(HEADER);
    let options = attributes.find(TCA_OPTIONS).unwrap_or_default();
    Some((attributes.find(TCA_KIND).map(read_text).unwrap_or_default(), Attributes::inside(options)))
}

/// Reads a discipline.
pub(crate) fn parse_qdisc(message: &Message<'_>) -> Option<Qdisc> {
    let (kind, options) = parts(message, NEW_QDISC)?;
    // `struct tc_tbf_qopt` has limit and buffer after two rates.
    let bucket = options.find(TCA_TBF_PARMS).filter(|_| kind == "tbf").map(|parameters| Bucket {
        rate: rate(options, parameters, TCA_TBF_RATE64),
        limit: field(parameters, 24),
        buffer: field(parameters, 28),
    });
    let default = options.find(TCA_HTB_INIT).filter(|_| kind == "htb").map(|parameters| minor(field(parameters, 8)));
    Some(Qdisc { kind, handle: field(message.payload, 8), bucket, default })
}

/// Reads a class of an `htb`.
pub(crate) fn parse_class(message: &Message<'_>) -> Option<Class> {
    let (kind, options) = parts(message, NEW_CLASS)?;
    let parameters = options.find(TCA_HTB_PARMS).filter(|_| kind == "htb")?;
    let rate = rate(options, parameters, TCA_HTB_RATE64);
    Some(Class { minor: minor(field(message.payload, 8)), rate, buffer: field(parameters, 24) })
}

/// Reads a filter; `None` for what is no filter: the heads of the tables in which they stand.
pub(crate) fn parse_filter(message: &Message<'_>) -> Option<Filter> {
    let (kind, options) = parts(message, NEW_FILTER)?;
    // A dump tells of each priority first, without a handle, and of u32's tables, whose last 12 bits are 0.
    if field(message.payload, 8).trailing_zeros() >= 12 {
        return None;
    }
    let Some(selector) = options.find(TCA_U32_SEL).filter(|_| kind == "u32") else { return Some(Filter::Other) };
    let keys: Vec<(u32, u32, u32)> = selector.get(SELECTOR..).unwrap_or_default().chunks_exact(KEY).map(key).collect();
    if let Some(actions) = options.find(TCA_U32_ACT) {
        let everything = keys.iter().all(|(mask, ..)| *mask == 0);
        return Some(redirect(actions).filter(|_| everything).map_or(Filter::Other, Filter::Redirect));
    }
    // The protocol is in network order in the low half.
    let protocol = u16::from_be(minor(field(message.payload, 16)));
    let class = options.find(TCA_U32_CLASSID).map(read_u32).filter(|class| class & 0xffff_0000 == ROOT_HANDLE);
    let selected = subnet(protocol, &keys).zip(class);
    Some(selected.map_or(Filter::Other, |((subnet, side), class)| {
        Filter::Select(Selector { subnet, side, class: minor(class) })
    }))
}

/// A key: mask and value in network order, offset.
fn key(bytes: &[u8]) -> (u32, u32, u32) {
    (u32::from_be(field(bytes, 0)), u32::from_be(field(bytes, 4)), field(bytes, 8))
}

/// The index of the link to which the first of some actions redirects.
fn redirect(actions: &[u8]) -> Option<u32> {
    let action = Attributes::inside(Attributes::inside(actions).find(1)?);
    let parameters = Attributes::inside(action.find(TCA_ACT_OPTIONS)?).find(TCA_MIRRED_PARMS)?;
    let mirred = action.find(TCA_ACT_KIND).map(read_text).as_deref() == Some("mirred");
    (mirred && field(parameters, 20) == EGRESS_REDIRECT).then(|| field(parameters, 24))
}

/// The subnet that keys describe.
fn subnet(protocol: u16, keys: &[(u32, u32, u32)]) -> Option<(IpNet, Side)> {
    let first = keys.first()?.2;
    let (side, begin, words) = match (protocol, first) {
        (ETH_P_IP, 12) => (Side::Source, 12, 1),
        (ETH_P_IP, 16) => (Side::Destination, 16, 1),
        (ETH_P_IPV6, 8..24) => (Side::Source, 8, 4),
        (ETH_P_IPV6, 24..40) => (Side::Destination, 24, 4),
        _ => return None,
    };
    let (mut mask, mut value) = (0u128, 0u128);
    for (bits, wanted, offset) in keys {
        let place = offset.checked_sub(begin)? / 4;
        let shift = 32 * 3u32.checked_sub(place)?;
        mask |= u128::from(*bits) << shift;
        value |= u128::from(*wanted) << shift;
    }
    let prefix = u8::try_from(mask.leading_ones()).ok().filter(|ones| mask.count_ones() == u32::from(*ones))?;
    if words == 1 {
        let address = u32::try_from(value >> 96).ok()?;
        return Ipv4Net::new(address.into(), prefix).ok().map(|net| (IpNet::V4(net), side));
    }
    Ipv6Net::new(value.into(), prefix).ok().map(|net| (IpNet::V6(net), side))
}
