//! What a network across the hosts of a cluster says on each of them: the configuration of `vxlan-overlay`.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Value, json};

use super::{Cluster, Family, Node};
use crate::Conf;

/// How many addresses of the common subnet are a host's.
const SHARE: u128 = 8;

/// A network across hosts.
#[derive(Debug, Clone)]
pub struct Overlay {
    conf: Conf,
    underlay: Family,
    subnets: Vec<IpNet>,
}

impl Overlay {
    /// A network `name` with this VNI on an underlay of IPv4, on the bridge `br-<name>`. It has no subnet yet.
    #[must_use]
    pub fn new(name: &str, vni: u32) -> Self {
        let conf = Conf::new("vxlan-overlay", name).with("bridge", format!("br-{name}")).with("vni", vni);
        Self { conf, underlay: Family::V4, subnets: Vec::new() }
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
