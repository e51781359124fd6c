//! Endpoints whose link is born in the sandbox and that leave nothing on the host but, perhaps, routes. The kernel knows
//! them all the same: the host has an id for each namespace in which it made one, and the link there has the network's
//! group from its first moment and the owner's tag from its second.

use std::collections::HashSet;

use cni::{Error, Interface};
use cnm::{
    Change, Drift, Elsewhere, Kernel, Lifetime, Link, LinkKind, LinkName, LinkSpec, Mac, Network, Owner, OwnerTag,
    Place, Route, network_group,
};

use crate::check::missing;
use crate::converge::{Converger, expect_satisfied};
use crate::errors::{Failures, NO_DEVICE, NO_SUCH_ROUTE, drift, kernel};
use crate::shared::release_if_last;

/// Erases an endpoint: its link, its routes on the host, and what the network's endpoints share if it was the last.
pub(crate) fn erase<K: Kernel>(k: &mut K, owner: &Owner, claim: &LinkSpec, network: &Network, failures: &mut Failures) {
    failures.add(delete(k, owner, claim));
    let metric = owner.route_metric();
    failures.add(delete_routes(k, network, &|found| found == metric));
    match makes_links(k, network) {
        Ok(true) => failures.add(release_if_last(k, &owner.network, network)),
        Ok(false) => {}
        Err(error) => failures.add(Err(error)),
    }
}

/// Whether there may be links that the network has made: its configuration says so, or did once.
fn makes_links<K: Kernel>(k: &mut K, network: &Network) -> Result<bool, Error> {
    if network.lifetime == Lifetime::LastEndpoint {
        return Ok(true);
    }
    for name in &network.own {
        if k.link(Place::Host, &LinkName::Name(name.clone())).map_err(kernel)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Deletes the endpoint's link: in the sandbox, where that is in sight, by name; else in whichever namespace its tag is found,
/// because it may have another name or place by now.
pub(crate) fn delete<K: Kernel>(k: &mut K, owner: &Owner, claim: &LinkSpec) -> Result<(), Error> {
    let kind = claim.kind.as_str();
    let mut changes = Vec::new();
    if k.has_sandbox() {
        for name in std::iter::once(claim.name.as_str()).chain(stage(claim)) {
            let found = k.link(Place::Sandbox, &LinkName::Name(name.to_owned())).map_err(kernel)?;
            let ours =
                |link: &Link| link.kind == kind && OwnerTag::read(&link.alias).is_none_or(|tag| tag == owner.tag());
            changes.extend(found.filter(ours).map(|link| Change::DeleteLink(LinkName::Index(link.index))));
        }
    }
    if changes.is_empty() {
        delete_elsewhere(k, owner, claim)
    } else {
        apply_all(k, Place::Sandbox, &changes, NO_DEVICE)
    }
}

/// Deletes the endpoint's link wherever it is. Under the host's lock, alone: then a link of the network that does not say
/// whose it is is one whose maker was killed before it could, and nobody's.
fn delete_elsewhere<K: Kernel>(k: &mut K, owner: &Owner, claim: &LinkSpec) -> Result<(), Error> {
    let (tag, group) = (owner.tag(), network_group(&owner.network));
    k.lock(true).map_err(kernel)?;
    let dead = dead_elsewhere(k, claim.kind.as_str(), &|link| match OwnerTag::read(&link.alias) {
        Some(other) => other == tag,
        None => link.group == group,
    });
    let outcome = dead.and_then(|dead| apply_all(k, Place::Host, &dead, NO_DEVICE));
    k.unlock();
    outcome
}

/// The deletion of all links of `kind` in other namespaces that `is_dead`.
fn dead_elsewhere<K: Kernel>(k: &mut K, kind: &str, is_dead: &dyn Fn(&Link) -> bool) -> Result<Vec<Change>, Error> {
    let mut dead = Vec::new();
    let mut judge = |other: &Elsewhere| {
        dead.extend(is_dead(&other.link).then_some(Change::DeleteElsewhere(other.space, other.link.index)));
        false
    };
    k.find_elsewhere(Some(kind), &mut judge).map_err(kernel)?;
    Ok(dead)
}

/// The name that the link may have had for a moment.
fn stage(claim: &LinkSpec) -> Option<&str> {
    if let LinkKind::Macvlan(link) = &claim.kind { link.stage.as_deref() } else { None }
}

/// Deletes the routes to endpoints by the network's own link whose metric `dead` names.
fn delete_routes<K: Kernel>(k: &mut K, network: &Network, dead: &dyn Fn(u32) -> bool) -> Result<(), Error> {
    let Some(name) = &network.access else { return Ok(()) };
    let Some(link) = k.link(Place::Host, &LinkName::Name(name.clone())).map_err(kernel)? else { return Ok(()) };
    let ours = |route: &Route| Owner::is_route_metric(route.priority) && dead(route.priority);
    let routes = match k.routes(Place::Host, link.index) {
        // Another one, the last, has taken it along this moment, and the routes with it.
        Err(error) if error.errno == NO_DEVICE => return Ok(()),
        other => other.map_err(kernel)?,
    };
    let changes: Vec<Change> = routes.into_iter().filter(ours).map(Change::DeleteRoute).collect();
    apply_all(k, Place::Host, &changes, NO_SUCH_ROUTE)
}

/// Applies deletions; what is absent (`absent`) is success.
fn apply_all<K: Kernel>(k: &mut K, place: Place, changes: &[Change], absent: i32) -> Result<(), Error> {
    let mut failures = Failures::default();
    for answer in k.apply(place, changes) {
        failures.add(match answer {
            Err(error) if error.errno != absent => Err(kernel(error)),
            Ok(()) | Err(_) => Ok(()),
        });
    }
    failures.verdict()
}

/// Whether the network has an endpoint left.
pub(crate) fn has_endpoint<K: Kernel>(k: &mut K, network: &str, kind: &str) -> Result<bool, Error> {
    let group = network_group(network);
    let found = k.find_elsewhere(Some(kind), &mut |other| other.link.group == group);
    found.map(|found| found.is_some()).map_err(kernel)
}

/// Deletes the links of the network that none of the `valid` owners has, and their routes. Under the host's lock, alone:
/// then no link is seen between its birth and the tag that says whose it is, except one whose maker was killed.
pub(crate) fn collect<K: Kernel>(
    k: &mut K,
    name: &str,
    kind: &str,
    network: &Network,
    valid: &[Owner],
) -> Result<(), Error> {
    k.lock(true).map_err(kernel)?;
    let outcome = collect_alone(k, name, kind, valid);
    k.unlock();
    let metrics: HashSet<u32> = valid.iter().map(Owner::route_metric).collect();
    let mut failures = Failures::default();
    failures.add(outcome);
    failures.add(delete_routes(k, network, &|metric| !metrics.contains(&metric)));
    // Also what the configuration has forgotten.
    failures.add(release_if_last(k, name, network));
    failures.verdict()
}

fn collect_alone<K: Kernel>(k: &mut K, network: &str, kind: &str, valid: &[Owner]) -> Result<(), Error> {
    let group = network_group(network);
    let tags: HashSet<OwnerTag> = valid.iter().map(Owner::tag).collect();
    let dead = dead_elsewhere(k, kind, &|link| {
        link.group == group && OwnerTag::read(&link.alias).is_none_or(|tag| !tags.contains(&tag))
    })?;
    apply_all(k, Place::Host, &dead, NO_DEVICE)
}

/// CHECK of the endpoint's link: what it is and stands on, whose it is, and the MAC that the runtime was told of (`inner`).
/// One that the reference plugins made has no tag.
pub(crate) fn check<K: Kernel>(
    converger: &mut Converger<'_, K>,
    owner: &Owner,
    claim: &LinkSpec,
    inner: Option<&Interface>,
) -> Result<(), Error> {
    let object = format!("{} {} in the sandbox", claim.kind.as_str(), claim.name);
    let link = converger.link(Place::Sandbox, &claim.name).map_err(kernel)?.ok_or_else(|| missing(object.clone()))?;
    let parent = match claim.beneath() {
        Some(name) => converger.link(claim.asked_in(), name).map_err(kernel)?,
        None => None,
    };
    // A macvlan as parent stands for its own. A passthru endpoint has whatever MAC its parent has.
    let wire = parent.map_or(0, |parent| if parent.kind == "macvlan" { parent.parent } else { parent.index });
    let wanted = LinkSpec { mac: None, ..claim.clone() };
    expect_satisfied(&link, &wanted, Place::Sandbox, wire)?;
    let differs = |difference: String| Err(drift(&Drift { object, difference }));
    if claim.asked_in() == Place::Host && link.parent_netns.is_none() {
        return differs("does not stand on a link of the host".into());
    }
    if OwnerTag::read(&link.alias).is_some_and(|tag| tag != owner.tag()) {
        return differs(format!("belongs to another attachment: its alias is {:?}", link.alias));
    }
    let recorded = inner.and_then(|inner| inner.mac.parse::<Mac>().ok());
    match (recorded, link.mac) {
        (Some(want), Some(have)) if want != have => differs(format!("has MAC {have}, not {want}")),
        _ => Ok(()),
    }
}
