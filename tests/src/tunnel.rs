//! VXLAN packets (RFC 7348) in captured frames. It must not know who sent them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::Frame;

/// The protocol number of UDP.
const UDP: u8 = 17;

/// A frame inside a UDP packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tunnelled {
    /// The outer source address.
    pub source: IpAddr,
    /// The outer destination address.
    pub target: IpAddr,
    /// The outer source port.
    pub source_port: u16,
    /// Bytes of the outer IP packet, its header included.
    pub length: usize,
    /// The outer UDP checksum.
    pub checksum: Checksum,
    /// The network.
    pub vni: u32,
    /// What is inside, seen on the same interface.
    pub inner: Frame,
}

/// A UDP checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    /// Zero: not used.
    Absent,
    /// The receiver accepts it.
    Right,
    /// The receiver drops the packet.
    Wrong,
}

impl Frame {
    /// The tunnel packet to this UDP port that the frame is, if it is one. Fragments are none.
    #[must_use]
    pub fn tunnelled(&self, port: u16) -> Option<Tunnelled> {
        let (source, target, packet) = self.udp()?;
        let word = |at: usize| Some(u16::from_be_bytes(packet.get(at..at + 2)?.try_into().ok()?));
        if word(2)? != port {
            return None;
        }
        let inner = Frame { interface: self.interface, bytes: packet.get(16..)?.to_vec() };
        let vni = u32::from_be_bytes(packet.get(12..16)?.try_into().ok()?) >> 8;
        let checksum = match word(6)? {
            0 => Checksum::Absent,
            _ if sum(source, target, packet) == 0xffff => Checksum::Right,
            _ => Checksum::Wrong,
        };
        let header = if source.is_ipv4() { 20 } else { 40 };
        Some(Tunnelled { source, target, source_port: word(0)?, length: header + packet.len(), checksum, vni, inner })
    }

    /// Whether it is a fragment of an IP packet of either family.
    #[must_use]
    pub fn is_fragment(&self) -> bool {
        match self.bytes.get(12..14) {
            // More fragments, or an offset.
            Some([0x08, 0x00]) => self.bytes.get(20..22).is_some_and(|at| (at[0] & 0x3f, at[1]) != (0, 0)),
            Some([0x86, 0xdd]) => self.bytes.get(20) == Some(&44),
            _ => false,
        }
    }

    /// Source and destination address of an IP packet of either family.
    #[must_use]
    pub fn addresses(&self) -> Option<(IpAddr, IpAddr)> {
        let v4 = |at: usize| Some(Ipv4Addr::from(<[u8; 4]>::try_from(self.bytes.get(at..at + 4)?).ok()?).into());
        let v6 = |at: usize| Some(Ipv6Addr::from(<[u8; 16]>::try_from(self.bytes.get(at..at + 16)?).ok()?).into());
        match self.bytes.get(12..14)? {
            [0x08, 0x00] => Some((v4(26)?, v4(30)?)),
            [0x86, 0xdd] => Some((v6(22)?, v6(38)?)),
            _ => None,
        }
    }

    /// Addresses, and the packet from the UDP header on, of a whole UDP packet without options.
    fn udp(&self) -> Option<(IpAddr, IpAddr, &[u8])> {
        let (source, target) = self.addresses()?;
        let (protocol, start) = if source.is_ipv4() { (self.bytes.get(23)?, 34) } else { (self.bytes.get(20)?, 54) };
        if *protocol != UDP || self.is_fragment() || (source.is_ipv4() && self.bytes.get(14)? != &0x45) {
            return None;
        }
        let length = u16::from_be_bytes(self.bytes.get(start + 4..start + 6)?.try_into().ok()?);
        Some((source, target, self.bytes.get(start..start + usize::from(length))?))
    }
}

/// The ones' complement sum of a UDP packet with its checksum and pseudo header: 0xffff when it is right.
fn sum(source: IpAddr, target: IpAddr, packet: &[u8]) -> u16 {
    let mut bytes = Vec::new();
    for address in [source, target] {
        match address {
            IpAddr::V4(address) => bytes.extend(address.octets()),
            IpAddr::V6(address) => bytes.extend(address.octets()),
        }
    }
    let length = u16::try_from(packet.len()).unwrap_or_default();
    bytes.extend([0, UDP]);
    bytes.extend(length.to_be_bytes());
    bytes.extend(packet);
    bytes.resize(bytes.len().next_multiple_of(2), 0);
    let words = bytes.chunks_exact(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]));
    let total = words.fold(0_u32, |total, word| {
        let total = total + word;
        (total & 0xffff) + (total >> 16)
    });
    u16::try_from(total).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::Checksum;
    use crate::Frame;

    /// Ethernet, IPv4 192.0.2.1 to 192.0.2.2, UDP 4096 to 4789, VXLAN with VNI 100, no inner frame.
    fn frame(checksum: [u8; 2]) -> Frame {
        let mut bytes = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x08, 0x00];
        bytes.extend([0x45, 0, 0, 36, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
        bytes.extend([0x10, 0x00, 0x12, 0xb5, 0, 16]);
        bytes.extend(checksum);
        bytes.extend([8, 0, 0, 0, 0, 0, 100, 0]);
        Frame { interface: 1, bytes }
    }

    #[test]
    fn a_packet_is_taken_apart() {
        let packet = frame([0, 0]).tunnelled(4789).expect("it is one");
        assert_eq!((packet.source.to_string(), packet.target.to_string()), ("192.0.2.1".into(), "192.0.2.2".into()));
        assert_eq!((packet.source_port, packet.length, packet.vni), (4096, 36, 100));
        assert_eq!(packet.checksum, Checksum::Absent);
        assert_eq!(frame([0, 0]).tunnelled(8472), None);
    }

    #[test]
    fn checksums_are_judged() {
        // By hand: the words of pseudo header, UDP header and VXLAN header add up to 0x212e9, so 0x12eb.
        assert_eq!(frame([0xed, 0x14]).tunnelled(4789).expect("it is one").checksum, Checksum::Right);
        assert_eq!(frame([0xed, 0x15]).tunnelled(4789).expect("it is one").checksum, Checksum::Wrong);
    }

    #[test]
    fn fragments_are_seen() {
        let mut fragment = frame([0, 0]);
        assert!(!fragment.is_fragment());
        fragment.bytes[20] = 0x40;
        assert!(!fragment.is_fragment(), "`do not fragment` is no fragment");
        fragment.bytes[20] = 0x20;
        assert!(fragment.is_fragment());
        assert_eq!(fragment.tunnelled(4789), None);
    }
}
