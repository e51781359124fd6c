//! The firewall in memory: intents by owner, and what a network's endpoints share.

use std::collections::{BTreeMap, BTreeSet};

use cnm::{Backend, Firewall, Intent, KernelError, Owner, OwnerTag};

/// What is forwarded from and to one device, and for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Guard {
    internal: bool,
    isolated: bool,
    /// Tags of the endpoints; the last one takes it along.
    owners: BTreeSet<String>,
}

/// The firewall of a [`Memory`](crate::Memory)'s host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryFirewall {
    /// By tag: masquerading and source checks.
    owned: BTreeMap<String, Vec<Intent>>,
    /// By device.
    guards: BTreeMap<String, Guard>,
    /// Backends that this host does not have.
    missing: Vec<Backend>,
}

/// Whether two intents are about the same thing, whatever they want of it.
fn same_object(one: &Intent, other: &Intent) -> bool {
    match (one, other) {
        (
            Intent::Masquerade { device, address, .. },
            Intent::Masquerade { device: other_device, address: other_address, .. },
        ) => (device, address) == (other_device, other_address),
        (Intent::SpoofCheck { port, .. }, Intent::SpoofCheck { port: other_port, .. }) => port == other_port,
        (Intent::Guard { device, .. }, Intent::Guard { device: other_device, .. }) => device == other_device,
        (Intent::Masquerade { .. } | Intent::SpoofCheck { .. } | Intent::Guard { .. }, _) => false,
    }
}

/// An intent as a person calls it.
pub(crate) fn describe(intent: &Intent) -> String {
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

impl MemoryFirewall {
    pub(crate) fn lacks(&mut self, backend: Backend) {
        self.missing.push(backend);
    }

    /// Tags that own something, each once.
    #[must_use]
    pub fn owners(&self) -> Vec<OwnerTag> {
        let guarded = self.guards.values().flat_map(|guard| &guard.owners);
        let tags: BTreeSet<&String> = self.owned.keys().chain(guarded).collect();
        tags.into_iter().filter_map(|tag| OwnerTag::read(tag)).collect()
    }

    /// Whether nothing is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.owned.is_empty() && self.guards.is_empty()
    }

    /// Removes one thing of one owner behind everybody's back, as a person with `nft` would. Gives whether it was
    /// there.
    pub fn tamper(&mut self, owner: &Owner, intent: &Intent) -> bool {
        let before = self.clone();
        self.forget(&owner.tag().to_string(), intent);
        *self != before
    }

    fn forget(&mut self, tag: &str, intent: &Intent) {
        if let Intent::Guard { device, .. } = intent {
            if let Some(guard) = self.guards.get_mut(device) {
                guard.owners.remove(tag);
            }
            self.guards.retain(|_, guard| !guard.owners.is_empty());
        } else if let Some(owned) = self.owned.get_mut(tag) {
            owned.retain(|other| !same_object(other, intent));
            self.owned.retain(|_, intents| !intents.is_empty());
        }
    }

    fn forget_all(&mut self, tag: &str) {
        self.owned.remove(tag);
        for guard in self.guards.values_mut() {
            guard.owners.remove(tag);
        }
        self.guards.retain(|_, guard| !guard.owners.is_empty());
    }

    fn has(&self, tag: &str, intent: &Intent) -> bool {
        match intent {
            Intent::Guard { device, internal, isolated } => self.guards.get(device).is_some_and(|guard| {
                guard.owners.contains(tag) && (guard.internal, guard.isolated) == (*internal, *isolated)
            }),
            Intent::Masquerade { .. } | Intent::SpoofCheck { .. } => {
                self.owned.get(tag).is_some_and(|owned| owned.contains(intent))
            }
        }
    }

    fn backend_of(intent: &Intent) -> Backend {
        match intent {
            Intent::Masquerade { backend, .. } => *backend,
            Intent::SpoofCheck { .. } | Intent::Guard { .. } => Backend::Nftables,
        }
    }

    /// One line for each thing.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> {
        let owned = self.owned.iter().flat_map(|(tag, intents)| {
            intents.iter().map(move |intent| format!("firewall {tag} {}", describe(intent)))
        });
        let guards = self.guards.iter().flat_map(|(device, guard)| {
            let Guard { internal, isolated, owners } = guard;
            let text = format!("guard of {device} (internal {internal}, isolated {isolated})");
            owners.iter().map(move |tag| format!("firewall {tag} {text}"))
        });
        owned.chain(guards)
    }
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

    fn install(&mut self, owner: &Owner, intents: &[Intent]) -> Result<(), KernelError> {
        let tag = owner.tag().to_string();
        for intent in intents {
            self.usable(Self::backend_of(intent))?;
            if let Intent::Guard { device, internal, isolated } = intent {
                let (internal, isolated) = (*internal, *isolated);
                let new = || Guard { internal, isolated, owners: BTreeSet::new() };
                let guard = self.guards.entry(device.clone()).or_insert_with(new);
                (guard.internal, guard.isolated) = (internal, isolated);
                guard.owners.insert(tag.clone());
            } else {
                let owned = self.owned.entry(tag.clone()).or_default();
                owned.retain(|other| !same_object(other, intent));
                owned.push(intent.clone());
            }
        }
        Ok(())
    }

    fn remove(&mut self, owner: &Owner, known: Option<&[Intent]>) -> Result<(), KernelError> {
        let tag = owner.tag().to_string();
        match known {
            // Only these are looked for: a caller that knows less than there is leaves the rest behind.
            Some(known) => known.iter().for_each(|intent| self.forget(&tag, intent)),
            None => self.forget_all(&tag),
        }
        Ok(())
    }

    fn drift(&mut self, owner: &Owner, intents: &[Intent]) -> Result<Vec<String>, KernelError> {
        let tag = owner.tag().to_string();
        let missing = intents.iter().filter(|intent| !self.has(&tag, intent));
        Ok(missing.map(|intent| format!("{} is missing", describe(intent))).collect())
    }

    fn collect(&mut self, network: &str, keep: &dyn Fn(&OwnerTag) -> bool) -> Result<(), KernelError> {
        let network = OwnerTag::of_network(network);
        for tag in self.owners().into_iter().filter(|tag| tag.network == network && !keep(tag)) {
            self.forget_all(&tag.to_string());
        }
        Ok(())
    }
}
