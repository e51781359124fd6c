//! DEL, and the undoing of a failed ADD: erase by name and tag. The port is closed first, then the firewall's part goes,
//! then the link, the addresses last. Absent is success; no failure stops the rest.

use cni::{AddResult, Error, Interface, Ip};
use cnm::{
    Change, Driver, Intent, Kernel, Link, LinkKind, LinkName, LinkSpec, Mac, Network, Owner, OwnerTag, Place, Resource,
    leaving_group,
};

use crate::attach::intents;
use crate::errors::{Failures, NO_DEVICE, kernel};
use crate::shared::release_if_last;
use crate::{Ipam, inside};

/// Detaches `owner`. `previous` is the result that the runtime kept, if it did.
///
/// # Errors
/// Everything that could not be removed, after all was tried.
pub fn detach<D: Driver, K: Kernel>(
    driver: &D,
    kernel: &mut K,
    ipam: Option<&dyn Ipam>,
    owner: &Owner,
    previous: Option<&AddResult>,
) -> Result<(), Error> {
    let mut failures = Failures::default();
    let endpoint = driver.endpoint(owner, Mac([0; 6]));
    match &endpoint.claim {
        Some(spec) if spec.born_in() == Place::Sandbox => {
            inside::erase(kernel, owner, spec, &driver.network(), &mut failures);
        }
        Some(spec) => {
            let found = find(kernel, owner, spec, previous);
            let link = found.unwrap_or_else(|error| {
                failures.add(Err(error));
                None
            });
            let known = link.as_ref().and_then(|link| from_alias(driver, owner, previous, link));
            let known = known.or_else(|| previous.and_then(|result| intents_of_lease(driver, owner, result)));
            let link = link.map(|link| link.index);
            erase(kernel, owner, &driver.network(), link, known.as_deref(), &mut failures);
        }
        None if kernel.has_sandbox() => failures.add(take_down(kernel, &endpoint.resources)),
        None => {}
    }
    failures.add(ipam.map_or(Ok(()), Ipam::del));
    failures.verdict()
}

/// Undoes what an ADD did after its claim, in the same way. `claimed` is the host's end of its link.
pub(crate) fn undo<D: Driver, K: Kernel>(
    driver: &D,
    kernel: &mut K,
    ipam: Option<&dyn Ipam>,
    owner: &Owner,
    claimed: Option<u32>,
) -> Result<(), Error> {
    let mut failures = Failures::default();
    match driver.endpoint(owner, Mac([0; 6])).claim {
        Some(spec) if spec.born_in() == Place::Sandbox => {
            inside::erase(kernel, owner, &spec, &driver.network(), &mut failures);
        }
        Some(_) => erase(kernel, owner, &driver.network(), claimed, None, &mut failures),
        None => {}
    }
    failures.add(ipam.map_or(Ok(()), Ipam::del));
    failures.verdict()
}

/// Erases an endpoint: closes its port, so that no packet passes without its rules; takes it out of its network's
/// group, so that it no longer counts as one of the network; then the firewall, then the link. The kernel takes some
/// milliseconds to forget the link, and clears away the firewall's objects in the same time.
fn erase<K: Kernel>(
    k: &mut K,
    owner: &Owner,
    network: &Network,
    link: Option<u32>,
    known: Option<&[Intent]>,
    failures: &mut Failures,
) {
    if let Some(index) = link {
        let leave = Change::Group(LinkName::Index(index), leaving_group(&owner.network));
        let answers = k.apply(Place::Host, &[leave, Change::ClosePort(LinkName::Index(index))]);
        // Whoever still counts as an endpoint keeps what is shared. That the port could not be closed is no failure: it
        // may be none any more, or on a bridge whose spanning tree decides; then the link's end must do.
        match answers.into_iter().next() {
            Some(Err(error)) if error.errno != NO_DEVICE => failures.add(Err(kernel(error))),
            Some(_) | None => {}
        }
    }
    failures.add(k.firewall().remove(owner, known).map_err(kernel));
    failures.add(release_if_last(k, &owner.network, network));
    if let Some(index) = link {
        failures.add(delete(k, index));
    }
}

/// Endpoints that own no link leave what they brought up as they found it: down. A link that is gone is down enough.
fn take_down<K: Kernel>(k: &mut K, resources: &[Resource]) -> Result<(), Error> {
    let mut failures = Failures::default();
    for resource in resources {
        let Resource::Up { place, link } = resource else { continue };
        let change = Change::Up(LinkName::Name(link.clone()), false);
        failures.add(match k.apply(*place, &[change]).into_iter().next() {
            Some(Err(error)) if error.errno != NO_DEVICE => Err(kernel(error)),
            Some(_) | None => Ok(()),
        });
    }
    failures.verdict()
}

fn delete<K: Kernel>(k: &mut K, index: u32) -> Result<(), Error> {
    let answer = k.apply(Place::Host, &[Change::DeleteLink(LinkName::Index(index))]).into_iter().next();
    match answer {
        Some(Err(error)) if error.errno != NO_DEVICE => Err(kernel(error)),
        Some(_) | None => Ok(()),
    }
}

/// The endpoint's link on the host: by our own name; else the other end of one in the sandbox that the reference
/// plugins made for the same attachment before an upgrade. Somebody else's link of that name is not ours to delete.
fn find<K: Kernel>(
    k: &mut K,
    owner: &Owner,
    spec: &LinkSpec,
    previous: Option<&AddResult>,
) -> Result<Option<Link>, Error> {
    if let Some(link) = k.link(Place::Host, &LinkName::Name(spec.name.clone())).map_err(kernel)? {
        return Ok(Some(link));
    }
    if !k.has_sandbox() {
        return Ok(None);
    }
    let Some(inner) = k.link(Place::Sandbox, &LinkName::Name(owner.ifname.clone())).map_err(kernel)? else {
        return Ok(None);
    };
    match &spec.kind {
        LinkKind::Veth { .. } if inner.kind == spec.kind.as_str() => {}
        LinkKind::Veth { .. }
        | LinkKind::Bridge { .. }
        | LinkKind::Vxlan(_)
        | LinkKind::Ifb
        | LinkKind::Macvlan(_)
        | LinkKind::Vlan { .. }
        | LinkKind::Dummy => return Ok(None),
    }
    let twin = k.link(Place::Host, &LinkName::Index(inner.parent)).map_err(kernel)?;
    let Some(twin) = twin.filter(|twin| twin.kind == inner.kind && twin.parent == inner.index) else {
        return Ok(None);
    };
    let is_host_end = |link: &Interface| link.sandbox.is_empty() && link.name == twin.name;
    let recorded = previous.is_some_and(|result| result.interfaces.iter().any(is_host_end));
    let master = match &spec.master {
        Some(master) => k.link(Place::Host, &LinkName::Name(master.clone())).map_err(kernel)?,
        None => None,
    };
    let enslaved = master.is_some_and(|master| master.index == twin.master);
    let ours = recorded || (enslaved && is_reference_name(&twin.name));
    Ok(ours.then_some(twin))
}

/// The reference plugins name the host's end `veth` and eight hexadecimal digits.
fn is_reference_name(name: &str) -> bool {
    name.strip_prefix("veth").is_some_and(|rest| rest.len() == 8 && rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// The firewall intents of the attachment whose link is still there: its alias lists the addresses. `None` when
/// the alias does not tell.
fn from_alias<D: Driver>(driver: &D, owner: &Owner, previous: Option<&AddResult>, link: &Link) -> Option<Vec<Intent>> {
    if OwnerTag::read(&link.alias) != Some(owner.tag()) || link.alias.contains("[?]") {
        return None;
    }
    let ips = OwnerTag::addresses(&link.alias)
        .into_iter()
        .map(|address| Ip { address, gateway: None, interface: None })
        .collect();
    let interfaces = previous.map(|result| result.interfaces.clone()).unwrap_or_default();
    intents_of_lease(driver, owner, &AddResult { ips, interfaces, ..AddResult::default() })
}

/// The intents of an attachment with the addresses and hardware address of `result`. `None` when they cannot be
/// known; then all is searched for.
fn intents_of_lease<D: Driver>(driver: &D, owner: &Owner, result: &AddResult) -> Option<Vec<Intent>> {
    let mac = result
        .interfaces
        .iter()
        .find(|interface| !interface.sandbox.is_empty() && interface.name == owner.ifname)
        .and_then(|interface| interface.mac.parse::<Mac>().ok());
    let endpoint = driver.endpoint(owner, mac.unwrap_or(Mac([0; 6])));
    let lease = AddResult { ips: result.ips.clone(), ..AddResult::default() };
    let wiring = match driver.wire(owner, "", lease) {
        Ok(wiring) => wiring.endpoint,
        // No address: layer 2, or an ADD that was killed before its lease.
        Err(_) if result.ips.is_empty() => Vec::new(),
        Err(_) => return None,
    };
    let intents = intents([&endpoint.resources[..], &wiring[..]]);
    let blind = mac.is_none() && intents.iter().any(|intent| matches!(intent, Intent::SpoofCheck { .. }));
    (!blind).then_some(intents)
}
