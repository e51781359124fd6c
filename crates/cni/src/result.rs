//! The result of ADD in its newest shape (1.1.0). Other versions' shapes exist only at the border, in
//! `convert`.

use std::net::IpAddr;

use ipnet::IpNet;

/// What an ADD achieved, or what an IPAM plugin gave (then without interfaces).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AddResult {
    /// Interfaces of the attachment; the order is part of the contract (bridge: bridge, host end, container end).
    pub interfaces: Vec<Interface>,
    /// Addresses, in the order in which they were given.
    pub ips: Vec<Ip>,
    /// Routes inside the sandbox.
    pub routes: Vec<Route>,
    /// Resolver settings; the runtime applies them.
    pub dns: Dns,
}

impl AddResult {
    /// The interface that carries `ip`, when `ip` names one of those listed.
    #[must_use]
    pub fn interface_of(&self, ip: &Ip) -> Option<&Interface> {
        self.interfaces.get(ip.interface?)
    }
}

/// An interface on the host or in a sandbox.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interface {
    /// Name, at most 15 bytes.
    pub name: String,
    /// Hardware address as text (`aa:bb:…`), empty when unknown.
    pub mac: String,
    /// Bytes; 0 when unset (1.1.0 and newer).
    pub mtu: u32,
    /// The exact text of `CNI_NETNS`; empty for the host's own namespace.
    pub sandbox: String,
    /// vhost-user socket (1.1.0); we only pass it on.
    pub socket_path: String,
    /// PCI address (1.1.0); we only pass it on.
    pub pci_id: String,
}

/// An address given to an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ip {
    /// Address with prefix length; host bits are kept.
    pub address: IpNet,
    /// The gateway of the subnet.
    pub gateway: Option<IpAddr>,
    /// Index into [`AddResult::interfaces`].
    pub interface: Option<usize>,
}

/// A route inside the sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Destination.
    pub dst: IpNet,
    /// Next hop; absent means the first gateway of the family, or on-link when there is none.
    pub gw: Option<IpAddr>,
    /// Path MTU in bytes, 0 when unset.
    pub mtu: u32,
    /// TCP maximum segment size to advertise, in bytes, 0 when unset.
    pub advmss: u32,
    /// Metric, 0 when unset.
    pub priority: u32,
    /// Routing table; `None` is the main table, `Some(0)` is a value.
    pub table: Option<u32>,
    /// 0 global, 253 link, 254 host.
    pub scope: Option<u8>,
}

impl Route {
    /// A route with nothing but destination and next hop.
    #[must_use]
    pub const fn new(dst: IpNet, gw: Option<IpAddr>) -> Self {
        Self { dst, gw, mtu: 0, advmss: 0, priority: 0, table: None, scope: None }
    }
}

/// Resolver settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dns {
    /// Addresses of name servers, in order of preference.
    pub nameservers: Vec<String>,
    /// Local domain for short host names.
    pub domain: String,
    /// Search list.
    pub search: Vec<String>,
    /// Resolver options.
    pub options: Vec<String>,
}

impl Dns {
    /// Whether nothing is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nameservers.is_empty() && self.domain.is_empty() && self.search.is_empty() && self.options.is_empty()
    }
}
