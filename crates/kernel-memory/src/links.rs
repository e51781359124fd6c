//! Links: birth, changes, death and what dies with them.

use cnm::{Claimed, LinkKind, LinkName, LinkSpec, Mac, Peer, Place, PortFlags, PortVlan, VlanRange};

use crate::device::{Bridge, Device, Kind, NsId, Port};
use crate::memory::World;
use crate::namespace::Refusal;
use crate::{EADDRNOTAVAIL, EINVAL, ELOOP, ENETDOWN, ENODEV, EOPNOTSUPP, ERANGE};

/// `ETH_MIN_MTU` and `ETH_MAX_MTU`.
const MTU: std::ops::RangeInclusive<u32> = 68..=65535;
/// `ETH_DATA_LEN`.
const DEFAULT_MTU: u32 = 1500;
/// `IFALIASZ` without the NUL.
const ALIAS_LENGTH: usize = 255;

/// The index that the next link of a namespace gets.
pub(crate) fn next_index(world: &World, ns: NsId) -> u32 {
    world.spaces.get(&ns).map_or(0, crate::namespace::Namespace::next_index)
}

impl World {
    /// `RTM_NEWLINK` with `NLM_F_EXCL`: all or nothing. `sandbox` is where a peer may be born.
    pub(crate) fn create(&mut self, ns: NsId, sandbox: Option<NsId>, spec: &LinkSpec) -> Result<Claimed, Refusal> {
        let master = self.find_master(ns, spec)?;
        // Whoever asks looks up what is beneath first.
        let stands = |space: &crate::namespace::Namespace, name: &str| space.by_name(name).is_some();
        if spec.beneath().is_some_and(|name| !self.spaces.get(&ns).is_some_and(|space| stands(space, name))) {
            return Err((ENODEV, "there is nothing beneath"));
        }
        if spec.mac.is_some_and(|mac| !mac.is_assignable()) {
            return Err((EADDRNOTAVAIL, ""));
        }
        if matches!(spec.kind, LinkKind::Veth { .. } | LinkKind::Vxlan(_))
            && spec.mtu.is_some_and(|mtu| !MTU.contains(&mtu))
        {
            return Err((EINVAL, ""));
        }
        let born_in = match &spec.kind {
            LinkKind::Macvlan(link) if link.born_in == Place::Sandbox => {
                sandbox.ok_or((EINVAL, "there is no sandbox"))?
            }
            _ => ns,
        };
        self.name_is_free(born_in, &spec.name)?;
        if self.lacking.contains(spec.kind.as_str()) {
            return Err((EOPNOTSUPP, "Unknown device type"));
        }
        if spec.mtu.is_some_and(|mtu| !MTU.contains(&mtu)) {
            return Err((EINVAL, "mtu out of bounds"));
        }
        let claimed = match &spec.kind {
            LinkKind::Bridge { vlan_filtering } => {
                if *vlan_filtering && !self.vlan_filtering {
                    return Err((EOPNOTSUPP, ""));
                }
                if master.is_some() {
                    return Err((ELOOP, "Can not enslave a bridge to a bridge"));
                }
                self.create_bridge(ns, spec, *vlan_filtering)
            }
            LinkKind::Veth { peer } => {
                let peer_ns = if peer.in_sandbox { sandbox.ok_or((EINVAL, "there is no sandbox"))? } else { ns };
                self.name_is_free(peer_ns, &peer.name)?;
                if peer_ns == ns && peer.name == spec.name {
                    return Err((crate::EEXIST, ""));
                }
                if master.is_some_and(|master| self.device(ns, master).is_none_or(|link| link.bridge().is_none())) {
                    return Err((EOPNOTSUPP, ""));
                }
                self.create_veth(ns, peer_ns, spec, peer)
            }
            LinkKind::Vxlan(vxlan) => self.create_vxlan(ns, spec, *vxlan)?,
            LinkKind::Ifb => self.create_ifb(ns, spec),
            LinkKind::Macvlan(link) => self.create_macvlan(ns, born_in, spec, link)?,
            LinkKind::Vlan { parent, id } => self.create_vlan(ns, spec, parent, *id)?,
            LinkKind::Dummy => {
                let mac = spec.mac.unwrap_or_else(|| self.random_mac());
                self.born(ns, Device::new(&spec.name, Kind::Dummy, mac, spec.mtu.unwrap_or(DEFAULT_MTU)))
            }
        };
        if let Some(device) = self.device_mut(born_in, claimed.index) {
            device.group = spec.group;
            device.promisc = spec.promisc;
        }
        if spec.up {
            self.set_up(born_in, claimed.index, true);
        }
        if let Some(master) = master {
            self.enslave(ns, claimed.index, master);
        }
        self.settle();
        Ok(claimed)
    }

    fn find_master(&self, ns: NsId, spec: &LinkSpec) -> Result<Option<u32>, Refusal> {
        let Some(name) = &spec.master else { return Ok(None) };
        let found = self.spaces.get(&ns).and_then(|space| space.by_name(name));
        found.map(Some).ok_or((ENODEV, "no such master"))
    }

    fn name_is_free(&self, ns: NsId, name: &str) -> Result<(), Refusal> {
        self.spaces.get(&ns).map_or(Err((ENODEV, "")), |space| space.name_is_free(name))
    }

    fn create_bridge(&mut self, ns: NsId, spec: &LinkSpec, vlan_filtering: bool) -> Claimed {
        let mac = spec.mac.unwrap_or_else(|| self.random_mac());
        // An address of its own gives it an identity, and that makes it look for a port that forwards.
        let carrier = spec.mac.map(|_| false);
        let bridge = Bridge { vlan_filtering, carrier, mac_set: spec.mac.is_some(), mtu_set: false };
        let device = Device::new(&spec.name, Kind::Bridge(bridge), mac, spec.mtu.unwrap_or(DEFAULT_MTU));
        self.born(ns, device)
    }

    /// The peer is registered first.
    fn create_veth(&mut self, ns: NsId, peer_ns: NsId, spec: &LinkSpec, peer: &Peer) -> Claimed {
        let (peer_mac, mac) =
            (peer.mac.unwrap_or_else(|| self.random_mac()), spec.mac.unwrap_or_else(|| self.random_mac()));
        let mtu = spec.mtu.unwrap_or(DEFAULT_MTU);
        let own_index = next_index(self, ns) + u32::from(ns == peer_ns);
        let twin = Device::new(&peer.name, Kind::Veth { peer_ns: ns, peer: own_index }, peer_mac, mtu);
        let peer_index = self.spaces.get_mut(&peer_ns).map_or(0, |space| space.register(twin));
        let own = Device::new(&spec.name, Kind::Veth { peer_ns, peer: peer_index }, mac, mtu);
        let index = self.spaces.get_mut(&ns).map_or(0, |space| space.register(own));
        Claimed { index, peer_index, mac: Some(mac), mtu }
    }

    fn create_ifb(&mut self, ns: NsId, spec: &LinkSpec) -> Claimed {
        let mac = spec.mac.unwrap_or_else(|| self.random_mac());
        let device = Device::new(&spec.name, Kind::Ifb, mac, spec.mtu.unwrap_or(DEFAULT_MTU));
        self.born(ns, device)
    }

    fn enslave(&mut self, ns: NsId, index: u32, master: u32) {
        // `default_pvid`, whether the bridge filters or not.
        let default = PortVlan { id: 1, pvid: true, untagged: true };
        let vlans = self.vlan_filtering.then_some((default.id, default)).into_iter().collect();
        if let Some(device) = self.device_mut(ns, index) {
            device.port = Some(Port { master, flags: PortFlags::default(), closed: false, vlans });
        }
        self.ports_changed(ns, master);
    }

    /// A bridge looks at its ports: address and MTU follow them unless somebody has fixed them.
    fn ports_changed(&mut self, ns: NsId, master: u32) {
        let Some(space) = self.spaces.get_mut(&ns) else { return };
        let ports = space.ports(master);
        let each = || ports.iter().filter_map(|port| space.devices.get(port));
        let lowest = each().map(|port| port.mac.0).min().unwrap_or_default();
        let smallest = each().map(|port| port.mtu).min().unwrap_or(DEFAULT_MTU);
        let Some(bridge) = space.devices.get_mut(&master) else { return };
        let Some(state) = bridge.bridge_mut() else { return };
        let mtu_set = state.mtu_set;
        if !state.mac_set {
            // Its new identity makes it look for a port that forwards.
            state.carrier = state.carrier.or(Some(false));
            bridge.mac = Mac(lowest);
        }
        if !mtu_set {
            space.set_mtu(master, smallest);
            self.shrink_above(ns, master, smallest);
        }
    }

    /// `RTM_DELLINK`.
    pub(crate) fn delete(&mut self, ns: NsId, name: &LinkName) -> Result<(), Refusal> {
        let index = self.wanted(ns, name)?;
        match self.device(ns, index).map(|device| &device.kind) {
            Some(Kind::Loopback | Kind::Hardware) => Err((EOPNOTSUPP, "")),
            Some(_) => {
                self.remove(ns, index);
                self.settle();
                Ok(())
            }
            None => Err((ENODEV, "")),
        }
    }

    /// Removes a link with its routes and sysctls, its twin, and its ports' membership.
    pub(crate) fn remove(&mut self, ns: NsId, index: u32) {
        let Some(space) = self.spaces.get_mut(&ns) else { return };
        let Some(gone) = space.devices.remove(&index) else { return };
        space.routes.retain(|route| route.link != index);
        space.sysctls.vanish(&gone.name);
        for port in space.ports(index) {
            if let Some(device) = space.devices.get_mut(&port) {
                device.port = None;
                device.fdb.retain(|entry| entry.vtep.is_some());
            }
        }
        self.forget_redirects(ns, index);
        if let Some(port) = &gone.port {
            self.ports_changed(ns, port.master);
        }
        // vxlan_handle_lowerdev_unregister
        let upon = |device: &Device| matches!(&device.kind, Kind::Vxlan(vxlan) if vxlan.underlay == index);
        let tunnels = self.spaces.get(&ns).map(|space| space.devices.iter().filter(|(_, device)| upon(device)));
        let tunnels: Vec<u32> = tunnels.into_iter().flatten().map(|(index, _)| *index).collect();
        tunnels.into_iter().for_each(|tunnel| self.remove(ns, tunnel));
        if let Kind::Veth { peer_ns, peer } = gone.kind {
            self.remove(peer_ns, peer);
        }
        for (above_ns, above) in self.standing_on(ns, index) {
            self.remove(above_ns, above);
        }
    }

    pub(crate) fn wanted(&self, ns: NsId, name: &LinkName) -> Result<u32, Refusal> {
        self.spaces.get(&ns).map_or(Err((ENODEV, "")), |space| space.wanted(name))
    }

    /// A device by the name of a request.
    fn named(&mut self, ns: NsId, name: &LinkName) -> Result<&mut Device, Refusal> {
        let index = self.wanted(ns, name)?;
        self.device_mut(ns, index).ok_or((ENODEV, ""))
    }

    /// `IFF_UP`.
    pub(crate) fn set_up(&mut self, ns: NsId, index: u32, up: bool) {
        let Some(space) = self.spaces.get_mut(&ns) else { return };
        let Some(device) = space.devices.get_mut(&index) else { return };
        if device.up == up {
            return;
        }
        device.up = up;
        if up {
            space.came_up(index);
        } else {
            space.went_down(index);
        }
        // A VLAN is up or down as its parent is; a macvlan only loses its carrier.
        let above = self.standing_on(ns, index).into_iter();
        let vlans =
            above.filter(|(ns, above)| self.device(*ns, *above).is_some_and(|device| device.kind_name() == "vlan"));
        for (above_ns, above) in vlans.collect::<Vec<_>>() {
            self.set_up(above_ns, above, up);
        }
        self.settle();
    }

    pub(crate) fn set_promisc(&mut self, ns: NsId, name: &LinkName, on: bool) -> Result<(), Refusal> {
        self.named(ns, name).map(|device| device.promisc = on)
    }

    pub(crate) fn set_all_multicast(&mut self, ns: NsId, name: &LinkName, on: bool) -> Result<(), Refusal> {
        self.named(ns, name).map(|device| device.allmulti = on)
    }

    pub(crate) fn set_queue_length(&mut self, ns: NsId, name: &LinkName, size: u32) -> Result<(), Refusal> {
        self.named(ns, name).map(|device| device.queue = size)
    }

    pub(crate) fn set_mac(&mut self, ns: NsId, name: &LinkName, mac: Mac) -> Result<(), Refusal> {
        let index = self.wanted(ns, name)?;
        let device = self.device_mut(ns, index).ok_or((ENODEV, ""))?;
        if !mac.is_assignable() {
            return Err((EADDRNOTAVAIL, ""));
        }
        let changed = device.mac != mac;
        device.mac = mac;
        if let Some(bridge) = device.bridge_mut() {
            bridge.mac_set = true;
            if changed {
                bridge.carrier = bridge.carrier.or(Some(false));
            }
        }
        let master = device.master();
        self.ports_changed(ns, master);
        self.settle();
        Ok(())
    }

    pub(crate) fn change_mtu(&mut self, ns: NsId, name: &LinkName, mtu: u32) -> Result<(), Refusal> {
        let index = self.wanted(ns, name)?;
        let device = self.device_mut(ns, index).ok_or((ENODEV, ""))?;
        if !(MTU.contains(&mtu) || device.kind == Kind::Loopback) {
            return Err((EINVAL, "mtu out of bounds"));
        }
        if device.mtu == mtu {
            return Ok(());
        }
        let beneath = device.parent(ns);
        if beneath.and_then(|(ns, parent)| self.device(ns, parent)).is_some_and(|parent| mtu > parent.mtu) {
            return Err((EINVAL, ""));
        }
        let device = self.device_mut(ns, index).ok_or((ENODEV, ""))?;
        if let Some(bridge) = device.bridge_mut() {
            bridge.mtu_set = true;
        }
        let master = device.master();
        if let Some(space) = self.spaces.get_mut(&ns) {
            space.set_mtu(index, mtu);
        }
        self.shrink_above(ns, index, mtu);
        self.ports_changed(ns, master);
        self.settle();
        Ok(())
    }

    pub(crate) fn set_alias(&mut self, ns: NsId, name: &LinkName, alias: &str) -> Result<(), Refusal> {
        if alias.len() > ALIAS_LENGTH {
            return Err((ERANGE, "Attribute failed policy validation"));
        }
        self.named(ns, name).map(|device| alias.clone_into(&mut device.alias))
    }

    pub(crate) fn set_arp_notify(&mut self, ns: NsId, name: &LinkName, on: bool) -> Result<(), Refusal> {
        let link = self.named(ns, name)?.name.clone();
        let value = if on { "1" } else { "0" };
        self.spaces
            .get_mut(&ns)
            .map_or(Err((ENODEV, "")), |space| space.sysctls.set(&format!("net/ipv4/conf/{link}/arp_notify"), value))
    }

    /// A bridge port by the name of a request, which must be there.
    fn port(&mut self, ns: NsId, name: &LinkName) -> Result<&mut Port, Refusal> {
        let index = self.spaces.get(&ns).and_then(|space| space.find(name)).ok_or((ENODEV, ""))?;
        self.device_mut(ns, index).and_then(|device| device.port.as_mut()).ok_or((EOPNOTSUPP, ""))
    }

    pub(crate) fn set_port(&mut self, ns: NsId, name: &LinkName, flags: PortFlags) -> Result<(), Refusal> {
        self.port(ns, name).map(|port| port.flags = flags)
    }

    pub(crate) fn set_group(&mut self, ns: NsId, name: &LinkName, group: u32) -> Result<(), Refusal> {
        self.named(ns, name).map(|device| device.group = group)
    }

    /// `IFLA_BRPORT_STATE` disabled.
    pub(crate) fn close_port(&mut self, ns: NsId, name: &LinkName) -> Result<(), Refusal> {
        self.port(ns, name)?;
        let index = self.wanted(ns, name)?;
        let device = self.device_mut(ns, index).ok_or((ENODEV, ""))?;
        if !device.up {
            return Err((ENETDOWN, ""));
        }
        let master = device.master();
        if let Some(port) = &mut device.port {
            port.closed = true;
        }
        let bridge = self.device_mut(ns, master).and_then(Device::bridge_mut);
        if let Some(bridge) = bridge {
            bridge.carrier = bridge.carrier.or(Some(false));
        }
        self.settle();
        Ok(())
    }

    pub(crate) fn add_vlan(&mut self, ns: NsId, name: &LinkName, range: VlanRange) -> Result<(), Refusal> {
        let supported = self.vlan_filtering;
        let port = self.port(ns, name)?;
        if !supported {
            return Err((EOPNOTSUPP, ""));
        }
        if range.first == 0 || range.last > 4094 || range.first > range.last {
            return Err((EINVAL, ""));
        }
        if range.native {
            port.vlans.values_mut().for_each(|vlan| vlan.pvid = false);
        }
        let vlan = |id| (id, PortVlan { id, pvid: range.native, untagged: range.native });
        port.vlans.extend((range.first..=range.last).map(vlan));
        Ok(())
    }

    pub(crate) fn delete_vlan(&mut self, ns: NsId, name: &LinkName, range: VlanRange) -> Result<(), Refusal> {
        let supported = self.vlan_filtering;
        let port = self.port(ns, name)?;
        if !supported {
            return Err((EOPNOTSUPP, ""));
        }
        // One that the port lacks is no error (br_vlan_info).
        port.vlans.retain(|id, _| !(range.first..=range.last).contains(id));
        Ok(())
    }
}
