//! Neighbours and forwarding tables: `RTM_*NEIGH`, with the family of the address or `AF_BRIDGE`.

use cnm::{FdbEntry, Mac, Neighbour};

use super::{AF_BRIDGE, DELETE_NEIGHBOUR, GET_NEIGHBOUR, NEW_NEIGHBOUR, family, octets, read_ip};
use crate::netlink::{Batch, Message, flags, read_u16, read_u32};

const HEADER: usize = 12;
const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;
const NDA_IFINDEX: u16 = 8;

const NUD_REACHABLE: u16 = 0x02;
const NUD_NOARP: u16 = 0x40;
const NUD_PERMANENT: u16 = 0x80;
/// The table of the device itself.
const NTF_SELF: u8 = 0x02;
/// The table of its bridge.
const NTF_MASTER: u8 = 0x04;

/// `struct ndmsg`.
fn header(family: u8, index: u32, state: u16, about: u8) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    bytes[0] = family;
    bytes[4..8].copy_from_slice(&index.to_ne_bytes());
    bytes[8..10].copy_from_slice(&state.to_ne_bytes());
    bytes[10] = about;
    bytes
}

/// Makes or removes an entry of a forwarding table. It is static: it does not age, but a bridge may learn that the
/// station has moved. VXLAN takes several hosts for the zero MAC: they are appended, which is no error when the host is
/// there already.
pub(crate) fn fdb_change(batch: &mut Batch, index: u32, entry: &FdbEntry, add: bool) {
    let (kind, asked) = match (add, entry.mac == Mac([0; 6])) {
        (true, true) => (NEW_NEIGHBOUR, flags::CREATE | flags::APPEND),
        (true, false) => (NEW_NEIGHBOUR, flags::CREATE | flags::REPLACE),
        (false, _) => (DELETE_NEIGHBOUR, 0),
    };
    // The bridge takes NOARP for static (PERMANENT would make the station its own); VXLAN wants REACHABLE, too.
    let (state, table) = match entry.vtep {
        Some(_) => (NUD_NOARP | NUD_REACHABLE, NTF_SELF),
        None => (NUD_NOARP, NTF_MASTER),
    };
    batch.message(kind, flags::ACK | asked, &header(AF_BRIDGE, index, state, table));
    batch.attribute(NDA_LLADDR, &entry.mac.0);
    if let Some(vtep) = entry.vtep {
        batch.attribute(NDA_DST, &octets(vtep));
    }
}

/// Makes or removes a permanent neighbour.
pub(crate) fn neighbour_change(batch: &mut Batch, index: u32, neighbour: &Neighbour, add: bool) {
    let (kind, asked) = if add { (NEW_NEIGHBOUR, flags::CREATE | flags::REPLACE) } else { (DELETE_NEIGHBOUR, 0) };
    batch.message(kind, flags::ACK | asked, &header(family(neighbour.ip), index, NUD_PERMANENT, 0));
    batch.attribute(NDA_DST, &octets(neighbour.ip));
    batch.attribute(NDA_LLADDR, &neighbour.mac.0);
}

/// Asks for the entries of the forwarding tables that name a port.
pub(crate) fn fdb_dump(batch: &mut Batch, index: u32) {
    batch.message(GET_NEIGHBOUR, flags::DUMP, &header(AF_BRIDGE, index, 0, 0));
}

/// Reads a static entry that names the port `index`.
pub(crate) fn parse_fdb(message: &Message<'_>, index: u32) -> Option<FdbEntry> {
    let (family, state, table) = read_header(message, index)?;
    if family != AF_BRIDGE || state & (NUD_NOARP | NUD_PERMANENT) == 0 {
        return None;
    }
    let attributes = message.attributes(HEADER);
    let mac = attributes.find(NDA_LLADDR)?.try_into().ok().map(Mac)?;
    let vtep = attributes.find(NDA_DST).and_then(read_ip);
    match vtep {
        Some(_) => (table & NTF_SELF != 0).then_some(FdbEntry { mac, vtep }),
        // PERMANENT there is an address of the host itself.
        None => (table & NTF_SELF == 0 && state & NUD_PERMANENT == 0).then_some(FdbEntry { mac, vtep }),
    }
}

/// Asks for the neighbours of a link, both families.
pub(crate) fn neighbour_dump(batch: &mut Batch, index: u32) {
    batch.message(GET_NEIGHBOUR, flags::DUMP, &header(0, 0, 0, 0));
    batch.u32(NDA_IFINDEX, index);
}

/// Reads a permanent neighbour of the link `index`.
pub(crate) fn parse_neighbour(message: &Message<'_>, index: u32) -> Option<Neighbour> {
    let (family, state, _) = read_header(message, index)?;
    if family == AF_BRIDGE || state & NUD_PERMANENT == 0 {
        return None;
    }
    let attributes = message.attributes(HEADER);
    let mac = attributes.find(NDA_LLADDR)?.try_into().ok().map(Mac)?;
    Some(Neighbour { ip: attributes.find(NDA_DST).and_then(read_ip)?, mac })
}

/// Family, state and flags of an entry of the link `index`.
fn read_header(message: &Message<'_>, index: u32) -> Option<(u8, u16, u8)> {
    let bytes = message.payload;
    let is_it = message.kind == NEW_NEIGHBOUR && bytes.len() >= HEADER && read_u32(&bytes[4..]) == index;
    is_it.then(|| (bytes[0], read_u16(&bytes[8..]), bytes[10]))
}
