//! Rules as lists of expressions: the same that nft(8) makes of its text, so that it lists them as one would write
//! them.

use std::net::IpAddr;

use ipnet::IpNet;

use super::expression::{Connection, ESTABLISHED_RELATED, Expression, FIRST, Meta, Part, Payload, nfproto, register};
use super::object::{Verdict, comment_data};
use super::set::Set;
use crate::netlink::Batch;
use crate::xtables::{self, Structure};

/// An address of the host.
const RTN_LOCAL: u32 = 2;

/// A rule, built from left to right.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rule {
    expressions: Vec<Expression>,
    /// At most 128 bytes; empty is none.
    comment: String,
    /// The transport protocol that iptables' matches and targets are told.
    protocol: Option<u8>,
}

impl Rule {
    pub(super) fn then(mut self, expressions: impl IntoIterator<Item = Expression>) -> Self {
        self.expressions.extend(expressions);
        self
    }

    /// Of packets of one transport protocol, where the table is iptables'.
    pub(super) fn of_protocol(self, number: u8) -> Self {
        Self { protocol: Some(number), ..self }
    }

    /// With a comment that nft(8) shows.
    pub(crate) fn commented(self, comment: &str) -> Self {
        Self { comment: comment.to_owned(), ..self }
    }

    /// A match of iptables (`nft_compat`), where the table is iptables'.
    pub(super) fn matching(self, Structure { name, revision, bytes }: Structure) -> Self {
        self.then([Expression::Match(name, revision.into(), bytes)])
    }

    /// `-m comment --comment`, where the table is iptables'.
    pub(crate) fn xt_commented(self, comment: &str) -> Self {
        self.matching(xtables::commented(comment))
    }

    /// `ct state established,related`.
    pub(crate) fn answers(self) -> Self {
        let mask = u32::from(ESTABLISHED_RELATED).to_ne_bytes().to_vec();
        self.then([
            Expression::Connection(Connection::State, FIRST),
            Expression::Mask(mask),
            Expression::Differs(vec![0; 4]),
        ])
    }

    /// `-m conntrack --ctstate RELATED,ESTABLISHED`, where the table is iptables'.
    pub(crate) fn xt_answers(self) -> Self {
        self.matching(xtables::answers())
    }

    /// `-m conntrack --ctstate DNAT`, where the table is iptables'.
    pub(crate) fn xt_redirected(self) -> Self {
        self.matching(xtables::redirected())
    }

    /// `counter`, as every rule of iptables has it.
    pub(crate) fn counted(self) -> Self {
        self.then([Expression::Counter])
    }

    /// In an inet table every look at an address asks for the family first: `meta nfproto ipv4`.
    pub(crate) fn family(self, v6: bool) -> Self {
        self.then([Expression::Meta(Meta::Nfproto, FIRST), Expression::Equals(vec![nfproto(v6)])])
    }

    /// `iifname "<device>"`.
    pub(crate) fn enters(self, device: &str) -> Self {
        self.then([Expression::Meta(Meta::Iifname, FIRST), Expression::Equals(name(device))])
    }

    /// `iifname != "<device>"`.
    pub(crate) fn enters_elsewhere(self, device: &str) -> Self {
        self.then([Expression::Meta(Meta::Iifname, FIRST), Expression::Differs(name(device))])
    }

    /// `oifname "<device>"`.
    pub(crate) fn leaves(self, device: &str) -> Self {
        self.then([Expression::Meta(Meta::Oifname, FIRST), Expression::Equals(name(device))])
    }

    /// `ip daddr <net>` or `ip6 daddr <net>`.
    pub(crate) fn to(self, net: IpNet) -> Self {
        let v6 = net.addr().is_ipv6();
        self.family(v6).within(Payload::destination(v6), net, false)
    }

    /// `ip daddr <net>` or `ip6 daddr <net>` in a table of that family alone.
    pub(crate) fn plainly_to(self, net: IpNet) -> Self {
        self.within(Payload::destination(net.addr().is_ipv6()), net, false)
    }

    /// `ip saddr <net>` or `ip6 saddr <net>`.
    pub(crate) fn from(self, net: IpNet) -> Self {
        let v6 = net.addr().is_ipv6();
        self.family(v6).within(Payload::source(v6), net, false)
    }

    /// `ip saddr <net>` or `ip6 saddr <net>` in a table of that family alone.
    pub(crate) fn plainly_from(self, net: IpNet) -> Self {
        self.within(Payload::source(net.addr().is_ipv6()), net, false)
    }

    /// An address of the header is in a net, or is not.
    pub(super) fn within(self, mut payload: Payload, net: IpNet, not: bool) -> Self {
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
        let compare = if not { Expression::Differs } else { Expression::Equals };
        let mut expressions = Vec::with_capacity(3);
        if length.is_multiple_of(8) {
            payload.length = u32::try_from(bytes).unwrap_or(payload.length);
            expressions.push(Expression::Payload(payload, FIRST));
            expressions.push(compare(address[..bytes].to_vec()));
        } else {
            expressions.push(Expression::Payload(payload, FIRST));
            expressions.push(Expression::Mask(mask));
            expressions.push(compare(address));
        }
        self.then(expressions)
    }

    /// `iifname . ip saddr vmap @<map>`, or `ip6 saddr`.
    pub(crate) fn source_in(self, v6: bool, map: &'static Set) -> Self {
        self.family(v6).then([
            Expression::Meta(Meta::Iifname, FIRST),
            Expression::Payload(Payload::source(v6), register(16)),
            Expression::Lookup(map),
        ])
    }

    /// `iifname . ether saddr @<set>`.
    pub(crate) fn station_in(self, set: &'static Set) -> Self {
        self.then([
            Expression::Meta(Meta::Iifname, FIRST),
            Expression::Payload(Payload::ETHER_SOURCE, register(16)),
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

    fn load(self, parts: &[Part]) -> Self {
        let mut offset = 0;
        let mut expressions = Vec::with_capacity(parts.len());
        for part in parts {
            expressions.push(part.load(register(offset)));
            offset += part.field().length();
        }
        self.then(expressions)
    }

    /// `<part> . <part> @<set>`.
    pub(crate) fn found_in(self, parts: &[Part], set: &'static Set) -> Self {
        self.load(parts).then([Expression::Lookup(set)])
    }

    /// `ct label set <bit>`.
    pub(crate) fn label(self, bit: u8) -> Self {
        self.then([Expression::Load(label(bit)), Expression::Label])
    }

    /// `ct label <bit>`.
    pub(crate) fn labelled(self, bit: u8) -> Self {
        self.then([
            Expression::Connection(Connection::Labels, FIRST),
            Expression::Mask(label(bit)),
            Expression::Differs(vec![0; LABELS]),
        ])
    }

    /// `dnat ip to <part> . <part> map @<map>`, or `ip6`.
    pub(crate) fn redirect_by(self, v6: bool, parts: &[Part], map: &'static Set) -> Self {
        self.found_in(parts, map).then([Expression::Redirect { v6 }])
    }

    /// `fib daddr type local`: the destination is an address of the host.
    pub(crate) fn for_host(self) -> Self {
        self.then([Expression::Kind { source: false }, Expression::Equals(RTN_LOCAL.to_ne_bytes().to_vec())])
    }

    /// `iif 0 fib saddr type != local`: no device by which it came, and not the host's: a packet that the host redirects
    /// within a bridge (`br_netfilter`).
    pub(crate) fn bridged(self) -> Self {
        self.then([
            Expression::Meta(Meta::Iif, FIRST),
            Expression::Equals(vec![0; 4]),
            Expression::Kind { source: true },
            Expression::Differs(RTN_LOCAL.to_ne_bytes().to_vec()),
        ])
    }

    /// `ct status dnat`: the connection's destination was another one at first.
    pub(crate) fn redirected(self) -> Self {
        // `IPS_DST_NAT`.
        let bit = (1u32 << 5).to_ne_bytes().to_vec();
        self.then([
            Expression::Connection(Connection::Status, FIRST),
            Expression::Mask(bit),
            Expression::Differs(vec![0; 4]),
        ])
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
        if let Some(number) = self.protocol {
            // `NFTA_RULE_COMPAT`: the protocol, and that it is not turned over.
            batch.nest(5, |compat| {
                compat.be32(1, number.into());
                compat.be32(2, 0);
            });
        }
        if !self.comment.is_empty() {
            batch.attribute(7, &comment_data(0, &self.comment));
        }
    }
}
/// Bytes of a connection's labels.
const LABELS: usize = 16;

/// A connection's labels with one of them set, as the kernel counts them: words of the host's own size.
fn label(bit: u8) -> Vec<u8> {
    let (word, bit) = (usize::from(bit) / 64, bit % 64);
    let mut words = [0u64; LABELS / 8];
    words[word] = 1 << bit;
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

/// A device's name as the kernel compares it.
fn name(device: &str) -> Vec<u8> {
    let mut bytes = device.as_bytes().to_vec();
    bytes.resize(16, 0);
    bytes
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
    fn parts_are_put_one_behind_the_other() {
        assert_eq!([0, 4, 12, 16, 20, 32].map(register), [1, 9, 11, 2, 13, 3]);
    }

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
