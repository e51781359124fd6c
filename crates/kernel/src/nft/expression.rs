//! The instructions that rules are made of (`linux/netfilter/nf_tables.h`).

use super::object::Verdict;
use super::set::{Field, Set, Value};
use crate::netlink::Batch;

/// The first 16-byte register, in which every value is put.
pub(super) const FIRST: u32 = 1;

/// The register that begins so many bytes after the first. Where a 16-byte register begins it has its number (1 to 4);
/// the 32-bit ones between are counted from 8.
pub(super) fn register(offset: usize) -> u32 {
    let (first, words) = if offset.is_multiple_of(16) { (1, offset / 16) } else { (8, offset / 4) };
    first + u32::try_from(words).unwrap_or_default()
}

/// `NFT_NAT_DNAT`.
const DNAT: u32 = 1;

/// A packet's property beside its bytes (`NFT_META_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meta {
    Iif = 4,
    Iifname = 6,
    Oifname = 7,
    Nfproto = 15,
    L4proto = 16,
}

/// What is known of a packet's connection (`NFT_CT_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Connection {
    State = 0,
    Status = 2,
    /// 128 bits that rules may set; nothing else looks at them.
    Labels = 13,
}

/// One part of what is looked up in a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The device by which the packet came.
    Entry,
    /// The device by which it leaves.
    Exit,
    /// Its IPv4 destination.
    To4,
    /// Its IPv6 destination.
    To6,
    /// Its transport protocol.
    Protocol,
    /// Its destination port.
    Port,
}

impl Part {
    /// The type of the set's key in its place.
    pub(super) const fn field(self) -> Field {
        match self {
            Self::Entry | Self::Exit => Field::Ifname,
            Self::To4 => Field::Ipv4,
            Self::To6 => Field::Ipv6,
            Self::Protocol => Field::Protocol,
            Self::Port => Field::Port,
        }
    }

    pub(super) const fn load(self, register: u32) -> Expression {
        match self {
            Self::Entry => Expression::Meta(Meta::Iifname, register),
            Self::Exit => Expression::Meta(Meta::Oifname, register),
            Self::To4 => Expression::Payload(Payload::destination(false), register),
            Self::To6 => Expression::Payload(Payload::destination(true), register),
            Self::Protocol => Expression::Meta(Meta::L4proto, register),
            Self::Port => Expression::Payload(Payload::PORT, register),
        }
    }
}

/// A field of a packet's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Payload {
    /// `NFT_PAYLOAD_*_HEADER`: 0 link, 1 network, 2 transport.
    base: u32,
    pub(super) offset: u32,
    pub(super) length: u32,
}

impl Payload {
    pub(super) const ETHER_SOURCE: Self = Self { base: 0, offset: 6, length: 6 };
    /// Where TCP, UDP and SCTP have the destination port.
    const PORT: Self = Self { base: 2, offset: 2, length: 2 };

    pub(super) const fn source(v6: bool) -> Self {
        if v6 { Self { base: 1, offset: 8, length: 16 } } else { Self { base: 1, offset: 12, length: 4 } }
    }

    pub(super) const fn destination(v6: bool) -> Self {
        if v6 { Self { base: 1, offset: 24, length: 16 } } else { Self { base: 1, offset: 16, length: 4 } }
    }
}

/// `IP_CT_ESTABLISHED` and `IP_CT_RELATED` as bits of a connection's state, in nf_tables and in iptables.
pub(super) const ESTABLISHED_RELATED: u16 = 2 | 4;

/// One instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expression {
    Meta(Meta, u32),
    Payload(Payload, u32),
    Connection(Connection, u32),
    /// Asks the routing table of which kind an address is (`RTN_*`): the destination, or the source.
    Kind {
        source: bool,
    },
    /// Keeps the bits of the first register that the mask has.
    Mask(Vec<u8>),
    /// Ends the rule unless the first register equals the bytes.
    Equals(Vec<u8>),
    /// Ends the rule if it does.
    Differs(Vec<u8>),
    /// Looks the first register up: ends the rule when it is not found; else takes its verdict, or puts its data there.
    Lookup(&'static Set),
    /// Puts bytes into the first register.
    Load(Vec<u8>),
    /// Sets those labels of the connection that the first register has.
    Label,
    Verdict(Verdict),
    Masquerade,
    Counter,
    /// A match of iptables: name, revision, its structure as the kernel takes it.
    Match(&'static str, u32, Vec<u8>),
    /// A target of iptables: the same.
    Target(&'static str, u32, Vec<u8>),
    /// Another destination: the address in the first register, the port behind it.
    Redirect {
        v6: bool,
    },
}

impl Expression {
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Meta(..) => "meta",
            Self::Payload(..) => "payload",
            Self::Connection(..) => "ct",
            Self::Kind { .. } => "fib",
            Self::Mask(_) => "bitwise",
            Self::Equals(_) | Self::Differs(_) => "cmp",
            Self::Lookup(_) => "lookup",
            Self::Label => "ct",
            Self::Load(_) | Self::Verdict(_) => "immediate",
            Self::Masquerade => "masq",
            Self::Counter => "counter",
            Self::Match(..) => "match",
            Self::Target(..) => "target",
            Self::Redirect { .. } => "nat",
        }
    }

    pub(super) fn write(&self, data: &mut Batch) {
        match self {
            Self::Meta(key, register) => {
                data.be32(2, *key as u32);
                data.be32(1, *register);
            }
            Self::Payload(payload, register) => {
                data.be32(1, *register);
                data.be32(2, payload.base);
                data.be32(3, payload.offset);
                data.be32(4, payload.length);
            }
            Self::Mask(mask) => {
                data.be32(1, FIRST);
                data.be32(2, FIRST);
                data.be32(3, u32::try_from(mask.len()).unwrap_or(u32::MAX));
                data.nest(4, |value| value.attribute(1, mask));
                data.nest(5, |value| value.attribute(1, &vec![0; mask.len()]));
            }
            Self::Connection(key, register) => {
                data.be32(1, *register);
                data.be32(2, *key as u32);
            }
            Self::Kind { source } => {
                data.be32(1, FIRST);
                // `NFT_FIB_RESULT_ADDRTYPE` for `NFTA_FIB_F_SADDR` or `NFTA_FIB_F_DADDR`.
                data.be32(2, 3);
                data.be32(3, if *source { 1 } else { 2 });
            }
            Self::Equals(bytes) | Self::Differs(bytes) => {
                data.be32(1, FIRST);
                data.be32(2, u32::from(matches!(self, Self::Differs(_))));
                data.nest(3, |value| value.attribute(1, bytes));
            }
            Self::Lookup(set) => {
                data.be32(2, FIRST);
                data.text(1, set.name);
                match set.value {
                    Value::Nothing => {}
                    // The verdict register.
                    Value::Verdict => data.be32(3, 0),
                    Value::Data(_) => data.be32(3, FIRST),
                }
            }
            Self::Redirect { v6 } => {
                data.be32(1, DNAT);
                data.be32(2, u32::from(nfproto(*v6)));
                data.be32(3, FIRST);
                data.be32(5, register(if *v6 { 16 } else { 4 }));
            }
            Self::Load(bytes) => {
                data.be32(1, FIRST);
                data.nest(2, |value| value.attribute(1, bytes));
            }
            Self::Label => {
                data.be32(2, Connection::Labels as u32);
                data.be32(4, FIRST);
            }
            Self::Verdict(verdict) => {
                data.be32(1, 0);
                verdict.write(data, 2);
            }
            Self::Masquerade => {}
            Self::Counter => {
                data.attribute(1, &0u64.to_be_bytes());
                data.attribute(2, &0u64.to_be_bytes());
            }
            Self::Match(name, revision, structure) | Self::Target(name, revision, structure) => {
                data.text(1, name);
                data.be32(2, *revision);
                data.attribute(3, structure);
            }
        }
    }
}
/// `NFPROTO_IPV4` or `NFPROTO_IPV6`.
pub(super) const fn nfproto(v6: bool) -> u8 {
    if v6 { 10 } else { 2 }
}
