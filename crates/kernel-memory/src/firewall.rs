//! The firewall in memory: what `kernel`'s backends keep, by the keys under which they keep it.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use cnm::{Backend, Firewall, Forwarding, Gatekeeper, Intent, KernelError, Mac, Owner, OwnerTag, Publication, Share};
use ipnet::IpNet;

use crate::ports::Ports;

/// Who holds the host's lock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Lock {
    #[default]
    Free,
    Shared,
    Exclusive,
}

/// The firewall of a [`Memory`](crate::Memory)'s host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryFirewall {
    /// nftables, by tag: what one endpoint owns.
    owned: BTreeMap<String, Vec<Intent>>,
    /// nftables, by network: what its endpoints share. Masquerading is for whole subnets there.
    shared: BTreeMap<String, Vec<Intent>>,
    /// iptables, by network and container: the interface is in no name there.
    chains: BTreeMap<(String, String), BTreeSet<IpNet>>,
    /// Published ports, of either backend.
    ports: Ports,
    /// Backends that this host does not have.
    missing: Vec<Backend>,
    /// The caller's.
    pub(crate) lock: Lock,
}

/// Who keeps an intent.
enum Keeper<'a> {
    /// Every endpoint of the network, in this form.
    Network(Intent),
    /// The endpoint, under its tag.
    Endpoint,
    /// The container, under its chain.
    Container(IpNet),
    /// The list of published ports.
    Ports(&'a Publication),
    /// Nobody: it asks for nothing.
    Nobody,
}

fn keeper(intent: &Intent) -> Keeper<'_> {
    match intent {
        Intent::Masquerade { address, backend: Backend::Iptables, .. } => Keeper::Container(*address),
        Intent::Masquerade { device, address, backend: Backend::Nftables } => Keeper::Network(Intent::Masquerade {
            device: device.clone(),
            address: address.trunc(),
            backend: Backend::Nftables,
        }),
        Intent::SpoofCheck { .. } => Keeper::Endpoint,
        Intent::Publish(publication) => Keeper::Ports(publication),
        Intent::Guard { internal: false, isolated: false, .. } => Keeper::Nobody,
        Intent::Guard { .. } | Intent::Apart { .. } => Keeper::Network(intent.clone()),
        Intent::Forward(forwarding) => match (forwarding.shared, forwarding.gatekeeper) {
            (true, Gatekeeper::Auto | Gatekeeper::Nftables) => {
                let addresses = forwarding.addresses.iter().map(IpNet::trunc).collect();
                Keeper::Network(Intent::Forward(Forwarding { addresses, ..forwarding.clone() }))
            }
            (false, _) | (true, Gatekeeper::Iptables | Gatekeeper::Firewalld) => Keeper::Endpoint,
        },
    }
}

/// Which plugin of a chain an intent belongs to; `None` is the driver's.
const fn share(intent: &Intent) -> Option<Share> {
    match intent {
        Intent::Forward(_) => Some(Share::Forwarding),
        Intent::Publish(_) => Some(Share::Ports),
        Intent::Masquerade { .. } | Intent::SpoofCheck { .. } | Intent::Guard { .. } | Intent::Apart { .. } => None,
    }
}

/// An intent as a person calls it.
fn describe(intent: &Intent, mac_text: impl Fn(Mac) -> String) -> String {
    match intent {
        Intent::Masquerade { device, address, backend } => {
            format!("masquerade {address} behind {device} ({backend:?})")
        }
        Intent::SpoofCheck { port, mac } => format!("source check of {port} for {}", mac_text(*mac)),
        Intent::Guard { device, internal, isolated } => {
            format!("guard of {device} (internal {internal}, isolated {isolated})")
        }
        Intent::Apart { device } => format!("{device} kept apart"),
        Intent::Forward(Forwarding { addresses, device, ingress, gatekeeper, .. }) => {
            let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            let device = device.as_deref().unwrap_or("no device");
            format!("forward {} of {device}, ingress {} ({gatekeeper:?})", addresses.join(" "), ingress.as_str())
        }
        Intent::Publish(publication) => {
            let ports: Vec<String> = publication.ports.iter().map(ToString::to_string).collect();
            format!("publication of {} to {}", ports.join(", "), publication.target)
        }
    }
}

impl MemoryFirewall {
    pub(crate) fn lacks(&mut self, backend: Backend) {
        self.missing.push(backend);
    }

    /// Whether nothing is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.owned.is_empty() && self.shared.is_empty() && self.chains.is_empty() && self.ports.is_empty()
    }

    /// Removes one thing behind everybody's back, as a person with `nft` would. Gives whether it was there.
    pub fn tamper(&mut self, owner: &Owner, intent: &Intent) -> bool {
        let before = self.clone();
        match keeper(intent) {
            Keeper::Network(shared) => forget(&mut self.shared, &owner.network, |other| *other == shared),
            Keeper::Endpoint => forget(&mut self.owned, &owner.tag().to_string(), |other| other == intent),
            Keeper::Container(address) => self.forget_addresses(owner, |other| *other != address),
            Keeper::Ports(publication) => self.ports.forget(owner, publication),
            Keeper::Nobody => {}
        }
        *self != before
    }

    fn forget_addresses(&mut self, owner: &Owner, keep: impl Fn(&IpNet) -> bool) {
        if let Some(addresses) = self.chains.get_mut(&chain(owner)) {
            addresses.retain(keep);
        }
        self.chains.retain(|_, addresses| !addresses.is_empty());
    }

    /// Forgets what endpoints own for one plugin whose tag `keep` refuses.
    fn collect_owned(&mut self, network: &str, of: Option<Share>, keep: &dyn Fn(&OwnerTag) -> bool) {
        let kept = |tag: &str| OwnerTag::read(tag).is_none_or(|tag| tag.network != network || keep(&tag));
        for (tag, intents) in &mut self.owned {
            intents.retain(|intent| share(intent) != of || kept(tag));
        }
        self.owned.retain(|_, intents| !intents.is_empty());
    }

    fn has(&self, owner: &Owner, intent: &Intent) -> bool {
        match keeper(intent) {
            Keeper::Network(shared) => self.shared.get(&owner.network).is_some_and(|all| all.contains(&shared)),
            Keeper::Endpoint => self.owned.get(&owner.tag().to_string()).is_some_and(|all| all.contains(intent)),
            Keeper::Container(address) => self.chains.get(&chain(owner)).is_some_and(|all| all.contains(&address)),
            Keeper::Ports(publication) => self.ports.has(owner, publication),
            Keeper::Nobody => true,
        }
    }

    /// One line for each thing.
    pub(crate) fn lines(&self, mac_text: impl Fn(Mac) -> String) -> impl Iterator<Item = String> {
        let mac_text = Rc::new(mac_text);
        let owned = self.owned.iter().flat_map(move |(tag, intents)| {
            let mac_text = Rc::clone(&mac_text);
            intents.iter().map(move |intent| format!("firewall {tag} {}", describe(intent, &*mac_text)))
        });
        let shared = self.shared.iter().flat_map(|(network, intents)| {
            intents
                .iter()
                .map(move |intent| format!("firewall of {network} {}", describe(intent, |mac| mac.to_string())))
        });
        let chains = self.chains.iter().flat_map(|((network, container), addresses)| {
            addresses.iter().map(move |address| format!("firewall iptables {network} {container} masquerade {address}"))
        });
        owned.chain(shared).chain(chains).chain(self.ports.lines())
    }
}

fn forget(from: &mut BTreeMap<String, Vec<Intent>>, key: &str, doomed: impl Fn(&Intent) -> bool) {
    if let Some(intents) = from.get_mut(key) {
        intents.retain(|intent| !doomed(intent));
    }
    from.retain(|_, intents| !intents.is_empty());
}

fn note(all: &mut Vec<Intent>, intent: &Intent) {
    if !all.contains(intent) {
        all.push(intent.clone());
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
        if self.lock == Lock::Free {
            return Err(KernelError::other("install firewall elements", "the caller does not hold the host's lock"));
        }
        for by_iptables in [false, true] {
            for intent in intents {
                match keeper(intent) {
                    Keeper::Container(address) if by_iptables => {
                        self.usable(Backend::Iptables)?;
                        self.chains.entry(chain(owner)).or_default().insert(address);
                    }
                    Keeper::Network(shared) if !by_iptables => {
                        self.usable(Backend::Nftables)?;
                        note(self.shared.entry(owner.network.clone()).or_default(), &shared);
                    }
                    Keeper::Endpoint if !by_iptables => {
                        self.usable(Backend::Nftables)?;
                        note(self.owned.entry(owner.tag().to_string()).or_default(), intent);
                    }
                    Keeper::Ports(publication) if by_iptables == (publication.backend == Backend::Iptables) => {
                        self.usable(publication.backend)?;
                        self.ports.publish(owner, publication)?;
                    }
                    Keeper::Container(_)
                    | Keeper::Network(_)
                    | Keeper::Endpoint
                    | Keeper::Ports(_)
                    | Keeper::Nobody => {}
                }
            }
        }
        Ok(())
    }

    fn remove(&mut self, owner: &Owner, known: Option<&[Intent]>) -> Result<(), KernelError> {
        // Only what is known is looked for: a caller that knows too little leaves the rest behind.
        let tag = owner.tag().to_string();
        forget(&mut self.owned, &tag, |there| {
            share(there).is_none() && known.is_none_or(|known| known.contains(there))
        });
        let addresses: Vec<IpNet> = known
            .unwrap_or_default()
            .iter()
            .filter_map(|intent| match intent {
                // Whatever the backend: the configuration may have changed since.
                Intent::Masquerade { address, .. } => Some(*address),
                Intent::SpoofCheck { .. }
                | Intent::Guard { .. }
                | Intent::Apart { .. }
                | Intent::Forward(_)
                | Intent::Publish(_) => None,
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

    fn withdraw(&mut self, owner: &Owner, of: Share, _known: &[Intent]) -> Result<(), KernelError> {
        forget(&mut self.owned, &owner.tag().to_string(), |there| share(there) == Some(of));
        if of == Share::Ports {
            self.ports.withdraw(owner);
        }
        Ok(())
    }

    fn collect_share(
        &mut self,
        network: &str,
        of: Share,
        keep: &dyn Fn(&OwnerTag) -> bool,
        _keep_container: &dyn Fn(&str) -> bool,
    ) -> Result<(), KernelError> {
        self.collect_owned(&OwnerTag::of_network(network), Some(of), keep);
        if of == Share::Ports {
            self.ports.collect(network, keep);
        }
        Ok(())
    }

    fn release(&mut self, network: &str) -> Result<(), KernelError> {
        if self.lock != Lock::Exclusive {
            return Err(KernelError::other(
                format!("release the firewall of {network}"),
                "the caller does not hold the host's lock alone",
            ));
        }
        self.shared.remove(network);
        Ok(())
    }

    fn drift(&mut self, owner: &Owner, intents: &[Intent]) -> Result<Vec<String>, KernelError> {
        let missing = intents.iter().filter(|intent| !self.has(owner, intent));
        Ok(missing.map(|intent| format!("{} is missing", describe(intent, |mac| mac.to_string()))).collect())
    }

    fn collect(&mut self, network: &str, keep: &dyn Fn(&OwnerTag) -> bool) -> Result<(), KernelError> {
        let network = OwnerTag::of_network(network);
        self.collect_owned(&network, None, keep);
        Ok(())
    }

    fn collect_containers(&mut self, network: &str, keep: &dyn Fn(&str) -> bool) -> Result<(), KernelError> {
        self.chains.retain(|(of, container), _| of != network || keep(container));
        Ok(())
    }
}
