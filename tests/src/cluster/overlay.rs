//! What a network across the hosts of a cluster says on each of them: the configuration of `vxlan-overlay`.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Value, json};

use super::{Cluster, Family, Node};
use crate::{Attached, Conf, Sandbox};

/// How many addresses of the common subnet are a host's.
const SHARE: u128 = 8;

/// A network across hosts.
#[derive(Debug, Clone)]
pub struct Overlay {
    conf: Conf,
    vni: u32,
    port: u16,
    underlay: Family,
    subnets: Vec<IpNet>,
}

impl Overlay {
    /// A network `name` with this VNI on an underlay of IPv4, on the bridge `br-<name>`. It has no subnet yet.
    #[must_use]
    pub fn new(name: &str, vni: u32) -> Self {
        let conf = Conf::new("vxlan-overlay", name).with("bridge", format!("br-{name}")).with("vni", vni);
        Self { conf, vni, port: 4789, underlay: Family::V4, subnets: Vec::new() }
    }

    /// With one more subnet, common to all hosts: host `n` hands out the addresses from `8n` to `8n+7`.
    ///
    /// # Panics
    /// When it is no subnet.
    #[must_use]
    #[track_caller]
    pub fn subnet(mut self, subnet: &str) -> Self {
        self.subnets.push(subnet.parse().unwrap_or_else(|error| panic!("the subnet {subnet}: {error}")));
        self
    }

    /// On an underlay of this family.
    #[must_use]
    pub fn over(mut self, underlay: Family) -> Self {
        self.underlay = underlay;
        self
    }

    /// With a key at the top level on every host.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.conf = self.conf.with(key, value);
        self
    }

    /// A gateway on every host, default routes through it and masquerading.
    #[must_use]
    pub fn to_the_world(mut self) -> Self {
        self.conf = self.conf.to_the_world();
        self
    }

    /// The network's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.conf.name()
    }

    /// Its bridge on every host.
    #[must_use]
    pub fn bridge(&self) -> &str {
        self.conf.bridge_name()
    }

    /// Its VXLAN device on every host.
    #[must_use]
    pub fn device(&self) -> String {
        format!("vx{}", self.vni)
    }

    /// The UDP port of its tunnels.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// On another UDP port than 4789.
    #[must_use]
    pub fn on_port(mut self, port: u16) -> Self {
        self.port = port;
        self.with("port", port)
    }

    /// A new container on every host of the cluster, attached; in the order of the hosts. Its name is that of the
    /// network and the host's number.
    ///
    /// # Panics
    /// When an attachment fails.
    #[must_use]
    #[track_caller]
    pub fn everywhere(&self, cluster: &Cluster) -> Vec<(Sandbox, Attached)> {
        cluster.hosts().map(|host| self.attach(cluster, host)).collect()
    }

    /// A new container on one host, attached.
    ///
    /// # Panics
    /// When the attachment fails.
    #[must_use]
    #[track_caller]
    pub fn attach(&self, cluster: &Cluster, host: &Node) -> (Sandbox, Attached) {
        host.attach(&self.on(cluster, host), &format!("{}{}", self.name(), host.number()))
    }

    /// The configuration on a host that gives one address of the subnet, whosoever it is: for containers that move.
    ///
    /// # Panics
    /// When the network has no subnet.
    #[must_use]
    #[track_caller]
    pub fn with_address(&self, cluster: &Cluster, host: &Node, address: IpAddr) -> Conf {
        let subnet = self.subnets.iter().find(|subnet| subnet.contains(&address)).expect("an address of the network");
        let range = json!([{ "subnet": subnet.to_string(), "rangeStart": address, "rangeEnd": address }]);
        self.on(cluster, host).without("ipam").range_set(range)
    }

    /// The configuration on a host of the cluster: its own tunnel address, all others of the plan as peers.
    #[must_use]
    pub fn on(&self, cluster: &Cluster, host: &Node) -> Conf {
        let others = cluster.plan().numbers().filter(|number| *number != host.number());
        let peers: Vec<String> = others.map(|number| cluster.plan().vtep(self.underlay, number).to_string()).collect();
        let local = host.vtep(self.underlay).to_string();
        let conf = self.conf.clone().with("local", local).with("peers", peers);
        self.subnets.iter().fold(conf, |conf, subnet| {
            let first = address(*subnet, SHARE * host.number() as u128);
            let last = address(*subnet, SHARE * host.number() as u128 + SHARE - 1);
            conf.range_set(json!([{ "subnet": subnet.to_string(), "rangeStart": first, "rangeEnd": last }]))
        })
    }
}

/// The address with this number in the subnet.
fn address(subnet: IpNet, number: u128) -> String {
    match subnet.network() {
        IpAddr::V4(network) => {
            let number = u32::try_from(number).expect("25 shares fit in a subnet");
            IpAddr::from(std::net::Ipv4Addr::from_bits(network.to_bits() + number)).to_string()
        }
        IpAddr::V6(network) => std::net::Ipv6Addr::from_bits(network.to_bits() + number).to_string(),
    }
}
