//! Ports of the host that lead to endpoints. What is published for an attachment is its share [`Share::Ports`](cnm::Share).

mod nftables;
mod registry;
mod scheme;

use cnm::{Backend, Intent, KernelError, Owner, OwnerTag};

use super::{HostFirewall, together};

impl HostFirewall {
    /// Publishes what the intents say.
    pub(super) fn publish(&mut self, owner: &Owner, intents: &[Intent]) -> Result<(), KernelError> {
        let publications = intents.iter().filter_map(|intent| match intent {
            Intent::Publish(publication) => Some(publication),
            _ => None,
        });
        for publication in publications {
            if publication.backend == Backend::Iptables || !publication.conditions.is_empty() {
                let words = "only nftables without conditions can publish ports so far";
                return Err(KernelError::new("publish ports", 95, words));
            }
        }
        nftables::install(self.working_nft()?, owner, intents)
    }

    /// Takes away what the attachment has published, in every backend.
    pub(super) fn withdraw_ports(&mut self, owner: &Owner) -> Result<(), KernelError> {
        let mut errors = Vec::new();
        match self.nft() {
            Ok(Some(nft)) => errors.extend(nftables::withdraw(nft, &owner.tag()).err()),
            Ok(None) => {}
            Err(error) => errors.push(error),
        }
        together(errors)
    }

    /// The same for the attachments of a network that are not kept.
    pub(super) fn collect_ports(&mut self, network: &str, keep: &dyn Fn(&OwnerTag) -> bool) -> Result<(), KernelError> {
        match self.nft()? {
            Some(nft) => nftables::collect(nft, network, keep),
            None => Ok(()),
        }
    }

    /// What is missing or different of what the intents publish.
    pub(super) fn port_drift(&mut self, owner: &Owner, intents: &[Intent]) -> Result<Vec<String>, KernelError> {
        nftables::drift(self.working_nft()?, owner, intents)
    }
}
