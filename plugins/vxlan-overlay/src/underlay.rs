//! The network between the hosts: which address of this host the tunnels have, by which device they leave, and how much
//! fits in. It looks; it changes nothing.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::IpAddr;

use cni::json::Node;
use cni::{Code, Command, Error, Request};
use cnm::{Host, KernelError, Link, LinkName, RouteLookup};

use crate::peers::Peers;

/// What this host has of the underlay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Underlay {
    /// Source of the outer packets.
    pub(crate) local: IpAddr,
    /// Index of the device that they leave by; 0 leaves it to the routes.
    pub(crate) device: u32,
    /// The largest packet that they carry, bytes; `None` when no device or route tells.
    pub(crate) room: Option<u32>,
}

/// What the outer headers take: Ethernet, VXLAN, UDP, and IPv4 or IPv6 without options, bytes.
pub(crate) const fn overhead(local: IpAddr) -> u32 {
    if local.is_ipv4() { 14 + 8 + 8 + 20 } else { 14 + 8 + 8 + 40 }
}

/// What the configuration says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) device: Option<String>,
    local: Option<IpAddr>,
}

impl Wish {
    /// Reads `underlay` and `local`.
    pub(crate) fn parse(conf: &Node<'_>) -> Result<Self, Error> {
        let text = conf.text("underlay")?;
        let address = text.and_then(|text| text.parse::<IpAddr>().ok());
        let device = if address.is_some() { None } else { cnm::configuration::link_name(conf, "underlay")? };
        let local = conf.ip("local")?;
        if let (Some(address), Some(local)) = (address, local)
            && address != local
        {
            return Err(conf.refuse("local", format!("underlay names another address: {address}")));
        }
        if text.is_none() && local.is_none() {
            return Err(conf.missing("underlay", "expected a device or an address of this host"));
        }
        let local = local.or(address);
        if local.is_some_and(|local| local.is_multicast() || local.is_unspecified()) {
            return Err(
                conf.refuse(if address.is_some() { "underlay" } else { "local" }, "expected an address of this host")
            );
        }
        Ok(Self { device: device.map(str::to_owned), local })
    }

    /// Finds on the host what is wished for, and what is on the way to the peers. Gives these without what is here.
    pub(crate) fn find(&self, request: &Request, host: &dyn Host, peers: Peers) -> Result<(Underlay, Peers), Error> {
        let verb = request.command;
        let family = peers.hosts().first().map(IpAddr::is_ipv4);
        let device = match &self.device {
            Some(name) => Some(
                host.link(&LinkName::Name(name.clone()))
                    .map_err(asked)?
                    .ok_or_else(|| absent(verb, format!("underlay: this host has no device {name}")))?,
            ),
            None => None,
        };
        let (local, carrier) = self.address(verb, host, device.as_ref(), family)?;
        if let Some(peer) = peers.hosts().iter().find(|peer| peer.is_ipv4() != local.is_ipv4()) {
            let text = format!("peers: {peer} and the local address {local} are of different families");
            return Err(
                Error::config(text).with_details("all hosts of a network reach each other by IPv4, or all by IPv6")
            );
        }
        // Packets that must leave by lo or a dummy would never leave.
        let bound = device.filter(leads_somewhere);
        if peers.group().is_some() && bound.is_none() {
            return Err(request
                .conf()
                .reject("group", "needs an underlay that is a device")
                .with_details("the group is joined on that device; name it in underlay"));
        }
        let routes = routes(host, &peers)?;
        let peers = peers.elsewhere(|peer| peer == local || routes.get(&peer).is_some_and(is_local));
        let way = way(verb, host, &routes)?;
        // Without a peer that can be reached the device that has the address must do.
        let below =
            bound.as_ref().or_else(|| Some(&carrier).filter(|_| way.is_none()).filter(|link| leads_somewhere(link)));
        let room = way.into_iter().chain(below.map(|device| device.mtu)).min();
        Ok((Underlay { local, device: bound.map_or(0, |device| device.index), room }, peers))
    }

    /// The local address, and the device that has it.
    fn address(
        &self,
        verb: Command,
        host: &dyn Host,
        device: Option<&Link>,
        v4: Option<bool>,
    ) -> Result<(IpAddr, Link), Error> {
        if let Some(local) = self.local {
            let route = host.route_to(local).map_err(asked)?.filter(|route| route.local);
            let route =
                route.ok_or_else(|| absent(verb, format!("local: no device of this host has the address {local}")))?;
            let carrier = host.link(&LinkName::Index(route.link)).map_err(asked)?.unwrap_or_default();
            return Ok((local, carrier));
        }
        let device = device.cloned().unwrap_or_default();
        let mut addresses = host.addresses(device.index).map_err(asked)?;
        addresses.retain(|net| !net.addr().is_loopback() && v4.is_none_or(|v4| net.addr().is_ipv4() == v4));
        // IPv4 first where nothing decides, so that all hosts choose alike.
        addresses.sort_by_key(|net| net.addr().is_ipv6());
        let first = addresses.first().map(|net| net.addr());
        let kind = v4.map_or("IP", |v4| if v4 { "IPv4" } else { "IPv6" });
        let local = first.ok_or_else(|| absent(verb, format!("underlay: {} has no {kind} address", device.name)))?;
        Ok((local, device))
    }
}

/// How this host would send to each of the other hosts.
fn routes(host: &dyn Host, peers: &Peers) -> Result<BTreeMap<IpAddr, Option<RouteLookup>>, Error> {
    let mut routes = BTreeMap::new();
    for peer in peers.hosts().into_iter().filter(|peer| !peer.is_multicast()) {
        if let Entry::Vacant(vacant) = routes.entry(peer) {
            vacant.insert(host.route_to(peer).map_err(asked)?);
        }
    }
    Ok(routes)
}

fn is_local(route: &Option<RouteLookup>) -> bool {
    route.as_ref().is_some_and(|route| route.local)
}

/// The largest packet that every way to a peer carries: the route's own MTU, or its devices'. A peer without a route
/// cannot be reached now; ADD does not wait for it, CHECK and STATUS tell.
fn way(verb: Command, host: &dyn Host, routes: &BTreeMap<IpAddr, Option<RouteLookup>>) -> Result<Option<u32>, Error> {
    let mut least = None;
    // Most peers are reached by the same link.
    let mut by_link: BTreeMap<u32, Option<u32>> = BTreeMap::new();
    for (peer, route) in routes.iter().filter(|(_, route)| !is_local(route)) {
        let Some(route) = route else {
            let text = format!("peers: this host has no route to {peer}");
            match verb {
                Command::Check => return Err(Error::new(DRIFT, text)),
                Command::Status => return Err(Error::new(Code::LimitedConnectivity, text)),
                Command::Add | Command::Del | Command::Gc | Command::Version => continue,
            }
        };
        let mut narrowest = Some(route.mtu).filter(|&mtu| mtu != 0);
        if narrowest.is_none() {
            for link in std::iter::once(&route.link).chain(&route.others) {
                let mtu = match by_link.entry(*link) {
                    Entry::Occupied(known) => *known.get(),
                    Entry::Vacant(vacant) => {
                        let link = host.link(&LinkName::Index(*link)).map_err(asked)?;
                        *vacant.insert(link.map(|link| link.mtu))
                    }
                };
                narrowest = narrowest.into_iter().chain(mtu).min();
            }
        }
        least = least.into_iter().chain(narrowest).min();
    }
    Ok(least)
}

/// Whether packets that leave by the device get anywhere: not by lo, not by a dummy.
fn leads_somewhere(link: &Link) -> bool {
    link.kind != "dummy" && link.name != "lo"
}

/// What CHECK says of a difference (plugin specific, as the lifecycle's).
const DRIFT: Code = Code::Other(100);

/// What is not there now may come: ADD may be tried again, STATUS says that it is no use.
fn absent(verb: Command, text: String) -> Error {
    let code = match verb {
        Command::Status => Code::NotAvailable,
        Command::Check => DRIFT,
        Command::Add | Command::Del | Command::Gc | Command::Version => Code::TryAgain,
    };
    Error::new(code, text).with_details("the overlay's tunnels begin there; see: ip address show")
}

fn asked(error: KernelError) -> Error {
    Error::internal(error.to_string())
}
