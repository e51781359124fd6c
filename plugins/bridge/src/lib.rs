//! The bridge network of Docker's container network model: a Linux bridge on the host, and for every endpoint
//! a veth pair with one end as its port and the other in the sandbox.
//!
//! This is all that a bridge network is; who makes it true, undoes it and compares it, and how, is not known here.

#![forbid(unsafe_code)]

mod conf;
mod lease;
mod variables;

use cni::{AddResult, Error, Interface, Request};
use cnm::{
    Address, Context, Driver, Endpoint, Intent, LinkKind, LinkSpec, Mac, Members, Need, Network, Owner, Peer, Place,
    PortFlags, Resource, VlanRange, Wiring, network_group,
};
use conf::Conf;

/// A bridge network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bridge {
    conf: Conf,
}

impl Driver for Bridge {
    const TYPE: &'static str = "bridge";
    const HELP: &'static str = "\
bridge: a network on a Linux bridge of this host; each endpoint is a veth pair.
Keys: bridge (cni0), isGateway, isDefaultGateway, forceAddress, ipMasq, ipMasqBackend (nftables, iptables), mtu,
hairpinMode, promiscMode, portIsolation, macspoofchk, enabledad, disableContainerInterface, vlan, vlanTrunk,
preserveDefaultVlan, ipam, dns; and beyond the reference plugin:
  internal: true   nothing is forwarded or masqueraded between the network and anything else
  icc: false       endpoints cannot reach each other, only the gateway and what lies behind it";

    fn parse(request: &Request, context: &Context<'_>) -> Result<Self, Error> {
        Self::named(request, context, "cni0")
    }

    fn ipam(&self) -> Option<&str> {
        self.conf.ipam.as_deref()
    }

    fn network(&self) -> Network {
        let conf = &self.conf;
        let bridge = LinkSpec {
            mtu: conf.mtu,
            up: true,
            promisc: conf.promisc,
            birth: variables::no_router_advertisements(&conf.bridge),
            ..LinkSpec::new(&conf.bridge, LinkKind::Bridge { vlan_filtering: conf.vlan_filtering })
        };
        let members = Members::Ports { bridge: conf.bridge.clone() };
        Network { resources: vec![Resource::Link(bridge)], members, ..Network::default() }
    }

    fn endpoint(&self, owner: &Owner, mac: Mac) -> Endpoint {
        let (conf, port) = (&self.conf, owner.host_link());
        let mac = conf.mac.unwrap_or(mac);
        let peer = Peer { name: owner.ifname.clone(), in_sandbox: true, mac: Some(mac) };
        let claim = LinkSpec {
            mtu: conf.mtu,
            master: Some(conf.bridge.clone()),
            group: network_group(&owner.network),
            up: true,
            ..LinkSpec::new(&port, LinkKind::Veth { peer })
        };
        let mut resources = Vec::new();
        let isolated = conf.isolated_port || !conf.icc;
        let flags = PortFlags { hairpin: conf.hairpin, isolated, ..PortFlags::default() };
        if flags != PortFlags::default() {
            resources.push(Resource::Port { link: port.clone(), flags });
        }
        if !conf.vlans.is_empty() {
            let (vlans, keep_default) = (conf.vlans.clone(), conf.keep_default_vlan);
            resources.push(Resource::Vlans { link: port.clone(), vlans, keep_default });
        }
        if conf.spoof_check {
            resources.push(Resource::Firewall(Intent::SpoofCheck { port, mac }));
        }
        if conf.internal || !conf.icc {
            let device = conf.gateway_device();
            resources.push(Resource::Firewall(Intent::Guard { device, internal: conf.internal, isolated: !conf.icc }));
        }
        Endpoint { claim: Some(claim), resources }
    }

    fn wire(&self, owner: &Owner, sandbox: &str, lease: AddResult) -> Result<Wiring, Error> {
        let conf = &self.conf;
        let host = |name: &str| Interface { name: name.to_owned(), ..Interface::default() };
        let inside = Interface { name: owner.ifname.clone(), sandbox: sandbox.to_owned(), ..Interface::default() };
        let mut result = AddResult { interfaces: vec![host(&conf.bridge), host(&owner.host_link()), inside], ..lease };
        let mut wiring = Wiring { port: (!conf.stay_down).then(|| owner.host_link()), ..Wiring::default() };
        if !conf.dns.is_empty() {
            result.dns = conf.dns.clone();
        }
        if conf.ipam.is_some() {
            lease::complete(conf, &mut result)?;
            wiring.network = self.gateway(&result);
            if conf.vlan != 0 && conf.is_gateway {
                result.interfaces.push(host(&conf.gateway_device()));
            }
            wiring.endpoint = self.inside(owner, &result);
            wiring.announce = Some(owner.ifname.clone());
        } else if !conf.stay_down {
            wiring.endpoint = vec![Resource::Up { place: Place::Sandbox, link: owner.ifname.clone() }];
        }
        Ok(Wiring { result, ..wiring })
    }

    fn needs(&self) -> Vec<Need> {
        let conf = &self.conf;
        let bridge = Need::Bridge { name: conf.bridge.clone(), vlan_filtering: conf.vlan_filtering };
        let nftables = conf.spoof_check || conf.internal || !conf.icc;
        let backends = conf.masquerade.into_iter().chain(nftables.then_some(cnm::Backend::Nftables));
        std::iter::once(bridge).chain(backends.map(Need::Firewall)).collect()
    }
}

/// For drivers whose endpoints are these, on a network that is more than a bridge.
impl Bridge {
    /// Reads and checks the keys of a bridge network; `bridge` is the device's name when the configuration says none.
    ///
    /// # Errors
    /// As [`Driver::parse`].
    pub fn named(request: &Request, context: &Context<'_>, bridge: &str) -> Result<Self, Error> {
        Conf::parse(request, context, bridge).map(|conf| Self { conf })
    }

    /// The same with another MTU, bytes; `None` leaves it to the kernel.
    #[must_use]
    pub fn with_mtu(mut self, mtu: Option<u32>) -> Self {
        self.conf.mtu = mtu;
        self
    }

    /// The MTU that the configuration asks for, bytes.
    #[must_use]
    pub const fn mtu(&self) -> Option<u32> {
        self.conf.mtu
    }

    /// Name of the bridge.
    #[must_use]
    pub fn device(&self) -> &str {
        &self.conf.bridge
    }

    /// Whether the bridge has the gateway's address.
    #[must_use]
    pub const fn is_gateway(&self) -> bool {
        self.conf.is_gateway
    }

    /// Whether endpoints cannot reach each other: their ports are isolated.
    #[must_use]
    pub const fn isolates_ports(&self) -> bool {
        self.conf.isolated_port || !self.conf.icc
    }
}

impl Bridge {
    /// What makes the host the gateway of the leased subnets. Shared by all endpoints.
    fn gateway(&self, lease: &AddResult) -> Vec<Resource> {
        let conf = &self.conf;
        if !conf.is_gateway {
            return Vec::new();
        }
        let device = conf.gateway_device();
        let mut resources = if conf.vlan == 0 { Vec::new() } else { self.vlan_gateway(&device) };
        for gateway in lease.ips.iter().filter_map(lease::gateway_address) {
            let address = Address { net: gateway, nodad: !conf.dad };
            let (link, force) = (device.clone(), conf.force_address);
            resources.push(Resource::Address { place: Place::Host, link, address, force });
            if !conf.internal {
                resources.push(variables::forwarding(gateway.addr()));
            }
        }
        resources
    }

    /// A VLAN-aware bridge has no address in a VLAN; a veth pair of the host stands for it, one end a port in that
    /// VLAN, the other with the address.
    fn vlan_gateway(&self, device: &str) -> Vec<Resource> {
        let conf = &self.conf;
        let port = Owner::new(&conf.bridge, "gateway", device).host_link();
        let peer = Peer { name: device.to_owned(), in_sandbox: false, mac: None };
        let pair = LinkSpec {
            mtu: conf.mtu,
            master: Some(conf.bridge.clone()),
            ..LinkSpec::new(&port, LinkKind::Veth { peer })
        };
        let vlans = vec![VlanRange { first: conf.vlan, last: conf.vlan, native: true }];
        vec![
            Resource::Link(pair),
            // Before it is up: a port that is up has its VLANs.
            Resource::Vlans { link: port.clone(), vlans, keep_default: conf.keep_default_vlan },
            Resource::Up { place: Place::Host, link: port },
            Resource::Up { place: Place::Host, link: device.to_owned() },
        ]
    }

    /// What the lease adds for one endpoint.
    fn inside(&self, owner: &Owner, lease: &AddResult) -> Vec<Resource> {
        let (conf, link) = (&self.conf, &owner.ifname);
        let mut resources = variables::of_sandbox(conf, link);
        resources.extend(cnm::interface::leased(link, lease, !conf.dad));
        if let Some(backend) = conf.masquerade {
            let device = conf.gateway_device();
            resources.extend(lease.ips.iter().map(|ip| {
                let (device, address) = (device.clone(), ip.address);
                Resource::Firewall(Intent::Masquerade { device, address, backend })
            }));
        }
        resources
    }
}
