//! Published ports: packets to a port of the host go on to a container that another plugin of the chain has attached.
//!
//! This is all that the plugin decides; which rules come of it, and who takes them away, is not known here.

#![forbid(unsafe_code)]

mod conf;
mod mappings;

use std::net::IpAddr;

use cni::{AddResult, Error, Interface, Ip, Request};
use cnm::{
    Adjustment, Chained, Context, Hairpin, Intent, Need, Owner, Place, Publication, Resource, Share, Sysctl, Trace,
};
use conf::Conf;
use ipnet::IpNet;

/// The published ports of one attachment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Portmap {
    conf: Conf,
}

impl Chained for Portmap {
    const TYPE: &'static str = "portmap";
    const HELP: &'static str = "\
portmap: ports of the host lead to the container; behind the plugin that attaches it, with \"capabilities\":
{\"portMappings\": true}. The runtime says which: runtimeConfig.portMappings [{hostPort, containerPort, protocol (tcp, udp,
sctp), hostIP}].
Keys: backend (nftables, iptables; default: nftables where the kernel has it, unless another key asks for iptables),
snat (true: the container's own network and 127.0.0.1 can use the ports), masqAll, conditionsV4, conditionsV6; with iptables
markMasqBit (13) or externalSetMarkChain.
A container on several networks publishes its ports on all of them; another container gets an error that names the first.";
    const UNCHAINED: &'static str = "must be called as chained plugin";

    fn parse(request: &Request, context: &Context<'_>) -> Result<Self, Error> {
        Conf::parse(request, context).map(|conf| Self { conf })
    }

    fn adjust(&self, owner: &Owner, _sandbox: &str, previous: AddResult) -> Result<Adjustment, Error> {
        let mut adjustment = Adjustment::default();
        if !self.conf.mappings.is_empty() {
            let targets = targets(owner, &previous)?;
            mappings::expect_families(&self.conf.mappings, &targets)?;
            let device = device(&previous).map(str::to_owned).or_else(|| self.conf.device.clone());
            for target in targets {
                let publication = self.publication(target, device.clone());
                if publication.ports.iter().any(|port| port.is_of(target.addr().is_ipv6())) {
                    adjustment.network.extend(loopback_route(&publication));
                    adjustment.endpoint.push(Resource::Firewall(Intent::Publish(publication)));
                }
            }
        }
        Ok(Adjustment { result: previous, ..adjustment })
    }

    fn traces(&self, _owner: &Owner) -> Vec<Trace> {
        vec![Trace::Firewall(Share::Ports)]
    }

    fn needs(&self) -> Vec<Need> {
        self.conf.backend.map(Need::Firewall).into_iter().collect()
    }
}

impl Portmap {
    fn publication(&self, target: IpNet, device: Option<String>) -> Publication {
        let conf = &self.conf;
        Publication {
            target,
            device,
            ports: conf.mappings.iter().map(|mapping| mapping.port.clone()).collect(),
            masquerade: match (conf.snat, conf.masquerade_all) {
                (false, _) => Hairpin::Nobody,
                (true, false) => Hairpin::Neighbours,
                (true, true) => Hairpin::Everybody,
            },
            backend: conf.backend.unwrap_or(cnm::Backend::Nftables),
            conditions: conf.conditions(target.addr().is_ipv6()).to_vec(),
            mark: conf.mark.clone(),
        }
    }
}

/// The container's first address of each family, as the reference chooses them: of its interface, or of none that is
/// named.
fn targets(owner: &Owner, previous: &AddResult) -> Result<Vec<IpNet>, Error> {
    let mut targets: Vec<IpNet> = Vec::with_capacity(2);
    for (at, ip) in previous.ips.iter().enumerate() {
        if is_of(owner, previous, at, ip)? && !targets.iter().any(|there| same_family(there.addr(), ip.address.addr()))
        {
            targets.push(ip.address);
        }
    }
    if targets.is_empty() {
        return Err(Error::config(format!(
            "prevResult.ips: {} has no address to which ports could lead",
            owner.ifname
        ))
        .with_details("the plugin before portmap must give the container an address: see its \"ipam\""));
    }
    targets.sort_by_key(|target| target.addr().is_ipv6());
    Ok(targets)
}

fn is_of(owner: &Owner, previous: &AddResult, at: usize, ip: &Ip) -> Result<bool, Error> {
    let Some(index) = ip.interface else { return Ok(true) };
    match previous.interface_of(ip) {
        Some(interface) => Ok(interface.name == owner.ifname && !interface.sandbox.is_empty()),
        None => Err(Error::config(format!(
            "prevResult.ips[{at}].interface: there is no interface {index}, prevResult.interfaces lists {}",
            previous.interfaces.len()
        ))),
    }
}

fn same_family(one: IpAddr, other: IpAddr) -> bool {
    one.is_ipv6() == other.is_ipv6()
}

/// The host's interface by which the container's packets come: the first that the result lists, which is the bridge or
/// the only host end; a bridge with VLANs has its addresses on a device of its own, `<bridge>.<vlan>`.
fn device(previous: &AddResult) -> Option<&str> {
    let mut host = previous.interfaces.iter().filter(|interface| is_host(interface)).map(|one| one.name.as_str());
    let first = host.next()?;
    let is_vlan = |name: &&str| {
        let tail = name.strip_prefix(first).and_then(|rest| rest.strip_prefix('.'));
        tail.is_some_and(|tail| tail.parse::<u16>().is_ok())
    };
    Some(host.find(is_vlan).unwrap_or(first))
}

fn is_host(interface: &Interface) -> bool {
    interface.sandbox.is_empty() && !interface.name.is_empty()
}

/// Answers to 127.0.0.1 come back by the container's device; the kernel takes no such packets unless it is told to.
fn loopback_route(publication: &Publication) -> Option<Resource> {
    let device = publication.device.as_ref()?;
    let wanted = publication.masquerade != Hairpin::Nobody && publication.target.addr().is_ipv4();
    wanted.then(|| {
        let key = format!("net/ipv4/conf/{device}/route_localnet");
        Resource::Sysctl(Sysctl { place: Place::Host, key, value: "1".into(), optional: false })
    })
}
