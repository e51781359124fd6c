//! The overlay network of Docker's container network model: one layer-2 network across hosts. On each host a Linux bridge,
//! as in a bridge network and with the same endpoints, and as one more port of it a VXLAN device, which leads to the other
//! hosts over any IP network.
//!
//! This is all that an overlay network is; who makes it true, undoes it and compares it, and how, is not known here. Who
//! the other hosts are is known in `peers` alone.

#![forbid(unsafe_code)]

mod conf;
mod peers;
mod underlay;

use cni::{AddResult, Error, Request};
use cnm::{
    Backend, Context, Driver, Endpoint, FdbEntry, Intent, Lifetime, LinkKind, LinkSpec, Mac, Need, Network, Owner,
    Place, PortFlags, Resource, Wiring,
};
use conf::Conf;

/// An overlay network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlay {
    conf: Conf,
}

impl Driver for Overlay {
    const TYPE: &'static str = "vxlan-overlay";
    const HELP: &'static str = "\
vxlan-overlay: one layer-2 network across hosts; on each a bridge and a VXLAN device, each endpoint is a veth pair.
Keys beside those of bridge (but vlan, vlanTrunk, promiscMode), the same on all hosts unless said otherwise:
  vni              the network's number, 1 to 16777215; devices are ov<vni> (or bridge) and vx<vni>
  port             UDP port, 4789 by default
  underlay         device or address of this host by which the others are reached, IPv4 or IPv6
  local            address of this host that the tunnels have; default: the first of the underlay
  peers            addresses of the hosts; this host's own may be among them
  group            instead of peers: a multicast group, joined on the underlay's device
  fdb, neighbours  instead of peers: [{\"mac\", \"vtep\"}], [{\"ip\", \"mac\"}]: everything is known, nothing is flooded
  mtu              default: what the way to the peers carries, less 50 bytes (IPv4) or 70 (IPv6)
With isGateway each host is the gateway, by the same address and MAC. Bridge and VXLAN go with the last endpoint.";

    fn parse(request: &Request, context: &Context<'_>) -> Result<Self, Error> {
        Conf::parse(request, context).map(|conf| Self { conf })
    }

    fn ipam(&self) -> Option<&str> {
        self.conf.bridge.ipam()
    }

    fn network(&self) -> Network {
        let (conf, name) = (&self.conf, self.conf.device());
        let mut network = self.conf.bridge.network();
        for resource in &mut network.resources {
            if let Resource::Link(bridge) = resource {
                // Another network of this host may have the same subnet: the host must not answer here for what it has there.
                bridge.birth.push((format!("net/ipv4/conf/{}/arp_ignore", bridge.name), "1".to_owned()));
                self.make_anycast(bridge);
            }
        }
        let tunnel = LinkSpec {
            mtu: conf.bridge.mtu(),
            master: Some(conf.bridge.device().to_owned()),
            // It carries the endpoints' frames and has nothing to say itself.
            birth: vec![(format!("net/ipv6/conf/{name}/disable_ipv6"), "1".to_owned())],
            ..LinkSpec::new(&name, LinkKind::Vxlan(conf.vxlan))
        };
        let known = conf.peers.all_known();
        let flags = PortFlags {
            isolated: conf.bridge.isolates_ports(),
            suppress: known,
            no_learning: known,
            no_flood: known,
            ..PortFlags::default()
        };
        network.resources.extend([
            Resource::Link(tunnel),
            Resource::Port { link: name.clone(), flags },
            Resource::Fdb { link: name.clone(), entries: self.forwarding(), exact: conf.peers.group().is_none() },
            Resource::Neighbours { link: conf.bridge.device().to_owned(), entries: conf.peers.neighbours() },
            // Up means complete.
            Resource::Up { place: Place::Host, link: name },
        ]);
        Network { lifetime: Lifetime::LastEndpoint, ..network }
    }

    fn endpoint(&self, owner: &Owner, mac: Mac) -> Endpoint {
        let mut endpoint = self.conf.bridge.endpoint(owner, mac);
        let device = self.conf.bridge.device().to_owned();
        // Each overlay is a world of its own, also for the host that routes between its bridges.
        endpoint.resources.push(Resource::Firewall(Intent::Apart { device }));
        endpoint
    }

    fn wire(&self, owner: &Owner, sandbox: &str, lease: AddResult) -> Result<Wiring, Error> {
        self.conf.bridge.wire(owner, sandbox, lease)
    }

    fn needs(&self) -> Vec<Need> {
        let parent = self.conf.underlay.clone().map(Need::Parent);
        let own = [Need::Open(self.conf.device()), Need::Firewall(Backend::Nftables)];
        parent.into_iter().chain(own).chain(self.conf.bridge.needs()).collect()
    }
}

impl Overlay {
    /// What is known of the peers. And where there are several gateways with one MAC and stations are learnt: that MAC is
    /// here. Frames of the other gateways end where they arrive then (the kernel drops what contradicts a static entry):
    /// an endpoint's ARP request reaches them all, and all answer.
    fn forwarding(&self) -> Vec<FdbEntry> {
        let (conf, mut entries) = (&self.conf, self.conf.peers.forwarding());
        if conf.bridge.is_gateway() && conf.vxlan.learning {
            entries.push(FdbEntry { mac: conf.gateway_mac(), vtep: Some(conf.vxlan.local) });
        }
        entries
    }

    /// The bridge as gateway: every host has the same address and MAC, so nobody must look for duplicates of them.
    fn make_anycast(&self, bridge: &mut LinkSpec) {
        if self.conf.bridge.is_gateway() {
            bridge.mac = Some(self.conf.gateway_mac());
            bridge.birth.push((format!("net/ipv6/conf/{}/accept_dad", bridge.name), "0".to_owned()));
        }
    }
}
