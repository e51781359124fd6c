//! Bridge ports: flags and VLANs, in the messages of the bridge family (`AF_BRIDGE`), which take a link by
//! index only.

use cnm::{PortFlags, PortVlan, VlanRange};

use super::link::{
    FLOOD, IFLA_AF_SPEC, IFLA_BRPORT_ISOLATED, IFLA_BRPORT_LEARNING, IFLA_BRPORT_MODE, IFLA_BRPORT_NEIGH_SUPPRESS,
    header,
};
use super::{AF_BRIDGE, DELETE_LINK, GET_VLAN, NEW_VLAN, SET_LINK};
use crate::netlink::{Attributes, Batch, Message, flags, read_u16, read_u32};

const IFLA_PROTINFO: u16 = 12;
const IFLA_BRPORT_STATE: u16 = 1;
const IFLA_BRIDGE_VLAN_INFO: u16 = 2;

const BR_STATE_DISABLED: u8 = 0;

const VLAN_PVID: u16 = 1 << 1;
const VLAN_UNTAGGED: u16 = 1 << 2;
const VLAN_RANGE_BEGIN: u16 = 1 << 3;
const VLAN_RANGE_END: u16 = 1 << 4;

/// Length of `struct br_vlan_msg`.
const VLAN_HEADER: usize = 8;
const BRIDGE_VLANDB_ENTRY: u16 = 1;
/// `struct bridge_vlan_info`: flags and the first id.
const BRIDGE_VLANDB_ENTRY_INFO: u16 = 1;
/// The last id of a run with the same flags.
const BRIDGE_VLANDB_ENTRY_RANGE: u16 = 2;

/// Sets the flags of a port.
pub(crate) fn port_flags(batch: &mut Batch, index: u32, wanted: PortFlags) {
    batch.message(SET_LINK, flags::ACK, &header(AF_BRIDGE, index, 0, 0));
    batch.nest(IFLA_PROTINFO, |info| {
        info.u8(IFLA_BRPORT_MODE, wanted.hairpin.into());
        info.u8(IFLA_BRPORT_ISOLATED, wanted.isolated.into());
        // Only what differs from a fresh port's: kernels before 4.15 know none of these.
        if wanted.suppress {
            info.u8(IFLA_BRPORT_NEIGH_SUPPRESS, 1);
        }
        if wanted.no_learning {
            info.u8(IFLA_BRPORT_LEARNING, 0);
        }
        if wanted.no_flood {
            FLOOD.iter().for_each(|kind| info.u8(*kind, 0));
        }
    });
}

/// Disables a port: it passes no more frames.
pub(crate) fn close_port(batch: &mut Batch, index: u32) {
    batch.message(SET_LINK, flags::ACK, &header(AF_BRIDGE, index, 0, 0));
    batch.nest(IFLA_PROTINFO, |info| info.u8(IFLA_BRPORT_STATE, BR_STATE_DISABLED));
}

/// Adds VLANs to a port, or takes them away; those that a port lacks are no error when taken.
pub(crate) fn vlans(batch: &mut Batch, index: u32, range: VlanRange, add: bool) {
    let kind = if add { SET_LINK } else { DELETE_LINK };
    batch.message(kind, flags::ACK, &header(AF_BRIDGE, index, 0, 0));
    let native = if range.native && add { VLAN_PVID | VLAN_UNTAGGED } else { 0 };
    let info = |bits: u16, id: u16| {
        let mut bytes = [0; 4];
        bytes[..2].copy_from_slice(&(bits | native).to_ne_bytes());
        bytes[2..].copy_from_slice(&id.to_ne_bytes());
        bytes
    };
    batch.nest(IFLA_AF_SPEC, |spec| {
        if range.first == range.last {
            spec.attribute(IFLA_BRIDGE_VLAN_INFO, &info(0, range.first));
        } else {
            spec.attribute(IFLA_BRIDGE_VLAN_INFO, &info(VLAN_RANGE_BEGIN, range.first));
            spec.attribute(IFLA_BRIDGE_VLAN_INFO, &info(VLAN_RANGE_END, range.last));
        }
    });
}

/// Asks for the VLANs of a port (kernel 5.6 and later).
pub(crate) fn vlan_dump(batch: &mut Batch, index: u32) {
    let mut header = [0; VLAN_HEADER];
    header[0] = AF_BRIDGE;
    header[4..].copy_from_slice(&index.to_ne_bytes());
    batch.message(GET_VLAN, flags::DUMP, &header);
}

/// Reads VLANs of the port `index`.
pub(crate) fn parse_vlans(message: &Message<'_>, index: u32) -> Vec<PortVlan> {
    let bytes = message.payload;
    if message.kind != NEW_VLAN || bytes.len() < VLAN_HEADER || read_u32(&bytes[4..]) != index {
        return Vec::new();
    }
    let entries = message.attributes(VLAN_HEADER).filter(|(kind, _)| *kind == BRIDGE_VLANDB_ENTRY);
    entries.flat_map(|(_, entry)| read_entry(entry)).collect()
}

/// Reads one run of VLANs.
fn read_entry(entry: &[u8]) -> impl Iterator<Item = PortVlan> {
    let info = Attributes::inside(entry).find(BRIDGE_VLANDB_ENTRY_INFO).filter(|info| info.len() == 4);
    let (bits, first) = info.map_or((0, 0), |info| (read_u16(info), read_u16(&info[2..])));
    let last = Attributes::inside(entry).find(BRIDGE_VLANDB_ENTRY_RANGE).map_or(first, read_u16);
    let vlan = move |id| PortVlan { id, pvid: bits & VLAN_PVID != 0, untagged: bits & VLAN_UNTAGGED != 0 };
    info.map(|_| (first..=last).map(vlan)).into_iter().flatten()
}
