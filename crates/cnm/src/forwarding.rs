//! What a host does with the traffic that it forwards for an attachment, as a plain value: the intent of `firewall`.

use ipnet::IpNet;

/// The traffic of one attachment passes where a policy of the host's own would drop it, and stays away from other
/// networks as its ingress policy says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forwarding {
    /// The attachment's addresses, each with its subnet's prefix length.
    pub addresses: Vec<IpNet>,
    /// Interface of the host by which its packets come and go: the bridge.
    pub device: Option<String>,
    /// The attachment's port on `device` was made by a driver of ours. Then the accepted subnets and the ingress policy
    /// are its network's: the second endpoint costs nothing, and the driver's DEL of the last one releases them. Else
    /// they are the attachment's own, for its addresses alone.
    pub shared: bool,
    /// From whom it is kept away.
    pub ingress: Ingress,
    /// Who carries it.
    pub gatekeeper: Gatekeeper,
    /// The chain of iptables that the administrator may fill, asked before anything is accepted.
    pub admin_chain: String,
    /// firewalld's zone for the addresses.
    pub zone: String,
}

/// What may come to a network from other bridges of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ingress {
    /// Everything.
    Open,
    /// Nothing that comes from another bridge with an ingress policy.
    SameBridge,
    /// Nor anything that comes from the bridge itself.
    Isolated,
}

impl Ingress {
    /// The word of the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::SameBridge => "same-bridge",
            Self::Isolated => "isolated",
        }
    }
}

/// What carries [`Forwarding`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Gatekeeper {
    /// firewalld where it runs, else nftables where the kernel has it, else iptables.
    Auto,
    /// nf_tables over netlink, in process; also where the chains to be opened are those of iptables.
    Nftables,
    /// `iptables-restore` and `ip6tables-restore`: the chains of the reference plugin.
    Iptables,
    /// A running firewalld, over D-Bus; the ingress policy by nftables.
    Firewalld,
}
