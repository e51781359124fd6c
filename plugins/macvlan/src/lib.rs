//! The macvlan network of Docker's container network model: every endpoint is a link with a hardware address of its own on
//! the wire of a parent interface, born in the sandbox. The host has no end of it.
//!
//! This is all that a macvlan network is; who makes it true, undoes it and compares it, and how, is not known here.

#![forbid(unsafe_code)]

mod conf;
mod host_access;

use cni::{AddResult, Error, Interface, Request};
use cnm::interface::{leads_out, leased_and_announced};
use cnm::{
    Context, Driver, Endpoint, Lifetime, LinkKind, LinkSpec, Mac, Members, Need, Network, Owner, OwnerTag, Place,
    Resource, Wiring, network_group,
};
use conf::{Conf, Parent};

/// Index of the endpoint's link among the interfaces of the result.
const INSIDE: usize = 0;

/// A macvlan network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Macvlan {
    conf: Conf,
    /// Its name: what it makes for itself is named after it.
    network: String,
}

impl Driver for Macvlan {
    const TYPE: &'static str = "macvlan";
    const HELP: &'static str = "\
macvlan: endpoints with hardware addresses of their own on the wire of an interface of the host.
Keys: master (the interface of the default route), linkInContainer, mode (bridge, private, vepa, passthru), mtu, mac,
bcqueuelen, ipam, dns; and beyond the reference plugin:
  master: eth0.10       the 802.1Q interface is made when it does not exist, and goes with the last endpoint;
                        parent is another word for master
  internal: true        no master: the network has an interface of its own that leads nowhere
  hostAccess: true      the host reaches the endpoints, and they the host, by an interface of its own on the network
  hostAddress: ADDRESS  the host's address there, or a list of one IPv4 and one IPv6 address: in the subnet, and
                        none that the IPAM plugin gives away; an internal network has its gateway's by default";

    fn parse(request: &Request, context: &Context<'_>) -> Result<Self, Error> {
        Conf::parse(request, context).map(|conf| Self { conf, network: request.network.clone() })
    }

    fn ipam(&self) -> Option<&str> {
        self.conf.ipam.as_deref()
    }

    fn network(&self) -> Network {
        let mut resources = match &self.conf.parent {
            Parent::Named(name) => {
                let made = self.vlan(name).map(|(parent, id)| LinkSpec {
                    up: true,
                    ..LinkSpec::new(name, LinkKind::Vlan { parent: parent.to_owned(), id })
                });
                vec![Resource::Parent { place: self.conf.place, name: name.clone(), mtu: self.conf.mtu, made }]
            }
            Parent::Isolated => {
                let dummy = LinkSpec::new(self.isolated(), LinkKind::Dummy);
                vec![Resource::Link(LinkSpec { mtu: self.conf.mtu, up: true, ..dummy })]
            }
            Parent::Unknown => Vec::new(),
        };
        let makes_parent = match &resources[..] {
            [Resource::Parent { made, .. }] => made.is_some(),
            rest => !rest.is_empty(),
        };
        let access = self.conf.host_access.then(|| self.host_link());
        resources.extend(access.as_ref().map(|name| Resource::Link(host_access::link(name, self))));
        Network {
            resources,
            lifetime: if makes_parent || access.is_some() { Lifetime::LastEndpoint } else { Lifetime::Stays },
            members: Members::Elsewhere { kind: "macvlan" },
            access: Some(self.host_link()),
            own: vec![self.isolated(), self.host_link()],
        }
    }

    fn endpoint(&self, owner: &Owner, mac: Mac) -> Endpoint {
        let kind = LinkKind::Macvlan(cnm::Macvlan {
            parent: self.parent(),
            parent_in: self.conf.place,
            born_in: Place::Sandbox,
            mode: self.conf.mode,
            queue: self.conf.queue,
            stage: (self.conf.place == Place::Host).then(|| owner.stage_link()),
        });
        let claim = LinkSpec {
            mtu: self.conf.mtu,
            mac: Some(self.conf.mac.unwrap_or(mac)),
            group: network_group(&owner.network),
            ..LinkSpec::new(&owner.ifname, kind)
        };
        Endpoint { claim: Some(claim), resources: Vec::new() }
    }

    fn wire(&self, owner: &Owner, sandbox: &str, lease: AddResult) -> Result<Wiring, Error> {
        let (conf, link) = (&self.conf, &owner.ifname);
        let inside = Interface { name: link.clone(), sandbox: sandbox.to_owned(), ..Interface::default() };
        let mut result = AddResult { interfaces: vec![inside], dns: conf.dns.clone(), ..lease };
        let mut wiring = Wiring::default();
        if let Some(ipam) = &conf.ipam {
            self.complete(ipam, &mut result)?;
            // No port has to forward first, as with a bridge.
            wiring.endpoint.extend(leased_and_announced(link, &result));
            if conf.host_access {
                let access = host_access::wire(&self.host_link(), owner, &conf.host_addresses, &result.ips)?;
                wiring.network = access.network;
                wiring.endpoint.extend(access.endpoint);
            }
        } else {
            wiring.endpoint = vec![Resource::Up { place: Place::Sandbox, link: link.clone() }];
        }
        Ok(Wiring { result, ..wiring })
    }

    fn needs(&self) -> Vec<Need> {
        match &self.conf.parent {
            Parent::Named(name) if self.conf.place == Place::Host => match self.vlan(name) {
                Some((beneath, _)) => vec![Need::ParentOn { name: name.clone(), beneath: beneath.to_owned() }],
                None => vec![Need::Parent(name.clone())],
            },
            Parent::Named(_) | Parent::Isolated | Parent::Unknown => Vec::new(),
        }
    }
}

impl Macvlan {
    /// The name of what the endpoints stand on; empty when it does not matter.
    fn parent(&self) -> String {
        match &self.conf.parent {
            Parent::Named(name) => name.clone(),
            Parent::Isolated => self.isolated(),
            Parent::Unknown => String::new(),
        }
    }

    /// The name of an internal network's own parent: Docker's form of it.
    fn isolated(&self) -> String {
        format!("dm-{}", &OwnerTag::digits(&self.network)[..12])
    }

    /// The name of the host's own interface on the network.
    fn host_link(&self) -> String {
        format!("mv-{}", &OwnerTag::digits(&self.network)[..12])
    }

    /// The interface and the VLAN id that a parent's name consists of, if it can be made of them: `eth0.10`.
    fn vlan<'a>(&self, name: &'a str) -> Option<(&'a str, u16)> {
        let (parent, digits) = name.rsplit_once('.').filter(|(parent, _)| !parent.is_empty())?;
        let id: u16 = digits.parse().ok().filter(|id| (1..=4094).contains(id))?;
        (self.conf.place == Place::Host && id.to_string() == digits).then_some((parent, id))
    }

    /// Fills in what the configuration decides of a lease.
    fn complete(&self, ipam: &str, lease: &mut AddResult) -> Result<(), Error> {
        if lease.ips.is_empty() {
            return Err(Error::internal("IPAM plugin returned missing IP config")
                .with_details(format!("ask {ipam} why; its STATUS may tell")));
        }
        for ip in &mut lease.ips {
            ip.interface = Some(INSIDE);
        }
        if self.conf.parent == Parent::Isolated {
            // Nothing but the network is there.
            let ips = lease.ips.clone();
            lease.routes.retain(|route| !leads_out(route, &ips));
        }
        Ok(())
    }
}
