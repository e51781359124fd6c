//! What is forwarded: the firewall plugin's intent in each backend.

pub(super) mod outpost;

use cnm::{Intent, KernelError, Owner, OwnerTag};

use super::HostFirewall;
use super::ruleset;
use super::scheme::FIREWALL_OWNERS;
use crate::nft::Question;

impl HostFirewall {
    /// DEL of what an endpoint has of the firewall plugin's itself. What its network has goes with the last endpoint.
    pub(super) fn stop_forwarding(&mut self, owner: &Owner, _known: &[Intent]) -> Result<(), KernelError> {
        let Some(nft) = self.nft()? else { return Ok(()) };
        let record = super::lower::Wishes::responsible(owner);
        if nft.ask(&[Question::Element(&record)])?.answers.into_iter().all(|answer| answer.into_element().is_none()) {
            return Ok(());
        }
        let tag = owner.tag();
        ruleset::clear_members(nft, &|one| *one == tag)?;
        ruleset::erase_from(nft, &[&FIREWALL_OWNERS], &|one| *one == tag)
    }

    /// GC: what endpoints of `network` have of the firewall plugin's themselves and `keep` refuses.
    pub(super) fn collect_forwarding(
        &mut self,
        network: &str,
        keep: &dyn Fn(&OwnerTag) -> bool,
    ) -> Result<(), KernelError> {
        let Some(nft) = self.nft()? else { return Ok(()) };
        let shared = OwnerTag::shared(network);
        let doomed = |tag: &OwnerTag| tag.network == shared.network && *tag != shared && !keep(tag);
        ruleset::clear_members(nft, &doomed)?;
        ruleset::erase_from(nft, &[&FIREWALL_OWNERS], &doomed)
    }
}
