//! The device by which passes what leaves a sandbox. Its name is the reference's, where that is free: two interfaces of
//! a container on one network have the same, and the second gets another one. Whose it is says its hardware address.

use std::collections::HashSet;

use cni::{Attachment, Error};
use cnm::{Change, Kernel, Link, LinkKind, LinkName, LinkSpec, Mac, Owner, Place, network_group};

use super::absent_is_fine;
use crate::errors::{EXISTS, kernel};

/// A device that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Device {
    pub(crate) name: String,
    pub(crate) index: u32,
    pub(crate) up: bool,
}

/// Whose a device with one of the names of `owner` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Belongs {
    /// To the owner: we made it.
    Owner,
    /// To the same container, whichever its interface: the reference plugins made it.
    Container,
    /// To somebody else.
    Other,
}

fn belongs(link: &Link, owner: &Owner) -> Belongs {
    if link.kind != LinkKind::Ifb.as_str() {
        Belongs::Other
    } else if link.group == 0 && link.alias.is_empty() {
        Belongs::Container
    } else if link.mac == Some(owner.shaper_mac()) {
        Belongs::Owner
    } else {
        Belongs::Other
    }
}

/// Makes the device, or takes the one that an earlier ADD made. It comes up once it limits: a discipline for a device
/// that is up costs some milliseconds, in which the kernel waits for packets on their way.
pub(super) fn claim<K: Kernel>(k: &mut K, owner: &Owner, mtu: u32) -> Result<Device, Error> {
    let spec = |name: String| LinkSpec {
        mtu: Some(mtu),
        mac: Some(owner.shaper_mac()),
        group: network_group(&owner.network),
        ..LinkSpec::new(name, LinkKind::Ifb)
    };
    let mut refusal = None;
    for name in [owner.shaper(), owner.second_shaper()] {
        match k.create(Place::Host, &spec(name.clone())) {
            Ok(claimed) => return Ok(Device { name, index: claimed.index, up: false }),
            Err(error) if error.errno == EXISTS => {
                let link = k.link(Place::Host, &LinkName::Name(name.clone())).map_err(kernel)?;
                if let Some(link) = link.filter(|link| belongs(link, owner) == Belongs::Owner) {
                    return Ok(Device { name, index: link.index, up: link.up });
                }
                refusal = Some(error);
            }
            Err(error) => return Err(kernel(error)),
        }
    }
    Err(refusal.map_or_else(|| Error::internal("no name for a device"), kernel))
}

/// The device of `owner`: ours, or the one that the reference plugins made for the container.
pub(super) fn find<K: Kernel>(k: &mut K, owner: &Owner) -> Result<Option<Device>, Error> {
    let mut container = None;
    for name in [owner.shaper(), owner.second_shaper()] {
        let Some(link) = k.link(Place::Host, &LinkName::Name(name.clone())).map_err(kernel)? else { continue };
        let device = Device { name, index: link.index, up: link.up };
        match belongs(&link, owner) {
            Belongs::Owner => return Ok(Some(device)),
            Belongs::Container => container = Some(device),
            Belongs::Other => {}
        }
    }
    Ok(container)
}

/// Removes the devices of `network` whose attachments are not `valid`. Those of the reference plugins do not say which
/// network they belong to, and stay.
pub(crate) fn collect_devices<K: Kernel>(k: &mut K, network: &str, valid: &[Attachment]) -> Result<(), Error> {
    let owner = |one: &Attachment| Owner::new(network, &*one.container_id, &*one.ifname);
    let kept: HashSet<Mac> = valid.iter().map(|one| owner(one).shaper_mac()).collect();
    let dead = |link: &Link| {
        link.kind == LinkKind::Ifb.as_str()
            && link.group == network_group(network)
            && link.name.starts_with("bwp")
            && link.mac.is_none_or(|mac| !kept.contains(&mac))
    };
    let links = k.links(Place::Host, 0).map_err(kernel)?;
    let changes: Vec<Change> =
        links.iter().filter(|link| dead(link)).map(|link| Change::DeleteLink(LinkName::Index(link.index))).collect();
    absent_is_fine(k, &changes)
}
