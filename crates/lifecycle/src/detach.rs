//! DEL, and the undoing of a failed ADD: erase by name and tag, in the order link, firewall, addresses. Absent
//! is success; no failure stops the rest.

use cni::{AddResult, Error, Ip};
use cnm::{Change, Driver, Intent, Kernel, Link, LinkKind, LinkName, LinkSpec, Mac, Owner, OwnerTag, Place, Resource};

use crate::Ipam;
use crate::attach::intents;
use crate::errors::{Failures, NO_DEVICE, kernel};

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
    let mut known = previous.and_then(|result| what_a_lease_added(driver, owner, result));
    if let Some(spec) = &endpoint.claim {
        match find(kernel, owner, spec, previous) {
            Ok(Some((place, link))) => {
                if let Some(intents) = from_alias(driver, owner, previous, &link) {
                    known = Some(intents);
                }
                failures.add(delete(kernel, place, link.index));
            }
            Ok(None) => {}
            Err(error) => failures.add(Err(error)),
        }
        let outcome = kernel.firewall().remove(owner, known.as_deref());
        failures.add(outcome.map_err(crate::errors::kernel));
    } else if kernel.has_sandbox() {
        failures.add(take_down(kernel, &endpoint.resources));
    }
    failures.add(ipam.map_or(Ok(()), Ipam::del));
    failures.verdict()
}

/// Undoes what an ADD did after its claim, in the same way. `claimed` is the host's end of its link.
pub(crate) fn undo<K: Kernel>(
    kernel: &mut K,
    ipam: Option<&dyn Ipam>,
    owner: &Owner,
    claimed: Option<u32>,
) -> Result<(), Error> {
    let Some(claimed) = claimed else {
        return ipam.map_or(Ok(()), Ipam::del);
    };
    let mut failures = Failures::default();
    failures.add(delete(kernel, Place::Host, claimed));
    failures.add(kernel.firewall().remove(owner, None).map_err(crate::errors::kernel));
    failures.add(ipam.map_or(Ok(()), Ipam::del));
    failures.verdict()
}

/// Endpoints that own no link leave what they brought up as they found it: down. A link that is gone is down enough.
fn take_down<K: Kernel>(kernel: &mut K, resources: &[Resource]) -> Result<(), Error> {
    let mut failures = Failures::default();
    for resource in resources {
        let Resource::Up { place, link } = resource else { continue };
        let change = Change::Up(LinkName::Name(link.clone()), false);
        failures.add(match kernel.apply(*place, &[change]).into_iter().next() {
            Some(Err(error)) if error.errno != NO_DEVICE => Err(crate::errors::kernel(error)),
            Some(_) | None => Ok(()),
        });
    }
    failures.verdict()
}

fn delete<K: Kernel>(kernel: &mut K, place: Place, index: u32) -> Result<(), Error> {
    let answer = kernel.apply(place, &[Change::DeleteLink(LinkName::Index(index))]).into_iter().next();
    match answer {
        Some(Err(error)) if error.errno != NO_DEVICE => Err(crate::errors::kernel(error)),
        Some(_) | None => Ok(()),
    }
}

/// The endpoint's link: by our own name on the host; else, in the sandbox, one that the reference plugins made for
/// the same attachment before an upgrade. Somebody else's link of that name is not ours to delete.
fn find<K: Kernel>(
    k: &mut K,
    owner: &Owner,
    spec: &LinkSpec,
    previous: Option<&AddResult>,
) -> Result<Option<(Place, Link)>, Error> {
    if let Some(link) = k.link(Place::Host, &LinkName::Name(spec.name.clone())).map_err(kernel)? {
        return Ok(Some((Place::Host, link)));
    }
    if !k.has_sandbox() {
        return Ok(None);
    }
    let Some(inner) = k.link(Place::Sandbox, &LinkName::Name(owner.ifname.clone())).map_err(kernel)? else {
        return Ok(None);
    };
    if inner.kind != spec.kind.as_str() {
        return Ok(None);
    }
    match &spec.kind {
        LinkKind::Veth { .. } => {
            let twin = k.link(Place::Host, &LinkName::Index(inner.parent)).map_err(kernel)?;
            let Some(twin) = twin.filter(|twin| twin.kind == inner.kind && twin.parent == inner.index) else {
                return Ok(None);
            };
            let recorded = previous.is_some_and(|result| {
                result.interfaces.iter().any(|host| host.sandbox.is_empty() && host.name == twin.name)
            });
            let master = match &spec.master {
                Some(master) => k.link(Place::Host, &LinkName::Name(master.clone())).map_err(kernel)?,
                None => None,
            };
            let enslaved = master.is_some_and(|master| master.index == twin.master);
            let ours = recorded || (enslaved && is_reference_name(&twin.name));
            Ok(ours.then_some((Place::Host, twin)))
        }
        LinkKind::Bridge { .. } => Ok(None),
    }
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
    what_a_lease_added(driver, owner, &AddResult { ips, interfaces, ..AddResult::default() })
}

/// The intents of an attachment with the addresses and hardware address of `result`. `None` when they cannot be
/// known; then all is searched for.
fn what_a_lease_added<D: Driver>(driver: &D, owner: &Owner, result: &AddResult) -> Option<Vec<Intent>> {
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
