//! The observable state of a kernel, through its trait alone, with links by name and what is unknowable left out.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant};

use cnm::{Kernel, Link, LinkName, Place, RouteLookup};
use kernel_memory::Memory;

use crate::requests::{MACS, SYSCTLS, TARGETS};

/// How long Linux may take for what it does in the background: link watch needs up to a second.
const PATIENCE: Duration = Duration::from_millis(1500);

/// Observes both until they are equal.
#[expect(clippy::disallowed_methods, reason = "Linux settles some states later; the wait is bounded")]
pub(crate) fn compare(real: &mut dyn Kernel, memory: &mut Memory) -> Result<(), String> {
    let ours = observe(memory);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let theirs = observe(real);
        if theirs == ours {
            return Ok(());
        }
        if Instant::now() > deadline {
            let only = |what: &str, lines: &[String], other: &[String]| -> String {
                lines.iter().filter(|line| !other.contains(line)).map(|line| format!("  {what} {line}\n")).collect()
            };
            return Err(only("Linux ", &theirs, &ours) + &only("memory", &ours, &theirs));
        }
        thread::sleep(Duration::from_millis(3));
    }
}

/// Sorted lines.
fn observe(kernel: &mut dyn Kernel) -> Vec<String> {
    let mut lines = Vec::new();
    for place in [Place::Host, Place::Sandbox] {
        observe_place(kernel, place, &mut lines);
    }
    lines.sort();
    // A kernel with VLAN filtering keeps an entry of a bridge's forwarding table once for each VLAN of the port.
    lines.dedup();
    lines
}

fn observe_place(kernel: &mut dyn Kernel, place: Place, lines: &mut Vec<String>) {
    let other = if place == Place::Host { Place::Sandbox } else { Place::Host };
    let links = kernel.links(place, 0).unwrap();
    let names: BTreeMap<u32, String> = links.iter().map(|link| (link.index, link.name.clone())).collect();
    let abroad: BTreeMap<u32, String> =
        kernel.links(other, 0).unwrap().into_iter().map(|link| (link.index, link.name)).collect();
    for link in &links {
        // A dump may be older than the link watch; the look-up of one link is not.
        let Some(link) = kernel.link(place, &LinkName::Index(link.index)).unwrap() else { continue };
        lines.push(format!("{place}: {}", link_line(&link, &names, &abroad)));
        for address in kernel.addresses(place, link.index).unwrap() {
            lines.push(format!("{place}: {} has {address}", link.name));
        }
        for entry in kernel.fdb(place, link.index).unwrap() {
            lines.push(format!("{place}: {} forwards {entry}", link.name));
        }
        for neighbour in kernel.neighbours(place, link.index).unwrap() {
            lines.push(format!("{place}: {} knows {neighbour:?}", link.name));
        }
        for route in kernel.routes(place, link.index).unwrap() {
            // A port is born with an unknown state: whether Linux sees the bridge connected for that moment, and gives
            // it a link-local address, is a race.
            if link.kind == "bridge" && route.dst.to_string() == "fe80::/64" {
                continue;
            }
            lines.push(format!(
                "{place}: {} by {} via {:?} metric {} table {:?} scope {:?} mtu {} advmss {}",
                route.dst, link.name, route.gateway, route.priority, route.table, route.scope, route.mtu, route.advmss
            ));
        }
        let mut ports: Vec<String> =
            kernel.links(place, link.index).unwrap().into_iter().map(|port| port.name).collect();
        ports.sort();
        lines.push(format!("{place}: ports of {}: {ports:?}", link.name));
        if link.port.is_some() {
            // Or the error of a kernel that knows none.
            let vlans = kernel.vlans(place, link.index).map_err(|error| error.errno);
            let vlans = vlans.map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>());
            lines.push(format!("{place}: VLANs of {}: {vlans:?}", link.name));
        }
        for key in SYSCTLS {
            let key = key.replace("IF", &link.name);
            lines.push(format!("{place}: {key} {:?}", kernel.sysctl(place, &key).unwrap()));
        }
    }
    for to in TARGETS {
        let to: IpAddr = to.parse().unwrap();
        // Linux alternates between equal IPv6 routes.
        let telling = |found: &RouteLookup| to.is_ipv4() || found.local;
        let found = kernel.route_to(place, to).unwrap();
        let found = found.map(|found| (found.local, names.get(&found.link).filter(|_| telling(&found))));
        lines.push(format!("{place}: to {to}: {found:?}"));
    }
    for key in ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding", "net/ipv4/conf/default/arp_notify"] {
        lines.push(format!("{place}: {key} {:?}", kernel.sysctl(place, key).unwrap()));
    }
}

fn link_line(link: &Link, names: &BTreeMap<u32, String>, abroad: &BTreeMap<u32, String>) -> String {
    // A bridge has a random address until it has a port.
    let known = |mac: &cnm::Mac| MACS.contains(mac) || mac.0 == [0; 6];
    let mac = link.mac.map(|mac| if known(&mac) { mac.to_string() } else { "random".into() });
    let parents = if link.parent_netns.is_some() { abroad } else { names };
    // lowerlayerdown instead of down depends on unrelated indices.
    let operstate = if link.operstate == 3 { 2 } else { link.operstate };
    format!(
        "{} {:?} mac {mac:?} mtu {} master {:?} parent {:?} abroad {} group {} up {} promisc {} allmulti {} queue {} operstate {operstate} \
         alias {:?} filtering {} port {:?} vxlan {:?} mode {:?} IPv6 off {}",
        link.name,
        link.kind,
        link.mtu,
        names.get(&link.master),
        parents.get(&link.parent),
        link.parent_netns.is_some(),
        link.group,
        link.up,
        link.promisc,
        link.allmulti,
        link.queue,
        link.alias,
        link.vlan_filtering,
        link.port,
        link.vxlan,
        link.mode,
        link.ipv6_off,
    )
}
