//! `cnm::Kernel` for [`Memory`]: which namespace, which object, and the words of an error.

use std::net::IpAddr;

use cnm::{
    Change, Claimed, Elsewhere, Facility, FdbEntry, Firewall, Kernel, KernelError, Link, LinkName, LinkSpec, Mac,
    Neighbour, Notes, Place, PortVlan, Queueing, Route, RouteLookup,
};
use ipnet::IpNet;

use crate::device::{Device, Kind, NsId};
use crate::firewall::Lock;
use crate::memory::Memory;
use crate::namespace::{Namespace, Refusal, refused};
use crate::{EINVAL, ENODEV, EOPNOTSUPP};

impl Memory {
    fn namespace(&self, place: Place) -> Result<&Namespace, KernelError> {
        let ns = self.space(place)?;
        self.world.spaces.get(&ns).ok_or_else(|| KernelError::other("enter the sandbox", "it is gone"))
    }

    fn change(&mut self, ns: NsId, change: &Change) -> Result<(), Refusal> {
        let world = &mut self.world;
        match change {
            Change::Up(name, up) => world.wanted(ns, name).and_then(|index| {
                if *up {
                    world.may_come_up(ns, index)?;
                }
                world.set_up(ns, index, *up);
                Ok(())
            }),
            Change::Promisc(name, on) => world.set_promisc(ns, name, *on),
            Change::AllMulticast(name, on) => world.set_all_multicast(ns, name, *on),
            Change::QueueLength(name, size) => world.set_queue_length(ns, name, *size),
            Change::Traffic(name, traffic) => world.traffic(ns, name, traffic),
            Change::Mac(name, mac) => world.set_mac(ns, name, *mac),
            Change::Mtu(name, mtu) => world.change_mtu(ns, name, *mtu),
            Change::Alias(name, alias) => world.set_alias(ns, name, alias),
            Change::ArpNotify(name, on) => world.set_arp_notify(ns, name, *on),
            Change::Group(name, group) => world.set_group(ns, name, *group),
            Change::Port(name, flags) => world.set_port(ns, name, *flags),
            Change::ClosePort(name) => world.close_port(ns, name),
            Change::AddVlan(name, range) => world.add_vlan(ns, name, *range),
            Change::DeleteVlan(name, range) => world.delete_vlan(ns, name, *range),
            Change::SetFdb(name, entry) => world.set_fdb(ns, name, *entry),
            Change::DeleteFdb(name, entry) => world.delete_fdb(ns, name, *entry),
            Change::SetNeighbour(name, neighbour) => world.set_neighbour(ns, name, *neighbour),
            Change::DeleteNeighbour(name, neighbour) => world.delete_neighbour(ns, name, *neighbour),
            Change::DeleteLink(name) => world.delete(ns, name),
            Change::AddAddress(name, address) => self.inside(ns, |space| space.add_address(name, address)),
            Change::DeleteAddress(name, address) => self.inside(ns, |space| space.delete_address(name, address)),
            Change::AddRoute(route) => self.inside(ns, |space| space.add_route(route)),
            Change::DeleteRoute(route) => self.inside(ns, |space| space.delete_route(route)),
            Change::DeleteElsewhere(space, index) => {
                let known = self.world.spaces.get(&ns).map(|space| &space.neighbours);
                let other = usize::try_from(*space).ok().and_then(|at| known?.get(at).copied()).ok_or((ENODEV, ""))?;
                self.world.delete(other, &LinkName::Index(*index))
            }
        }
    }

    fn inside(&mut self, ns: NsId, act: impl FnOnce(&mut Namespace) -> Result<(), Refusal>) -> Result<(), Refusal> {
        self.world.spaces.get_mut(&ns).map_or(Err((ENODEV, "")), act)
    }

    fn shown(&self, ns: NsId, index: u32, device: &Device) -> Link {
        let (parent, peer_ns) = match device.kind {
            Kind::Veth { peer_ns, peer } => (peer, Some(peer_ns)),
            Kind::Loopback
            | Kind::Hardware
            | Kind::Bridge(_)
            | Kind::Macvlan { .. }
            | Kind::Vlan { .. }
            | Kind::Dummy
            | Kind::Vxlan(_)
            | Kind::Ifb => device.parent(ns).map_or((0, None), |(ns, parent)| (parent, Some(ns))),
        };
        let space = self.world.spaces.get(&ns);
        let neighbours = space.map(|space| &space.neighbours);
        let parent_netns = peer_ns.filter(|peer_ns| *peer_ns != ns).and_then(|peer_ns| {
            let at = neighbours.and_then(|known| known.iter().position(|other| *other == peer_ns));
            i32::try_from(at.unwrap_or_default()).ok()
        });
        Link {
            index,
            name: device.name.clone(),
            kind: device.kind_name().to_owned(),
            mac: Some(device.mac),
            mtu: device.mtu,
            master: device.master(),
            parent,
            parent_netns,
            group: device.group,
            up: device.up,
            promisc: device.promisc,
            allmulti: device.allmulti,
            queue: device.queue,
            operstate: self.world.operstate(ns, device),
            alias: device.alias.clone(),
            vlan_filtering: device.bridge().is_some_and(|bridge| bridge.vlan_filtering),
            port: device.port.as_ref().map(|port| port.flags),
            vxlan: if let Kind::Vxlan(vxlan) = device.kind { Some(vxlan) } else { None },
            mode: if let Kind::Macvlan { mode, .. } = device.kind { Some(mode) } else { None },
            vlan: if let Kind::Vlan { id, .. } = device.kind { Some(id) } else { None },
            ipv6_off: space.is_some_and(|space| space.ipv6_is_off(device)),
        }
    }
}

impl Kernel for Memory {
    fn has_sandbox(&self) -> bool {
        self.sandbox.is_some()
    }

    fn random_mac(&mut self) -> Mac {
        self.world.random_mac()
    }

    fn create(&mut self, place: Place, spec: &LinkSpec) -> Result<Claimed, KernelError> {
        let ns = self.space(place)?;
        let born_in = spec.born_when_asked_in(place);
        let what = || format!("create {} {} {born_in}", spec.kind.as_str(), spec.name);
        let claimed = self.world.create(ns, self.sandbox, spec).map_err(|refusal| refused(what(), refusal))?;
        if let Some(sandbox) = self.sandbox {
            for (one, other) in [(ns, sandbox), (sandbox, ns)] {
                if let Some(space) = self.world.spaces.get_mut(&one).filter(|_| one != other) {
                    space.netnsid(other);
                }
            }
        }
        Ok(claimed)
    }

    fn apply(&mut self, place: Place, changes: &[Change]) -> Vec<Result<(), KernelError>> {
        let ns = match self.space(place) {
            Ok(ns) => ns,
            Err(error) => return changes.iter().map(|_| Err(error.clone())).collect(),
        };
        let one =
            |change: &Change| self.change(ns, change).map_err(|refusal| refused(format!("{change} {place}"), refusal));
        changes.iter().map(one).collect()
    }

    fn link(&mut self, place: Place, name: &LinkName) -> Result<Option<Link>, KernelError> {
        let ns = self.space(place)?;
        let space = self.namespace(place)?;
        let found = space.find(name).and_then(|index| Some((index, space.devices.get(&index)?)));
        Ok(found.map(|(index, device)| self.shown(ns, index, device)))
    }

    fn links(&mut self, place: Place, master: u32) -> Result<Vec<Link>, KernelError> {
        let ns = self.space(place)?;
        let all = self.namespace(place)?.devices.iter();
        let wanted = all.filter(|(_, device)| master == 0 || device.master() == master);
        Ok(wanted.map(|(index, device)| self.shown(ns, *index, device)).collect())
    }

    fn find_elsewhere(
        &mut self,
        kind: Option<&str>,
        wanted: &mut dyn FnMut(&Elsewhere) -> bool,
    ) -> Result<Option<Elsewhere>, KernelError> {
        let host = self.space(Place::Host)?;
        let known = self.namespace(Place::Host)?.neighbours.clone();
        for (space, ns) in (0i32..).zip(known) {
            let Some(devices) = self.world.spaces.get(&ns).map(|space| &space.devices) else { continue };
            for (index, device) in
                devices.iter().filter(|(_, device)| kind.is_none_or(|kind| device.kind_name() == kind))
            {
                let parent_netns =
                    device.parent(ns).map_or(Some(space), |(parent, _)| (parent != host).then_some(space));
                let link = Link { parent_netns, ..self.shown(ns, *index, device) };
                let found = Elsewhere { space, link };
                if wanted(&found) {
                    return Ok(Some(found));
                }
            }
        }
        Ok(None)
    }

    fn default_link(&mut self, place: Place) -> Result<Option<Link>, KernelError> {
        match self.namespace(place)?.default_link() {
            Some(index) => self.link(place, &LinkName::Index(index)),
            None => Ok(None),
        }
    }

    fn addresses(&mut self, place: Place, link: u32) -> Result<Vec<IpNet>, KernelError> {
        let Some(device) = self.namespace(place)?.devices.get(&link) else {
            return Err(KernelError::new(format!("list addresses {place}"), ENODEV, ""));
        };
        let v4 = device.v4.iter().map(|address| IpNet::V4(address.net));
        // Linux::addresses leaves out what the kernel makes for itself.
        let v6 = device.v6.iter().filter(|address| !address.is_link_local()).map(|address| IpNet::V6(address.net));
        Ok(v4.chain(v6).collect())
    }

    fn routes(&mut self, place: Place, link: u32) -> Result<Vec<Route>, KernelError> {
        let space = self.namespace(place)?;
        if !space.devices.contains_key(&link) {
            return Err(KernelError::new(format!("list routes {place}"), ENODEV, ""));
        }
        Ok(space.routes_by(link))
    }

    fn fdb(&mut self, place: Place, link: u32) -> Result<Vec<FdbEntry>, KernelError> {
        Ok(self.namespace(place)?.devices.get(&link).map(|device| device.fdb.clone()).unwrap_or_default())
    }

    fn neighbours(&mut self, place: Place, link: u32) -> Result<Vec<Neighbour>, KernelError> {
        let Some(device) = self.namespace(place)?.devices.get(&link) else { return Ok(Vec::new()) };
        Ok(device.neighbours.iter().map(|(ip, mac)| Neighbour { ip: *ip, mac: *mac }).collect())
    }

    fn vlans(&mut self, place: Place, link: u32) -> Result<Vec<PortVlan>, KernelError> {
        let failed = |errno| Err(KernelError::new(format!("list the VLANs of a bridge port {place}"), errno, ""));
        if !self.world.vlan_filtering {
            return failed(EOPNOTSUPP);
        }
        if link == 0 {
            return Ok(Vec::new());
        }
        let device = self.namespace(place)?.devices.get(&link);
        match device.map(|device| &device.port) {
            Some(Some(port)) => Ok(port.vlans.values().copied().collect()),
            Some(None) => failed(EINVAL),
            None => failed(ENODEV),
        }
    }

    fn route_to(&mut self, place: Place, to: IpAddr) -> Result<Option<RouteLookup>, KernelError> {
        Ok(self.namespace(place)?.lookup(to))
    }

    fn wait_up(&mut self, name: &LinkName) -> Result<Link, KernelError> {
        // Everything has happened already: a link that is not up will not come up by waiting.
        let gone = || KernelError::new(format!("wait for {name} to come up"), ENODEV, "");
        self.link(Place::Host, name)?.ok_or_else(gone)
    }

    fn queueing(&mut self, link: u32) -> Result<Queueing, KernelError> {
        let found = self.namespace(Place::Host)?.devices.get(&link).map(|device| device.queueing.clone());
        found.ok_or_else(|| KernelError::new(format!("look up the queueing discipline of link {link}"), ENODEV, ""))
    }

    fn has(&mut self, facility: Facility) -> Result<bool, KernelError> {
        Ok(!self.world.missing.contains(&facility))
    }

    fn sysctl(&mut self, place: Place, key: &str) -> Result<Option<String>, KernelError> {
        Ok(self.namespace(place)?.sysctls.get(key).map(str::to_owned))
    }

    fn set_sysctl(&mut self, place: Place, key: &str, value: &str) -> Result<(), KernelError> {
        let ns = self.space(place)?;
        let set = |space: &mut Namespace| {
            let before = space.ipv6_switches();
            space.sysctls.set(key, value)?;
            space.sysctl_changed(&before);
            Ok(())
        };
        let done = self.inside(ns, set);
        self.world.settle();
        done.map_err(|refusal| refused(format!("set the sysctl {key} to {value} {place}"), refusal))
    }

    fn lock(&mut self, exclusive: bool) -> Result<(), KernelError> {
        self.firewall.lock = if exclusive { Lock::Exclusive } else { Lock::Shared };
        Ok(())
    }

    fn unlock(&mut self) {
        self.firewall.lock = Lock::Free;
    }

    fn notes(&mut self) -> &mut dyn Notes {
        &mut self.notes
    }

    fn firewall(&mut self) -> &mut dyn Firewall {
        &mut self.firewall
    }
}
