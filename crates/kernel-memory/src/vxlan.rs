//! VXLAN devices, forwarding tables and neighbours.

use std::net::IpAddr;

use cnm::{Claimed, FdbEntry, LinkName, LinkSpec, Neighbour, Vxlan};

use crate::device::{Device, Kind, NsId};
use crate::memory::World;
use crate::namespace::Refusal;
use crate::{EAFNOSUPPORT, EEXIST, EINVAL, ENODEV, ENOENT, EOPNOTSUPP};

/// `VXLAN_HEADROOM` and `VXLAN6_HEADROOM`: outer headers in bytes.
const fn headroom(local: IpAddr) -> u32 {
    if local.is_ipv4() { 50 } else { 70 }
}

impl World {
    /// One VNI on one UDP port is one device.
    pub(crate) fn create_vxlan(&mut self, ns: NsId, spec: &LinkSpec, vxlan: Vxlan) -> Result<Claimed, Refusal> {
        let space = self.spaces.get(&ns).ok_or((ENODEV, ""))?;
        let same = |other: &Device| {
            matches!(&other.kind, Kind::Vxlan(other) if (other.vni, other.port) == (vxlan.vni, vxlan.port)
                && other.local.is_ipv4() == vxlan.local.is_ipv4())
        };
        let below = match vxlan.underlay {
            0 => None,
            index => Some(space.devices.get(&index).ok_or((ENODEV, "Invalid local interface"))?.mtu),
        };
        if vxlan.group.is_some_and(|group| group.is_ipv4() != vxlan.local.is_ipv4()) {
            return Err((EINVAL, "Local and remote address families do not match"));
        }
        if space.devices.values().any(same) {
            return Err((EEXIST, "A VXLAN device with the specified VNI already exists"));
        }
        let most = below.map(|mtu| mtu - headroom(vxlan.local));
        let mtu = spec.mtu.map(|mtu| most.map_or(mtu, |most| mtu.min(most))).or(most).unwrap_or(1500);
        let mac = spec.mac.unwrap_or_else(|| self.random_mac());
        let device = Device::new(&spec.name, Kind::Vxlan(vxlan), mac, mtu);
        Ok(self.born(ns, device))
    }

    fn device_named(&mut self, ns: NsId, name: &LinkName) -> Result<&mut Device, Refusal> {
        let index = self.wanted(ns, name)?;
        self.device_mut(ns, index).ok_or((ENODEV, ""))
    }

    /// The port whose table an entry is for, if it has one.
    fn table_of(&mut self, ns: NsId, name: &LinkName, entry: FdbEntry) -> Result<&mut Device, Refusal> {
        let device = self.device_named(ns, name)?;
        match (entry.vtep, &device.kind) {
            (Some(_), Kind::Vxlan(_)) => Ok(device),
            (None, _) if device.port.is_some() => Ok(device),
            (Some(_) | None, _) => Err((EOPNOTSUPP, "")),
        }
    }

    pub(crate) fn set_fdb(&mut self, ns: NsId, name: &LinkName, entry: FdbEntry) -> Result<(), Refusal> {
        let device = self.table_of(ns, name, entry)?;
        if let (Some(vtep), Kind::Vxlan(vxlan)) = (entry.vtep, &device.kind)
            && vtep.is_ipv4() != vxlan.local.is_ipv4()
        {
            return Err((EAFNOSUPPORT, ""));
        }
        device.fdb.retain(|old| {
            let same_table = old.mac == entry.mac && old.vtep.is_some() == entry.vtep.is_some();
            !same_table || (entry.floods_to().is_some() && *old != entry)
        });
        device.fdb.push(entry);
        let (master, index) = (device.master(), self.wanted(ns, name)?);
        if entry.vtep.is_none() {
            // The bridge has one table for all its ports: the station has moved here.
            let ports = self.spaces.get(&ns).map(|space| space.ports(master)).unwrap_or_default();
            for port in ports.into_iter().filter(|port| *port != index) {
                if let Some(device) = self.device_mut(ns, port) {
                    device.fdb.retain(|old| *old != entry);
                }
            }
        }
        Ok(())
    }

    /// `__vxlan_fdb_delete`: a station that is behind another host is no error, and stays there.
    pub(crate) fn delete_fdb(&mut self, ns: NsId, name: &LinkName, entry: FdbEntry) -> Result<(), Refusal> {
        let table = &mut self.table_of(ns, name, entry)?.fdb;
        let same = |old: &&FdbEntry| old.mac == entry.mac && old.vtep.is_some() == entry.vtep.is_some();
        table.iter().find(same).ok_or((ENOENT, ""))?;
        table.retain(|old| *old != entry);
        Ok(())
    }

    pub(crate) fn set_neighbour(&mut self, ns: NsId, name: &LinkName, entry: Neighbour) -> Result<(), Refusal> {
        self.device_named(ns, name).map(|device| {
            device.neighbours.insert(entry.ip, entry.mac);
        })
    }

    pub(crate) fn delete_neighbour(&mut self, ns: NsId, name: &LinkName, entry: Neighbour) -> Result<(), Refusal> {
        self.device_named(ns, name)?.neighbours.remove(&entry.ip).map(drop).ok_or((ENOENT, ""))
    }
}
