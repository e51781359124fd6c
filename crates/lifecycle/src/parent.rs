//! What endpoints stand on: a link of others, or one that is made when it is missing and goes when nothing stands on it.

use cni::Error;
use cnm::{
    Change, Elsewhere, Kernel, KernelError, Link, LinkKind, LinkName, LinkSpec, Macvlan, MacvlanMode, Owner, OwnerTag,
    Place, is_shared_group, shared_group,
};

use crate::converge::Converger;
use crate::errors::{INVALID, IS_BUSY, kernel};

impl<K: Kernel> Converger<'_, K> {
    /// Sees to it that there is a parent for links of `mtu`.
    pub(crate) fn ensure_parent(
        &mut self,
        network: &str,
        place: Place,
        name: &str,
        mtu: Option<u32>,
        made: Option<&LinkSpec>,
    ) -> Result<(), Error> {
        let link = match (self.link(place, name).map_err(kernel)?, made) {
            (Some(link), _) => link,
            (None, Some(spec)) => {
                if let Some(beneath) = spec.beneath()
                    && self.link(place, beneath).map_err(kernel)?.is_none()
                {
                    return Err(lookup_failed(name).with_details(format!(
                        "it would be made on {beneath}, and that does not exist, either; see: ip link show"
                    )));
                }
                self.make_shared(network, spec)?
            }
            (None, None) => {
                return Err(lookup_failed(name)
                    .with_details(format!("there is no such interface {place}; name another one as master")));
            }
        };
        if let Some(spec) = made.filter(|_| is_made_by_us(&link)) {
            self.complete_parent(network, &link, spec)?;
        }
        fits(mtu, link.mtu)
    }

    /// One that we made is brought up when it is complete; others are left as they are.
    fn complete_parent(&mut self, network: &str, link: &Link, spec: &LinkSpec) -> Result<(), Error> {
        let index = LinkName::Index(link.index);
        if link.alias.is_empty() && link.group == shared_group(network) {
            self.now(Place::Host, Change::Alias(index.clone(), Owner::network_alias(network)))?;
        }
        if link.up {
            return Ok(());
        }
        self.give_birth_settings(Place::Host, spec)?;
        self.try_now(Place::Host, Change::Up(index, true)).map_err(|error| {
            let beneath = spec.beneath().unwrap_or_default();
            Error::internal(format!("{} does not come up: {error}", spec.name))
                .with_details(format!("is {beneath} up? bring it up with: ip link set {beneath} up"))
        })
    }

    /// Why a VLAN cannot be made although no link has its name: another one carries the same tag.
    pub(crate) fn vlan_of_another_name(&mut self, parent: &str, id: u16, error: KernelError) -> Error {
        let beneath = self.link(Place::Host, parent).ok().flatten().map_or(0, |link| link.index);
        let same = |link: &Link| link.vlan == Some(id) && link.parent == beneath && link.parent_netns.is_none();
        match self.kernel.links(Place::Host, 0).ok().and_then(|links| links.into_iter().find(same)) {
            Some(link) => Error::config(format!("master: VLAN {id} of {parent} is there already, and its name is {}", link.name))
                .with_details(format!("name {} as master", link.name)),
            None => kernel(error).with_details(format!(
                "VLAN {id} of {parent} has been moved into another namespace, or came and went just now: try again, or name another master"
            )),
        }
    }
}

/// The reference's text.
pub(crate) fn lookup_failed(name: &str) -> Error {
    Error::internal(format!("failed to lookup master {name:?}: Link not found"))
}

/// Whether links of `wanted` bytes fit on a parent of `most`.
pub(crate) fn fits(wanted: Option<u32>, most: u32) -> Result<(), Error> {
    match wanted.filter(|&mtu| mtu > most) {
        Some(mtu) => Err(Error::config(format!("invalid MTU {mtu}, must be [0, master MTU({most})]"))
            .with_details("lower mtu, leave it out, or raise the MTU of the master")),
        None => Ok(()),
    }
}

/// Whether we made a link, for whatever network.
fn is_made_by_us(link: &Link) -> bool {
    Owner::is_network_alias(&link.alias) || (link.alias.is_empty() && is_shared_group(link.group))
}

/// Removes a parent that we made, if nothing stands on it, wherever: an endpoint of whichever network, another VLAN, a
/// bridge that it is a port of. The caller holds the host's lock alone.
pub(crate) fn delete_unused_parent<K: Kernel>(k: &mut K, parent: &Link) -> Result<(), KernelError> {
    let stands = |link: &Link| link.parent_netns.is_none() && link.parent == parent.index;
    let used = !is_made_by_us(parent)
        || parent.master != 0
        || k.links(Place::Host, 0)?.iter().any(stands)
        || k.find_elsewhere(None, &mut |other: &Elsewhere| stands(&other.link))?.is_some();
    if used {
        return Ok(());
    }
    k.apply(Place::Host, &[Change::DeleteLink(LinkName::Index(parent.index))]).into_iter().collect()
}

/// Why the kernel does not let a macvlan stand on its parent, in words that say what to do.
pub(crate) fn refused<K: Kernel>(converger: &mut Converger<'_, K>, spec: &LinkSpec, error: KernelError) -> Error {
    let LinkKind::Macvlan(wanted) = &spec.kind else { return kernel(error) };
    let parent = &wanted.parent;
    match error.errno {
        IS_BUSY => Error::internal(format!("failed to create macvlan: {parent} serves something else: {error}"))
            .with_details(format!(
                "a bridge port or the parent of an ipvlan cannot be the master of a macvlan; name the bridge itself, see: ip -d link show {parent}"
            )),
        INVALID => match neighbour(converger, wanted) {
            Some((mode, who)) if wanted.mode == MacvlanMode::Passthru || mode == Some(MacvlanMode::Passthru) => {
                let alone = if wanted.mode == MacvlanMode::Passthru { "this endpoint" } else { "that one" };
                Error::config(format!("mode passthru: {parent} is in use by {who}, and {alone} would have it alone"))
                    .with_details(format!("a passthru network has one endpoint; DEL the other, or use another mode: {error}"))
            }
            Some(_) | None => inapt(converger, spec, wanted, error),
        },
        _ => kernel(error),
    }
}

/// What the kernel may mean when it finds a macvlan invalid that no other is in the way of.
fn inapt<K: Kernel>(converger: &mut Converger<'_, K>, spec: &LinkSpec, wanted: &Macvlan, error: KernelError) -> Error {
    let parent = &wanted.parent;
    let most = converger.link(wanted.parent_in, parent).ok().flatten().map_or(u32::MAX, |link| link.mtu);
    fits(spec.mtu, most).err().unwrap_or_else(|| {
        Error::internal(format!("failed to create macvlan: the kernel does not take {parent} as master: {error}")).with_details(
            "it must be an Ethernet interface (not lo, a tunnel, WireGuard or ppp); name another one as master, see: ip -d link show",
        )
    })
}

/// A macvlan that stands on the same parent, and whose it is.
fn neighbour<K: Kernel>(converger: &mut Converger<'_, K>, wanted: &Macvlan) -> Option<(Option<MacvlanMode>, String)> {
    let parent = converger.link(wanted.parent_in, &wanted.parent).ok()??;
    // A macvlan as parent stands for its own.
    let wire = if parent.kind == "macvlan" { parent.parent } else { parent.index };
    let stands = |link: &Link| link.kind == "macvlan" && link.parent == wire;
    let beside = converger.kernel.links(wanted.parent_in, 0).ok()?;
    let found = match beside.into_iter().find(|link| stands(link) && link.parent_netns.is_none()) {
        Some(link) => link,
        None if wanted.parent_in == Place::Host => {
            let stands = &mut |other: &Elsewhere| other.link.parent_netns.is_none() && stands(&other.link);
            converger.kernel.find_elsewhere(Some("macvlan"), stands).ok()??.link
        }
        None => return None,
    };
    // Ours says its names behind the tag and the addresses.
    let names = OwnerTag::read(&found.alias).and_then(|_| found.alias.split_once("] "));
    let who = match names {
        Some((_, names)) => format!("the endpoint with {names}"),
        None => format!("the macvlan {}", found.name),
    };
    Some((found.mode, who))
}
