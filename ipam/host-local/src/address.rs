//! Addresses of both families as one kind of number. Knows nothing of ranges or files.
//!
//! An IPv4 address is its IPv4-mapped IPv6 number (`::ffff:a.b.c.d`), so that order, distance and neighbourhood are
//! plain arithmetic on `u128`. A mapped address *is* the IPv4 address, as in Go's `net.IP`: both have one file name.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const MAPPED: u128 = 0xffff << 32;

/// The last of the IPv4 addresses.
const LAST_MAPPED: u128 = MAPPED | u32::MAX as u128;

/// An address as a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Address(pub(crate) u128);

impl Address {
    /// The address `steps` further on, or `None` past the end of all numbers.
    pub(crate) fn checked_add(self, steps: u128) -> Option<Self> {
        self.0.checked_add(steps).map(Self)
    }

    /// Whether it is an IPv4 address.
    pub(crate) fn is_v4(self) -> bool {
        self.0 >> 32 == MAPPED >> 32
    }

    /// Whether an address between the two, or one of them, is an IPv4 address.
    pub(crate) fn any_v4(start: Self, end: Self) -> bool {
        start.0 <= LAST_MAPPED && end.0 >= MAPPED
    }

    /// The address whose canonical text is exactly `name`: what a reservation's file is called.
    pub(crate) fn from_file_name(name: &str) -> Option<Self> {
        // The cheap test first: directories also hold `lock` and `last_reserved_ip.<N>`.
        if !name.starts_with(|c: char| c.is_ascii_hexdigit() || c == ':') {
            return None;
        }
        let address = Self::from(name.parse::<IpAddr>().ok()?);
        (address.to_string() == name).then_some(address)
    }
}

impl From<IpAddr> for Address {
    fn from(ip: IpAddr) -> Self {
        Self(match ip {
            IpAddr::V4(v4) => MAPPED | u128::from(v4.to_bits()),
            IpAddr::V6(v6) => v6.to_bits(),
        })
    }
}

impl From<Address> for IpAddr {
    fn from(address: Address) -> Self {
        match u32::try_from(address.0 ^ MAPPED) {
            Ok(v4) => Self::V4(Ipv4Addr::from_bits(v4)),
            Err(_) => Self::V6(Ipv6Addr::from_bits(address.0)),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        IpAddr::from(*self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_are_those_of_go() {
        for (text, name) in [
            ("10.1.2.3", "10.1.2.3"),
            ("::ffff:10.1.2.3", "10.1.2.3"),
            ("2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
            ("fd00:0:0:1::", "fd00:0:0:1::"),
            ("0:0:0:0:0:0:0:1", "::1"),
            ("::1.2.3.4", "::102:304"),
            ("1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"),
        ] {
            let address = Address::from(text.parse::<IpAddr>().expect("works"));
            assert_eq!(address.to_string(), name);
            assert_eq!(Address::from_file_name(name), Some(address));
        }
        for name in ["lock", "last_reserved_ip.0", "10.1.2", "010.1.2.3", "::ffff:10.1.2.3", "FD00::1", "fd00:0::1", ""]
        {
            assert_eq!(Address::from_file_name(name), None, "{name}");
        }
    }
}
