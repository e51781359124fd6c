//! Addresses as text, as Go's `net.ParseIP` and `net.ParseCIDR` take them. Nothing here knows which key
//! the text came from.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// The bits of `::ffff:0:0/96`, in front of an IPv4 address written as IPv6.
const MAPPED_BITS: u8 = 96;

/// An address without prefix length. An IPv4 address written as IPv6 (`::ffff:10.1.2.3`) is that IPv4
/// address, as everywhere in Go; zones, blanks and leading zeros are refused.
#[must_use]
pub fn parse_ip(text: &str) -> Option<IpAddr> {
    text.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

/// An address with prefix length (`10.1.2.3/24`); host bits are kept.
#[must_use]
pub fn parse_cidr(text: &str) -> Option<IpNet> {
    let (ip, length) = text.split_once('/')?;
    if length.is_empty() || length.len() > 3 || !length.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let length: u8 = length.parse().ok()?;
    match ip.parse::<IpAddr>().ok()? {
        IpAddr::V4(ip) => Ipv4Net::new(ip, length).ok().map(IpNet::V4),
        IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
            Some(mapped) => Ipv4Net::new(mapped, length.checked_sub(MAPPED_BITS)?).ok().map(IpNet::V4),
            None => Ipv6Net::new(ip, length).ok().map(IpNet::V6),
        },
    }
}

/// An address with or without prefix length, of which only the address counts: what `IP=` in `CNI_ARGS`,
/// `args.cni.ips` and the capability `ips` carry.
#[must_use]
pub fn parse_ip_or_cidr(text: &str) -> Option<IpAddr> {
    match parse_cidr(text) {
        Some(net) => Some(net.addr()),
        None => parse_ip(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        assert_eq!(parse_ip("10.1.2.3").map(|ip| ip.to_string()).as_deref(), Some("10.1.2.3"));
        assert_eq!(parse_ip("::ffff:10.1.2.3").map(|ip| ip.to_string()).as_deref(), Some("10.1.2.3"));
        assert_eq!(parse_ip("FD00:0::1").map(|ip| ip.to_string()).as_deref(), Some("fd00::1"));
        for wrong in ["", " 10.1.2.3", "10.1.2", "10.1.2.03", "10.1.2.3/24", "fe80::1%eth0", "x"] {
            assert_eq!(parse_ip(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn prefixes() {
        let text = |cidr: &str| parse_cidr(cidr).map(|net| net.to_string());
        assert_eq!(text("10.1.2.3/24").as_deref(), Some("10.1.2.3/24"), "host bits stay");
        assert_eq!(text("::ffff:10.1.2.3/120").as_deref(), Some("10.1.2.3/24"));
        assert_eq!(text("::/0").as_deref(), Some("::/0"));
        assert_eq!(text("10.0.0.0/08").as_deref(), Some("10.0.0.0/8"));
        for wrong in ["10.1.2.0", "10.1.2.0/33", "10.1.2.0/", "10.1.2.0/+8", "::ffff:10.1.2.3/64", "fd00::/129", "/8"] {
            assert_eq!(text(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn either() {
        assert_eq!(parse_ip_or_cidr("10.1.2.3/24"), parse_ip("10.1.2.3"));
        assert_eq!(parse_ip_or_cidr("10.1.2.3"), parse_ip("10.1.2.3"));
        assert_eq!(parse_ip_or_cidr("10.1.2.3/99"), None);
    }
}
