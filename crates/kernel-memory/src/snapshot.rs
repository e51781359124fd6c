//! The whole state as sorted lines, so that two states can be compared and a difference can be read.

use std::collections::BTreeSet;
use std::fmt;

use cnm::{Mac, Root};

use crate::device::{Device, Kind, NsId};
use crate::memory::Memory;
use crate::namespace::Namespace;
use crate::routing::link_local;

/// Everything that a [`Memory`] holds, one line each, for example
/// `host address 10.1.0.1/24 on cni0`. Indices are replaced by names, MACs that nobody chose by `random`; what the
/// kernel changes by itself (the address and MTU of a bridge that nobody fixed, its carrier) is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    lines: BTreeSet<String>,
}

impl Snapshot {
    /// The lines, sorted.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }

    /// The same state without the lines that `drop` names.
    #[must_use]
    pub fn without(&self, drop: impl Fn(&str) -> bool) -> Self {
        Self { lines: self.lines.iter().filter(|line| !drop(line)).cloned().collect() }
    }

    /// What `later` has more (`+ …`) or less (`- …`).
    #[must_use]
    pub fn difference(&self, later: &Self) -> Vec<String> {
        let gone = self.lines.difference(&later.lines).map(|line| format!("- {line}"));
        let new = later.lines.difference(&self.lines).map(|line| format!("+ {line}"));
        gone.chain(new).collect()
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl Memory {
    /// The whole state: every namespace and the firewall.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let mut lines: BTreeSet<String> = self.firewall.lines(|mac| self.mac_text(mac)).collect();
        for (ns, space) in &self.world.spaces {
            let place = if *ns == 0 { "host".to_owned() } else { format!("sandbox{ns}") };
            lines.insert(format!("{place} exists"));
            for device in space.devices.values() {
                lines.insert(format!("{place} link {}", self.link_line(*ns, space, device)));
                for address in &device.v4 {
                    lines.insert(format!("{place} address {} on {}", address.net, device.name));
                }
                for entry in &device.fdb {
                    lines.insert(format!("{place} fdb {entry} on {}", device.name));
                }
                for (ip, mac) in &device.neighbours {
                    lines.insert(format!("{place} neighbour {ip} is {mac} on {}", device.name));
                }
                let own = link_local(device.mac);
                for address in device.v6.iter().filter(|address| !self.is_random(device.mac) || address.net != own) {
                    let state = if address.nodad { " nodad" } else { "" };
                    lines.insert(format!("{place} address {}{state} on {}", address.net, device.name));
                }
            }
            for route in &space.routes {
                let link = space.devices.get(&route.link).map_or("nothing", |device| &device.name);
                let gateway = route.gateway.map_or_else(String::new, |gateway| format!(" via {gateway}"));
                lines.insert(format!(
                    "{place} route {}{gateway} dev {link} table {:?} metric {} scope {:?} mtu {} advmss {}",
                    route.dst, route.table, route.priority, route.scope, route.mtu, route.advmss
                ));
            }
            for (key, value) in space.sysctls.changed() {
                lines.insert(format!("{place} sysctl {key} = {value}"));
            }
        }
        lines.extend(self.notes.lines());
        Snapshot { lines }
    }

    fn is_random(&self, mac: Mac) -> bool {
        self.world.random_macs.contains(&mac.0)
    }

    fn mac_text(&self, mac: Mac) -> String {
        if self.is_random(mac) { "random".to_owned() } else { mac.to_string() }
    }

    fn link_line(&self, ns: NsId, space: &Namespace, device: &Device) -> String {
        let follows = device.bridge().is_some_and(|bridge| !bridge.mac_set);
        let mac = if follows { "random".to_owned() } else { self.mac_text(device.mac) };
        let mut text = format!("{} {} mac {mac}", device.name, device.kind_name());
        if device.bridge().is_none_or(|bridge| bridge.mtu_set) {
            text += &format!(" mtu {}", device.mtu);
        }
        if device.group != 0 {
            text += &format!(" group {:#x}", device.group);
        }
        if device.up {
            text += " up";
        }
        if device.promisc {
            text += " promisc";
        }
        if device.allmulti {
            text += " allmulti";
        }
        if device.queue != Device::new("", device.kind.clone(), device.mac, 0).queue {
            text += &format!(" queue {}", device.queue);
        }
        text += &queueing_text(space, device);
        if let Kind::Veth { peer_ns, peer } = device.kind {
            let twin = self.world.device(peer_ns, peer).map_or("nothing", |twin| &twin.name);
            let place = if peer_ns == ns { String::new() } else { format!(" of {peer_ns}") };
            text += &format!(" peer {twin}{place}");
        }
        if let Kind::Vxlan(vxlan) = &device.kind {
            text += &format!(" {vxlan:?}");
        }
        if let Some((parent_ns, parent)) = device.parent(ns) {
            let name = self.world.device(parent_ns, parent).map_or("nothing", |parent| &parent.name);
            text += &format!(" on {name} of {parent_ns}");
        }
        match device.kind {
            Kind::Macvlan { mode, .. } => text += &format!(" mode {}", mode.as_str()),
            Kind::Vlan { id, .. } => text += &format!(" id {id}"),
            Kind::Loopback
            | Kind::Hardware
            | Kind::Bridge(_)
            | Kind::Veth { .. }
            | Kind::Dummy
            | Kind::Vxlan(_)
            | Kind::Ifb => {}
        }
        if let Some(port) = &device.port {
            let master = space.devices.get(&port.master).map_or("nothing", |master| &master.name);
            let vlans: Vec<String> = port.vlans.values().map(ToString::to_string).collect();
            text += &format!(" master {master} {:?} vlans {vlans:?}", port.flags);
            if port.closed {
                text += " closed";
            }
        }
        if device.bridge().is_some_and(|bridge| bridge.vlan_filtering) {
            text += " vlan_filtering";
        }
        if !device.alias.is_empty() {
            text += &format!(" alias {:?}", device.alias);
        }
        text
    }
}

/// What a link does with its packets, with links by name.
fn queueing_text(space: &Namespace, device: &Device) -> String {
    let mut text = String::new();
    if device.queueing.root != Root::Default {
        text += &format!(" {:?}", device.queueing.root);
    }
    if let Some(ingress) = &device.queueing.arriving {
        let to = ingress.redirect.map(|to| space.devices.get(&to).map_or("nothing", |device| &device.name));
        text += &format!(" {} to {to:?}", ingress.kind);
    }
    text
}
