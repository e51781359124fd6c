//! A network across hosts as a person makes it with `ip`: VXLAN, bridge, veth. What the overlay is measured against.

use std::net::IpAddr;

use super::{Cluster, Family, Node};
use crate::Sandbox;

/// A network made by hand.
#[derive(Debug, Clone, Copy)]
pub struct ByHand {
    vni: u32,
    underlay: Family,
}

impl ByHand {
    /// A network with this VNI on an underlay of this family, port 4789.
    #[must_use]
    pub fn new(vni: u32, underlay: Family) -> Self {
        Self { vni, underlay }
    }

    /// Its VXLAN device on every host.
    #[must_use]
    pub fn device(&self) -> String {
        format!("hand{}", self.vni)
    }

    /// Makes bridge and VXLAN device on all hosts, each flooding to all others.
    ///
    /// # Panics
    /// When `ip` refuses.
    #[track_caller]
    pub fn build(&self, cluster: &Cluster) {
        for host in cluster.hosts() {
            let (vni, local, mtu) = (self.vni, host.vtep(self.underlay), self.mtu(cluster));
            host.ip_batch(&[
                format!("link add hand-br{vni} type bridge"),
                format!("link add hand{vni} mtu {mtu} type vxlan id {vni} local {local} dstport 4789"),
                format!("link set hand{vni} master hand-br{vni}"),
                format!("link set hand{vni} up"),
                format!("link set hand-br{vni} up"),
            ]);
            for other in cluster.hosts().filter(|other| other.number() != host.number()) {
                let there = other.vtep(self.underlay);
                host.run(&format!("bridge fdb append 00:00:00:00:00:00 dev hand{vni} dst {there}"));
            }
        }
    }

    /// A new sandbox `name` on a host, its `eth0` in the network with this address (of a subnet of 24 or 64 bits).
    ///
    /// # Panics
    /// When `ip` refuses.
    #[must_use]
    #[track_caller]
    pub fn attach(&self, cluster: &Cluster, host: &Node, name: &str, address: IpAddr) -> Sandbox {
        let sandbox = host.sandbox(name);
        let (vni, mtu) = (self.vni, self.mtu(cluster));
        let length = if address.is_ipv4() { "24" } else { "64 nodad" };
        host.ip_batch(&[
            format!("link add {name}-{vni} mtu {mtu} type veth peer name eth0 mtu {mtu} netns {name}"),
            format!("link set {name}-{vni} master hand-br{vni}"),
            format!("link set {name}-{vni} up"),
        ]);
        sandbox.ip_batch(&[
            "link set lo up".into(),
            format!("addr add {address}/{length} dev eth0"),
            "link set eth0 up".into(),
        ]);
        sandbox
    }

    /// What the underlay leaves for a packet: RFC 7348 adds an outer header of 50 bytes, 70 with IPv6.
    fn mtu(&self, cluster: &Cluster) -> u32 {
        let outer = match self.underlay {
            Family::V4 => 50,
            Family::V6 => 70,
        };
        cluster.plan().mtu - outer
    }
}
