//! Resources: the words in which drivers describe.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::{FdbEntry, Intent, LinkSpec, Neighbour, Place, PortFlags, Shaping, Tuning, VlanRange};

/// One thing that must be true. Resources are listed in the order in which they become true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource {
    /// A link exists. In a network's list it is shared and ensured; as an endpoint's claim it must be new.
    Link(LinkSpec),
    /// A link that endpoints stand on exists. Others made it and decide whether it is up.
    Parent {
        /// Where it is.
        place: Place,
        /// Its name.
        name: String,
        /// What is asked of its MTU: that it is not less, bytes.
        mtu: Option<u32>,
        /// How it is made, shared, when it does not exist: only of the host. Then it goes when nothing stands on it.
        made: Option<LinkSpec>,
    },
    /// A bridge port of the host exchanges no frames with others that are isolated. Its other flags stay.
    IsolatedPort {
        /// Name of the port.
        link: String,
    },
    /// A bridge port of the host has these flags.
    Port {
        /// Name of the port.
        link: String,
        /// Its flags.
        flags: PortFlags,
    },
    /// A bridge port of the host carries exactly these VLANs (plus the bridge's default one when kept).
    Vlans {
        /// Name of the port.
        link: String,
        /// Its VLANs.
        vlans: Vec<VlanRange>,
        /// Keep the VLAN that the bridge gave it.
        keep_default: bool,
    },
    /// A link has this address.
    Address {
        /// Where the link is.
        place: Place,
        /// Name of the link.
        link: String,
        /// The address.
        address: Address,
        /// Shared addresses only: remove another address of the family instead of refusing.
        force: bool,
    },
    /// A link is up.
    Up {
        /// Where the link is.
        place: Place,
        /// Name of the link.
        link: String,
    },
    /// A link of the sandbox tells its neighbours of its IPv4 addresses when it comes up or gets another MAC (`arp_notify`).
    ArpNotify {
        /// Name of the link.
        link: String,
    },
    /// IPv6 is not switched off on a link of the sandbox, nor on its lo (`disable_ipv6`).
    Ipv6 {
        /// Name of the link.
        link: String,
    },
    /// A route exists.
    Route {
        /// Where.
        place: Place,
        /// Name of the link that it leaves by.
        link: String,
        /// The route; its `link` index is filled in when it is sent.
        route: Route,
    },
    /// The forwarding table of a port of the host has these entries.
    Fdb {
        /// Name of the port.
        link: String,
        /// The entries.
        entries: Vec<FdbEntry>,
        /// Whether it floods to no other hosts than these say.
        exact: bool,
    },
    /// A link of the host has these permanent neighbours.
    Neighbours {
        /// Name of the link.
        link: String,
        /// The neighbours.
        entries: Vec<Neighbour>,
    },
    /// A sysctl below `/proc/sys/net` has this value.
    Sysctl(Sysctl),
    /// Something that the firewall does, for the endpoint or the network.
    Firewall(Intent),
    /// A link of the sandbox, and variables of it, are as a person wishes; what the link had is noted.
    Tuning(Tuning),
    /// What passes between the sandbox and the host has limits.
    Shaping(Shaping),
    /// The sandbox has no link but lo. Only CHECK asks: nothing can be done for it.
    Alone,
    /// lo of the sandbox has loopback addresses only.
    OnlyLoopbackAddresses,
}

impl Resource {
    /// What the firewall has to do for it, if that is its kind.
    #[must_use]
    pub const fn intent(&self) -> Option<&Intent> {
        if let Self::Firewall(intent) = self { Some(intent) } else { None }
    }
}

/// An address of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Address {
    /// Address and prefix length; host bits are kept.
    pub net: IpNet,
    /// IPv6: skip duplicate address detection (`IFA_F_NODAD`); we own the MAC, so nobody else has the address.
    pub nodad: bool,
}

/// A route as the kernel takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Destination; host bits are ignored.
    pub dst: IpNet,
    /// Next hop; `None` is on-link.
    pub gateway: Option<IpAddr>,
    /// Index of the link that it leaves by.
    pub link: u32,
    /// Metric, 0 when unset.
    pub priority: u32,
    /// `None` is the main table (254).
    pub table: Option<u32>,
    /// `RT_SCOPE_*`; `None` is global (0), as the reference has it for every route.
    pub scope: Option<u8>,
    /// Path MTU in bytes, 0 when unset.
    pub mtu: u32,
    /// Advertised MSS in bytes, 0 when unset.
    pub advmss: u32,
}

/// A kernel variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sysctl {
    /// In which namespace.
    pub place: Place,
    /// Path below `/proc/sys/`, e.g. `net/ipv4/ip_forward`.
    pub key: String,
    /// The value, as text without newline.
    pub value: String,
    /// Whether a kernel without the variable (IPv6 switched off, say) is fine.
    pub optional: bool,
}

impl Sysctl {
    /// One that a kernel may lack.
    #[must_use]
    pub fn optional(place: Place, key: &str, value: &str) -> Self {
        Self { place, key: key.to_owned(), value: value.to_owned(), optional: true }
    }
}
