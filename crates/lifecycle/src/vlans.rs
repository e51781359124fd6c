//! The VLANs of a bridge port: making them so, and comparing them.

use std::collections::BTreeMap;

use cni::Error;
use cnm::{Change, Drift, Kernel, Place, PortVlan, Resource, VlanRange};

use crate::converge::Converger;
use crate::errors::{drift, kernel};

impl<K: Kernel> Converger<'_, K> {
    /// Queues the changes that give a port its VLANs.
    pub(crate) fn vlans(&mut self, resource: &Resource) -> Result<(), Error> {
        let Resource::Vlans { link, vlans, keep_default } = resource else { return Ok(()) };
        let index = self.index(Place::Host, link)?;
        let all = VlanRange { first: 1, last: 4094, native: false };
        let cleared = (!keep_default).then(|| Change::DeleteVlan(index.clone(), all));
        let added = vlans.iter().map(|range| Change::AddVlan(index.clone(), *range));
        self.pending.extend(cleared.into_iter().chain(added).map(|change| (Place::Host, change)));
        Ok(())
    }

    /// The port must carry `wanted`, and nothing else, unless it kept what the bridge gave it: one VLAN too many is a hole
    /// in the separation. Ports without our alias are from before an upgrade: older reference plugins (1.1.1) always keep
    /// the default VLAN.
    pub(crate) fn expect_vlans(&mut self, name: &str, wanted: &[VlanRange], keep_default: bool) -> Result<(), Error> {
        let object = || format!("bridge port {name} on the host");
        let differs = |difference: String| Err(drift(&Drift { object: object(), difference }));
        let Some(link) = self.link(Place::Host, name).map_err(kernel)? else {
            return differs("is missing".into());
        };
        if link.port.is_none() {
            return differs("is no port of a bridge any more".into());
        }
        let have = self.kernel.vlans(Place::Host, link.index).map_err(kernel)?;
        let wanted = expanded(wanted);
        for vlan in wanted.values() {
            match have.iter().find(|found| found.id == vlan.id) {
                Some(found) if found == vlan => {}
                Some(found) => return differs(format!("has {found}, not {vlan}")),
                None => return differs(format!("lacks {vlan}")),
            }
        }
        match have.iter().find(|vlan| !wanted.contains_key(&vlan.id)) {
            Some(other) if !keep_default && !link.alias.is_empty() => {
                differs(format!("has {other}, too, which is not wanted"))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// Ranges one by one, as the kernel takes them: what comes later replaces what came before.
fn expanded(ranges: &[VlanRange]) -> BTreeMap<u16, PortVlan> {
    let each = |range: &VlanRange| {
        let native = range.native;
        (range.first..=range.last).map(move |id| (id, PortVlan { id, pvid: native, untagged: native }))
    };
    ranges.iter().flat_map(each).collect()
}
