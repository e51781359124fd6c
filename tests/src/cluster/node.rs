//! One host of a cluster with its cables. It must not know the other hosts.

use std::net::IpAddr;
use std::ops::Deref;

use ipnet::IpNet;

use super::plan::{Family, Plan, Underlay, plain_port, switch};
use crate::{Host, Namespace, Suite, eventually};

/// A host of a cluster: a [`Host`] with one or two cables to the router.
#[derive(Debug)]
pub struct Node {
    host: Host,
    number: usize,
    plan: Plan,
}

impl Node {
    /// A new, empty host at this place, cabled.
    #[track_caller]
    pub(super) fn new(plan: &Plan, number: usize, suite: &Suite, router: &Host) -> Self {
        let name = format!("h{number}");
        let node = Self { host: Host::named(&name, suite.clone()), number, plan: plan.clone() };
        for (key, value) in [
            // Cables work from the first packet on.
            ("net/ipv6/conf/default/accept_dad", "0"),
            ("net/ipv4/fib_multipath_hash_policy", "1"),
            ("net/ipv6/fib_multipath_hash_policy", "1"),
            // A pulled cable is no way out.
            ("net/ipv4/conf/all/ignore_routes_with_linkdown", "1"),
            ("net/ipv4/conf/default/ignore_routes_with_linkdown", "1"),
            ("net/ipv6/conf/all/ignore_routes_with_linkdown", "1"),
            ("net/ipv6/conf/default/ignore_routes_with_linkdown", "1"),
        ] {
            node.set_sysctl(key, value);
        }
        let mut cables = Vec::new();
        for cable in 0..plan.cables {
            let (port, mtu) = (plain_port(number, cable), plan.mtu);
            let here = node.net_path();
            cables.push(format!("link add {port} mtu {mtu} type veth peer name up{cable} mtu {mtu} netns {here}"));
            if let Some(id) = plan.vlan {
                cables.push(format!("link add link {port} name {port}.{id} type vlan id {id}"));
            }
            if plan.underlay == Underlay::Switched {
                cables.push(format!("link set {port} master {}", switch(cable)));
            }
        }
        router.ip_batch(&cables);
        node.ip_batch(&node.own_half());
        let all: Vec<usize> = (0..plan.cables).collect();
        router.ip_batch(&node.routers_half(&all));
        let mut own: Vec<IpAddr> = all.iter().map(|cable| node.address(Family::V6, *cable)).collect();
        own.push(node.vtep(Family::V6));
        settle(&node, &own);
        node
    }

    /// Links, addresses and routes of the host.
    fn own_half(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for cable in 0..self.plan.cables {
            lines.push(format!("link set up{cable} up"));
            if let Some(id) = self.plan.vlan {
                lines.push(format!("link add link up{cable} name up{cable}.{id} type vlan id {id}"));
                lines.push(format!("link set up{cable}.{id} up"));
            }
        }
        for family in Family::ALL {
            for cable in 0..self.plan.cables {
                let device = self.plan.uplink(cable);
                lines.push(address_line(family, self.plan.address(family, self.number, cable), &device));
            }
            if self.plan.loopback {
                lines.push(address_line(family, self.vtep(family).into(), "lo"));
            }
        }
        let all: Vec<usize> = (0..self.plan.cables).collect();
        lines.extend(self.default_routes(&all));
        lines
    }

    /// The host's default routes while these of its cables are plugged; may be said again when they changed.
    pub(super) fn default_routes(&self, plugged: &[usize]) -> Vec<String> {
        if plugged.is_empty() {
            return Vec::new();
        }
        let route = |family: Family| {
            let ways = plugged.iter().map(|cable| {
                let gateway = self.plan.gateway(family, self.number, *cable).addr();
                format!(" nexthop via {gateway} dev {}", self.plan.uplink(*cable))
            });
            // What the host itself sends has the tunnel address, as where a routing daemon sets the source.
            let source = if self.plan.loopback { format!(" src {}", self.vtep(family)) } else { String::new() };
            format!("route replace {}{source}{}", family.everything(), ways.collect::<String>())
        };
        Family::ALL.map(route).to_vec()
    }

    /// The router's side of the host with these of its cables plugged; may be said again when they changed.
    pub(super) fn routers_half(&self, plugged: &[usize]) -> Vec<String> {
        let mut lines = Vec::new();
        for cable in plugged {
            let port = plain_port(self.number, *cable);
            lines.push(format!("link set {port} up"));
            if let Some(id) = self.plan.vlan {
                lines.push(format!("link set {port}.{id} up"));
            }
        }
        if self.plan.underlay == Underlay::Switched {
            return lines;
        }
        for family in Family::ALL {
            let mut ways = String::new();
            for cable in plugged {
                let port = self.plan.port(self.number, *cable);
                lines.push(address_line(family, self.plan.gateway(family, self.number, *cable), &port));
                let there = self.plan.address(family, self.number, *cable).addr();
                ways += &format!(" nexthop via {there} dev {port}");
            }
            if self.plan.loopback && !plugged.is_empty() {
                lines.push(format!("route replace {}{ways}", self.vtep(family)));
            }
        }
        lines
    }

    /// 1 for `h1`.
    #[must_use]
    pub fn number(&self) -> usize {
        self.number
    }

    /// The address that its tunnels start from.
    #[must_use]
    pub fn vtep(&self, family: Family) -> IpAddr {
        self.plan.vtep(family, self.number)
    }

    /// Its address on a cable.
    #[must_use]
    pub fn address(&self, family: Family, cable: usize) -> IpAddr {
        self.plan.address(family, self.number, cable).addr()
    }

    /// The device of its n-th cable (from 0) that has the address.
    #[must_use]
    pub fn uplink(&self, cable: usize) -> String {
        self.plan.uplink(cable)
    }

    /// The other end of that cable, at the router.
    #[must_use]
    pub fn port(&self, cable: usize) -> String {
        self.plan.port(self.number, cable)
    }
}

impl Deref for Node {
    type Target = Host;

    fn deref(&self) -> &Host {
        &self.host
    }
}

/// Adds an address that is usable at once; again is no error.
pub(super) fn address_line(family: Family, address: IpNet, device: &str) -> String {
    let nodad = if family == Family::V6 { " nodad" } else { "" };
    format!("addr replace {address} dev {device}{nodad}")
}

/// Waits until the kernel takes packets to these IPv6 addresses for its own: a moment after it has answered, even
/// without looking for duplicates.
pub(super) fn settle(place: &Namespace, addresses: &[IpAddr]) {
    eventually(&format!("{} has its IPv6 addresses", place.label()), || {
        let table = place.run("ip -6 route show table local type local");
        let known = |address: &IpAddr| table.split_whitespace().any(|word| word == address.to_string());
        if addresses.iter().all(known) { Ok(()) } else { Err(table) }
    });
}
