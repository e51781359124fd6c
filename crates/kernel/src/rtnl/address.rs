//! Addresses: `RTM_*ADDR`.

use cnm::Address;
use ipnet::IpNet;

use super::{DELETE_ADDRESS, GET_ADDRESS, NEW_ADDRESS, family, octets, read_ip};
use crate::netlink::{Batch, Message, flags, read_u32};

const HEADER: usize = 8;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_BROADCAST: u16 = 4;
const IFA_FLAGS: u16 = 8;
const IFA_F_NODAD: u32 = 0x02;
/// Host-only addresses of the kernel's own making (fe80::…) have the scope link.
const RT_SCOPE_LINK: u8 = 253;

/// `struct ifaddrmsg`.
fn header(family: u8, prefix: u8, index: u32) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    bytes[0] = family;
    bytes[1] = prefix;
    bytes[4..].copy_from_slice(&index.to_ne_bytes());
    bytes
}

/// Adds (must be new) or removes an address.
pub(crate) fn address_change(batch: &mut Batch, index: u32, address: &Address, add: bool) {
    let net = address.net;
    let (kind, more) = if add { (NEW_ADDRESS, flags::CREATE | flags::EXCL) } else { (DELETE_ADDRESS, 0) };
    batch.message(kind, flags::ACK | more, &header(family(net.addr()), net.prefix_len(), index));
    batch.attribute(IFA_LOCAL, &octets(net.addr()));
    batch.attribute(IFA_ADDRESS, &octets(net.addr()));
    if let IpNet::V4(v4) = net
        && add
        && v4.prefix_len() < 31
    {
        batch.attribute(IFA_BROADCAST, &v4.broadcast().octets());
    }
    if address.nodad && add && net.addr().is_ipv6() {
        batch.u32(IFA_FLAGS, IFA_F_NODAD);
    }
}

/// Asks for the addresses of one link, both families.
pub(crate) fn address_dump(batch: &mut Batch, index: u32) {
    batch.message(GET_ADDRESS, flags::DUMP, &header(0, 0, index));
}

/// Reads an address of link `index`; those that the kernel makes for itself (scope link) are left out.
pub(crate) fn parse_address(message: &Message<'_>, index: u32) -> Option<IpNet> {
    if message.kind != NEW_ADDRESS || message.payload.len() < HEADER || read_u32(&message.payload[4..]) != index {
        return None;
    }
    let (prefix, scope) = (message.payload[1], message.payload[3]);
    let attributes = message.attributes(HEADER);
    let ip = read_ip(attributes.find(IFA_LOCAL).or_else(|| attributes.find(IFA_ADDRESS))?)?;
    if ip.is_ipv6() && scope == RT_SCOPE_LINK {
        return None;
    }
    IpNet::new(ip, prefix).ok()
}
