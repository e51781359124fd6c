//! Making descriptions true: shared resources are ensured, an endpoint's own are claimed and configured.
//! Independent changes of one namespace travel together.

use cni::{Code, Error};
use cnm::{
    Address, Change, Kernel, KernelError, Link, LinkName, LinkSpec, Owner, Place, Resource, Route, Sysctl,
    is_shared_group, satisfies, shared_group,
};

use crate::errors::{EXISTS, NO_ENTRY, NOT_SUPPORTED, drift, kernel};

/// What a call has learnt of the links it works with, so that nothing is asked twice.
#[derive(Debug, Clone)]
struct Known {
    place: Place,
    link: Link,
    /// This call has created it.
    fresh: bool,
}

/// A kernel, and what is known of it.
pub(crate) struct Converger<'k, K> {
    pub(crate) kernel: &'k mut K,
    known: Vec<Known>,
    pending: Vec<(Place, Change)>,
    /// Shared links may be no other network's.
    alone: bool,
}

impl<'k, K: Kernel> Converger<'k, K> {
    pub(crate) fn new(kernel: &'k mut K) -> Self {
        Self { kernel, known: Vec::new(), pending: Vec::new(), alone: false }
    }

    /// From now on a shared link that is another network's is refused.
    pub(crate) const fn refuse_others(&mut self) {
        self.alone = true;
    }

    /// Notes a link that the caller has made.
    pub(crate) fn note(&mut self, place: Place, link: Link) {
        self.known.push(Known { place, link, fresh: true });
    }

    /// Tells of the MTU that the kernel chose for the links that this call has made.
    pub(crate) fn learn_mtu(&mut self, mtu: u32) {
        for known in self.known.iter_mut().filter(|known| known.fresh && known.link.mtu == 0) {
            known.link.mtu = mtu;
        }
    }

    /// A link as last seen by this call.
    pub(crate) fn seen(&self, place: Place, name: &str) -> Option<&Link> {
        self.known.iter().find(|known| known.place == place && known.link.name == name).map(|known| &known.link)
    }

    /// A link, asked for when it is not known yet.
    pub(crate) fn link(&mut self, place: Place, name: &str) -> Result<Option<Link>, KernelError> {
        if let Some(link) = self.seen(place, name) {
            return Ok(Some(link.clone()));
        }
        let found = self.kernel.link(place, &LinkName::Name(name.to_owned()))?;
        self.known.extend(found.clone().map(|link| Known { place, link, fresh: false }));
        Ok(found)
    }

    /// A link as it is in the end. Only a bridge that somebody else made changes meanwhile: it takes its MAC from its
    /// ports.
    pub(crate) fn final_link(&mut self, place: Place, name: &str) -> Result<Option<Link>, KernelError> {
        match self.link(place, name)? {
            Some(link) if link.kind == "bridge" && !Owner::is_network_alias(&link.alias) && !self.is_fresh(name) => {
                self.kernel.link(place, &LinkName::Index(link.index))
            }
            known => Ok(known),
        }
    }

    fn index(&mut self, place: Place, name: &str) -> Result<LinkName, Error> {
        let link = self.link(place, name).map_err(kernel)?;
        link.map(|link| LinkName::Index(link.index))
            .ok_or_else(|| Error::internal(format!("look up {name} {place}: there is no such link")))
    }

    /// Forgets what is known, after the kernel has contradicted it.
    pub(crate) fn forget(&mut self) {
        self.known.clear();
        self.pending.clear();
    }

    /// Makes shared resources true, in order; what is there already is neither rewritten nor listed.
    pub(crate) fn ensure(&mut self, network: &str, resources: &[Resource]) -> Result<(), Error> {
        for resource in resources {
            match resource {
                Resource::Link(spec) => self.ensure_link(network, spec)?,
                Resource::Address { place, link, address, force } => {
                    self.ensure_address(*place, link, *address, *force)?;
                }
                Resource::Up { place, link } => {
                    if !self.link(*place, link).map_err(kernel)?.is_some_and(|link| link.up) {
                        let index = self.index(*place, link)?;
                        self.now(*place, Change::Up(index, true))?;
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
                Resource::Port { .. }
                | Resource::Route { .. }
                | Resource::Firewall(_)
                | Resource::Alone
                | Resource::OnlyLoopbackAddresses => {
                    return Err(Error::internal(format!("a network cannot share {resource:?}")));
                }
            }
        }
        self.flush()
    }

    /// Makes an endpoint's resources true, in order. Firewall intents are the caller's: they go in one transaction.
    pub(crate) fn configure(&mut self, resources: &[Resource]) -> Result<(), Error> {
        for resource in resources {
            match resource {
                Resource::Port { link, flags } => {
                    let index = self.index(Place::Host, link)?;
                    self.pending.push((Place::Host, Change::Port(index, *flags)));
                }
                Resource::Vlans { .. } => self.vlans(resource)?,
                Resource::Address { place, link, address, force: _ } => {
                    let index = self.index(*place, link)?;
                    self.pending.push((*place, Change::AddAddress(index, *address)));
                }
                Resource::Up { place, link } => {
                    let index = self.index(*place, link)?;
                    self.pending.push((*place, Change::Up(index, true)));
                }
                Resource::Route { place, link, route } => {
                    let LinkName::Index(index) = self.index(*place, link)? else { continue };
                    let route = Route { link: index, ..route.clone() };
                    self.pending.push((*place, Change::AddRoute(route)));
                }
                Resource::Sysctl(sysctl) => {
                    self.flush()?;
                    // A new link's variables: nobody has set them before, so they are not read first.
                    self.write_sysctl(sysctl)?;
                }
                Resource::OnlyLoopbackAddresses => {
                    self.flush()?;
                    self.only_loopback_addresses()?;
                }
                Resource::Firewall(_) | Resource::Alone => {}
                Resource::Link(spec) => {
                    return Err(Error::internal(format!("link {} must be an endpoint's claim", spec.name)));
                }
            }
        }
        self.flush()
    }

    /// Queues the owner's alias: it travels with the next changes.
    pub(crate) fn mark(&mut self, link: u32, alias: String) {
        self.pending.push((Place::Host, Change::Alias(LinkName::Index(link), alias)));
    }

    /// Sends what is queued, the changes of one namespace at a time, and reports the first refusal. An identical
    /// route is what we want, not a conflict.
    pub(crate) fn flush(&mut self) -> Result<(), Error> {
        let pending = std::mem::take(&mut self.pending);
        for place in [Place::Host, Place::Sandbox] {
            let changes: Vec<Change> =
                pending.iter().filter(|(at, _)| *at == place).map(|(_, change)| change.clone()).collect();
            if changes.is_empty() {
                continue;
            }
            for (answer, change) in self.kernel.apply(place, &changes).into_iter().zip(&changes) {
                match answer {
                    Err(error) if error.errno == EXISTS && matches!(change, Change::AddRoute(_)) => {}
                    Err(error) => return Err(kernel(error)),
                    Ok(()) => {}
                }
            }
        }
        Ok(())
    }

    /// One change at once.
    fn now(&mut self, place: Place, change: Change) -> Result<(), Error> {
        self.try_now(place, change).map_err(kernel)
    }

    fn try_now(&mut self, place: Place, change: Change) -> Result<(), KernelError> {
        self.kernel.apply(place, &[change]).into_iter().next().unwrap_or(Ok(()))
    }

    /// A shared link: created down, dressed, then brought up. Up means complete, so whoever meets it half made (its
    /// maker was killed, or is at it now) completes it; every step can be done twice.
    fn ensure_link(&mut self, network: &str, spec: &LinkSpec) -> Result<(), Error> {
        let link = match self.link(Place::Host, &spec.name).map_err(kernel)? {
            Some(link) => link,
            None => self.make_shared(network, spec)?,
        };
        let wanted = LinkSpec { up: false, promisc: false, mac: None, ..spec.clone() };
        let master = match &spec.master {
            Some(master) => self.link(Place::Host, master).map_err(kernel)?.map_or(0, |master| master.index),
            None => 0,
        };
        satisfies(&link, &wanted, Place::Host, master).map_err(|difference| {
            Error::config(format!("{:?} already exists but {}", spec.name, difference.difference))
        })?;
        if self.alone
            && let Some(other) = other_network(&link, network)
        {
            return Err(Error::config(format!("{:?} already exists but belongs to {other}", spec.name))
                .with_details("give each network devices of its own, or remove the other network first"));
        }
        let index = LinkName::Index(link.index);
        if spec.promisc && !link.promisc {
            self.now(Place::Host, Change::Promisc(index.clone(), true))?;
        }
        if link.alias.is_empty() && link.group == shared_group(network) {
            let alias = Owner::network_alias(network);
            self.now(Place::Host, Change::Alias(index.clone(), alias))?;
        }
        if spec.up && !link.up {
            self.give_birth_settings(Place::Host, spec)?;
            self.now(Place::Host, Change::Up(index, true))?;
        }
        Ok(())
    }

    fn is_fresh(&self, name: &str) -> bool {
        self.known.iter().any(|known| known.fresh && known.link.name == name)
    }

    /// Creates a shared link, or finds the one that somebody else has created in the meantime.
    fn make_shared(&mut self, network: &str, spec: &LinkSpec) -> Result<Link, Error> {
        let mac = spec.mac.unwrap_or_else(|| self.kernel.random_mac());
        let born = LinkSpec { up: false, mac: Some(mac), group: shared_group(network), ..spec.clone() };
        match self.kernel.create(Place::Host, &born) {
            Ok(_) => {}
            Err(error) if error.errno == EXISTS => {
                return self
                    .link(Place::Host, &spec.name)
                    .map_err(kernel)?
                    .ok_or_else(|| Error::new(Code::TryAgain, format!("{} came and went; try again", spec.name)));
            }
            Err(error) => return Err(lacks_feature(error, spec)),
        }
        let link = self.kernel.link(Place::Host, &LinkName::Name(spec.name.clone())).map_err(kernel)?;
        let link = link.ok_or_else(|| Error::new(Code::TryAgain, format!("{} vanished; try again", spec.name)))?;
        self.note(Place::Host, link.clone());
        Ok(link)
    }

    /// The variables that a new link gets once.
    pub(crate) fn give_birth_settings(&mut self, place: Place, spec: &LinkSpec) -> Result<(), Error> {
        for (key, value) in &spec.birth {
            let sysctl = Sysctl { place, key: key.clone(), value: value.clone(), optional: true };
            self.write_sysctl(&sysctl)?;
        }
        Ok(())
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
            return Err(Error::config(format!(
                "failed to set bridge addr: the gateway address {} of {name:?} is taken: {holder:?} has it",
                net.addr()
            ))
            .with_details("give this network a subnet of its own, or remove the other one"));
        }
        // With its address the bridge gets its MAC for good: it no longer follows its ports.
        match link.mac {
            Some(mac) if !self.is_fresh(name) => self.now(place, Change::Mac(index.clone(), mac)),
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

    pub(crate) fn write_sysctl(&mut self, sysctl: &Sysctl) -> Result<(), Error> {
        match self.kernel.set_sysctl(sysctl.place, &sysctl.key, &sysctl.value) {
            Err(error) if error.errno == NO_ENTRY && sysctl.optional => Ok(()),
            other => other.map_err(kernel),
        }
    }

    fn vlans(&mut self, resource: &Resource) -> Result<(), Error> {
        let Resource::Vlans { link, vlans, keep_default } = resource else { return Ok(()) };
        let index = self.index(Place::Host, link)?;
        let all = cnm::VlanRange { first: 1, last: 4094, native: false };
        let cleared = (!keep_default).then(|| Change::DeleteVlan(index.clone(), all));
        let added = vlans.iter().map(|range| Change::AddVlan(index.clone(), *range));
        self.pending.extend(cleared.into_iter().chain(added).map(|change| (Place::Host, change)));
        Ok(())
    }

    fn only_loopback_addresses(&mut self) -> Result<(), Error> {
        let lo = self.link(Place::Sandbox, "lo").map_err(kernel)?.unwrap_or_default();
        for address in self.kernel.addresses(Place::Sandbox, lo.index).map_err(kernel)? {
            if !address.addr().is_loopback() {
                return Err(Error::config(format!(
                    "loopback interface found with non-loopback address \"{}\"",
                    address.addr()
                )));
            }
        }
        Ok(())
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
        cnm::LinkKind::Bridge { vlan_filtering: true } if error.errno == NOT_SUPPORTED => {
            Error::new(Code::UnsupportedField, format!("vlan, vlanTrunk: this kernel has no VLAN filtering: {error}"))
                .with_details("it needs CONFIG_BRIDGE_VLAN_FILTERING; leave the keys out or boot another kernel")
        }
        cnm::LinkKind::Bridge { .. } | cnm::LinkKind::Veth { .. } => kernel(error),
    }
}

/// What a drift means for an ADD or a CHECK.
pub(crate) fn expect_satisfied(link: &Link, want: &LinkSpec, place: Place, master: u32) -> Result<(), Error> {
    satisfies(link, want, place, master).map_err(|difference| drift(&difference))
}
