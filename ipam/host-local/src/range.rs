//! Ranges and sets of ranges: arithmetic only. Knows neither JSON nor files.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::address::Address;

/// A range as a configuration writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) subnet: IpNet,
    pub(crate) start: Option<IpAddr>,
    pub(crate) end: Option<IpAddr>,
    pub(crate) gateway: Option<IpAddr>,
}

/// A checked range, defaults decided. Both ends are part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) subnet: IpNet,
    pub(crate) start: Address,
    pub(crate) end: Address,
    pub(crate) gateway: Address,
}

impl Range {
    /// Checks a range; the texts are the reference's.
    pub(crate) fn new(wish: &Wish) -> Result<Self, String> {
        let subnet = wish.subnet;
        if subnet.prefix_len() > subnet.max_prefix_len() - 2 {
            return Err(format!("Network {subnet} too small to allocate from"));
        }
        let network = Address::from(subnet.network());
        if subnet.addr() != subnet.network() {
            return Err(format!(
                "Network has host bits set. For a subnet mask of length {} the network address is {network}",
                subnet.prefix_len()
            ));
        }
        let last = Address::from(subnet.broadcast());
        let (first, last) = match subnet {
            IpNet::V4(_) => (Address(network.0 + 1), Address(last.0 - 1)),
            IpNet::V6(_) => (Address(network.0 + 1), last),
        };
        let start = wish.start.map(Address::from);
        let end = wish.end.map(Address::from);
        let inside = |address: Address| subnet.contains(&IpAddr::from(address));
        // A start beyond the end is reported as the start's fault, as the reference does.
        if let Some(start) = start
            && (!inside(start) || end.is_some_and(|end| start > end))
        {
            return Err(format!("RangeStart {start} not in network {subnet}"));
        }
        let start = start.unwrap_or(first);
        if let Some(end) = end
            && (!inside(end) || end < start)
        {
            return Err(format!("RangeEnd {end} not in network {subnet}"));
        }
        let gateway = wish.gateway.map_or(first, Address::from);
        if gateway.is_v4() != start.is_v4() {
            return Err(format!("gateway {gateway} is not of the family of {subnet}"));
        }
        let end = end.unwrap_or(last);
        if start > end {
            return Err(format!("RangeStart {start} not in network {subnet}"));
        }
        // RFC 4291 section 2.5.5.2. The reference would give them out as what they are, IPv4 addresses, with a prefix
        // length that no IPv4 address has.
        if matches!(subnet, IpNet::V6(_)) && Address::any_v4(start, end) {
            return Err(format!(
                "the addresses of {subnet} from {start} to {end} include IPv4-mapped ones (::ffff:0:0/96), which no \
                 interface can have; set rangeStart and rangeEnd beside them, or another subnet"
            ));
        }
        Ok(Self { subnet, start, end, gateway })
    }

    /// Whether the address lies between the ends.
    pub(crate) fn contains(&self, address: Address) -> bool {
        (self.start..=self.end).contains(&address)
    }

    /// How many addresses can be given, the gateway aside.
    pub(crate) fn usable(&self) -> u128 {
        // Cannot overflow: no range is all numbers, as none of IPv6 holds the IPv4 addresses.
        self.end.0 - self.start.0 + u128::from(!self.contains(self.gateway))
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.start, self.end)
    }
}

/// Ranges of one family out of which an attachment gets one address. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RangeSet(Vec<Range>);

impl RangeSet {
    /// Checks a set; the texts are the reference's.
    pub(crate) fn new(wishes: &[Wish]) -> Result<Self, String> {
        let mut ranges: Vec<Range> = Vec::with_capacity(wishes.len());
        for wish in wishes {
            let range = Range::new(wish)?;
            if ranges.first().is_some_and(|first| first.start.is_v4() != range.start.is_v4()) {
                return Err("mixed address families".into());
            }
            ranges.push(range);
        }
        if ranges.is_empty() {
            return Err("empty range set".into());
        }
        if let Some((one, other)) = overlap(ranges.iter().enumerate()) {
            return Err(format!("subnets {} and {} overlap", ranges[one], ranges[other]));
        }
        Ok(Self(ranges))
    }

    /// The range that holds the address.
    pub(crate) fn range_of(&self, address: Address) -> Option<&Range> {
        self.0.iter().find(|range| range.contains(address))
    }

    /// Whether it is IPv4.
    pub(crate) fn is_v4(&self) -> bool {
        self.0.first().is_some_and(|range| range.start.is_v4())
    }

    /// How many addresses can be given.
    pub(crate) fn usable(&self) -> u128 {
        self.0.iter().map(Range::usable).sum()
    }

    /// The stretches to search, in the reference's order: from the address after `last` to the end of its range, the
    /// following ranges, and round again up to `last`; without a usable `last` from the first range's start.
    pub(crate) fn stretches(&self, last: Option<Address>) -> Vec<Stretch> {
        let place = last.and_then(|last| self.0.iter().position(|range| range.contains(last)).map(|at| (at, last)));
        let whole = |range: &Range| Stretch { range: *range, from: range.start, to: range.end };
        let Some((at, last)) = place else { return self.0.iter().map(whole).collect() };
        let range = self.0[at];
        let mut stretches = Vec::with_capacity(self.0.len() + 1);
        if last < range.end {
            stretches.push(Stretch { range, from: Address(last.0 + 1), to: range.end });
        }
        stretches.extend(self.0[at + 1..].iter().chain(&self.0[..at]).map(whole));
        stretches.push(Stretch { range, from: range.start, to: last });
        stretches
    }
}

impl fmt::Display for RangeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, range) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{range}")?;
        }
        Ok(())
    }
}

/// Two sets, by their numbers, that share an address.
pub(crate) fn overlapping(sets: &[RangeSet]) -> Option<(usize, usize)> {
    overlap(sets.iter().enumerate().flat_map(|(index, set)| set.0.iter().map(move |range| (index, range))))
}

/// Two ranges that overlap, by the numbers that came with them, the smaller first. Sorts, so that a configuration with
/// a hundred thousand ranges is no matter of minutes.
fn overlap<'a>(ranges: impl Iterator<Item = (usize, &'a Range)>) -> Option<(usize, usize)> {
    let mut sorted: Vec<(usize, &Range)> = ranges.collect();
    sorted.sort_by_key(|(_, range)| range.start);
    let pair = sorted.windows(2).find(|pair| pair[1].1.start <= pair[0].1.end)?;
    Some((pair[0].0.min(pair[1].0), pair[0].0.max(pair[1].0)))
}

/// A part of a range, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) range: Range,
    pub(crate) from: Address,
    pub(crate) to: Address,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wish(subnet: &str, start: &str, end: &str, gateway: &str) -> Wish {
        let ip = |text: &str| (!text.is_empty()).then(|| text.parse().expect("works"));
        Wish { subnet: subnet.parse().expect("works"), start: ip(start), end: ip(end), gateway: ip(gateway) }
    }

    #[test]
    fn defaults_are_the_references() {
        for (subnet, text, gateway) in [
            ("10.1.2.0/24", "10.1.2.1-10.1.2.254", "10.1.2.1"),
            ("10.1.2.0/30", "10.1.2.1-10.1.2.2", "10.1.2.1"),
            ("10.0.0.0/8", "10.0.0.1-10.255.255.254", "10.0.0.1"),
            ("0.0.0.0/0", "0.0.0.1-255.255.255.254", "0.0.0.1"),
            ("fd00::/64", "fd00::1-fd00::ffff:ffff:ffff:ffff", "fd00::1"),
            ("1100:200::/24", "1100:200::1-1100:2ff:ffff:ffff:ffff:ffff:ffff:ffff", "1100:200::1"),
            ("8000::/1", "8000::1-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "8000::1"),
            ("::/81", "::1-::7fff:ffff:ffff", "::1"),
            ("fd00::/126", "fd00::1-fd00::3", "fd00::1"),
        ] {
            let range = Range::new(&wish(subnet, "", "", "")).expect("works");
            assert_eq!(range.to_string(), text);
            assert_eq!(range.gateway.to_string(), gateway);
        }
    }

    #[test]
    fn refusals_have_the_references_texts() {
        for (range, text) in [
            (wish("10.1.2.0/31", "", "", ""), "Network 10.1.2.0/31 too small to allocate from"),
            (wish("fd00::/127", "", "", ""), "Network fd00::/127 too small to allocate from"),
            (
                wish("10.1.2.5/24", "", "", ""),
                "Network has host bits set. For a subnet mask of length 24 the network address is 10.1.2.0",
            ),
            (wish("10.1.2.0/24", "10.1.3.1", "", ""), "RangeStart 10.1.3.1 not in network 10.1.2.0/24"),
            (wish("10.1.2.0/24", "", "10.1.3.1", ""), "RangeEnd 10.1.3.1 not in network 10.1.2.0/24"),
            (wish("10.1.2.0/24", "10.1.2.9", "10.1.2.8", ""), "RangeStart 10.1.2.9 not in network 10.1.2.0/24"),
            (wish("10.1.2.0/24", "fd00::1", "", ""), "RangeStart fd00::1 not in network 10.1.2.0/24"),
            (wish("10.1.2.0/24", "", "", "fd00::1"), "gateway fd00::1 is not of the family of 10.1.2.0/24"),
        ] {
            assert_eq!(Range::new(&range).expect_err("refused"), text);
        }
    }

    #[test]
    fn sets_are_checked_as_the_reference_does() {
        let one = wish("10.1.2.0/24", "", "", "");
        let six = wish("fd00::/64", "", "", "");
        assert_eq!(RangeSet::new(&[]).expect_err("refused"), "empty range set");
        assert_eq!(RangeSet::new(&[one.clone(), six]).expect_err("refused"), "mixed address families");
        assert_eq!(
            RangeSet::new(&[one.clone(), wish("10.1.0.0/16", "", "", "")]).expect_err("refused"),
            "subnets 10.1.2.1-10.1.2.254 and 10.1.0.1-10.1.255.254 overlap"
        );
        // nerdctl's --aux-address: one subnet and gateway, several ranges in a set.
        let set = RangeSet::new(&[
            wish("10.1.2.0/24", "10.1.2.1", "10.1.2.9", "10.1.2.1"),
            wish("10.1.2.0/24", "10.1.2.11", "10.1.2.254", "10.1.2.1"),
        ])
        .expect("works");
        assert_eq!(set.to_string(), "10.1.2.1-10.1.2.9,10.1.2.11-10.1.2.254");
        assert_eq!(set.usable(), 8 + 244);
    }

    #[test]
    fn stretches_go_round_once() {
        let set = RangeSet::new(&[
            wish("10.1.0.0/24", "10.1.0.1", "10.1.0.9", ""),
            wish("10.2.0.0/24", "10.2.0.1", "10.2.0.9", ""),
        ])
        .expect("works");
        let text = |last: Option<&str>| {
            let last = last.map(|last| Address::from(last.parse::<IpAddr>().expect("works")));
            let parts: Vec<String> =
                set.stretches(last).iter().map(|part| format!("{}-{}", part.from, part.to)).collect();
            parts.join(" ")
        };
        assert_eq!(text(None), "10.1.0.1-10.1.0.9 10.2.0.1-10.2.0.9");
        assert_eq!(text(Some("10.9.9.9")), text(None));
        assert_eq!(text(Some("10.1.0.4")), "10.1.0.5-10.1.0.9 10.2.0.1-10.2.0.9 10.1.0.1-10.1.0.4");
        assert_eq!(text(Some("10.2.0.9")), "10.1.0.1-10.1.0.9 10.2.0.1-10.2.0.9");
        let upper = RangeSet::new(&[wish("8000::/1", "", "", "")]).expect("works");
        assert_eq!(upper.stretches(Some(Address(u128::MAX))).len(), 1);
    }

    fn any_ip() -> impl Strategy<Value = IpAddr> {
        // Near the ends of both families, where arithmetic goes wrong, as well as anywhere.
        let near = prop_oneof![0..40_u32, u32::MAX - 40..=u32::MAX, any::<u32>()];
        // The IPv4-mapped block begins at 2^48 - 2^32 and ends before 2^48.
        let block = (1 << 48) - (1_u128 << 32);
        let far = prop_oneof![
            0..40_u128,
            block - 40..block + 40,
            (1 << 48) - 40..(1_u128 << 48) + 40,
            u128::MAX - 40..=u128::MAX,
            any::<u128>(),
        ];
        prop_oneof![
            near.prop_map(|bits| IpAddr::V4(std::net::Ipv4Addr::from_bits(bits))),
            far.prop_map(|bits| IpAddr::V6(std::net::Ipv6Addr::from_bits(bits)).to_canonical()),
        ]
    }

    #[test]
    fn no_range_of_ipv6_holds_ipv4_addresses() {
        for (subnet, start, end, text) in [
            ("::/80", "", "", Some("::1 to 255.255.255.255")),
            ("::/0", "", "", Some("::1 to ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")),
            ("::/64", "::fffe:ffff:ffff", "::1:0:0:0", Some("::fffe:ffff:ffff to ::1:0:0:0")),
            ("::/64", "::fffe:0:0", "::fffe:ffff:ffff", None),
            ("::/64", "::1:0:0:0", "", None),
            ("::/0", "::1:0:0:0", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", None),
        ] {
            let range = Range::new(&wish(subnet, start, end, ""));
            match text {
                Some(text) => {
                    let error = range.expect_err("refused");
                    assert!(error.starts_with(&format!("the addresses of {subnet} from {text} include")), "{error}");
                }
                None => assert!(range.is_ok(), "{range:?}"),
            }
        }
    }

    proptest! {
        #[test]
        fn a_range_lies_in_its_subnet_or_is_refused(
            ip in any_ip(), length in 0..=128_u8,
            start in prop::option::of(any_ip()), end in prop::option::of(any_ip()), last in any_ip(),
        ) {
            let length = if ip.is_ipv4() { length % 33 } else { length };
            let subnet = IpNet::new(ip, length).expect("a length").trunc();
            let Ok(set) = RangeSet::new(&[Wish { subnet, start, end, gateway: None }]) else { return Ok(()) };
            let range = set.0[0];
            prop_assert!(range.start <= range.end);
            prop_assert!(subnet.contains(&IpAddr::from(range.start)) && subnet.contains(&IpAddr::from(range.end)));
            prop_assert_eq!(Address::any_v4(range.start, range.end), ip.is_ipv4());
            prop_assert!(range.usable() >= range.end.0 - range.start.0);
            // Each address is searched exactly once, whatever the hint says.
            let stretches = set.stretches(Some(Address::from(last)));
            let count = |from: Address, to: Address| to.0 - from.0 + 1;
            let total: u128 = stretches.iter().map(|part| count(part.from, part.to)).sum();
            prop_assert_eq!(total, count(range.start, range.end));
        }
    }
}
