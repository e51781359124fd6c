//! Published ports in memory: whose they are, and that containers cannot share one.

use std::collections::BTreeMap;

use cnm::{Backend, KernelError, Owner, OwnerTag, Publication, PublishedPort};

/// Who has published what, by backend and tag.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ports(BTreeMap<(bool, String), (Owner, Vec<Publication>)>);

fn key(owner: &Owner, publication: &Publication) -> (bool, String) {
    (publication.backend == Backend::Iptables, owner.tag().to_string())
}

/// The ports of a publication's own family.
fn ports(publication: &Publication) -> impl Iterator<Item = &PublishedPort> {
    let v6 = publication.target.addr().is_ipv6();
    publication.ports.iter().filter(move |port| port.is_of(v6))
}

fn meet(one: &PublishedPort, other: &PublishedPort) -> bool {
    let addresses = (one.address(), other.address());
    (one.protocol, one.port) == (other.protocol, other.port)
        && (addresses.0.is_none() || addresses.1.is_none() || addresses.0 == addresses.1)
}

impl Ports {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Publishes, unless another container has one of the ports.
    pub(crate) fn publish(&mut self, owner: &Owner, publication: &Publication) -> Result<(), KernelError> {
        let v6 = publication.target.addr().is_ipv6();
        let others = self.0.values().filter(|(other, _)| other.container != owner.container);
        for (other, theirs) in others {
            let theirs = theirs.iter().filter(|there| there.target.addr().is_ipv6() == v6).flat_map(ports);
            for taken in theirs {
                if let Some(port) = ports(publication).find(|port| meet(port, taken)) {
                    let what = format!("publish port {port} of the host");
                    let words = format!("port {taken} is published by container {}", other.container);
                    return Err(KernelError::new(what, crate::EADDRINUSE, words));
                }
            }
        }
        let entry = self.0.entry(key(owner, publication)).or_insert_with(|| (owner.clone(), Vec::new()));
        // One for each family: what the attachment had before is replaced.
        entry.1.retain(|there| there.target.addr().is_ipv6() != v6);
        entry.1.push(publication.clone());
        Ok(())
    }

    pub(crate) fn has(&self, owner: &Owner, publication: &Publication) -> bool {
        self.0.get(&key(owner, publication)).is_some_and(|(_, there)| there.contains(publication))
    }

    pub(crate) fn forget(&mut self, owner: &Owner, publication: &Publication) {
        if let Some((_, there)) = self.0.get_mut(&key(owner, publication)) {
            there.retain(|other| other != publication);
        }
        self.0.retain(|_, (_, there)| !there.is_empty());
    }

    pub(crate) fn withdraw(&mut self, owner: &Owner) {
        let tag = owner.tag().to_string();
        self.0.retain(|(_, other), _| *other != tag);
    }

    pub(crate) fn collect(&mut self, network: &str, keep: &dyn Fn(&OwnerTag) -> bool) {
        self.0.retain(|_, (owner, _)| owner.network != network || keep(&owner.tag()));
    }

    /// One line for each port.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> {
        self.0.values().flat_map(|(owner, publications)| {
            publications.iter().flat_map(move |publication| {
                ports(publication).map(move |port| {
                    let Publication { target, backend, .. } = publication;
                    format!(
                        "port {port} of {} leads to {} port {} ({backend:?})",
                        owner.tag(),
                        target,
                        port.target_port
                    )
                })
            })
        })
    }
}
