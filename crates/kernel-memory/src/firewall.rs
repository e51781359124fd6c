//! The firewall in memory: what `kernel`'s backends keep, by the keys under which they keep it.

use std::collections::{BTreeMap, BTreeSet};

use cnm::{Backend, Firewall, Intent, KernelError, Owner, OwnerTag};
use ipnet::IpNet;

/// The firewall of a [`Memory`](crate::Memory)'s host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryFirewall {
    /// nftables, by tag: masquerading, source checks, and the endpoint's membership in a guarded network. What a
    /// network shares (chains) exists as long as something here leads to it.
    owned: BTreeMap<String, Vec<Intent>>,
    /// iptables, by network and container: the interface is in no name there.
    chains: BTreeMap<(String, String), BTreeSet<IpNet>>,
    /// Backends that this host does not have.
    missing: Vec<Backend>,
}

/// An intent as a person calls it.
fn describe(intent: &Intent) -> String {
    match intent {
        Intent::Masquerade { device, address, backend } => {
            format!("masquerade {address} behind {device} ({backend:?})")
        }
        Intent::SpoofCheck { port, mac } => format!("source check of {port} for {mac}"),
        Intent::Guard { device, internal, isolated } => {
            format!("guard of {device} (internal {internal}, isolated {isolated})")
        }
    }
}

/// The address of an intent that iptables carries.
fn by_iptables(intent: &Intent) -> Option<IpNet> {
    match intent {
        Intent::Masquerade { address, backend: Backend::Iptables, .. } => Some(*address),
        Intent::Masquerade { .. } | Intent::SpoofCheck { .. } | Intent::Guard { .. } => None,
    }
}

/// Whether removing `known` finds `there`. A guard is found by the tag alone.
fn leads_to(known: &Intent, there: &Intent) -> bool {
    match (known, there) {
        (Intent::Masquerade { device, address, .. }, Intent::Masquerade { device: other, address: theirs, .. }) => {
            (device, address.addr()) == (other, theirs.addr())
        }
        _ => known == there,
    }
}

impl MemoryFirewall {
    pub(crate) fn lacks(&mut self, backend: Backend) {
        self.missing.push(backend);
    }

    /// Whether nothing is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.owned.is_empty() && self.chains.is_empty()
    }

    /// Removes one thing of one owner behind everybody's back, as a person with `nft` would. Gives whether it was
    /// there.
    pub fn tamper(&mut self, owner: &Owner, intent: &Intent) -> bool {
        let before = self.clone();
        match by_iptables(intent) {
            Some(address) => self.forget_addresses(owner, |other| *other != address),
            None => self.forget(&owner.tag().to_string(), |other| other == intent),
        }
        *self != before
    }

    fn forget(&mut self, tag: &str, doomed: impl Fn(&Intent) -> bool) {
        if let Some(owned) = self.owned.get_mut(tag) {
            owned.retain(|intent| !doomed(intent));
        }
        self.owned.retain(|_, intents| !intents.is_empty());
    }

    fn forget_addresses(&mut self, owner: &Owner, keep: impl Fn(&IpNet) -> bool) {
        if let Some(addresses) = self.chains.get_mut(&chain(owner)) {
            addresses.retain(keep);
        }
        self.chains.retain(|_, addresses| !addresses.is_empty());
    }

    fn has(&self, owner: &Owner, intent: &Intent) -> bool {
        match (by_iptables(intent), intent) {
            (Some(address), _) => self.chains.get(&chain(owner)).is_some_and(|addresses| addresses.contains(&address)),
            (None, Intent::Guard { internal: false, isolated: false, .. }) => true,
            (None, _) => self.owned.get(&owner.tag().to_string()).is_some_and(|owned| owned.contains(intent)),
        }
    }

    /// One line for each thing.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> {
        let owned = self.owned.iter().flat_map(|(tag, intents)| {
            intents.iter().map(move |intent| format!("firewall {tag} {}", describe(intent)))
        });
        let chains = self.chains.iter().flat_map(|((network, container), addresses)| {
            addresses.iter().map(move |address| format!("firewall iptables {network} {container} masquerade {address}"))
        });
        owned.chain(chains)
    }
}

fn chain(owner: &Owner) -> (String, String) {
    (owner.network.clone(), owner.container.clone())
}

impl Firewall for MemoryFirewall {
    fn preferred(&mut self) -> Backend {
        if self.missing.contains(&Backend::Nftables) { Backend::Iptables } else { Backend::Nftables }
    }

    fn usable(&mut self, backend: Backend) -> Result<(), KernelError> {
        if self.missing.contains(&backend) {
            return Err(KernelError::new(format!("use {backend:?}"), crate::EOPNOTSUPP, "this host does not have it"));
        }
        Ok(())
    }

    /// What nftables carries is one transaction, and comes first.
    fn install(&mut self, owner: &Owner, intents: &[Intent]) -> Result<(), KernelError> {
        let (others, transaction): (Vec<&Intent>, Vec<&Intent>) =
            intents.iter().partition(|intent| by_iptables(intent).is_some());
        let wanted: Vec<Intent> = transaction
            .into_iter()
            .filter(|intent| !matches!(intent, Intent::Guard { internal: false, isolated: false, .. }))
            .cloned()
            .collect();
        if !wanted.is_empty() {
            self.usable(Backend::Nftables)?;
            let owned = self.owned.entry(owner.tag().to_string()).or_default();
            let new = wanted.into_iter().filter(|intent| !owned.contains(intent)).collect::<Vec<_>>();
            owned.extend(new);
        }
        if !others.is_empty() {
            self.usable(Backend::Iptables)?;
            self.chains.entry(chain(owner)).or_default().extend(others.into_iter().filter_map(by_iptables));
        }
        Ok(())
    }

    fn remove(&mut self, owner: &Owner, known: Option<&[Intent]>) -> Result<(), KernelError> {
        let tag = owner.tag().to_string();
        // Only what is known is looked for: a caller that knows too little leaves the rest behind.
        match known {
            Some(known) => self.forget(&tag, |there| {
                matches!(there, Intent::Guard { .. }) || known.iter().any(|known| leads_to(known, there))
            }),
            None => self.forget(&tag, |_| true),
        }
        let addresses: Vec<IpNet> = known
            .unwrap_or_default()
            .iter()
            .filter_map(|intent| match intent {
                Intent::Masquerade { address, .. } => Some(*address),
                Intent::SpoofCheck { .. } | Intent::Guard { .. } => None,
            })
            .collect();
        for v6 in [false, true] {
            let of_family = |address: &&IpNet| address.addr().is_ipv6() == v6;
            let known: Vec<&IpNet> = addresses.iter().filter(of_family).collect();
            // Without a known address everything on the container's chain goes.
            self.forget_addresses(owner, |there| !of_family(&there) || (!known.is_empty() && !known.contains(&there)));
        }
        Ok(())
    }

    fn drift(&mut self, owner: &Owner, intents: &[Intent]) -> Result<Vec<String>, KernelError> {
        let missing = intents.iter().filter(|intent| !self.has(owner, intent));
        Ok(missing.map(|intent| format!("{} is missing", describe(intent))).collect())
    }

    fn collect(&mut self, network: &str, keep: &dyn Fn(&OwnerTag) -> bool) -> Result<(), KernelError> {
        let network = OwnerTag::of_network(network);
        self.owned.retain(|tag, _| OwnerTag::read(tag).is_none_or(|tag| tag.network != network || keep(&tag)));
        Ok(())
    }

    fn collect_containers(&mut self, network: &str, keep: &dyn Fn(&str) -> bool) -> Result<(), KernelError> {
        self.chains.retain(|(of, container), _| of != network || keep(container));
        Ok(())
    }
}
