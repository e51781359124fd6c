//! Changes of what the kernel has.

use std::fmt;

use crate::{FdbEntry, LinkName, Mac, Neighbour, PortFlags, VlanRange};

/// One independent change; several travel in one send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Up or down.
    Up(LinkName, bool),
    /// `IFF_PROMISC`.
    Promisc(LinkName, bool),
    /// `IFF_ALLMULTI`.
    AllMulticast(LinkName, bool),
    /// `IFLA_TXQLEN`, packets.
    QueueLength(LinkName, u32),
    /// `IFLA_ADDRESS`. Also with the address it has: the kernel then announces the addresses of the link to the
    /// neighbours (gratuitous ARP with `arp_notify`, unsolicited NA with `ndisc_notify`).
    Mac(LinkName, Mac),
    /// `IFLA_MTU`, bytes.
    Mtu(LinkName, u32),
    /// `IFLA_IFALIAS`.
    Alias(LinkName, String),
    /// `IPV4_DEVCONF_ARP_NOTIFY` by `IFLA_AF_SPEC`: no file under `/proc` is needed for it.
    ArpNotify(LinkName, bool),
    /// `IFLA_GROUP`.
    Group(LinkName, u32),
    /// Flags of a bridge port.
    Port(LinkName, PortFlags),
    /// A bridge port passes no more frames (`IFLA_BRPORT_STATE` disabled).
    ClosePort(LinkName),
    /// Adds VLANs to a bridge port.
    AddVlan(LinkName, VlanRange),
    /// Takes VLANs from a bridge port.
    DeleteVlan(LinkName, VlanRange),
    /// Adds an address (`NLM_F_EXCL`).
    AddAddress(LinkName, crate::Address),
    /// Removes an address.
    DeleteAddress(LinkName, crate::Address),
    /// Adds a route (`NLM_F_CREATE` alone: the same prefix by another gateway is no conflict, an identical route is
    /// `EEXIST`).
    AddRoute(crate::Route),
    /// Makes an entry of a forwarding table, static, in place of another one for the station; a host to flood to is added
    /// to the others.
    SetFdb(LinkName, FdbEntry),
    /// Removes an entry of a forwarding table.
    DeleteFdb(LinkName, FdbEntry),
    /// Makes a permanent neighbour, in place of another one.
    SetNeighbour(LinkName, Neighbour),
    /// Removes a neighbour.
    DeleteNeighbour(LinkName, Neighbour),
    /// What it does with its packets.
    Traffic(LinkName, crate::Traffic),
    /// Removes a route.
    DeleteRoute(crate::Route),
    /// Removes a link.
    DeleteLink(LinkName),
    /// Removes a link in another namespace, by the host's id of the namespace and the link's index there.
    DeleteElsewhere(i32, u32),
}

/// Verb and object, for the error of a change that was refused: `create address 10.1.2.3/24 on eth0`.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let switch = |on: &bool| if *on { "on" } else { "off" };
        match self {
            Self::Up(name, true) => write!(f, "bring {name} up"),
            Self::Up(name, false) => write!(f, "take {name} down"),
            Self::Promisc(name, on) => write!(f, "switch promiscuous mode of {name} {}", switch(on)),
            Self::AllMulticast(name, on) => write!(f, "switch all-multicast mode of {name} {}", switch(on)),
            Self::QueueLength(name, size) => write!(f, "set the queue length of {name} to {size}"),
            Self::Traffic(name, traffic) => write!(f, "{traffic} at {name}"),
            Self::Mac(name, mac) => write!(f, "set the MAC of {name} to {mac}"),
            Self::Mtu(name, mtu) => write!(f, "set the MTU of {name} to {mtu}"),
            Self::Alias(name, _) => write!(f, "set the alias of {name}"),
            Self::Group(name, group) => write!(f, "put {name} into group {group}"),
            Self::ArpNotify(name, on) => write!(f, "switch arp_notify of {name} {}", switch(on)),
            Self::Port(name, _) => write!(f, "set the port flags of {name}"),
            Self::ClosePort(name) => write!(f, "close the port {name}"),
            Self::AddVlan(name, range) => write!(f, "add VLAN {}-{} to {name}", range.first, range.last),
            Self::DeleteVlan(name, range) => write!(f, "take VLAN {}-{} from {name}", range.first, range.last),
            Self::AddAddress(name, address) => write!(f, "create address {} on {name}", address.net),
            Self::DeleteAddress(name, address) => write!(f, "delete address {} from {name}", address.net),
            Self::AddRoute(route) => match route.gateway {
                Some(gateway) => write!(f, "create route {} via {gateway}", route.dst),
                None => write!(f, "create route {}", route.dst),
            },
            Self::SetFdb(name, entry) => write!(f, "set the forwarding entry {entry} of {name}"),
            Self::DeleteFdb(name, entry) => write!(f, "delete the forwarding entry {entry} of {name}"),
            Self::SetNeighbour(name, neighbour) => write!(f, "set the neighbour {} of {name}", neighbour.ip),
            Self::DeleteNeighbour(name, neighbour) => write!(f, "delete the neighbour {} of {name}", neighbour.ip),
            Self::DeleteRoute(route) => write!(f, "delete route {}", route.dst),
            Self::DeleteLink(name) => write!(f, "delete link {name}"),
            Self::DeleteElsewhere(space, index) => write!(f, "delete link {index} in namespace {space}"),
        }
    }
}
