//! Rules as lists of expressions: the same that nft(8) makes of its text, so that it lists them as one would write
//! them.

use std::net::IpAddr;

use ipnet::IpNet;

use super::object::{Set, Verdict, comment_data};
use crate::netlink::Batch;

/// The two 16-byte registers that we use.
const FIRST: u32 = 1;
const SECOND: u32 = 2;

/// A packet's property beside its bytes (`NFT_META_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meta {
    Iifname = 6,
    Oifname = 7,
    Nfproto = 15,
}

/// A field of a packet's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Payload {
    /// `NFT_PAYLOAD_*_HEADER`: 0 link, 1 network.
    base: u32,
    offset: u32,
    length: u32,
}

impl Payload {
    const ETHER_SOURCE: Self = Self { base: 0, offset: 6, length: 6 };

    const fn source(v6: bool) -> Self {
        if v6 { Self { base: 1, offset: 8, length: 16 } } else { Self { base: 1, offset: 12, length: 4 } }
    }

    const fn destination(v6: bool) -> Self {
        if v6 { Self { base: 1, offset: 24, length: 16 } } else { Self { base: 1, offset: 16, length: 4 } }
    }
}

/// One instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Expression {
    Meta(Meta, u32),
    Payload(Payload, u32),
    /// Keeps the bits of the first register that the mask has.
    Mask(Vec<u8>),
    /// Ends the rule unless the first register equals the bytes.
    Equals(Vec<u8>),
    /// Looks the first register up: ends the rule when it is not found, else, in a map, takes its verdict.
    Lookup(&'static Set),
    Verdict(Verdict),
    Masquerade,
    /// The state of the packet's connection (`NFT_CT_STATE`).
    ConnectionState,
    /// Ends the rule unless the first register is something else than zeroes.
    NotZero(usize),
    Counter,
    /// A match of iptables: name, revision, its structure as the kernel takes it.
    Match(&'static str, u32, Vec<u8>),
}

/// `IP_CT_ESTABLISHED` and `IP_CT_RELATED` as bits of a connection's state, in nf_tables and in iptables.
const ESTABLISHED_RELATED: u16 = 2 | 4;

impl Expression {
    const fn name(&self) -> &'static str {
        match self {
            Self::Meta(..) => "meta",
            Self::Payload(..) => "payload",
            Self::Mask(_) => "bitwise",
            Self::Equals(_) => "cmp",
            Self::Lookup(_) => "lookup",
            Self::Verdict(_) => "immediate",
            Self::Masquerade => "masq",
            Self::ConnectionState => "ct",
            Self::NotZero(_) => "cmp",
            Self::Counter => "counter",
            Self::Match(..) => "match",
        }
    }

    fn write(&self, data: &mut Batch) {
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
            Self::Equals(bytes) => {
                data.be32(1, FIRST);
                data.be32(2, 0);
                data.nest(3, |value| value.attribute(1, bytes));
            }
            Self::Lookup(set) => {
                data.be32(2, FIRST);
                data.text(1, set.name);
                if set.verdicts {
                    // The verdict register.
                    data.be32(3, 0);
                }
            }
            Self::Verdict(verdict) => {
                data.be32(1, 0);
                verdict.write(data, 2);
            }
            Self::Masquerade => {}
            Self::ConnectionState => {
                data.be32(2, 0);
                data.be32(1, FIRST);
            }
            Self::NotZero(bytes) => {
                data.be32(1, FIRST);
                data.be32(2, 1);
                data.nest(3, |value| value.attribute(1, &vec![0; *bytes]));
            }
            Self::Counter => {
                data.attribute(1, &0u64.to_be_bytes());
                data.attribute(2, &0u64.to_be_bytes());
            }
            Self::Match(name, revision, structure) => {
                data.text(1, name);
                data.be32(2, *revision);
                data.attribute(3, structure);
            }
        }
    }
}

/// A rule, built from left to right.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rule {
    expressions: Vec<Expression>,
    /// At most 128 bytes; empty is none.
    comment: String,
}

impl Rule {
    fn then(mut self, expressions: impl IntoIterator<Item = Expression>) -> Self {
        self.expressions.extend(expressions);
        self
    }

    /// With a comment that nft(8) shows.
    pub(crate) fn commented(self, comment: &str) -> Self {
        Self { comment: comment.to_owned(), ..self }
    }

    /// `-m comment --comment`, where the table is iptables'.
    pub(crate) fn xt_commented(self, comment: &str) -> Self {
        let mut text = comment.as_bytes().to_vec();
        // `struct xt_comment_info`.
        text.truncate(255);
        text.resize(256, 0);
        self.then([Expression::Match("comment", 0, text)])
    }

    /// `ct state established,related`.
    pub(crate) fn answers(self) -> Self {
        let mask = u32::from(ESTABLISHED_RELATED).to_ne_bytes().to_vec();
        self.then([Expression::ConnectionState, Expression::Mask(mask), Expression::NotZero(4)])
    }

    /// `-m conntrack --ctstate RELATED,ESTABLISHED`, where the table is iptables'.
    pub(crate) fn xt_answers(self) -> Self {
        // `struct xt_conntrack_mtinfo3`, filled up to eight bytes: what is to be compared, then with which states.
        let mut structure = vec![0; 168];
        structure[146..148].copy_from_slice(&1u16.to_ne_bytes());
        structure[150..152].copy_from_slice(&ESTABLISHED_RELATED.to_ne_bytes());
        self.then([Expression::Match("conntrack", 3, structure)])
    }

    /// `counter`, as every rule of iptables has it.
    pub(crate) fn counted(self) -> Self {
        self.then([Expression::Counter])
    }

    /// `NFPROTO_IPV4` or `NFPROTO_IPV6`: in an inet table every look at an address asks for the family first.
    fn family(self, v6: bool) -> Self {
        self.then([Expression::Meta(Meta::Nfproto, FIRST), Expression::Equals(vec![if v6 { 10 } else { 2 }])])
    }

    fn name(self, key: Meta, device: &str) -> Self {
        let mut bytes = device.as_bytes().to_vec();
        bytes.resize(16, 0);
        self.then([Expression::Meta(key, FIRST), Expression::Equals(bytes)])
    }

    /// `iifname "<device>"`.
    pub(crate) fn enters(self, device: &str) -> Self {
        self.name(Meta::Iifname, device)
    }

    /// `oifname "<device>"`.
    pub(crate) fn leaves(self, device: &str) -> Self {
        self.name(Meta::Oifname, device)
    }

    /// `ip daddr <net>` or `ip6 daddr <net>`.
    pub(crate) fn to(self, net: IpNet) -> Self {
        let v6 = net.addr().is_ipv6();
        self.family(v6).within(Payload::destination(v6), net)
    }

    /// `ip daddr <net>` or `ip6 daddr <net>` in a table of that family alone.
    pub(crate) fn plainly_to(self, net: IpNet) -> Self {
        self.within(Payload::destination(net.addr().is_ipv6()), net)
    }

    /// `ip saddr <net>` or `ip6 saddr <net>`.
    pub(crate) fn from(self, net: IpNet) -> Self {
        let v6 = net.addr().is_ipv6();
        self.family(v6).within(Payload::source(v6), net)
    }

    /// `ip saddr <net>` or `ip6 saddr <net>` in a table of that family alone.
    pub(crate) fn plainly_from(self, net: IpNet) -> Self {
        self.within(Payload::source(net.addr().is_ipv6()), net)
    }

    /// An address of the header is in a net.
    fn within(self, mut payload: Payload, net: IpNet) -> Self {
        let (address, mask) = match net.trunc() {
            IpNet::V4(net) => (net.addr().octets().to_vec(), net.netmask().octets().to_vec()),
            IpNet::V6(net) => (net.addr().octets().to_vec(), net.netmask().octets().to_vec()),
        };
        let length = usize::from(net.prefix_len());
        if length == 0 {
            return self;
        }
        // What ends at a byte needs no mask: fewer bytes are loaded, as nft(8) does it.
        let bytes = length.div_ceil(8);
        let mut expressions = Vec::with_capacity(3);
        if length.is_multiple_of(8) {
            payload.length = u32::try_from(bytes).unwrap_or(payload.length);
            expressions.push(Expression::Payload(payload, FIRST));
            expressions.push(Expression::Equals(address[..bytes].to_vec()));
        } else {
            expressions.push(Expression::Payload(payload, FIRST));
            expressions.push(Expression::Mask(mask));
            expressions.push(Expression::Equals(address));
        }
        self.then(expressions)
    }

    /// `iifname . ip saddr vmap @<map>`, or `ip6 saddr`.
    pub(crate) fn source_in(self, v6: bool, map: &'static Set) -> Self {
        self.family(v6).then([
            Expression::Meta(Meta::Iifname, FIRST),
            Expression::Payload(Payload::source(v6), SECOND),
            Expression::Lookup(map),
        ])
    }

    /// `iifname . ether saddr @<set>`.
    pub(crate) fn station_in(self, set: &'static Set) -> Self {
        self.then([
            Expression::Meta(Meta::Iifname, FIRST),
            Expression::Payload(Payload::ETHER_SOURCE, SECOND),
            Expression::Lookup(set),
        ])
    }

    /// `iifname @<set>` or `iifname vmap @<map>`.
    pub(crate) fn entry_in(self, set: &'static Set) -> Self {
        self.then([Expression::Meta(Meta::Iifname, FIRST), Expression::Lookup(set)])
    }

    /// `oifname vmap @<map>`.
    pub(crate) fn exit_in(self, map: &'static Set) -> Self {
        self.then([Expression::Meta(Meta::Oifname, FIRST), Expression::Lookup(map)])
    }

    /// Ends with a verdict.
    pub(crate) fn verdict(self, verdict: Verdict) -> Self {
        self.then([Expression::Verdict(verdict)])
    }

    /// `masquerade`.
    pub(crate) fn masquerade(self) -> Self {
        self.then([Expression::Masquerade])
    }

    /// `NFTA_RULE_EXPRESSIONS`.
    pub(super) fn write(&self, batch: &mut Batch) {
        batch.nest(4, |list| {
            for expression in &self.expressions {
                list.nest(1, |item| {
                    item.text(1, expression.name());
                    item.nest(2, |data| expression.write(data));
                });
            }
        });
        if !self.comment.is_empty() {
            batch.attribute(7, &comment_data(0, &self.comment));
        }
    }
}

/// Octets as they stand in a packet.
pub(crate) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_compared_by_whole_bytes_where_it_can() {
        let rule = |text: &str| Rule::default().to(text.parse().unwrap()).expressions;
        assert_eq!(rule("10.1.2.3/24")[3], Expression::Equals(vec![10, 1, 2]));
        assert_eq!(rule("10.1.2.3/24").len(), 4);
        assert_eq!(rule("10.1.2.3/20")[3], Expression::Mask(vec![255, 255, 240, 0]));
        assert_eq!(rule("10.1.18.3/20")[4], Expression::Equals(vec![10, 1, 16, 0]));
        assert_eq!(rule("fd00::3/64")[3], Expression::Equals(vec![0xfd, 0, 0, 0, 0, 0, 0, 0]));
        assert_eq!(rule("0.0.0.0/0").len(), 2);
    }
}
