//! Ports of the host that lead to endpoints. What is published for an attachment is its share [`Share::Ports`](cnm::Share).

mod chains;
mod conditional;
mod flows;
mod nftables;
mod programs;
mod reference;
mod registry;
mod scheme;

use cnm::{Backend, Intent, KernelError, Owner, OwnerTag, Publication};

use super::programs::Suspects;
use super::reference::iptables_tables;
use super::{HostFirewall, legacy, together};
use crate::nft::Nft;
use flows::Redirection;

/// What a backend is to publish.
fn publications(intents: &[Intent], backend: Backend) -> impl Iterator<Item = &Publication> {
    intents.iter().filter_map(move |intent| match intent {
        Intent::Publish(publication) if publication.backend == backend => Some(publication),
        _ => None,
    })
}

/// Whether programs look and change in separate steps.
pub(super) fn by_programs(intents: &[Intent]) -> bool {
    publications(intents, Backend::Iptables).next().is_some()
}

/// Whether the reference plugin has published the attachment's ports, before an upgrade in place: then they do not drift
/// because ours are not there. Asked only in that case.
fn published_by_reference(nft: &mut Nft, owner: &Owner) -> Result<bool, KernelError> {
    let found = reference::find(nft, owner)?;
    if found.iptables.contains(&true) || reference::has_rules(nft, owner, found)? {
        return Ok(true);
    }
    let chain = chains::chain_of(owner);
    Ok([false, true].into_iter().any(|v6| legacy::has_chain(v6, "nat", &chain)))
}

impl HostFirewall {
    /// Publishes what the intents say.
    pub(super) fn publish(&mut self, owner: &Owner, intents: &[Intent]) -> Result<(), KernelError> {
        let by_nftables: Vec<&Publication> = publications(intents, Backend::Nftables).collect();
        if !by_nftables.is_empty() {
            let nft = self.working_nft()?;
            let published = nftables::install(nft, owner, intents)?;
            conditional::install(nft, owner, &by_nftables)?;
            let all: Vec<Redirection> = published.iter().map(Redirection::from).collect();
            let own: Vec<Redirection> = by_nftables.into_iter().flat_map(Redirection::of).collect();
            flows::arrived(&own, &all)?;
        }
        for publication in publications(intents, Backend::Iptables) {
            let mut all = programs::install(self.nft()?, owner, publication)?;
            let own: Vec<Redirection> = Redirection::of(publication).collect();
            all.extend(own.iter().cloned());
            flows::arrived(&own, &all)?;
        }
        Ok(())
    }

    /// Takes away what the attachment has published, in every backend, and what the reference plugin has.
    pub(super) fn withdraw_ports(&mut self, owner: &Owner) -> Result<(), KernelError> {
        let (mut errors, mut gone) = (Vec::new(), Vec::new());
        let mut suspects = Suspects::default();
        match self.nft() {
            Ok(Some(nft)) => {
                match nftables::withdraw(nft, &owner.tag()) {
                    Ok(entries) => gone.extend(entries.iter().map(Redirection::from)),
                    Err(error) => errors.push(error),
                }
                match reference::find(nft, owner) {
                    Ok(found) => {
                        suspects.nft = found.iptables;
                        errors.extend(reference::remove(nft, owner, found).err());
                    }
                    Err(error) => errors.push(error),
                }
            }
            Ok(None) => {}
            Err(error) => errors.push(error),
        }
        let chain = chains::chain_of(owner);
        suspects.legacy = [false, true].map(|v6| legacy::has_chain(v6, "nat", &chain));
        let nft = self.nft().ok().flatten();
        errors.extend(programs::remove(nft, owner, suspects, &mut gone));
        errors.extend(flows::left(&gone).err());
        together(errors)
    }

    /// The same for the attachments of a network that are not kept.
    pub(super) fn collect_ports(
        &mut self,
        network: &str,
        keep: &dyn Fn(&OwnerTag) -> bool,
        keep_container: &dyn Fn(&str) -> bool,
    ) -> Result<(), KernelError> {
        let (mut errors, mut gone) = (Vec::new(), Vec::new());
        let mut suspects =
            Suspects { legacy: [false, true].map(|v6| legacy::has_table(v6, "nat")), ..Suspects::default() };
        match self.nft() {
            Ok(Some(nft)) => {
                match nftables::collect(nft, network, keep) {
                    Ok(entries) => gone.extend(entries.iter().map(Redirection::from)),
                    Err(error) => errors.push(error),
                }
                match iptables_tables(nft) {
                    Ok(there) => suspects.nft = there,
                    Err(error) => errors.push(error),
                }
            }
            Ok(None) => {}
            Err(error) => errors.push(error),
        }
        let nft = self.nft().ok().flatten();
        errors.extend(programs::collect(nft, network, keep_container, suspects, &mut gone));
        errors.extend(flows::left(&gone).err());
        together(errors)
    }

    /// What is missing or different of what the intents publish.
    pub(super) fn port_drift(&mut self, owner: &Owner, intents: &[Intent]) -> Result<Vec<String>, KernelError> {
        let mut drift = Vec::new();
        let by_nftables: Vec<&Publication> = publications(intents, Backend::Nftables).collect();
        if !by_nftables.is_empty() {
            let nft = self.working_nft()?;
            drift = nftables::drift(nft, owner, intents)?;
            drift.extend(conditional::drift(nft, owner, &by_nftables)?);
            if !drift.is_empty() && published_by_reference(nft, owner)? {
                drift.clear();
            }
        }
        for publication in publications(intents, Backend::Iptables) {
            drift.extend(programs::drift(self.nft()?, owner, publication)?);
        }
        Ok(drift)
    }
}
