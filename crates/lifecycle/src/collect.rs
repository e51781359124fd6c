//! GC: what carries our tags for this network and belongs to no valid attachment goes.

use std::collections::HashSet;

use cni::{Attachment, Error};
use cnm::{Driver, Kernel, Lifetime, Link, Mac, Members, Owner, OwnerTag, Place, leaving_group, network_group};

use crate::errors::{Failures, kernel};
use crate::shared::{delete_all, delete_unused, release_if_last};
use crate::{Ipam, inside};

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
    let shared = driver.network();
    if let Members::Elsewhere { kind } = shared.members {
        failures.add(inside::collect(k, network, kind, &shared, &owners));
    } else if let Some(claim) = probe.claim {
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
        failures.add(release_if_last(k, network, &shared));
        if valid.is_empty() && shared.lifetime == Lifetime::Stays {
            failures.add(delete_unused(k, network, &shared.resources));
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
