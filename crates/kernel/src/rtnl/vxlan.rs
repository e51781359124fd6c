//! What only a VXLAN device has: `IFLA_VXLAN_*` (`linux/if_link.h`).

use std::net::IpAddr;

use cnm::Vxlan;

use super::{octets, read_ip};
use crate::netlink::{Attributes, Batch, read_u32};

const IFLA_VXLAN_ID: u16 = 1;
const IFLA_VXLAN_GROUP: u16 = 2;
const IFLA_VXLAN_LINK: u16 = 3;
const IFLA_VXLAN_LOCAL: u16 = 4;
const IFLA_VXLAN_LEARNING: u16 = 7;
const IFLA_VXLAN_PORT: u16 = 15;
const IFLA_VXLAN_GROUP6: u16 = 16;
const IFLA_VXLAN_LOCAL6: u16 = 17;

/// Writes what the device is to be. Checksums of the outer packets are the kernel's default: on, in both families.
pub(super) fn write(data: &mut Batch, vxlan: &Vxlan) {
    data.u32(IFLA_VXLAN_ID, vxlan.vni);
    data.attribute(IFLA_VXLAN_PORT, &vxlan.port.to_be_bytes());
    data.u8(IFLA_VXLAN_LEARNING, vxlan.learning.into());
    let by_family = |address: IpAddr, v4: u16, v6: u16| if address.is_ipv4() { v4 } else { v6 };
    data.attribute(by_family(vxlan.local, IFLA_VXLAN_LOCAL, IFLA_VXLAN_LOCAL6), &octets(vxlan.local));
    if let Some(group) = vxlan.group {
        data.attribute(by_family(group, IFLA_VXLAN_GROUP, IFLA_VXLAN_GROUP6), &octets(group));
    }
    if vxlan.underlay != 0 {
        data.u32(IFLA_VXLAN_LINK, vxlan.underlay);
    }
}

/// Reads what a device is. One without a local address has the unspecified one.
pub(super) fn read(data: &[u8]) -> Vxlan {
    let data = Attributes::inside(data);
    let address = |v4, v6| data.find(v4).or_else(|| data.find(v6)).and_then(read_ip);
    let port = data.find(IFLA_VXLAN_PORT).and_then(|value| value.try_into().ok());
    Vxlan {
        vni: data.find(IFLA_VXLAN_ID).map_or(0, read_u32),
        port: port.map_or(0, u16::from_be_bytes),
        local: address(IFLA_VXLAN_LOCAL, IFLA_VXLAN_LOCAL6).unwrap_or(IpAddr::from([0u8; 4])),
        group: address(IFLA_VXLAN_GROUP, IFLA_VXLAN_GROUP6).filter(|group| !group.is_unspecified()),
        underlay: data.find(IFLA_VXLAN_LINK).map_or(0, read_u32),
        learning: data.find(IFLA_VXLAN_LEARNING).is_some_and(|value| value == [1]),
    }
}
