//! Ports of the host that lead to an endpoint.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::Backend;

/// The ports of the host that lead to one address of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// The endpoint's address with its subnet's prefix length. Its family decides which of the ports concern it.
    pub target: IpNet,
    /// The host's interface by which the endpoint's packets come; `None` when nobody knows.
    pub device: Option<String>,
    /// The ports, in the order of the configuration.
    pub ports: Vec<PublishedPort>,
    /// Whose packets get the host's address on their way to the endpoint.
    pub masquerade: Hairpin,
    /// Which backend carries it.
    pub backend: Backend,
    /// What else a packet must be, in the words of the backend's own program.
    pub conditions: Vec<String>,
    /// How rules of iptables mark what is to be masqueraded. nftables needs no mark.
    pub mark: SetMark,
}

/// One port of the host.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PublishedPort {
    /// Of both ports.
    pub protocol: Protocol,
    /// The address of the host at which it answers; `None` is every address of either family, an unspecified one
    /// (`0.0.0.0`, `::`) every address of its family.
    pub host: Option<IpAddr>,
    /// The port of the host.
    pub port: u16,
    /// The port of the endpoint.
    pub target_port: u16,
}

impl PublishedPort {
    /// Whether packets of a family can come by it.
    #[must_use]
    pub fn is_of(&self, v6: bool) -> bool {
        self.host.is_none_or(|host| host.is_ipv6() == v6)
    }

    /// The one address at which it answers.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.host.filter(|host| !host.is_unspecified())
    }
}

impl fmt::Display for PublishedPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address() {
            Some(IpAddr::V6(host)) => write!(f, "[{host}]:")?,
            Some(host) => write!(f, "{host}:")?,
            None => {}
        }
        write!(f, "{}/{}", self.port, self.protocol)
    }
}

/// A transport protocol that has ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// Stream Control Transmission Protocol.
    Sctp,
    /// Transmission Control Protocol.
    Tcp,
    /// User Datagram Protocol.
    Udp,
}

impl Protocol {
    /// `IPPROTO_*`.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }

    /// The protocol of a number.
    #[must_use]
    pub const fn of_number(number: u8) -> Option<Self> {
        match number {
            6 => Some(Self::Tcp),
            17 => Some(Self::Udp),
            132 => Some(Self::Sctp),
            _ => None,
        }
    }

    /// Its name in configurations and rules.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whose packets get the host's address on their way to a published port's endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hairpin {
    /// Nobody's: the endpoint's own network and the host's loopback address cannot use the port.
    Nobody,
    /// Those of the endpoint's own network, itself included, and of the host's loopback address: their answers would
    /// not come back by the host otherwise.
    Neighbours,
    /// Everybody's.
    Everybody,
}

/// How rules of iptables mark what is to be masqueraded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetMark {
    /// By the reference plugin's chains, with this bit of the packet's mark (0 to 31).
    Bit(u8),
    /// By a chain that somebody else keeps; so is the masquerading.
    Chain(String),
}
