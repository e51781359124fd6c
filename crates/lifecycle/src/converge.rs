//! Making descriptions true: an endpoint's own resources are configured here, shared ones are `ensure`'s. Independent
//! changes of one namespace travel together.

use cni::Error;
use cnm::{
    Change, Kernel, KernelError, Link, LinkName, LinkSpec, Owner, Place, PortFlags, Resource, Route, Sysctl, satisfies,
};

use crate::errors::{EXISTS, NO_ENTRY, drift, kernel};
use crate::shape::shape;
use crate::tune::tune;

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
    pub(crate) pending: Vec<(Place, Change)>,
    /// Shared links may be no other network's.
    pub(crate) alone: bool,
    /// The name of the device by which passes what leaves the sandbox.
    pub(crate) shaper: Option<String>,
}

impl<'k, K: Kernel> Converger<'k, K> {
    pub(crate) fn new(kernel: &'k mut K) -> Self {
        Self { kernel, known: Vec::new(), pending: Vec::new(), alone: false, shaper: None }
    }

    /// From now on a shared link that is another network's is refused.
    pub(crate) const fn refuse_others(&mut self) {
        self.alone = true;
    }

    /// Notes a link that the caller has made.
    pub(crate) fn note(&mut self, place: Place, link: Link) {
        self.known.push(Known { place, link, fresh: true });
    }

    /// Notes a link that was there.
    pub(crate) fn remember(&mut self, place: Place, link: Link) {
        self.known.push(Known { place, link, fresh: false });
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

    /// The same by index.
    pub(crate) fn seen_by_index(&self, place: Place, index: u32) -> Option<&Link> {
        self.known.iter().find(|known| known.place == place && known.link.index == index).map(|known| &known.link)
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

    pub(crate) fn index(&mut self, place: Place, name: &str) -> Result<LinkName, Error> {
        let link = self.link(place, name).map_err(kernel)?;
        link.map(|link| LinkName::Index(link.index))
            .ok_or_else(|| Error::internal(format!("look up {name} {place}: there is no such link")))
    }

    /// Forgets what is known, after the kernel has contradicted it.
    pub(crate) fn forget(&mut self) {
        self.known.clear();
        self.pending.clear();
    }

    /// Makes an endpoint's resources true, in order. Firewall intents are the caller's: they go in one transaction.
    pub(crate) fn configure(&mut self, resources: &[Resource]) -> Result<(), Error> {
        for resource in resources {
            match resource {
                Resource::Port { link, flags } => {
                    let index = self.index(Place::Host, link)?;
                    self.pending.push((Place::Host, Change::Port(index, *flags)));
                }
                Resource::IsolatedPort { link } => {
                    let index = self.index(Place::Host, link)?;
                    let port = self.link(Place::Host, link).map_err(kernel)?.and_then(|link| link.port);
                    let flags = PortFlags { isolated: true, ..port.unwrap_or_default() };
                    self.pending.push((Place::Host, Change::Port(index, flags)));
                }
                Resource::Vlans { .. } => self.vlans(resource)?,
                Resource::Address { place, link, address, force: _ } => {
                    let index = self.index(*place, link)?;
                    self.pending.push((*place, Change::AddAddress(index, *address)));
                }
                Resource::ArpNotify { link } => {
                    let index = self.index(Place::Sandbox, link)?;
                    self.pending.push((Place::Sandbox, Change::ArpNotify(index, true)));
                }
                Resource::Ipv6 { link } => self.switch_ipv6_on(link)?,
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
                Resource::Tuning(tuning) => {
                    self.flush()?;
                    tune(self.kernel, tuning)?;
                }
                Resource::Shaping(shaping) => {
                    self.flush()?;
                    self.shaper = shape(self.kernel, shaping)?;
                }
                Resource::Firewall(_) | Resource::Alone => {}
                Resource::Link(_) | Resource::Parent { .. } | Resource::Fdb { .. } | Resource::Neighbours { .. } => {
                    return Err(Error::internal(format!("an endpoint cannot own {resource:?}")));
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
                    Err(error) => return Err(self.refused(place, change, error)),
                    Ok(()) => {}
                }
            }
        }
        Ok(())
    }

    /// One change at once.
    pub(crate) fn now(&mut self, place: Place, change: Change) -> Result<(), Error> {
        self.try_now(place, change).map_err(kernel)
    }

    pub(crate) fn try_now(&mut self, place: Place, change: Change) -> Result<(), KernelError> {
        self.kernel.apply(place, &[change]).into_iter().next().unwrap_or(Ok(()))
    }

    pub(crate) fn is_fresh(&self, name: &str) -> bool {
        self.known.iter().any(|known| known.fresh && known.link.name == name)
    }

    /// The variables that a new link gets once.
    pub(crate) fn give_birth_settings(&mut self, place: Place, spec: &LinkSpec) -> Result<(), Error> {
        for (key, value) in &spec.birth {
            self.write_sysctl(&Sysctl::optional(place, key, value))?;
        }
        Ok(())
    }

    pub(crate) fn write_sysctl(&mut self, sysctl: &Sysctl) -> Result<(), Error> {
        match self.kernel.set_sysctl(sysctl.place, &sysctl.key, &sysctl.value) {
            Err(error) if error.errno == NO_ENTRY && sysctl.optional => Ok(()),
            other => other.map_err(kernel),
        }
    }

    /// Asked before it is written, of the kernel and not of what the call knows: a look by netlink costs less than a file below
    /// /proc/sys, where all links of one name, of every namespace, are looked through.
    fn switch_ipv6_on(&mut self, link: &str) -> Result<(), Error> {
        for name in ["lo", link] {
            let found = self.kernel.link(Place::Sandbox, &LinkName::Name(name.to_owned())).map_err(kernel)?;
            if found.is_some_and(|found| found.ipv6_off) {
                let key = format!("net/ipv6/conf/{name}/disable_ipv6");
                self.write_sysctl(&Sysctl::optional(Place::Sandbox, &key, "0"))?;
            }
        }
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

/// What a drift means for an ADD or a CHECK.
pub(crate) fn expect_satisfied(link: &Link, want: &LinkSpec, place: Place, master: u32) -> Result<(), Error> {
    satisfies(link, want, place, master).map_err(|difference| drift(&difference))
}
