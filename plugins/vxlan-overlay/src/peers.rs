//! What is known of the other hosts of a network, and what the kernel needs to be told of it.
//!
//! This is the only place that knows it. The configuration names the peers today; whoever learns them otherwise fills in
//! the same value, and nothing else changes.

use std::collections::HashSet;
use std::net::IpAddr;

use cni::json::Node;
use cni::{Error, Request};
use cnm::{FdbEntry, Mac, Neighbour};

/// How a host finds the stations behind the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Peers {
    /// What is unknown goes to each of these hosts, and who answers is learnt: head-end replication.
    Flood(Vec<IpAddr>),
    /// What is unknown goes to a multicast group, and who answers is learnt.
    Group(IpAddr),
    /// Everything is known: nothing is flooded, nothing is learnt, ARP and ND are answered on this host.
    Known {
        /// Station and the host behind which it is.
        stations: Vec<(Mac, IpAddr)>,
        /// Addresses of stations.
        neighbours: Vec<Neighbour>,
    },
}

impl Peers {
    /// Reads `peers`, `group`, `fdb` and `neighbours`, of which one kind can be.
    pub(crate) fn parse(request: &Request) -> Result<Self, Error> {
        let conf = request.conf();
        let (group, stations) = (conf.ip("group")?, stations(&conf)?);
        let hosts = conf.list("peers")?.iter().map(|peer| vtep(peer, peer.as_ip()?)).collect::<Result<Vec<_>, _>>()?;
        let neighbours = neighbours(&conf, &stations)?;
        let known = conf.get("fdb")?.is_some() || conf.get("neighbours")?.is_some();
        match group {
            Some(_) if !hosts.is_empty() || known => Err(conf
                .reject("group", "cannot be together with peers, fdb or neighbours")
                .with_details("a group reaches whoever has joined it; name the hosts or the group")),
            Some(group) if !group.is_multicast() => {
                Err(conf.refuse("group", "expected a multicast address (224.0.0.0/4 or ff00::/8)"))
            }
            Some(group) => Ok(Self::Group(group)),
            None if known && !hosts.is_empty() => {
                Err(conf.reject("fdb", "cannot be together with peers").with_details(
                    "with fdb and neighbours everything is known and nothing is flooded to peers; use one of them",
                ))
            }
            None if known => Ok(Self::Known { stations, neighbours }),
            None => Ok(Self::Flood(hosts)),
        }
    }

    /// Every host that is named, or the group.
    pub(crate) fn hosts(&self) -> Vec<IpAddr> {
        match self {
            Self::Flood(hosts) => hosts.clone(),
            Self::Group(group) => vec![*group],
            Self::Known { stations, .. } => stations.iter().map(|(_, vtep)| *vtep).collect(),
        }
    }

    /// The group that the device joins.
    pub(crate) const fn group(&self) -> Option<IpAddr> {
        if let Self::Group(group) = self { Some(*group) } else { None }
    }

    /// Whether nothing has to be flooded or learnt.
    pub(crate) const fn all_known(&self) -> bool {
        matches!(self, Self::Known { .. })
    }

    /// The same without what is on this host: `own` tells its addresses. One list then fits all hosts.
    pub(crate) fn elsewhere(self, own: impl Fn(IpAddr) -> bool) -> Self {
        match self {
            Self::Flood(mut hosts) => {
                hosts.retain(|host| !own(*host));
                Self::Flood(hosts)
            }
            Self::Group(group) => Self::Group(group),
            Self::Known { mut stations, mut neighbours } => {
                stations.retain(|(_, vtep)| !own(*vtep));
                let remote: HashSet<Mac> = stations.iter().map(|(mac, _)| *mac).collect();
                neighbours.retain(|neighbour| remote.contains(&neighbour.mac));
                Self::Known { stations, neighbours }
            }
        }
    }

    /// The forwarding entries of the VXLAN port. A station that is known is in two tables: the bridge's, so that its
    /// frames go to the port and the bridge answers for it, and the device's, which says to which host.
    pub(crate) fn forwarding(&self) -> Vec<FdbEntry> {
        match self {
            Self::Flood(hosts) => hosts.iter().map(|host| FdbEntry::flood_to(*host)).collect(),
            Self::Group(_) => Vec::new(),
            Self::Known { stations, .. } => stations
                .iter()
                .flat_map(|(mac, vtep)| [Some(*vtep), None].map(|vtep| FdbEntry { mac: *mac, vtep }))
                .collect(),
        }
    }

    /// The neighbours of the bridge.
    pub(crate) fn neighbours(&self) -> Vec<Neighbour> {
        match self {
            Self::Flood(_) | Self::Group(_) => Vec::new(),
            Self::Known { neighbours, .. } => neighbours.clone(),
        }
    }
}

/// The address of a host.
fn vtep(node: &Node<'_>, address: IpAddr) -> Result<IpAddr, Error> {
    if address.is_multicast() || address.is_unspecified() || address.is_loopback() {
        return Err(node.invalid("expected the address of another host"));
    }
    Ok(address)
}

fn mac(node: &Node<'_>) -> Result<Mac, Error> {
    match node.required_text("mac")?.parse::<Mac>() {
        Ok(mac) if mac.is_assignable() => Ok(mac),
        Ok(_) => Err(node.refuse("mac", "expected the MAC address of one station")),
        Err(error) => Err(node.refuse("mac", error)),
    }
}

fn required_ip(node: &Node<'_>, key: &str) -> Result<IpAddr, Error> {
    node.ip(key)?.ok_or_else(|| node.missing(key, "expected an IP address"))
}

fn stations(conf: &Node<'_>) -> Result<Vec<(Mac, IpAddr)>, Error> {
    let mut stations: Vec<(Mac, IpAddr)> = Vec::new();
    for entry in conf.list("fdb")? {
        let station = (mac(&entry)?, vtep(&entry, required_ip(&entry, "vtep")?)?);
        if stations.iter().any(|(mac, vtep)| *mac == station.0 && *vtep != station.1) {
            return Err(entry.refuse("mac", "a station is behind one host, and this one is behind two"));
        }
        stations.push(station);
    }
    Ok(stations)
}

fn neighbours(conf: &Node<'_>, stations: &[(Mac, IpAddr)]) -> Result<Vec<Neighbour>, Error> {
    let known: HashSet<Mac> = stations.iter().map(|(mac, _)| *mac).collect();
    let mut neighbours = Vec::new();
    for entry in conf.list("neighbours")? {
        let neighbour = Neighbour { ip: required_ip(&entry, "ip")?, mac: mac(&entry)? };
        if !known.contains(&neighbour.mac) {
            return Err(entry.refuse("mac", "no entry of fdb says behind which host this station is"));
        }
        neighbours.push(neighbour);
    }
    Ok(neighbours)
}
