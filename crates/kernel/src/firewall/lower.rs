//! From intents to the objects of nf_tables that make them true. Pure.

use cnm::{Backend, Intent, Owner, OwnerTag};
use ipnet::IpNet;

use super::scheme::{Base, Chain, MASQ4, MASQ6, MEMBERS, PORTS, SOURCES};
use crate::nft::{Element, Key, Set, Verdict, octets};

/// What must exist for some intents of one owner.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Wishes {
    pub(super) bases: Vec<Base>,
    pub(super) chains: Vec<Chain>,
    pub(super) elements: Vec<Element>,
}

impl Wishes {
    /// Lowers what nftables carries, with `every_backend` as if it carried all masquerading: removal looks for both,
    /// because the configuration may have changed since.
    pub(super) fn of(owner: &Owner, intents: &[Intent], every_backend: bool) -> Self {
        let mut wishes = Self::default();
        for intent in intents {
            match intent {
                Intent::Masquerade { device, address, backend } => {
                    if every_backend || *backend == Backend::Nftables {
                        wishes.masquerade(owner, device, *address);
                    }
                }
                Intent::SpoofCheck { port, mac } => {
                    wishes.stand_on(Base::Spoof);
                    let key = Key::default().ifname(port);
                    wishes.own(owner, &SOURCES, key.bytes(&mac.0), None);
                    wishes.own(owner, &PORTS, Key::default().ifname(port), None);
                }
                Intent::Guard { internal: false, isolated: false, .. } => {}
                Intent::Guard { device, internal, isolated } => {
                    let chain = Chain::Guard { device: device.clone(), internal: *internal, isolated: *isolated };
                    wishes.stand_on(Base::Guard);
                    wishes.elements.push(Self::member(owner, Some(Verdict::Goto(chain.name()))));
                    wishes.share(chain);
                }
            }
        }
        wishes
    }

    /// The element by which the kernel counts the endpoints of a guarded network.
    pub(super) fn member(owner: &Owner, verdict: Option<Verdict>) -> Element {
        Element { set: &MEMBERS, key: member_key(&owner.tag()), verdict, comment: owner.comment() }
    }

    fn masquerade(&mut self, owner: &Owner, device: &str, address: IpNet) {
        let chain = Chain::Outside(address.trunc());
        let set = if address.addr().is_ipv6() { &MASQ6 } else { &MASQ4 };
        self.stand_on(Base::Masquerade);
        let key = Key::default().ifname(device).bytes(&octets(address.addr()));
        self.own(owner, set, key, Some(Verdict::Goto(chain.name())));
        self.share(chain);
    }

    fn own(&mut self, owner: &Owner, set: &'static Set, key: Key, verdict: Option<Verdict>) {
        let element = Element { set, key: key.done(), verdict, comment: owner.comment() };
        if !self.elements.contains(&element) {
            self.elements.push(element);
        }
    }

    fn stand_on(&mut self, base: Base) {
        if !self.bases.contains(&base) {
            self.bases.push(base);
        }
    }

    fn share(&mut self, chain: Chain) {
        if !self.chains.contains(&chain) {
            self.chains.push(chain);
        }
    }
}

/// The 128 bits of a tag as four marks, so that a listing shows the digits in their order.
fn member_key(tag: &OwnerTag) -> Vec<u8> {
    let digits = format!("{}{}", tag.network, tag.endpoint);
    let marks = (0..4).map(|at| digits.get(at * 8..at * 8 + 8).and_then(|word| u32::from_str_radix(word, 16).ok()));
    marks.fold(Key::default(), |key, mark| key.bytes(&mark.unwrap_or_default().to_ne_bytes())).done()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_shown_with_the_digits_of_its_tag() {
        let owner = Owner::new("web", "c0ffee", "eth0");
        let member = Wishes::member(&owner, None);
        assert_eq!(member.to_string(), "0xcbead8fe . 0x640f4d4a . 0xa9bcd915 . 0xbbe82469");
    }

    #[test]
    fn chains_are_shared_and_elements_are_not() {
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
        let wishes = Wishes::of(&owner, &intents, false);
        assert_eq!(wishes.chains, [Chain::Outside("10.1.2.0/24".parse().unwrap())]);
        assert_eq!(wishes.elements.len(), 2);
        assert_eq!(wishes.bases, [Base::Masquerade]);
        assert_eq!(Wishes::of(&owner, &intents, true).chains.len(), 2);
    }
}
