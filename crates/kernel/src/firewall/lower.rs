//! From intents to the objects of nf_tables that make them true. Pure.

use cnm::{Backend, Forwarding, Gatekeeper, Ingress, Intent, Owner, OwnerTag};
use ipnet::IpNet;

use super::scheme::{Base, Chain, FIREWALL_OWNERS, PORTS, SOURCES, ZONED4, ZONED6, marks};
use crate::nft::{Element, Key, octets};

/// What must exist for some intents of one owner.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Wishes {
    pub(super) bases: Vec<Base>,
    pub(super) chains: Vec<Chain>,
    pub(super) elements: Vec<Element>,
    /// The administrator's chain of iptables, where the accepting chains are to have outposts.
    pub(super) admin: Option<String>,
}

impl Wishes {
    /// Whether nothing needs to exist.
    pub(super) fn is_empty(&self) -> bool {
        self.bases.is_empty() && self.chains.is_empty() && self.elements.is_empty()
    }

    /// What nftables carries.
    pub(super) fn of(owner: &Owner, intents: &[Intent]) -> Self {
        let mut wishes = Self::default();
        for intent in intents {
            match intent {
                Intent::Masquerade { backend: Backend::Iptables, .. } => {}
                Intent::Masquerade { device, address, backend: Backend::Nftables } => {
                    let subnet = address.trunc();
                    wishes.share(&owner.network, Base::Masquerade, Chain::Outside { device: device.clone(), subnet });
                }
                Intent::Guard { internal: false, isolated: false, .. } => {}
                Intent::Forward(forwarding) => wishes.forward(owner, forwarding),
                Intent::Guard { device, internal, isolated } => {
                    let (device, internal, isolated) = (device.clone(), *internal, *isolated);
                    wishes.share(&owner.network, Base::Guard, Chain::Guard { device, internal, isolated });
                }
                Intent::Apart { device } => {
                    wishes.share(&owner.network, Base::Apart, Chain::Apart { device: device.clone() });
                }
                // Has tables of its own: `publish`.
                Intent::Publish(_) => {}
                Intent::SpoofCheck { .. } => {
                    wishes.stand_on(Base::Spoof);
                    wishes.elements.extend(Self::spoof_check(owner, intent));
                }
            }
        }
        wishes
    }

    /// What the endpoint alone has of them.
    pub(super) fn owned(owner: &Owner, intents: &[Intent]) -> Self {
        let elements = intents.iter().flat_map(|intent| Self::spoof_check(owner, intent)).collect();
        Self { elements, ..Self::default() }
    }

    /// The element that every source check of the owner has, whatever the address that it allows.
    pub(super) fn guarded_port(owner: &Owner) -> Element {
        let key = Key::default().ifname(&owner.host_link()).done();
        Element { comment: owner.comment(), ..Element::new(&PORTS, key) }
    }

    fn spoof_check(owner: &Owner, intent: &Intent) -> Vec<Element> {
        let Intent::SpoofCheck { port, mac } = intent else { return Vec::new() };
        let element = |set, key: Key| Element { comment: owner.comment(), ..Element::new(set, key.done()) };
        let port = || Key::default().ifname(port);
        vec![element(&SOURCES, port().bytes(&mac.0)), element(&PORTS, port())]
    }

    fn stand_on(&mut self, base: Base) {
        if !self.bases.contains(&base) {
            self.bases.push(base);
        }
    }

    fn share(&mut self, network: &str, base: Base, chain: Chain) {
        self.stand_on(base);
        self.lead_to(chain.member(network), chain);
    }

    fn lead_to(&mut self, member: Element, chain: Chain) {
        if !self.chains.contains(&chain) {
            self.elements.push(member);
            self.chains.push(chain);
        }
    }

    /// What accepts for an attachment and keeps others away.
    fn forward(&mut self, owner: &Owner, forwarding: &Forwarding) {
        if forwarding.gatekeeper == Gatekeeper::Iptables {
            return;
        }
        self.stand_on(Base::Firewall);
        let mut chains = Vec::new();
        if let (Some(device), Ingress::SameBridge | Ingress::Isolated) = (&forwarding.device, forwarding.ingress) {
            let isolated = forwarding.ingress == Ingress::Isolated;
            chains.push(Chain::Ingress { device: device.clone(), isolated });
        }
        if forwarding.gatekeeper == Gatekeeper::Firewalld {
            self.elements.extend(forwarding.addresses.iter().map(|address| zoned(owner, *address)));
        } else {
            self.admin = Some(forwarding.admin_chain.clone());
            chains.extend(forwarding.addresses.iter().map(|address| {
                let subnet = if forwarding.shared { address.trunc() } else { IpNet::from(address.addr()) };
                Chain::Accept { device: forwarding.device.clone(), subnet }
            }));
        }
        for chain in chains {
            let member = if forwarding.shared { chain.member(&owner.network) } else { chain.member_alone(owner) };
            self.lead_to(member, chain);
        }
        if !forwarding.shared || forwarding.gatekeeper == Gatekeeper::Firewalld {
            self.elements.push(Self::responsible(owner));
        }
    }

    /// The element that says that an endpoint answers for something of the firewall plugin's itself.
    pub(super) fn responsible(owner: &Owner) -> Element {
        let key = marks(&OwnerTag::digits(&owner.tag().to_string()));
        Element { comment: owner.comment(), ..Element::new(&FIREWALL_OWNERS, key) }
    }
}

/// The element that says whose an address in a zone of firewalld is.
fn zoned(owner: &Owner, address: IpNet) -> Element {
    let set = if address.addr().is_ipv6() { &ZONED6 } else { &ZONED4 };
    let key = Key::default().bytes(&octets(address.addr())).done();
    Element { comment: owner.comment(), ..Element::new(set, key) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subnets_are_shared_and_iptables_has_its_own() {
        let masquerade = |address: &str, backend| Intent::Masquerade {
            device: "cni0".into(),
            address: address.parse().unwrap(),
            backend,
        };
        let owner = Owner::new("web", "c0ffee", "eth0");
        let intents = [
            masquerade("10.1.2.3/24", Backend::Nftables),
            masquerade("10.1.2.4/24", Backend::Nftables),
            masquerade("10.1.3.4/24", Backend::Iptables),
            Intent::Guard { device: "cni0".into(), internal: false, isolated: false },
        ];
        let wishes = Wishes::of(&owner, &intents);
        let chain = Chain::Outside { device: "cni0".into(), subnet: "10.1.2.0/24".parse().unwrap() };
        assert_eq!(wishes.elements, [chain.member("web")]);
        assert_eq!(wishes.chains, [chain]);
        assert_eq!(wishes.bases, [Base::Masquerade]);
        assert_eq!(Wishes::owned(&owner, &intents).elements, []);
        let spoof = [Intent::SpoofCheck { port: "veth1".into(), mac: cnm::Mac([2, 0, 0, 0, 0, 1]) }];
        assert_eq!(Wishes::of(&owner, &spoof).elements, Wishes::owned(&owner, &spoof).elements);
        assert_eq!(Wishes::owned(&owner, &spoof).elements.len(), 2);
    }
}
