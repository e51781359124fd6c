//! Links that stand on another one, its parent: macvlans, wherever they live, and VLANs.

use cnm::{Claimed, LinkSpec, Macvlan, MacvlanMode};

use crate::device::{Device, Kind, NsId};
use crate::links::next_index;
use crate::memory::World;
use crate::namespace::Refusal;
use crate::{EADDRINUSE, EBUSY, EEXIST, EINVAL, ENETDOWN, ENODEV};

impl World {
    /// Everything that stands on a link, in whatever namespace: (namespace, index).
    pub(crate) fn standing_on(&self, ns: NsId, index: u32) -> Vec<(NsId, u32)> {
        let of_space = |(space_id, space): (&NsId, &crate::namespace::Namespace)| {
            let id = *space_id;
            let stands = |(at, device): (&u32, &Device)| (device.parent(id) == Some((ns, index))).then_some((id, *at));
            space.devices.iter().filter_map(stands).collect::<Vec<_>>()
        };
        self.spaces.iter().flat_map(of_space).collect()
    }

    /// The link on whose wire a macvlan on `index` really is: one that is asked for on a macvlan stands beside it.
    fn wire(&self, ns: NsId, index: u32) -> (NsId, u32) {
        match self.device(ns, index).map(|device| &device.kind) {
            Some(Kind::Macvlan { parent_ns, parent, .. }) => (*parent_ns, *parent),
            _ => (ns, index),
        }
    }

    /// The macvlans on a wire.
    fn macvlans_on(&self, wire: (NsId, u32)) -> impl Iterator<Item = (&Device, MacvlanMode)> {
        let found = self.standing_on(wire.0, wire.1).into_iter();
        found.filter_map(|(ns, index)| {
            let device = self.device(ns, index)?;
            if let Kind::Macvlan { mode, .. } = device.kind { Some((device, mode)) } else { None }
        })
    }

    /// `macvlan_common_newlink`. `ns` is where the parent is.
    pub(crate) fn create_macvlan(
        &mut self,
        ns: NsId,
        born_in: NsId,
        spec: &LinkSpec,
        link: &Macvlan,
    ) -> Result<Claimed, Refusal> {
        let asked = self.spaces.get(&ns).and_then(|space| space.by_name(&link.parent)).ok_or((ENODEV, ""))?;
        let (parent_ns, parent) = self.wire(ns, asked);
        let lower = self.device(parent_ns, parent).ok_or((ENODEV, ""))?;
        let (lower_mac, lower_mtu) = (lower.mac, lower.mtu);
        if spec.mtu.is_some_and(|mtu| mtu > lower_mtu) || lower.kind == Kind::Loopback {
            return Err((EINVAL, ""));
        }
        // A bridge port hands its frames to the bridge.
        if lower.port.is_some() {
            return Err((EBUSY, ""));
        }
        let mut taken = false;
        for (_, mode) in self.macvlans_on((parent_ns, parent)) {
            taken |= mode == MacvlanMode::Passthru || link.mode == MacvlanMode::Passthru;
        }
        if taken {
            return Err((EINVAL, ""));
        }
        let mac = match link.mode {
            MacvlanMode::Passthru => lower_mac,
            MacvlanMode::Private | MacvlanMode::Vepa | MacvlanMode::Bridge => {
                spec.mac.unwrap_or_else(|| self.random_mac())
            }
        };
        let kind = Kind::Macvlan { parent_ns, parent, mode: link.mode };
        let device = Device::new(&spec.name, kind, mac, spec.mtu.unwrap_or(lower_mtu));
        Ok(self.born(born_in, device))
    }

    /// `vlan_newlink`.
    pub(crate) fn create_vlan(&mut self, ns: NsId, spec: &LinkSpec, parent: &str, id: u16) -> Result<Claimed, Refusal> {
        let parent = self.spaces.get(&ns).and_then(|space| space.by_name(parent)).ok_or((ENODEV, ""))?;
        let real = self.device(ns, parent).ok_or((ENODEV, ""))?;
        let (real_mac, real_mtu) = (real.mac, real.mtu);
        let same = |(space, index): &(NsId, u32)| matches!(self.device(*space, *index).map(|device| &device.kind), Some(Kind::Vlan { id: other, .. }) if *other == id);
        if self.standing_on(ns, parent).iter().any(same) {
            return Err((EEXIST, "VLAN device already exists"));
        }
        if spec.mtu.is_some_and(|mtu| mtu > real_mtu) {
            return Err((EINVAL, ""));
        }
        let device = Device::new(
            &spec.name,
            Kind::Vlan { parent, id },
            spec.mac.unwrap_or(real_mac),
            spec.mtu.unwrap_or(real_mtu),
        );
        Ok(self.born(ns, device))
    }

    /// Registers a link that has no peer.
    pub(crate) fn born(&mut self, ns: NsId, device: Device) -> Claimed {
        let (mac, mtu, index) = (Some(device.mac), device.mtu, next_index(self, ns));
        if let Some(space) = self.spaces.get_mut(&ns) {
            space.register(device);
        }
        Claimed { index, peer_index: 0, mac, mtu }
    }

    /// Whether the link can be brought up: a VLAN needs its parent up, a macvlan an address that nobody on its wire has.
    pub(crate) fn may_come_up(&self, ns: NsId, index: u32) -> Result<(), Refusal> {
        let Some(device) = self.device(ns, index).filter(|device| !device.up) else { return Ok(()) };
        match &device.kind {
            Kind::Vlan { parent, .. } => {
                let up = self.device(ns, *parent).is_some_and(|parent| parent.up);
                if up { Ok(()) } else { Err((ENETDOWN, "")) }
            }
            Kind::Macvlan { mode: MacvlanMode::Passthru, .. } => Ok(()),
            Kind::Macvlan { parent_ns, parent, .. } => {
                let wire = (*parent_ns, *parent);
                let parents = self.device(wire.0, wire.1).is_some_and(|parent| parent.mac == device.mac);
                let others = self.macvlans_on(wire).any(|(other, _)| other.up && other.mac == device.mac);
                if parents || others { Err((EADDRINUSE, "")) } else { Ok(()) }
            }
            Kind::Loopback
            | Kind::Hardware
            | Kind::Bridge(_)
            | Kind::Veth { .. }
            | Kind::Dummy
            | Kind::Vxlan(_)
            | Kind::Ifb => Ok(()),
        }
    }

    /// The parent's MTU fell: what stands on it follows.
    pub(crate) fn shrink_above(&mut self, ns: NsId, index: u32, mtu: u32) {
        for (above_ns, above) in self.standing_on(ns, index) {
            if self.device(above_ns, above).is_some_and(|device| device.mtu > mtu) {
                if let Some(space) = self.spaces.get_mut(&above_ns) {
                    space.set_mtu(above, mtu);
                }
                self.shrink_above(above_ns, above, mtu);
            }
        }
    }
}
