//! Rules as lists of expressions: the same that nft(8) makes of its text, so that it lists them as one would write
//! them.

use std::net::IpAddr;

use ipnet::IpNet;

use super::object::{Set, Verdict};
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
}

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
        }
    }
}

/// A rule, built from left to right.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rule(Vec<Expression>);

impl Rule {
    fn then(mut self, expressions: impl IntoIterator<Item = Expression>) -> Self {
        self.0.extend(expressions);
        self
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
        let (v6, address, mask) = match net.trunc() {
            IpNet::V4(net) => (false, net.addr().octets().to_vec(), net.netmask().octets().to_vec()),
            IpNet::V6(net) => (true, net.addr().octets().to_vec(), net.netmask().octets().to_vec()),
        };
        let length = usize::from(net.prefix_len());
        let mut payload = Payload::destination(v6);
        let rule = self.family(v6);
        if length == 0 {
            return rule;
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
        rule.then(expressions)
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
            for expression in &self.0 {
                list.nest(1, |item| {
                    item.text(1, expression.name());
                    item.nest(2, |data| expression.write(data));
                });
            }
        });
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
        let rule = |text: &str| Rule::default().to(text.parse().unwrap()).0;
        assert_eq!(rule("10.1.2.3/24")[3], Expression::Equals(vec![10, 1, 2]));
        assert_eq!(rule("10.1.2.3/24").len(), 4);
        assert_eq!(rule("10.1.2.3/20")[3], Expression::Mask(vec![255, 255, 240, 0]));
        assert_eq!(rule("10.1.18.3/20")[4], Expression::Equals(vec![10, 1, 16, 0]));
        assert_eq!(rule("fd00::3/64")[3], Expression::Equals(vec![0xfd, 0, 0, 0, 0, 0, 0, 0]));
        assert_eq!(rule("0.0.0.0/0").len(), 2);
    }
}
