//! rtnetlink: links, addresses and routes as messages (`linux/rtnetlink.h`). It turns wishes into bytes and
//! bytes into what the kernel has; sending is `linux`'s.

mod address;
mod link;
mod namespace;
mod neighbour;
mod port;
mod route;
pub(crate) mod tc;
mod vxlan;

pub(crate) use address::{address_change, address_dump, parse_address};
pub(crate) use link::{
    Beneath, Flag, Setting, arp_notify, create_link, delete_elsewhere, delete_link, elsewhere_dump, get_link,
    kind_dump, link_dump, parse_link, rename_link, set_flags, set_link,
};
pub(crate) use namespace::{get_id, id_dump, new_id, parse_id};
pub(crate) use neighbour::{fdb_change, fdb_dump, neighbour_change, neighbour_dump, parse_fdb, parse_neighbour};
pub(crate) use port::{close_port, parse_vlans, port_flags, vlan_dump, vlans};
pub(crate) use route::{
    add_route, default_dump, delete_route, lookup, parse_default, parse_lookup, parse_routes, route_dump,
};

pub(crate) const NEW_LINK: u16 = 16;
pub(crate) const DELETE_LINK: u16 = 17;
pub(crate) const GET_LINK: u16 = 18;
pub(crate) const SET_LINK: u16 = 19;
pub(crate) const NEW_ADDRESS: u16 = 20;
pub(crate) const DELETE_ADDRESS: u16 = 21;
pub(crate) const GET_ADDRESS: u16 = 22;
pub(crate) const NEW_ROUTE: u16 = 24;
pub(crate) const DELETE_ROUTE: u16 = 25;
pub(crate) const GET_ROUTE: u16 = 26;
pub(crate) const NEW_NEIGHBOUR: u16 = 28;
pub(crate) const DELETE_NEIGHBOUR: u16 = 29;
pub(crate) const GET_NEIGHBOUR: u16 = 30;
pub(crate) const NEW_NAMESPACE_ID: u16 = 88;
pub(crate) const GET_NAMESPACE_ID: u16 = 90;
pub(crate) const NEW_VLAN: u16 = 112;
pub(crate) const GET_VLAN: u16 = 114;

const AF_INET: u8 = 2;
const AF_BRIDGE: u8 = 7;
const AF_INET6: u8 = 10;

/// The family's number for an address.
const fn family(address: std::net::IpAddr) -> u8 {
    match address {
        std::net::IpAddr::V4(_) => AF_INET,
        std::net::IpAddr::V6(_) => AF_INET6,
    }
}

/// The bytes of an address, 4 or 16.
fn octets(address: std::net::IpAddr) -> Vec<u8> {
    match address {
        std::net::IpAddr::V4(v4) => v4.octets().to_vec(),
        std::net::IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

/// The address of 4 or 16 bytes.
fn read_ip(value: &[u8]) -> Option<std::net::IpAddr> {
    match value.len() {
        4 => <[u8; 4]>::try_from(value).ok().map(Into::into),
        16 => <[u8; 16]>::try_from(value).ok().map(Into::into),
        _ => None,
    }
}
