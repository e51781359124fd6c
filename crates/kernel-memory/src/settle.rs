//! What the kernel does by itself once something changed: carriers, bridge addresses, the beginning and end of IPv6
//! on a link. Linux needs some milliseconds for it (link watch, duplicate address detection); here it has always
//! happened already.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::device::{Device, Kind, NsId, V4, V6};
use crate::memory::World;
use crate::namespace::Namespace;
use crate::routing::{UserRoute, link_local};

/// RFC 2863.
const OPER_UNKNOWN: u8 = 0;
const OPER_DOWN: u8 = 2;
const OPER_UP: u8 = 6;

impl World {
    /// Whether the link is up and connected: a veth when both ends are up, a bridge when one of its ports is, what stands on
    /// another when that is.
    pub(crate) fn carrier(&self, ns: NsId, device: &Device) -> bool {
        match &device.kind {
            Kind::Loopback | Kind::Hardware | Kind::Dummy | Kind::Vxlan(_) | Kind::Ifb => device.up,
            Kind::Macvlan { .. } | Kind::Vlan { .. } => {
                let parent = device.parent(ns).and_then(|(ns, parent)| Some((ns, self.device(ns, parent)?)));
                device.up && parent.is_some_and(|(ns, parent)| self.carrier(ns, parent))
            }
            Kind::Bridge(bridge) => device.up && bridge.carrier != Some(false),
            Kind::Veth { peer_ns, peer } => device.up && self.device(*peer_ns, *peer).is_some_and(|peer| peer.up),
        }
    }

    /// `IFLA_OPERSTATE`. Linux says lowerlayerdown (3) for down (2) at times, depending on unrelated indices.
    pub(crate) fn operstate(&self, ns: NsId, device: &Device) -> u8 {
        if !device.up {
            return OPER_DOWN;
        }
        match &device.kind {
            Kind::Loopback | Kind::Dummy | Kind::Vxlan(_) | Kind::Ifb => OPER_UNKNOWN,
            Kind::Bridge(bridge) if bridge.carrier.is_none() => OPER_UNKNOWN,
            Kind::Hardware | Kind::Bridge(_) | Kind::Veth { .. } | Kind::Macvlan { .. } | Kind::Vlan { .. } => {
                if self.carrier(ns, device) { OPER_UP } else { OPER_DOWN }
            }
        }
    }

    /// Lets everything that follows from a change happen.
    pub(crate) fn settle(&mut self) {
        let spaces: Vec<NsId> = self.spaces.keys().copied().collect();
        for ns in spaces {
            let Some(space) = self.spaces.get(&ns) else { continue };
            let bridges: Vec<u32> =
                space.devices.iter().filter(|(_, device)| device.bridge().is_some()).map(|(index, _)| *index).collect();
            for bridge in bridges {
                self.settle_bridge(ns, bridge);
            }
            self.settle_ipv6(ns);
        }
    }

    fn settle_bridge(&mut self, ns: NsId, index: u32) {
        let Some(space) = self.spaces.get(&ns) else { return };
        let Some(bridge) = space.devices.get(&index) else { return };
        let ports = space.ports(index);
        let passes = |port: &Device| self.carrier(ns, port) && port.port.as_ref().is_some_and(|port| !port.closed);
        let live = bridge.up && ports.iter().filter_map(|port| space.devices.get(port)).any(passes);
        let unplugged: Vec<u32> = ports
            .into_iter()
            .filter(|port| space.devices.get(port).is_some_and(|port| !bridge.up || !self.carrier(ns, port)))
            .collect();
        for port in unplugged {
            // It will be enabled when it comes back.
            if let Some(port) = self.device_mut(ns, port).and_then(|device| device.port.as_mut()) {
                port.closed = false;
            }
        }
        let bridge = self.spaces.get_mut(&ns).and_then(|space| space.devices.get_mut(&index));
        if let Some(state) = bridge.and_then(Device::bridge_mut)
            && (live || state.carrier.is_some())
        {
            state.carrier = Some(live);
        }
    }

    /// A link that is up and connected for the first time since it came up gets its link-local address, and
    /// duplicate address detection ends on it.
    fn settle_ipv6(&mut self, ns: NsId) {
        let Some(space) = self.spaces.get(&ns) else { return };
        let ready: Vec<u32> = space
            .devices
            .iter()
            .filter(|(_, device)| {
                !device.v6_ready && device.carries_ipv6() && !space.ipv6_is_off(device) && self.carrier(ns, device)
            })
            .map(|(index, _)| *index)
            .collect();
        let Some(space) = self.spaces.get_mut(&ns) else { return };
        for index in ready {
            let since = space.now();
            let Some(device) = space.devices.get_mut(&index) else { continue };
            device.v6_ready = true;
            let eui64 = space.sysctls.get(&format!("net/ipv6/conf/{}/addr_gen_mode", device.name)) == Some("0");
            let own = link_local(device.mac);
            if eui64 && device.kind != Kind::Loopback && !device.v6.iter().any(|other| other.net == own) {
                device.v6.push(V6 { net: own, nodad: false, local: true, since });
            }
            for address in &mut device.v6 {
                address.local = true;
            }
        }
    }
}

impl Namespace {
    /// `NETDEV_UP`, before anything about carriers is known.
    pub(crate) fn came_up(&mut self, index: u32) {
        let Some(device) = self.devices.get(&index) else { return };
        let off = self.ipv6_is_off(device) || !device.carries_ipv6();
        let since = self.now();
        let Some(device) = self.devices.get_mut(&index) else { return };
        device.up_since = since;
        let loopback = device.kind == Kind::Loopback;
        let localhost = Ipv4Net::new_assert(Ipv4Addr::LOCALHOST, 8);
        if loopback && device.v4.is_empty() {
            device.v4.push(V4 { net: localhost, secondary: false, since });
        }
        if off {
            return;
        }
        for address in &mut device.v6 {
            address.local |= address.nodad || loopback;
        }
        let localhost = Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128);
        if loopback && !device.v6.iter().any(|address| address.net == localhost) {
            device.v6.push(V6 { net: localhost, nodad: true, local: true, since });
        }
    }

    /// `NETDEV_DOWN`.
    pub(crate) fn went_down(&mut self, index: u32) {
        self.flush_v4(index, false);
        self.ipv6_went(index, true);
        // neigh_ifdown: permanent ones, too.
        if let Some(device) = self.devices.get_mut(&index) {
            device.neighbours.clear();
        }
    }

    /// IPv6 ends on a link: its routes and addresses go, but for those that `keep_addr_on_down` keeps.
    pub(crate) fn ipv6_went(&mut self, index: u32, may_keep: bool) {
        self.flush_v6(index);
        let Some(device) = self.devices.get(&index) else { return };
        let name = &device.name;
        let keep = may_keep && !self.ipv6_is_off(device) && self.sysctls.either("ipv6", name, "keep_addr_on_down");
        let Some(device) = self.devices.get_mut(&index) else { return };
        device.v6_ready = false;
        device.v6.retain(|address| keep && !address.is_link_local() && address.net.addr() != Ipv6Addr::LOCALHOST);
        for address in &mut device.v6 {
            address.local = false;
        }
    }

    /// Changes an MTU that is within the link's bounds; IPv6 comes and goes with it.
    pub(crate) fn set_mtu(&mut self, index: u32, mtu: u32) {
        let Some(device) = self.devices.get_mut(&index) else { return };
        let (before, old) = (device.carries_ipv6(), device.mtu);
        device.mtu = mtu;
        let (after, name) = (device.carries_ipv6(), device.name.clone());
        // rt6_mtu_change: the path MTU of an IPv6 route follows the link's when it was as large or does not fit any more.
        let follows =
            |route: &&mut UserRoute| route.link == index && matches!(route.dst, IpNet::V6(_)) && route.mtu != 0;
        for route in self.routes.iter_mut().filter(follows).filter(|route| route.mtu >= mtu || route.mtu == old) {
            route.mtu = mtu;
        }
        if before && !after {
            self.ipv6_went(index, false);
            self.sysctls.vanish_ipv6(&name);
        } else if !before && after {
            self.sysctls.appear_ipv6(&name);
            self.came_up_if_up(index);
        }
    }

    /// A variable was written: `disable_ipv6` acts at once.
    pub(crate) fn sysctl_changed(&mut self, before: &[(u32, bool)]) {
        for (index, was_off) in before {
            let Some(device) = self.devices.get(index) else { continue };
            let is_off = self.ipv6_is_off(device);
            if is_off && !was_off {
                self.ipv6_went(*index, true);
            } else if !is_off && *was_off {
                self.came_up_if_up(*index);
            }
        }
    }

    fn came_up_if_up(&mut self, index: u32) {
        if self.devices.get(&index).is_some_and(|device| device.up) {
            self.came_up(index);
        }
    }

    /// Which links have IPv6 switched off.
    pub(crate) fn ipv6_switches(&self) -> Vec<(u32, bool)> {
        self.devices.iter().map(|(index, device)| (*index, self.ipv6_is_off(device))).collect()
    }
}
