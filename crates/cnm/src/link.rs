//! Links: what we wish for, what the kernel has, what can be changed.

use std::fmt;

use crate::{Mac, Macvlan, MacvlanMode, Place};

/// A link that we want to exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkSpec {
    /// Name in its namespace, at most 15 bytes.
    pub name: String,
    /// What it is.
    pub kind: LinkKind,
    /// Bytes; `None` leaves it to the kernel.
    pub mtu: Option<u32>,
    /// Hardware address; `None` lets the lifecycle choose a random local one (then udev leaves it alone).
    pub mac: Option<Mac>,
    /// The bridge that it is a port of, by name.
    pub master: Option<String>,
    /// `IFLA_GROUP`; 0 is the kernel's default.
    pub group: u32,
    /// Bring it up in the same message.
    pub up: bool,
    /// `IFF_PROMISC`.
    pub promisc: bool,
    /// `IFLA_IFALIAS`. The kernel ignores it in the creating message (seen on 6.18): it follows in the next.
    pub alias: Option<String>,
    /// Variables below `/proc/sys` of the link's namespace that are set once, right after its creation: (key, value).
    /// A kernel without them (IPv6 switched off) is fine.
    pub birth: Vec<(String, String)>,
}

impl LinkSpec {
    /// A link of this name and kind with nothing else decided.
    #[must_use]
    pub fn new(name: impl Into<String>, kind: LinkKind) -> Self {
        Self {
            name: name.into(),
            kind,
            mtu: None,
            mac: None,
            master: None,
            group: 0,
            up: false,
            promisc: false,
            alias: None,
            birth: Vec::new(),
        }
    }

    /// Whether it can only be made with a sandbox in sight.
    #[must_use]
    pub const fn needs_sandbox(&self) -> bool {
        match &self.kind {
            LinkKind::Veth { peer } => peer.in_sandbox,
            LinkKind::Macvlan(Macvlan { parent_in, born_in, .. }) => {
                matches!(parent_in, Place::Sandbox) || matches!(born_in, Place::Sandbox)
            }
            LinkKind::Bridge { .. } | LinkKind::Vlan { .. } | LinkKind::Dummy | LinkKind::Vxlan(_) | LinkKind::Ifb => {
                false
            }
        }
    }

    /// Where it is asked for: a macvlan where its parent is.
    #[must_use]
    pub const fn asked_in(&self) -> Place {
        match &self.kind {
            LinkKind::Macvlan(link) => link.parent_in,
            LinkKind::Bridge { .. }
            | LinkKind::Veth { .. }
            | LinkKind::Vlan { .. }
            | LinkKind::Dummy
            | LinkKind::Vxlan(_)
            | LinkKind::Ifb => Place::Host,
        }
    }

    /// Where the link of this name then is.
    #[must_use]
    pub const fn born_in(&self) -> Place {
        self.born_when_asked_in(self.asked_in())
    }

    /// The same when it is asked for at `place`: a macvlan chooses, everything else is born there.
    #[must_use]
    pub const fn born_when_asked_in(&self, place: Place) -> Place {
        match &self.kind {
            LinkKind::Macvlan(link) => link.born_in,
            LinkKind::Bridge { .. }
            | LinkKind::Veth { .. }
            | LinkKind::Vlan { .. }
            | LinkKind::Dummy
            | LinkKind::Vxlan(_)
            | LinkKind::Ifb => place,
        }
    }

    /// The link that it stands on or is a port of, by name, beside where it is asked for.
    #[must_use]
    pub fn beneath(&self) -> Option<&str> {
        match &self.kind {
            LinkKind::Macvlan(link) => Some(&link.parent),
            LinkKind::Vlan { parent, .. } => Some(parent),
            LinkKind::Bridge { .. } | LinkKind::Veth { .. } | LinkKind::Dummy | LinkKind::Vxlan(_) | LinkKind::Ifb => {
                self.master.as_deref()
            }
        }
    }
}

/// The kinds of links that drivers wish for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkKind {
    /// A Linux bridge.
    Bridge {
        /// `IFLA_BR_VLAN_FILTERING`.
        vlan_filtering: bool,
    },
    /// The host end of a veth pair; `peer` is born in the same message.
    Veth {
        /// The other end.
        peer: Peer,
    },
    /// A VXLAN tunnel endpoint (RFC 7348).
    Vxlan(Vxlan),
    /// An intermediate functional block: packets that are redirected to it pass its queue and go on where they came
    /// from.
    Ifb,
    /// A link with an address of its own on the wire of another.
    Macvlan(Macvlan),
    /// The part of a link's traffic that carries one IEEE 802.1Q tag.
    Vlan {
        /// Name of the link whose traffic it is, in the same namespace.
        parent: String,
        /// 1 to 4094.
        id: u16,
    },
    /// A link that leads nowhere.
    Dummy,
}

impl LinkKind {
    /// The kernel's word: `IFLA_INFO_KIND`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Bridge { .. } => "bridge",
            Self::Veth { .. } => "veth",
            Self::Vxlan(_) => "vxlan",
            Self::Ifb => "ifb",
            Self::Macvlan(_) => "macvlan",
            Self::Vlan { .. } => "vlan",
            Self::Dummy => "dummy",
        }
    }
}

/// What makes a VXLAN device the one that it is; none of it can be changed later but by another device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vxlan {
    /// Network identifier, 1 to 2^24 - 1.
    pub vni: u32,
    /// UDP port, of the destination and the one listened on.
    pub port: u16,
    /// Source of the outer packets.
    pub local: std::net::IpAddr,
    /// Where frames without a known destination go: a multicast group; `None` when only entries say it.
    pub group: Option<std::net::IpAddr>,
    /// Index of the device that outer packets leave by; 0 leaves it to the routes.
    pub underlay: u32,
    /// Learn from received frames which station is behind which host.
    pub learning: bool,
}

/// The other end of a veth pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Name in its namespace.
    pub name: String,
    /// Whether it is born in the sandbox (else beside its twin on the host).
    pub in_sandbox: bool,
    /// Hardware address; `None` lets the lifecycle choose.
    pub mac: Option<Mac>,
}

/// How the kernel answered a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claimed {
    /// Index of the new link in its namespace.
    pub index: u32,
    /// Index of a veth's other end in the other namespace; 0 when there is none.
    pub peer_index: u32,
    /// The hardware address that it has.
    pub mac: Option<Mac>,
    /// The MTU that it has, bytes.
    pub mtu: u32,
}

/// A link as the kernel has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Link {
    /// Index in its namespace.
    pub index: u32,
    /// Name.
    pub name: String,
    /// `IFLA_INFO_KIND`, empty for hardware and lo.
    pub kind: String,
    /// Hardware address, when it has six bytes.
    pub mac: Option<Mac>,
    /// Bytes.
    pub mtu: u32,
    /// Index of the master, 0 when none.
    pub master: u32,
    /// `IFLA_LINK`: index of the other end or parent, 0 when none.
    pub parent: u32,
    /// `IFLA_LINK_NETNSID`: the id under which the parent's namespace is known; `None` when it is this one.
    pub parent_netns: Option<i32>,
    /// `IFLA_GROUP`.
    pub group: u32,
    /// `IFF_UP`.
    pub up: bool,
    /// `IFF_PROMISC`: user space asked for it (a bridge makes its ports promiscuous without the flag).
    pub promisc: bool,
    /// `IFF_ALLMULTI`: user space asked for all multicast.
    pub allmulti: bool,
    /// `IFLA_TXQLEN`: length of the transmit queue, packets.
    pub queue: u32,
    /// RFC 2863 operational state (`IFLA_OPERSTATE`), 6 is up.
    pub operstate: u8,
    /// `IFLA_IFALIAS`, empty when unset.
    pub alias: String,
    /// Bridges: `IFLA_BR_VLAN_FILTERING`.
    pub vlan_filtering: bool,
    /// Bridge ports: their flags.
    pub port: Option<PortFlags>,
    /// VXLAN devices: what they are.
    pub vxlan: Option<Vxlan>,
    /// Macvlans: their mode.
    pub mode: Option<MacvlanMode>,
    /// VLANs: the id that their frames carry.
    pub vlan: Option<u16>,
    /// IPv6 is switched off on it (`disable_ipv6`); not said of a link that has no IPv6 at all.
    pub ipv6_off: bool,
}

impl Link {
    /// The kernel's word for the operational state.
    #[must_use]
    pub const fn operstate_name(&self) -> &'static str {
        match self.operstate {
            1 => "notpresent",
            2 => "down",
            3 => "lowerlayerdown",
            4 => "testing",
            5 => "dormant",
            6 => "up",
            _ => "unknown",
        }
    }
}

/// Flags of a bridge port.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PortFlags {
    /// `IFLA_BRPORT_MODE`: send frames back out of the port they came in by.
    pub hairpin: bool,
    /// `IFLA_BRPORT_ISOLATED`: no frames to other isolated ports.
    pub isolated: bool,
    /// `IFLA_BRPORT_NEIGH_SUPPRESS`: what the bridge's neighbour table knows is answered here, not asked behind the port.
    pub suppress: bool,
    /// `IFLA_BRPORT_LEARNING` off: which station is behind the port is only what entries say.
    pub no_learning: bool,
    /// `IFLA_BRPORT_UNICAST_FLOOD`, `…_MCAST_FLOOD`, `…_BCAST_FLOOD` off: only frames with a known destination leave by it.
    pub no_flood: bool,
}

impl fmt::Display for PortFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let switch = |on: bool| if on { "on" } else { "off" };
        write!(f, "hairpin {}, isolated {}", switch(self.hairpin), switch(self.isolated))?;
        write!(f, ", neigh_suppress {}, learning {}", switch(self.suppress), switch(!self.no_learning))?;
        write!(f, ", flood {}", switch(!self.no_flood))
    }
}

/// An entry of a forwarding table: which station is where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FdbEntry {
    /// The station; all zero on a VXLAN device is every station that is not known, and every group.
    pub mac: Mac,
    /// The host behind which it is, in the table of the VXLAN device itself (`NTF_SELF`); `None`: behind this port, in the
    /// table of the bridge (`NTF_MASTER`).
    pub vtep: Option<std::net::IpAddr>,
}

impl FdbEntry {
    /// Unknown stations and groups are looked for at this host, too.
    #[must_use]
    pub const fn flood_to(vtep: std::net::IpAddr) -> Self {
        Self { mac: Mac([0; 6]), vtep: Some(vtep) }
    }

    /// The host to which unknown stations are flooded, if that is what it says.
    #[must_use]
    pub fn floods_to(&self) -> Option<std::net::IpAddr> {
        self.vtep.filter(|_| self.mac == Mac([0; 6]))
    }
}

impl fmt::Display for FdbEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.vtep {
            Some(vtep) => write!(f, "{} dst {vtep}", self.mac),
            None => write!(f, "{} master", self.mac),
        }
    }
}

/// A permanent entry of a neighbour table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Neighbour {
    /// Its address.
    pub ip: std::net::IpAddr,
    /// Its hardware address.
    pub mac: Mac,
}

/// VLANs of a bridge port, `first..=last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VlanRange {
    /// 1 to 4094.
    pub first: u16,
    /// 1 to 4094, not below `first`.
    pub last: u16,
    /// Untagged frames belong to it (`BRIDGE_VLAN_INFO_PVID` and `…_UNTAGGED`).
    pub native: bool,
}

/// One VLAN of a bridge port, as the kernel has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortVlan {
    /// 1 to 4094.
    pub id: u16,
    /// Untagged frames that come in belong to it (`BRIDGE_VLAN_INFO_PVID`).
    pub pvid: bool,
    /// Its frames leave without a tag (`BRIDGE_VLAN_INFO_UNTAGGED`).
    pub untagged: bool,
}

impl fmt::Display for PortVlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VLAN {}", self.id)?;
        f.write_str(match (self.pvid, self.untagged) {
            (true, true) => " untagged",
            (true, false) => " for untagged frames that come in",
            (false, true) => " untagged on the way out",
            (false, false) => " tagged",
        })
    }
}

/// How a request names a link.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LinkName {
    /// By index, when the kernel has told it.
    Index(u32),
    /// By name.
    Name(String),
}

impl fmt::Display for LinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(index) => write!(f, "link {index}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}
