//! The host on its own network. A macvlan and its parent do not hear each other, so the host cannot reach the endpoints by
//! the parent; by an interface of its own beside theirs it can.
//!
//! The host may have an address of the same subnet on the parent, and keep in touch with the rest of the subnet by that.
//! Therefore the new interface has a single address and no subnet, and one route for each endpoint; and it neither asks nor
//! answers for the host's other addresses, lest the others on the wire take them to be there.

use std::net::IpAddr;

use cni::{Error, Ip};
use cnm::{Address, LinkKind, LinkSpec, MacvlanMode, Owner, Place, Resource, Route, Wiring};
use ipnet::IpNet;

use crate::Macvlan;

/// `RT_SCOPE_LINK`: the endpoints are on the wire.
const ON_LINK: u8 = 253;

/// The host's interface on a network.
pub(crate) fn link(name: &str, network: &Macvlan) -> LinkSpec {
    let kind = LinkKind::Macvlan(cnm::Macvlan {
        parent: network.parent(),
        parent_in: Place::Host,
        born_in: Place::Host,
        mode: MacvlanMode::Bridge,
        queue: None,
        stage: None,
    });
    let variable = |key: &str, value: &str| (key.replace("LINK", name), value.to_owned());
    let birth = vec![
        variable("net/ipv4/conf/LINK/arp_ignore", "1"),
        variable("net/ipv4/conf/LINK/arp_announce", "2"),
        variable("net/ipv6/conf/LINK/accept_ra", "0"),
    ];
    LinkSpec { mtu: network.conf.mtu, up: true, birth, ..LinkSpec::new(name, kind) }
}

/// The host's addresses, shared by all endpoints, and its routes to the addresses of one.
pub(crate) fn wire(link: &str, owner: &Owner, wanted: &[IpAddr], ips: &[Ip]) -> Result<Wiring, Error> {
    let mut wiring = Wiring::default();
    for v6 in [false, true] {
        let leased = || ips.iter().filter(move |ip| ip.address.addr().is_ipv6() == v6);
        let own = wanted.iter().copied().find(|address| address.is_ipv6() == v6);
        let gateway = || leased().find_map(|ip| ip.gateway);
        let Some(address) = own.or_else(|| wanted.is_empty().then(gateway).flatten()) else { continue };
        if leased().next().is_none() {
            continue;
        }
        suits(address, &mut leased())?;
        let place = Place::Host;
        let net = Address { net: IpNet::from(address), nodad: true };
        wiring.network.push(Resource::Address { place, link: link.to_owned(), address: net, force: true });
        wiring.endpoint.extend(leased().map(|ip| {
            let route = Route {
                dst: IpNet::from(ip.address.addr()),
                gateway: None,
                link: 0,
                priority: owner.route_metric(),
                table: None,
                scope: Some(ON_LINK),
                mtu: 0,
                advmss: 0,
            };
            Resource::Route { place, link: link.to_owned(), route }
        }));
    }
    if wiring.network.is_empty() {
        return Err(Error::config("hostAddress: there is none of a family that the IPAM plugin gives addresses of")
            .with_details("give the host an address in the subnet of the endpoints"));
    }
    Ok(wiring)
}

/// Whether the host can have the address beside these endpoints.
fn suits(address: IpAddr, leased: &mut dyn Iterator<Item = &Ip>) -> Result<(), Error> {
    let mut inside = false;
    for ip in leased {
        if ip.address.addr() == address {
            return Err(Error::config(format!("hostAddress: the IPAM plugin has given {address} to an endpoint")).with_details(
                "choose an address that it does not give away (host-local: outside rangeStart to rangeEnd), or narrow its range",
            ));
        }
        let net = ip.address;
        // The smallest subnets have neither.
        let spare = net.max_prefix_len() - net.prefix_len() < 2 || address.is_ipv6();
        if !spare && (address == net.network() || address == net.broadcast()) {
            return Err(Error::config(format!("hostAddress: {address} is the subnet itself or its broadcast address"))
                .with_details("choose one of a host in the subnet"));
        }
        inside |= net.contains(&address);
    }
    if inside {
        return Ok(());
    }
    Err(Error::config(format!("hostAddress: {address} is in no subnet of the endpoints"))
        .with_details("they would look for it behind their gateway; choose one in their subnet"))
}
