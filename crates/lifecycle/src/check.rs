//! CHECK: the same wishes as ADD, compared one-sidedly with the kernel and the result that the runtime kept.

use std::collections::HashSet;

use cni::{AddResult, Code, Error, Interface};
use cnm::{
    Drift, Driver, FdbEntry, Intent, Isolation, Kernel, Link, LinkKind, LinkName, Mac, Neighbour, Owner, OwnerTag,
    Place, PortFlags, Resource, Route,
};
use ipnet::IpNet;

use crate::attach::intents;
use crate::converge::{Converger, expect_satisfied};
use crate::errors::{DRIFT, drift, kernel};
use crate::parent::fits;
use crate::shape::expect_shaped;
use crate::tune::expect_tuned;
use crate::{Ipam, inside};

/// Compares the attachment of `owner` with its description and with `previous`.
///
/// # Errors
/// The first object that is missing or different.
pub fn check<D: Driver, K: Kernel>(
    driver: &D,
    kernel_: &mut K,
    ipam: Option<&dyn Ipam>,
    owner: &Owner,
    sandbox: &str,
    previous: Option<&AddResult>,
) -> Result<(), Error> {
    if let Some(ipam) = ipam {
        ipam.check()?;
    }
    let nothing = AddResult::default();
    let previous = match previous {
        Some(previous) => previous,
        // Networks that make nothing compare with nothing, as the reference's loopback.
        None if driver.endpoint(owner, Mac([0; 6])).claim.is_none() => &nothing,
        None => return Err(Error::config("Required prevResult missing")),
    };
    if D::ISOLATION == Isolation::Private && !kernel_.has_sandbox() {
        return Err(Error::new(Code::InvalidNetns, format!("the sandbox {sandbox} is gone")));
    }
    let inner = previous.interfaces.iter().find(|found| found.name == owner.ifname && !found.sandbox.is_empty());
    if let Some(inner) = inner
        && inner.sandbox != sandbox
    {
        return Err(Error::config(format!(
            "Sandbox in prevResult {} doesn't match configured netns: {sandbox}",
            inner.sandbox
        )));
    }
    let mac = inner.and_then(|inner| inner.mac.parse::<Mac>().ok()).unwrap_or(Mac([0; 6]));
    let endpoint = driver.endpoint(owner, mac);
    let mut converger = Converger::new(kernel_);
    expect_all(&mut converger, &driver.network().resources)?;
    let mut made_by_reference = false;
    if let Some(claim) = endpoint.claim.as_ref().filter(|claim| claim.born_in() == Place::Sandbox) {
        inside::check(&mut converger, owner, claim, inner)?;
        expect_all(&mut converger, &endpoint.resources)?;
    } else if let Some(claim) = &endpoint.claim {
        let port = check_claim(&mut converger, owner, claim, previous, inner)?;
        made_by_reference = port != claim.name;
        expect_all(&mut converger, &renamed(&endpoint.resources, &claim.name, &port))?;
    } else {
        expect_all(&mut converger, &endpoint.resources)?;
    }
    check_result(&mut converger, owner, previous)?;
    let lease = AddResult { interfaces: Vec::new(), ..previous.clone() };
    let wiring = driver.wire(owner, sandbox, lease)?;
    expect_all(&mut converger, &wiring.network)?;
    expect_all(&mut converger, &wiring.endpoint)?;
    let mut intents = intents([&endpoint.resources[..], &wiring.endpoint[..]]);
    // Before an upgrade its source check was made by the reference plugins, in their tables.
    intents.retain(|intent| !(made_by_reference && matches!(intent, Intent::SpoofCheck { .. })));
    check_firewall(converger.kernel, owner, &intents)
}

/// What the firewall should do for an attachment.
pub(crate) fn check_firewall<K: Kernel>(k: &mut K, owner: &Owner, intents: &[Intent]) -> Result<(), Error> {
    if intents.is_empty() {
        return Ok(());
    }
    let differences = k.firewall().drift(owner, intents).map_err(kernel)?;
    differences.into_iter().next().map_or(Ok(()), |difference| Err(Error::new(DRIFT, difference)))
}

pub(crate) fn missing(object: String) -> Error {
    drift(&Drift { object, difference: "is missing".into() })
}

/// Both ends of the endpoint's link. Gives the name of the host's end: ours, or the one in the result when the
/// reference plugins attached it.
fn check_claim<K: Kernel>(
    converger: &mut Converger<'_, K>,
    owner: &Owner,
    claim: &cnm::LinkSpec,
    previous: &AddResult,
    inner: Option<&Interface>,
) -> Result<String, Error> {
    let named = |link: &Interface| link.sandbox.is_empty() && Some(&link.name) != claim.master.as_ref();
    let recorded = previous.interfaces.iter().find(|link| named(link)).map(|link| link.name.clone());
    let mut port = claim.name.clone();
    let mut host = converger.link(Place::Host, &port).map_err(kernel)?;
    if let (None, Some(name)) = (&host, recorded) {
        host = converger.link(Place::Host, &name).map_err(kernel)?;
        port = name;
    }
    let host = host.ok_or_else(|| missing(format!("{} {} on the host", claim.kind.as_str(), claim.name)))?;
    let master = match &claim.master {
        Some(name) => converger.link(Place::Host, name).map_err(kernel)?.map_or(0, |link| link.index),
        None => 0,
    };
    let wanted = cnm::LinkSpec { name: port.clone(), mac: None, ..claim.clone() };
    expect_satisfied(&host, &wanted, Place::Host, master)?;
    expect_mtu(&host, claim)?;
    if OwnerTag::read(&host.alias).is_some_and(|tag| tag != owner.tag()) {
        let difference = format!("belongs to another attachment: its alias is {:?}", host.alias);
        return Err(drift(&Drift { object: format!("link {port} on the host"), difference }));
    }
    match &claim.kind {
        LinkKind::Veth { peer } => {
            let object = format!("{} {} in the sandbox", claim.kind.as_str(), peer.name);
            let twin =
                converger.link(Place::Sandbox, &peer.name).map_err(kernel)?.ok_or_else(|| missing(object.clone()))?;
            let differs = |difference: String| Err(drift(&Drift { object: object.clone(), difference }));
            if twin.kind != claim.kind.as_str() || twin.index != host.parent {
                return differs(format!("is not the other end of {port}"));
            }
            let recorded = inner.and_then(|inner| inner.mac.parse::<Mac>().ok());
            if let (Some(want), Some(have)) = (recorded, twin.mac)
                && want != have
            {
                return differs(format!("has MAC {have}, not {want}"));
            }
            Ok(port)
        }
        LinkKind::Bridge { .. }
        | LinkKind::Vxlan(_)
        | LinkKind::Ifb
        | LinkKind::Macvlan(_)
        | LinkKind::Vlan { .. }
        | LinkKind::Dummy => Ok(port),
    }
}

/// The host's end has the MTU that the configuration asks for. The other end is the container's and the later plugins'.
fn expect_mtu(host: &Link, claim: &cnm::LinkSpec) -> Result<(), Error> {
    if let (LinkKind::Veth { .. }, Some(mtu)) = (&claim.kind, claim.mtu)
        && host.mtu != mtu
    {
        let object = format!("veth {} on the host", host.name);
        return Err(drift(&Drift { object, difference: format!("has MTU {}, not {mtu}", host.mtu) }));
    }
    Ok(())
}

/// The same resources for a host end of another name.
fn renamed(resources: &[Resource], from: &str, to: &str) -> Vec<Resource> {
    let mut resources = resources.to_vec();
    for resource in &mut resources {
        if let Resource::Port { link, .. } | Resource::Vlans { link, .. } = resource
            && link == from
        {
            to.clone_into(link);
        }
    }
    resources
}

/// The addresses and routes that the runtime was told of.
fn check_result<K: Kernel>(converger: &mut Converger<'_, K>, owner: &Owner, previous: &AddResult) -> Result<(), Error> {
    let ours = |index: usize| {
        previous.interfaces.get(index).is_some_and(|link| !link.sandbox.is_empty() && link.name == owner.ifname)
    };
    let addresses: Vec<_> =
        previous.ips.iter().filter(|ip| ip.interface.is_some_and(ours)).map(|ip| ip.address).collect();
    if addresses.is_empty() {
        return Ok(());
    }
    let Some(link) = converger.link(Place::Sandbox, &owner.ifname).map_err(kernel)? else {
        return Err(missing(format!("interface {} in the sandbox", owner.ifname)));
    };
    let have = converger.kernel.addresses(Place::Sandbox, link.index).map_err(kernel)?;
    if let Some(lost) = addresses.iter().find(|address| !have.contains(address)) {
        return Err(missing(format!("address {lost} on {} in the sandbox", owner.ifname)));
    }
    Ok(())
}

/// Every resource that CHECK can see for itself; the firewall's are asked for together.
pub(crate) fn expect_all<K: Kernel>(converger: &mut Converger<'_, K>, resources: &[Resource]) -> Result<(), Error> {
    for resource in resources {
        match resource {
            Resource::Link(spec) => {
                let object = || format!("{} {} on the host", spec.kind.as_str(), spec.name);
                let link = converger.shared_link(spec).map_err(kernel)?.ok_or_else(|| missing(object()))?;
                let beneath = match spec.beneath() {
                    Some(name) => converger.link(Place::Host, name).map_err(kernel)?.map_or(0, |link| link.index),
                    None => 0,
                };
                expect_satisfied(&link, spec, Place::Host, beneath)?;
            }
            Resource::Parent { place, name, mtu, made: _ } => {
                let object = || format!("master {name} {place}");
                let link = converger.link(*place, name).map_err(kernel)?.ok_or_else(|| missing(object()))?;
                fits(*mtu, link.mtu)?;
            }
            Resource::IsolatedPort { link } => {
                let port = converger.link(Place::Host, link).map_err(kernel)?.and_then(|link| link.port);
                if !port.is_some_and(|port| port.isolated) {
                    let difference = "is not isolated".into();
                    return Err(drift(&Drift { object: format!("bridge port {link} on the host"), difference }));
                }
            }
            Resource::Port { link, flags } => {
                let have =
                    converger.link(Place::Host, link).map_err(kernel)?.and_then(|link| link.port).unwrap_or_default();
                // A later plugin of the chain may have isolated it.
                let have = PortFlags { isolated: have.isolated && flags.isolated, ..have };
                if have != *flags {
                    let difference = format!("has {have}; wanted: {flags}");
                    return Err(drift(&Drift { object: format!("bridge port {link} on the host"), difference }));
                }
            }
            Resource::Address { place, link, address, force: _ } => {
                let object = || format!("address {} on {link} {place}", address.net);
                let index = converger.link(*place, link).map_err(kernel)?.ok_or_else(|| missing(object()))?.index;
                if !converger.kernel.addresses(*place, index).map_err(kernel)?.contains(&address.net) {
                    return Err(missing(object()));
                }
                if *place == Place::Host {
                    expect_connected(converger, link, index, address.net)?;
                }
            }
            Resource::Up { place, link } => {
                let object = format!("link {link} {place}");
                let found = converger.link(*place, link).map_err(kernel)?.ok_or_else(|| missing(object.clone()))?;
                if !found.up {
                    return Err(drift(&Drift { object, difference: "is down".into() }));
                }
            }
            Resource::Route { place, link, route } => expect_route(converger, *place, link, route)?,
            Resource::Sysctl(sysctl) => {
                // Only what the host's forwarding depends on: the rest are an endpoint's starting conditions, which
                // the container may change.
                if sysctl.place == Place::Host {
                    let have = converger.kernel.sysctl(Place::Host, &sysctl.key).map_err(kernel)?;
                    if have.is_some() && have.as_deref() != Some(sysctl.value.as_str()) {
                        let difference = format!("is {}, not {}", have.unwrap_or_default(), sysctl.value);
                        return Err(drift(&Drift { object: format!("sysctl {} on the host", sysctl.key), difference }));
                    }
                }
            }
            Resource::Fdb { link, entries, exact } => {
                let what = |entry: &FdbEntry| format!("forwarding entry {entry} of {link} on the host");
                let index = converger.link(Place::Host, link).map_err(kernel)?.map_or(0, |link| link.index);
                let have = converger.kernel.fdb(Place::Host, index).map_err(kernel)?;
                expect_entries(entries, &have, &what)?;
                let stray = have.iter().find(|entry| entry.floods_to().is_some() && !entries.contains(entry));
                if let Some(stray) = stray.filter(|_| *exact) {
                    let difference = "floods to a host that is no peer".into();
                    return Err(drift(&Drift { object: what(stray), difference }));
                }
            }
            Resource::Neighbours { link, entries } => {
                let what =
                    |entry: &Neighbour| format!("neighbour {} lladdr {} on {link} on the host", entry.ip, entry.mac);
                let index = converger.link(Place::Host, link).map_err(kernel)?.map_or(0, |link| link.index);
                expect_entries(entries, &converger.kernel.neighbours(Place::Host, index).map_err(kernel)?, &what)?;
            }
            Resource::Tuning(tuning) => expect_tuned(converger.kernel, tuning)?,
            Resource::Shaping(shaping) => expect_shaped(converger.kernel, shaping)?,
            Resource::Alone => expect_alone(converger)?,
            Resource::Vlans { link, vlans, keep_default } => converger.expect_vlans(link, vlans, *keep_default)?,
            Resource::ArpNotify { .. }
            | Resource::Ipv6 { .. }
            | Resource::Firewall(_)
            | Resource::OnlyLoopbackAddresses => {}
        }
    }
    Ok(())
}

/// The host's way to the subnet of an address that it has there, which the kernel made with the address.
fn expect_connected<K: Kernel>(
    converger: &mut Converger<'_, K>,
    link: &str,
    index: u32,
    net: IpNet,
) -> Result<(), Error> {
    let connected = |route: &Route| route.dst.trunc() == net.trunc() && route.gateway.is_none();
    let alone = net.prefix_len() == net.max_prefix_len();
    if alone || converger.kernel.routes(Place::Host, index).map_err(kernel)?.iter().any(connected) {
        return Ok(());
    }
    Err(missing(format!("route {} on {link} on the host", net.trunc())))
}

/// Every wanted entry of a table; others are somebody's.
fn expect_entries<T: Eq + std::hash::Hash>(wanted: &[T], have: &[T], what: &dyn Fn(&T) -> String) -> Result<(), Error> {
    let have: HashSet<&T> = have.iter().collect();
    wanted.iter().find(|entry| !have.contains(entry)).map_or(Ok(()), |lost| Err(missing(what(lost))))
}

/// A route with this destination, gateway, metric and table. Results before 1.1.0 tell no table, and later plugins may move it
/// into one of theirs (vrf): then any will do.
fn expect_route<K: Kernel>(
    converger: &mut Converger<'_, K>,
    place: Place,
    name: &str,
    want: &Route,
) -> Result<(), Error> {
    let by = want.gateway.map(|gateway| format!(" via {gateway}")).unwrap_or_default();
    let object = || format!("route {}{by} on {name} {place}", want.dst.trunc());
    let link = converger.link(place, name).map_err(kernel)?.ok_or_else(|| missing(object()))?;
    let have = converger.kernel.routes(place, link.index).map_err(kernel)?;
    let same = |route: &Route| {
        route.dst.trunc() == want.dst.trunc()
            && route.gateway == want.gateway
            && (want.priority == 0 || route.priority == want.priority)
            && want.table.is_none_or(|table| table == 0 || route.table == Some(table))
    };
    if have.iter().any(same) {
        return Ok(());
    }
    Err(missing(object()))
}

/// The sandbox has nothing but lo.
fn expect_alone<K: Kernel>(converger: &mut Converger<'_, K>) -> Result<(), Error> {
    let links = converger.kernel.links(Place::Sandbox, 0).map_err(kernel)?;
    // Fallback devices of tunnel modules appear in every namespace by themselves; they are down.
    match links.iter().find(|link| link.name != "lo" && link.up) {
        Some(link) => {
            let object = format!("link {} in the sandbox", link.name);
            Err(drift(&Drift { object, difference: "is there, but this network has none but lo".into() }))
        }
        None => {
            let lo = converger.kernel.link(Place::Sandbox, &LinkName::Name("lo".into())).map_err(kernel)?;
            lo.map(drop).ok_or_else(|| missing("link lo in the sandbox".into()))
        }
    }
}
