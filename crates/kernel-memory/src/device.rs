//! One link of one namespace, with everything that dies with it but the routes.

use std::collections::BTreeMap;
use std::net::IpAddr;

use cnm::{FdbEntry, Mac, MacvlanMode, PortFlags, PortVlan, Queueing, Vxlan};
use ipnet::{Ipv4Net, Ipv6Net};

/// Number of a namespace; 0 is the host.
pub(crate) type NsId = u32;

/// IPv6 needs this much (RFC 8200); below it Linux takes IPv6 from the link.
const IPV6_MIN_MTU: u32 = 1280;

/// What a link is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `lo`.
    Loopback,
    /// A card, with its cable plugged in.
    Hardware,
    /// A bridge.
    Bridge(Bridge),
    /// One end of a veth pair.
    Veth {
        /// Namespace of the other end.
        peer_ns: NsId,
        /// Index of the other end there.
        peer: u32,
    },
    /// A VXLAN device.
    Vxlan(Vxlan),
    /// An intermediate functional block.
    Ifb,
    /// A link on the wire of another.
    Macvlan {
        /// Namespace of the parent.
        parent_ns: NsId,
        /// Index of the parent there.
        parent: u32,
        mode: MacvlanMode,
    },
    /// The tagged part of a link of the same namespace.
    Vlan {
        /// Index of that link.
        parent: u32,
        id: u16,
    },
    /// Leads nowhere.
    Dummy,
}

/// What only a bridge has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Bridge {
    pub(crate) vlan_filtering: bool,
    /// Whether it forwards by at least one port; `None` until it first depended on one: a bridge that never had a
    /// port counts as connected, with an unknown operational state.
    pub(crate) carrier: Option<bool>,
    /// `NET_ADDR_SET`: the address does not follow the ports any more.
    pub(crate) mac_set: bool,
    /// `BROPT_MTU_SET_BY_USER`: the MTU does not follow the ports any more.
    pub(crate) mtu_set: bool,
}

/// What only a bridge port has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Port {
    pub(crate) master: u32,
    pub(crate) flags: PortFlags,
    /// Somebody has disabled it (`BR_STATE_DISABLED`); it opens again when it comes up again.
    pub(crate) closed: bool,
    /// By id.
    pub(crate) vlans: BTreeMap<u16, PortVlan>,
}

/// An IPv4 address of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct V4 {
    pub(crate) net: Ipv4Net,
    /// `IFA_F_SECONDARY`: an earlier address has the same subnet, and takes this one along when it goes.
    pub(crate) secondary: bool,
    /// When it came, on the clock of its namespace.
    pub(crate) since: u32,
}

/// An IPv6 address of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct V6 {
    pub(crate) net: Ipv6Net,
    pub(crate) nodad: bool,
    /// The namespace answers to it: no duplicate address detection was wanted, or it is over.
    pub(crate) local: bool,
    /// When it came, on the clock of its namespace.
    pub(crate) since: u32,
}

impl V6 {
    /// `fe80::/10`.
    pub(crate) fn is_link_local(&self) -> bool {
        self.net.addr().is_unicast_link_local()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Device {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) mac: Mac,
    pub(crate) mtu: u32,
    pub(crate) group: u32,
    pub(crate) up: bool,
    /// When it last came up, on the clock of its namespace.
    pub(crate) up_since: u32,
    pub(crate) promisc: bool,
    pub(crate) allmulti: bool,
    pub(crate) queue: u32,
    pub(crate) queueing: Queueing,
    pub(crate) alias: String,
    pub(crate) port: Option<Port>,
    pub(crate) v4: Vec<V4>,
    pub(crate) v6: Vec<V6>,
    /// `IF_READY`: it has been up and connected since it was last brought up, so that IPv6 is configured on it.
    pub(crate) v6_ready: bool,
    /// Static entries of forwarding tables that name this port: its own, and its bridge's.
    pub(crate) fdb: Vec<FdbEntry>,
    /// Permanent neighbours.
    pub(crate) neighbours: BTreeMap<IpAddr, Mac>,
}

impl Device {
    pub(crate) fn new(name: &str, kind: Kind, mac: Mac, mtu: u32) -> Self {
        // `TX_Q_LIMIT` of ifb, `DEFAULT_TX_QUEUE_LEN` of the rest.
        let queue = if kind == Kind::Ifb { 32 } else { 1000 };
        Self {
            name: name.to_owned(),
            kind,
            mac,
            mtu,
            group: 0,
            up: false,
            up_since: 0,
            promisc: false,
            allmulti: false,
            queue,
            queueing: Queueing::default(),
            alias: String::new(),
            port: None,
            v4: Vec::new(),
            v6: Vec::new(),
            v6_ready: false,
            fdb: Vec::new(),
            neighbours: BTreeMap::new(),
        }
    }

    /// `IFLA_INFO_KIND`.
    pub(crate) fn kind_name(&self) -> &'static str {
        match self.kind {
            Kind::Loopback | Kind::Hardware => "",
            Kind::Bridge(_) => "bridge",
            Kind::Veth { .. } => "veth",
            Kind::Vxlan(_) => "vxlan",
            Kind::Ifb => "ifb",
            Kind::Macvlan { .. } => "macvlan",
            Kind::Vlan { .. } => "vlan",
            Kind::Dummy => "dummy",
        }
    }

    pub(crate) fn bridge(&self) -> Option<&Bridge> {
        match &self.kind {
            Kind::Bridge(bridge) => Some(bridge),
            Kind::Loopback
            | Kind::Hardware
            | Kind::Veth { .. }
            | Kind::Macvlan { .. }
            | Kind::Vlan { .. }
            | Kind::Dummy
            | Kind::Vxlan(_)
            | Kind::Ifb => None,
        }
    }

    pub(crate) fn bridge_mut(&mut self) -> Option<&mut Bridge> {
        match &mut self.kind {
            Kind::Bridge(bridge) => Some(bridge),
            Kind::Loopback
            | Kind::Hardware
            | Kind::Veth { .. }
            | Kind::Macvlan { .. }
            | Kind::Vlan { .. }
            | Kind::Dummy
            | Kind::Vxlan(_)
            | Kind::Ifb => None,
        }
    }

    /// What it stands on, when it is in the namespace `ns`: namespace and index.
    pub(crate) fn parent(&self, ns: NsId) -> Option<(NsId, u32)> {
        match self.kind {
            Kind::Macvlan { parent_ns, parent, .. } => Some((parent_ns, parent)),
            Kind::Vlan { parent, .. } => Some((ns, parent)),
            Kind::Loopback
            | Kind::Hardware
            | Kind::Bridge(_)
            | Kind::Veth { .. }
            | Kind::Dummy
            | Kind::Vxlan(_)
            | Kind::Ifb => None,
        }
    }

    /// Index of the bridge, 0 when it is no port.
    pub(crate) fn master(&self) -> u32 {
        self.port.as_ref().map_or(0, |port| port.master)
    }

    /// Whether the link is large enough for IPv6.
    pub(crate) fn carries_ipv6(&self) -> bool {
        self.mtu >= IPV6_MIN_MTU
    }

    /// Whether the address is one of this link's.
    pub(crate) fn has(&self, ip: IpAddr) -> bool {
        match ip {
            IpAddr::V4(ip) => self.v4.iter().any(|address| address.net.addr() == ip),
            IpAddr::V6(ip) => self.v6.iter().any(|address| address.net.addr() == ip),
        }
    }
}
