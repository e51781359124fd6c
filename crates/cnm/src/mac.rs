//! Hardware addresses.

use std::fmt;
use std::str::FromStr;

/// An IEEE 802 MAC address, 48 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// A unicast, locally administered address made of random bytes (IEEE 802c: the two low bits of the first
    /// byte say so).
    #[must_use]
    pub const fn local(mut random: [u8; 6]) -> Self {
        random[0] = (random[0] & 0xfe) | 0x02;
        Self(random)
    }

    /// Whether an interface may carry it: unicast and not all zero.
    #[must_use]
    pub fn is_assignable(self) -> bool {
        self.0[0] & 1 == 0 && self.0 != [0; 6]
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// The text is not six bytes in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a MAC address of six bytes")]
pub struct NotAMac;

impl FromStr for Mac {
    type Err = NotAMac;

    /// Reads `aa:bb:cc:dd:ee:ff`, `aa-bb-cc-dd-ee-ff` and `aabb.ccdd.eeff`, as Go's `net.ParseMAC`.
    fn from_str(text: &str) -> Result<Self, NotAMac> {
        let width = if text.contains('.') { 4 } else { 2 };
        let separator = [':', '-', '.'].into_iter().find(|&sign| text.contains(sign)).ok_or(NotAMac)?;
        let mut bytes = Vec::with_capacity(6);
        for group in text.split(separator) {
            if group.len() != width || !group.is_ascii() {
                return Err(NotAMac);
            }
            for start in (0..width).step_by(2) {
                let pair = &group[start..start + 2];
                if !pair.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                    return Err(NotAMac);
                }
                bytes.push(u8::from_str_radix(pair, 16).map_err(|_| NotAMac)?);
            }
        }
        bytes.try_into().map(Self).map_err(|_| NotAMac)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_go_reads() {
        let mac = Mac([0x02, 0x42, 0xac, 0x11, 0x00, 0xfe]);
        for text in ["02:42:ac:11:00:fe", "02-42-AC-11-00-FE", "0242.ac11.00fe"] {
            assert_eq!(text.parse(), Ok(mac), "{text}");
        }
        for text in
            ["", "02:42:ac:11:00", "02:42:ac:11:00:fe:01", "0242ac1100fe", "02:42:ac:11:00:+e", "é:42:ac:11:00:fe"]
        {
            assert_eq!(text.parse::<Mac>(), Err(NotAMac), "{text}");
        }
        assert_eq!(mac.to_string(), "02:42:ac:11:00:fe");
    }

    #[test]
    fn random_bytes_become_an_assignable_local_address() {
        assert_eq!(Mac::local([0xff; 6]).0[0], 0xfe);
        assert_eq!(Mac::local([0; 6]).0[0], 0x02);
        assert!(Mac::local([0xff; 6]).is_assignable());
        assert!(!Mac([1, 0, 0, 0, 0, 1]).is_assignable());
        assert!(!Mac([0; 6]).is_assignable());
    }
}
