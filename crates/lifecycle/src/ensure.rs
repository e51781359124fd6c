//! Making true what the endpoints of a network share: what is there is looked at, not rewritten, and what is missing is
//! made so that several can do it at once and any of them may be killed.

use cni::{Code, Error};
use cnm::{
    Address, Change, FdbEntry, Kernel, KernelError, Link, LinkKind, LinkName, LinkSpec, Neighbour, Owner, Place,
    Resource, Sysctl, Vxlan, is_shared_group, satisfies, shared_group,
};

use crate::converge::Converger;
use crate::errors::{EXISTS, NO_ENTRY, NO_VLAN_FILTERING, NOT_SUPPORTED, kernel};
use crate::parent;

impl<K: Kernel> Converger<'_, K> {
    /// Makes shared resources true, in order; what is there already is neither rewritten nor listed.
    pub(crate) fn ensure(&mut self, network: &str, resources: &[Resource]) -> Result<(), Error> {
        for resource in resources {
            match resource {
                Resource::Link(spec) => self.ensure_link(network, spec)?,
                Resource::Parent { place, name, mtu, made } => {
                    self.ensure_parent(network, *place, name, *mtu, made.as_ref())?;
                }
                Resource::Address { place, link, address, force } => {
                    self.ensure_address(*place, link, *address, *force)?;
                }
                Resource::Up { place, link } => {
                    if !self.link(*place, link).map_err(kernel)?.is_some_and(|link| link.up) {
                        let index = self.index(*place, link)?;
                        self.pending.push((*place, Change::Up(index, true)));
                        self.flush()?;
                    }
                }
                Resource::Sysctl(sysctl) => self.sysctl(sysctl)?,
                Resource::Vlans { link, .. } => {
                    // Up means complete: the VLANs of a port that others use already are not rewritten under them.
                    if !self.link(Place::Host, link).map_err(kernel)?.is_some_and(|link| link.up) {
                        self.vlans(resource)?;
                        self.flush()?;
                    }
                }
                Resource::Port { link, flags } => {
                    let found = self.link(Place::Host, link).map_err(kernel)?;
                    if found.and_then(|link| link.port).unwrap_or_default() != *flags {
                        let index = self.index(Place::Host, link)?;
                        self.now(Place::Host, Change::Port(index, *flags))?;
                    }
                }
                // Said again each time, all in one send: the kernel takes what it has for an answer, and what the
                // configuration has learnt since arrives.
                Resource::Fdb { link, entries, exact } => {
                    let index = self.index(Place::Host, link)?;
                    if *exact && !self.is_fresh(link) {
                        self.forget_hosts(&index, entries)?;
                    }
                    let change = |entry: &FdbEntry| (Place::Host, Change::SetFdb(index.clone(), *entry));
                    self.pending.extend(entries.iter().map(change));
                }
                Resource::Neighbours { link, entries } => {
                    let index = self.index(Place::Host, link)?;
                    let change = |entry: &Neighbour| (Place::Host, Change::SetNeighbour(index.clone(), *entry));
                    self.pending.extend(entries.iter().map(change));
                }
                Resource::Route { .. }
                | Resource::ArpNotify { .. }
                | Resource::Ipv6 { .. }
                | Resource::Firewall(_)
                | Resource::IsolatedPort { .. }
                | Resource::Tuning(_)
                | Resource::Shaping(_)
                | Resource::Alone
                | Resource::OnlyLoopbackAddresses => {
                    return Err(Error::internal(format!("a network cannot share {resource:?}")));
                }
            }
        }
        self.flush()
    }

    /// Ends the flooding to hosts that are not among the wanted: the configuration named them once.
    fn forget_hosts(&mut self, port: &LinkName, wanted: &[FdbEntry]) -> Result<(), Error> {
        let LinkName::Index(index) = port else { return Ok(()) };
        for entry in self.kernel.fdb(Place::Host, *index).map_err(kernel)? {
            if entry.floods_to().is_none() || wanted.contains(&entry) {
                continue;
            }
            match self.try_now(Place::Host, Change::DeleteFdb(port.clone(), entry)) {
                Err(error) if error.errno != NO_ENTRY => return Err(kernel(error)),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// A shared link: created down, dressed, then brought up. Up means complete, so whoever meets it half made (its
    /// maker was killed, or is at it now) completes it; every step can be done twice.
    fn ensure_link(&mut self, network: &str, spec: &LinkSpec) -> Result<(), Error> {
        let link = match self.shared_link(spec).map_err(kernel)? {
            Some(link) => link,
            None => self.make_shared(network, spec)?,
        };
        if self.alone
            && let Some(other) = other_network(&link, network)
        {
            return Err(Error::config(format!("{:?} already exists but belongs to {other}", spec.name))
                .with_details("give each network devices of its own, or remove the other network first"));
        }
        let wanted = LinkSpec { up: false, promisc: false, mac: None, ..spec.clone() };
        let beneath = match spec.beneath() {
            Some(beneath) => self.link(Place::Host, beneath).map_err(kernel)?.map_or(0, |beneath| beneath.index),
            None => 0,
        };
        satisfies(&link, &wanted, Place::Host, beneath).map_err(|difference| {
            let made = link.group == shared_group(network);
            let advice =
                format!("if that is how it should be, remove it with: ip link del {}; ADD makes it anew", spec.name);
            let foreign = link.kind != spec.kind.as_str();
            let taken =
                format!("this network needs a {} of this name: rename or remove what has it", spec.kind.as_str());
            Error::config(format!("{:?} already exists but {}", spec.name, difference.difference)).with_details(
                if made {
                    advice
                } else if foreign {
                    taken
                } else {
                    String::new()
                },
            )
        })?;
        let index = LinkName::Index(link.index);
        if spec.promisc && !link.promisc {
            self.now(Place::Host, Change::Promisc(index.clone(), true))?;
        }
        if let Some(mac) = spec.mac.filter(|&mac| link.mac != Some(mac)) {
            self.now(Place::Host, Change::Mac(index.clone(), mac))?;
        }
        if link.alias.is_empty() && link.group == shared_group(network) {
            let alias = Owner::network_alias(network);
            self.now(Place::Host, Change::Alias(index.clone(), alias))?;
        }
        if !link.up {
            self.give_birth_settings(Place::Host, spec)?;
            if spec.up {
                self.now(Place::Host, Change::Up(index, true))?;
            }
        }
        Ok(())
    }

    /// A shared link by its name; a pair of the host also by its other end's, because that is the one that people and the
    /// reference plugins know (`cni0.100`), and the reference gives this end a random name.
    pub(crate) fn shared_link(&mut self, spec: &LinkSpec) -> Result<Option<Link>, KernelError> {
        let found = self.link(Place::Host, &spec.name)?;
        let LinkKind::Veth { peer } = &spec.kind else { return Ok(found) };
        if found.is_some() || peer.in_sandbox {
            return Ok(found);
        }
        let Some(known) = self.link(Place::Host, &peer.name)?.filter(|known| known.kind == spec.kind.as_str()) else {
            return Ok(None);
        };
        let twin = self.kernel.link(Place::Host, &LinkName::Index(known.parent))?;
        let twin = twin.filter(|twin| twin.kind == known.kind && twin.parent == known.index);
        // Under the name by which the other resources speak of it.
        let twin = twin.map(|twin| Link { name: spec.name.clone(), ..twin });
        if let Some(twin) = &twin {
            self.remember(Place::Host, twin.clone());
        }
        Ok(twin)
    }

    /// Creates a shared link, or finds the one that somebody else has created in the meantime.
    pub(crate) fn make_shared(&mut self, network: &str, spec: &LinkSpec) -> Result<Link, Error> {
        let mac = match &spec.kind {
            // It has its parent's: switches may allow no other.
            LinkKind::Vlan { .. } => spec.mac,
            _ => Some(spec.mac.unwrap_or_else(|| self.kernel.random_mac())),
        };
        let born = LinkSpec { up: false, mac, group: shared_group(network), ..spec.clone() };
        match self.kernel.create(Place::Host, &born) {
            Ok(_) => {}
            Err(error) if error.errno == EXISTS => return self.made_meanwhile(network, spec, error),
            Err(error) if error.errno != NOT_SUPPORTED => return Err(parent::refused(self, spec, error)),
            Err(error) => return Err(lacks_feature(error, spec)),
        }
        let link = self.kernel.link(Place::Host, &LinkName::Name(spec.name.clone())).map_err(kernel)?;
        let link = link.ok_or_else(|| Error::new(Code::TryAgain, format!("{} vanished; try again", spec.name)))?;
        self.note(Place::Host, link.clone());
        Ok(link)
    }

    /// A shared link that exists although it was not there a moment ago; or, for a VXLAN, another one that has its VNI.
    fn made_meanwhile(&mut self, network: &str, spec: &LinkSpec, error: KernelError) -> Result<Link, Error> {
        if let Some(link) = self.shared_link(spec).map_err(kernel)? {
            return Ok(link);
        }
        if let LinkKind::Veth { peer } = &spec.kind
            && self.link(Place::Host, &peer.name).map_err(kernel)?.is_some()
        {
            return Err(Error::config(format!("{:?} already exists but is not an end of a veth pair", peer.name))
                .with_details("this network needs a device of this name: rename or remove it"));
        }
        if let LinkKind::Vlan { parent, id } = &spec.kind {
            return Err(self.vlan_of_another_name(parent, *id, error));
        }
        let LinkKind::Vxlan(Vxlan { vni, port, .. }) = spec.kind else {
            return Err(Error::new(Code::TryAgain, format!("{} came and went; try again", spec.name)));
        };
        let same = |link: &&Link| link.vxlan.is_some_and(|other| (other.vni, other.port) == (vni, port));
        match self.kernel.links(Place::Host, 0).map_err(kernel)?.iter().find(same) {
            Some(holder) => {
                let owner = other_network(holder, network).map(|owner| format!(" of {owner}")).unwrap_or_default();
                Err(Error::config(format!(
                    "vni: {vni} on UDP port {port} is taken by the device {}{owner}",
                    holder.name
                ))
                .with_details("give each network a VNI of its own, or remove that device"))
            }
            None => Err(kernel(error)),
        }
    }

    /// An address that a network needs on a link of the host: added blindly, because it is there already in all but
    /// the first ADD, and then the kernel says so. Only when it was not are the others looked at.
    fn ensure_address(&mut self, place: Place, name: &str, address: Address, force: bool) -> Result<(), Error> {
        let index = self.index(place, name)?;
        match self.try_now(place, Change::AddAddress(index.clone(), address)) {
            Err(error) if error.errno == EXISTS => return Ok(()),
            other => other.map_err(kernel)?,
        }
        let verdict = self.settle_address(place, name, &index, address, force);
        if verdict.is_err() {
            // The address was not there before; whatever refuses its removal matters less than why it has to go.
            let _ = self.try_now(place, Change::DeleteAddress(index, address));
        }
        verdict
    }

    /// Looks for what the new address collides with, on its link and elsewhere.
    fn settle_address(
        &mut self,
        place: Place,
        name: &str,
        index: &LinkName,
        address: Address,
        force: bool,
    ) -> Result<(), Error> {
        let link = self.link(place, name).map_err(kernel)?.unwrap_or_default();
        let net = address.net;
        for other in self.kernel.addresses(place, link.index).map_err(kernel)? {
            let apart = other.addr().is_ipv4() != net.addr().is_ipv4()
                || (net.addr().is_ipv6() && !other.contains(&net.addr()) && !net.contains(&other.addr()));
            if other == net || apart {
                continue;
            }
            if !force {
                return Err(Error::config(format!(
                    "failed to set bridge addr: {name:?} already has an IP address different from {net}"
                ))
                .with_details(format!(
                    "it has {other}: remove that with \"ip address del {other} dev {name}\", use another bridge, or set forceAddress"
                )));
            }
            self.now(place, Change::DeleteAddress(index.clone(), Address { net: other, nodad: false }))?;
        }
        if let Some(route) = self.kernel.route_to(place, net.addr()).map_err(kernel)?
            && route.local
            && route.link != link.index
        {
            let holder = self.kernel.link(place, &LinkName::Index(route.link)).map_err(kernel)?;
            let holder = holder.map_or_else(|| format!("link {}", route.link), |holder| holder.name);
            let what =
                if link.kind == "bridge" { "failed to set bridge addr: the gateway address" } else { "the address" };
            return Err(Error::config(format!("{what} {} of {name:?} is taken: {holder:?} has it", net.addr()))
                .with_details("give this network a subnet of its own, or remove the other one"));
        }
        // With its address the bridge gets its MAC for good: it no longer follows its ports.
        match link.mac {
            Some(mac) if link.kind == "bridge" && !self.is_fresh(name) => {
                self.now(place, Change::Mac(index.clone(), mac))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn sysctl(&mut self, sysctl: &Sysctl) -> Result<(), Error> {
        let have = self.kernel.sysctl(sysctl.place, &sysctl.key).map_err(kernel)?;
        if have.as_deref() == Some(sysctl.value.as_str()) || (have.is_none() && sysctl.optional) {
            return Ok(());
        }
        self.write_sysctl(sysctl)
    }
}

/// Which other network than `network` we made a shared link for, if any.
fn other_network(link: &Link, network: &str) -> Option<String> {
    let half_made = link.alias.is_empty() && is_shared_group(link.group) && link.group != shared_group(network);
    if half_made {
        return Some("another network".into());
    }
    let marked = Owner::is_network_alias(&link.alias) && link.alias != Owner::network_alias(network);
    marked.then(|| format!("the network of the alias {:?}", link.alias))
}

/// A kernel without a feature says so in words that a person understands.
fn lacks_feature(error: KernelError, spec: &LinkSpec) -> Error {
    match &spec.kind {
        LinkKind::Bridge { vlan_filtering: true } => {
            Error::new(Code::UnsupportedField, format!("vlan, vlanTrunk: this kernel has no VLAN filtering: {error}"))
                .with_details(NO_VLAN_FILTERING)
        }
        LinkKind::Vlan { .. } => Error::new(
            Code::UnsupportedField,
            format!("master: {} does not exist, and this kernel cannot make it: {error}", spec.name),
        )
        .with_details(
            "it needs CONFIG_VLAN_8021Q (module 8021q): load it, boot another kernel, or name an interface that exists",
        ),
        LinkKind::Dummy => {
            Error::new(Code::UnsupportedField, format!("internal: this kernel has no dummy interfaces: {error}"))
                .with_details("it needs CONFIG_DUMMY (module dummy): load it, boot another kernel, or name a master")
        }
        LinkKind::Bridge { .. } | LinkKind::Veth { .. } | LinkKind::Vxlan(_) | LinkKind::Ifb | LinkKind::Macvlan(_) => {
            kernel(error)
        }
    }
}
