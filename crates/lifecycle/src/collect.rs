//! GC: what carries our tags for this network and belongs to no valid attachment goes.

use std::collections::HashSet;

use cni::{Attachment, Error};
use cnm::{
    Change, Driver, Kernel, Link, LinkKind, LinkName, Mac, Owner, OwnerTag, Place, Resource, leaving_group,
    network_group, shared_group,
};

use crate::Ipam;
use crate::detach::release_if_last;
use crate::errors::{Failures, NO_DEVICE, kernel};

/// Collects the garbage of `network`.
///
/// # Errors
/// Every failure, after all was tried.
pub fn collect<D: Driver, K: Kernel>(
    driver: &D,
    k: &mut K,
    ipam: Option<&dyn Ipam>,
    network: &str,
    valid: &[Attachment],
) -> Result<(), Error> {
    let mut failures = Failures::default();
    let owners: Vec<Owner> =
        valid.iter().map(|one| Owner::new(network, one.container_id.as_str(), one.ifname.as_str())).collect();
    let probe = driver.endpoint(&Owner::new(network, "", ""), Mac([0; 6]));
    if let Some(claim) = probe.claim {
        let names: HashSet<String> = owners.iter().map(Owner::host_link).collect();
        let tags: HashSet<OwnerTag> = owners.iter().map(Owner::tag).collect();
        match k.links(Place::Host, 0) {
            Ok(links) => {
                let dead: Vec<&Link> =
                    links.iter().filter(|link| is_dead(link, network, claim.kind.as_str(), &names)).collect();
                failures.add(delete_all(k, &dead));
            }
            Err(error) => failures.add(Err(kernel(error))),
        }
        failures.add(k.firewall().collect(network, &|tag| tags.contains(tag)).map_err(kernel));
        let containers: HashSet<&str> = valid.iter().map(|one| one.container_id.as_str()).collect();
        failures.add(k.firewall().collect_containers(network, &|id| containers.contains(id)).map_err(kernel));
        failures.add(release_if_last(k, network, claim.master.as_deref()));
        if valid.is_empty() {
            failures.add(delete_unused(k, network, &driver.network().resources));
        }
    }
    failures.add(ipam.map_or(Ok(()), |ipam| ipam.gc(valid)));
    failures.verdict()
}

/// A host end of this network that none of the valid attachments has. Its group and the form of its name are there
/// from its first moment; the alias may be missing when its maker was killed.
fn is_dead(link: &Link, network: &str, kind: &str, valid: &HashSet<String>) -> bool {
    let named = link.name.len() == 15 && link.name.starts_with("veth");
    let foreign = OwnerTag::read(&link.alias).is_some_and(|tag| tag.network != OwnerTag::of_network(network));
    link.kind == kind
        && (link.group == network_group(network) || link.group == leaving_group(network))
        && named
        && !foreign
        && !valid.contains(&link.name)
}

fn delete_all<K: Kernel>(k: &mut K, links: &[&Link]) -> Result<(), Error> {
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

/// Devices that we made for the network (group and alias say so) and that nobody uses any more: ports of the bridge that
/// the endpoints shared, and the bridge when it has no others.
fn delete_unused<K: Kernel>(k: &mut K, network: &str, resources: &[Resource]) -> Result<(), Error> {
    let mut failures = Failures::default();
    for resource in resources {
        let Resource::Link(spec) = resource else { continue };
        let LinkKind::Bridge { .. } = spec.kind else { continue };
        let found = k.link(Place::Host, &LinkName::Name(spec.name.clone())).and_then(|bridge| {
            let Some(bridge) = bridge else { return Ok(None) };
            let ports = k.links(Place::Host, bridge.index)?;
            Ok(Some((bridge, ports)))
        });
        match found {
            Ok(Some((bridge, ports))) => {
                let (shared, others): (Vec<&Link>, Vec<&Link>) =
                    ports.iter().partition(|port| port.group == shared_group(network));
                let cleared = delete_all(k, &shared);
                // A port that stayed would not be found again without its bridge.
                let unused = others.is_empty() && cleared.is_ok();
                failures.add(cleared);
                let marked = bridge.alias == Owner::network_alias(network);
                let half_made = bridge.alias.is_empty() && bridge.group == shared_group(network);
                if unused && (marked || half_made) {
                    failures.add(delete_all(k, &[&bridge]));
                }
            }
            Ok(None) => {}
            Err(error) => failures.add(Err(kernel(error))),
        }
    }
    failures.verdict()
}
