//! What the endpoints of a network share on this host, and when it goes: the firewall's part with the last endpoint, the
//! links too or when GC finds no valid attachment, as the network says. How it is made is `converge`'s.

use cni::Error;
use cnm::{
    Change, Kernel, Lifetime, Link, LinkKind, LinkName, Members, Network, Owner, Place, Resource, leaving_group,
    network_group, shared_group,
};

use crate::errors::{Failures, NO_DEVICE, kernel};
use crate::inside;
use crate::parent::delete_unused_parent;

/// Removes what the endpoints of a network share when none is left. Two who leave at the same time have both left the
/// group before they look, so one of them sees nobody. One who attaches at the same time either is seen, or gets the
/// lock afterwards and finds that what it shares is missing.
pub(crate) fn release_if_last<K: Kernel>(k: &mut K, network: &str, shared: &Network) -> Result<(), Error> {
    if has_endpoint(k, network, &shared.members)? {
        return Ok(());
    }
    k.lock(true).map_err(kernel)?;
    let outcome = match has_endpoint(k, network, &shared.members) {
        Ok(true) => Ok(()),
        Ok(false) => release(k, network, shared),
        Err(error) => Err(error),
    };
    k.unlock();
    outcome
}

/// Whether the network has an endpoint on this host.
fn has_endpoint<K: Kernel>(k: &mut K, network: &str, members: &Members) -> Result<bool, Error> {
    match members {
        Members::Untraceable => Ok(false),
        Members::Ports { bridge } => match k.link(Place::Host, &LinkName::Name(bridge.clone())).map_err(kernel)? {
            Some(bridge) => k.has_port(bridge.index, network_group(network)).map_err(kernel),
            None => Ok(false),
        },
        Members::Elsewhere { kind } => inside::has_endpoint(k, network, kind),
    }
}

/// The caller holds the host's lock alone and has seen nobody.
fn release<K: Kernel>(k: &mut K, network: &str, shared: &Network) -> Result<(), Error> {
    let mut failures = Failures::default();
    match (shared.lifetime, &shared.members) {
        (_, Members::Elsewhere { .. }) => {
            failures.add(k.firewall().release(network).map_err(kernel));
            failures.add(delete_stacked(k, network, &shared.resources));
        }
        (Lifetime::Stays, _) => failures.add(k.firewall().release(network).map_err(kernel)),
        (Lifetime::LastEndpoint, Members::Ports { .. }) => return release_whole(k, network),
        (Lifetime::LastEndpoint, Members::Untraceable) => {
            failures.add(k.firewall().release(network).map_err(kernel));
            failures.add(delete_unused(k, network, &shared.resources));
        }
    }
    failures.verdict()
}

/// Everything that we made for the network, whatever the configuration calls it today; unless an endpoint is left on a
/// bridge that it named before.
fn release_whole<K: Kernel>(k: &mut K, network: &str) -> Result<(), Error> {
    let links = k.links(Place::Host, 0).map_err(kernel)?;
    if links.iter().any(|link| link.group == network_group(network)) {
        return Ok(());
    }
    let mut failures = Failures::default();
    failures.add(k.firewall().release(network).map_err(kernel));
    let ours = links.iter().filter(|link| is_ours(link, network));
    let (bridges, others): (Vec<&Link>, Vec<&Link>) = ours.partition(|link| link.kind == "bridge");
    failures.add(delete_all(k, &others));
    for bridge in bridges {
        failures.add(delete_unused_bridge(k, network, bridge));
    }
    failures.verdict()
}

/// Devices that we made for the network (group and alias say so) and that nobody uses any more, the last made first. A
/// bridge takes along its ports that the endpoints shared, and stays when it has others: somebody uses it.
pub(crate) fn delete_unused<K: Kernel>(k: &mut K, network: &str, resources: &[Resource]) -> Result<(), Error> {
    let mut failures = Failures::default();
    for resource in resources.iter().rev() {
        let Resource::Link(spec) = resource else { continue };
        match k.link(Place::Host, &LinkName::Name(spec.name.clone())) {
            Ok(Some(link)) => failures.add(match spec.kind {
                LinkKind::Bridge { .. } => delete_unused_bridge(k, network, &link),
                _ if is_ours(&link, network) => delete_all(k, &[&link]),
                _ => Ok(()),
            }),
            Ok(None) => {}
            Err(error) => failures.add(Err(kernel(error))),
        }
    }
    failures.verdict()
}

/// The links beneath and beside endpoints that live in sandboxes: all that we made for the network, whatever the configuration
/// calls it today, and the parent that it names, whichever network it was made for. First what stands on others.
fn delete_stacked<K: Kernel>(k: &mut K, network: &str, resources: &[Resource]) -> Result<(), Error> {
    let links = k.links(Place::Host, 0).map_err(kernel)?;
    let is_parent = |link: &Link| {
        let named = |resource: &Resource| matches!(resource, Resource::Parent { made: Some(spec), .. } if spec.name == link.name);
        link.kind == "vlan" && (is_ours(link, network) || resources.iter().any(named))
    };
    let mut failures = Failures::default();
    for kind in ["macvlan", "dummy"] {
        let ours: Vec<&Link> = links.iter().filter(|link| link.kind == kind && is_ours(link, network)).collect();
        failures.add(delete_all(k, &ours));
    }
    for parent in links.iter().filter(|link| is_parent(link)) {
        failures.add(delete_unused_parent(k, parent).map_err(kernel));
    }
    failures.verdict()
}

fn delete_unused_bridge<K: Kernel>(k: &mut K, network: &str, bridge: &Link) -> Result<(), Error> {
    let mut ports = k.links(Place::Host, bridge.index).map_err(kernel)?;
    // Who is leaving has no use for it any more.
    ports.retain(|port| port.group != leaving_group(network));
    let (shared, others): (Vec<&Link>, Vec<&Link>) = ports.iter().partition(|port| port.group == shared_group(network));
    // A port that stayed would not be found again without its bridge.
    delete_all(k, &shared)?;
    if others.is_empty() && is_ours(bridge, network) { delete_all(k, &[bridge]) } else { Ok(()) }
}

/// Whether we made the link for the network. Its group is there from the first moment; the alias may be missing when its
/// maker was killed.
fn is_ours(link: &Link, network: &str) -> bool {
    link.alias == Owner::network_alias(network) || (link.alias.is_empty() && link.group == shared_group(network))
}

/// Deletes links; absent is success.
pub(crate) fn delete_all<K: Kernel>(k: &mut K, links: &[&Link]) -> Result<(), Error> {
    let changes: Vec<Change> = links.iter().map(|link| Change::DeleteLink(LinkName::Index(link.index))).collect();
    let mut failures = Failures::default();
    for answer in k.apply(Place::Host, &changes) {
        failures.add(match answer {
            Err(error) if error.errno != NO_DEVICE => Err(kernel(error)),
            Ok(()) | Err(_) => Ok(()),
        });
    }
    failures.verdict()
}
