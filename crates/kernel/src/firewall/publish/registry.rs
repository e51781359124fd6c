//! Who has published which port: entries of the registry, and the elements that follow from them. Pure.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cnm::{Backend, Hairpin, Intent, Owner, OwnerTag, Protocol, Publication, PublishedPort};

use super::scheme::{PUBLISHERS, sets};
use crate::firewall::scheme::marks;
use crate::nft::{Element, Key, octets};

/// What attachments compete for: a port of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Number {
    pub(super) v6: bool,
    pub(super) protocol: Protocol,
    pub(super) port: u16,
}

impl Number {
    fn key(self) -> Key {
        Key::default().bytes(&[self.protocol.number()]).bytes(&self.port.to_be_bytes())
    }

    /// The place `slot` of the registry for it, to ask for.
    pub(super) fn slot(self, slot: u32) -> Element {
        let key = self.key().bytes(&slot.to_ne_bytes());
        Element::new(&sets(self.v6).published, key.done())
    }

    /// The note that the attachment `tag` has published it, as its `at`th.
    pub(super) fn note(self, tag: &OwnerTag, at: u32) -> Element {
        let family = if self.v6 { 6u32 } else { 4 };
        let data = Key::default().bytes(&family.to_ne_bytes());
        let data = data.bytes(&[self.protocol.number()]).bytes(&self.port.to_be_bytes());
        Element { data: data.done(), ..note_of(tag, at) }
    }

    /// Reads a note.
    pub(super) fn noted(element: &Element) -> Option<Self> {
        let family = u32::from_ne_bytes(element.data.get(..4)?.try_into().ok()?);
        let protocol = Protocol::of_number(*element.data.get(4)?)?;
        let port = u16::from_be_bytes(element.data.get(8..10)?.try_into().ok()?);
        Some(Self { v6: family == 6, protocol, port })
    }
}

/// The place of the `at`th note of an attachment, to ask for.
pub(super) fn note_of(tag: &OwnerTag, at: u32) -> Element {
    let digits = format!("{}{}", tag.network, tag.endpoint);
    Element::new(&PUBLISHERS, [marks(&digits), at.to_ne_bytes().to_vec()].concat())
}

/// Whose note it is.
pub(super) fn author(note: &Element) -> Option<OwnerTag> {
    let word = |at: usize| Some(u32::from_ne_bytes(note.key.get(at * 4..at * 4 + 4)?.try_into().ok()?));
    let digits = |at| Some(format!("{:08x}{:08x}", word(at)?, word(at + 1)?));
    Some(OwnerTag { network: digits(0)?, endpoint: digits(2)? })
}

/// Beside how it is masqueraded.
const CONDITIONAL: u32 = 0x100;

/// One port of the host that leads to one attachment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) number: Number,
    /// The only address of the host at which it answers.
    pub(super) host: Option<IpAddr>,
    pub(super) target: IpAddr,
    pub(super) target_port: u16,
    /// The host's interface to the endpoint; empty when nobody knows.
    pub(super) device: String,
    pub(super) masquerade: Hairpin,
    /// Not every packet to the port goes there: which do, rules in the words of nft(8) decide.
    pub(super) conditional: bool,
    /// Tag, container, and who that is.
    pub(super) comment: String,
}

impl Entry {
    /// The entries of some intents, those that nftables carries.
    pub(super) fn of(owner: &Owner, intents: &[Intent]) -> Vec<Self> {
        let publications = intents.iter().filter_map(|intent| match intent {
            Intent::Publish(publication) if publication.backend == Backend::Nftables => Some(publication),
            _ => None,
        });
        let mut entries: Vec<Self> =
            publications.flat_map(|publication| Self::of_publication(owner, publication)).collect();
        // No address and the unspecified one of the family are the same here.
        let mut seen = HashSet::with_capacity(entries.len());
        entries.retain(|entry| seen.insert((entry.number, entry.host, entry.target_port)));
        entries
    }

    fn of_publication(owner: &Owner, publication: &Publication) -> Vec<Self> {
        let target = publication.target.addr();
        let v6 = target.is_ipv6();
        let comment = owner.container_comment();
        let entry = |port: &PublishedPort| Self {
            number: Number { v6, protocol: port.protocol, port: port.port },
            host: port.address(),
            target,
            target_port: port.target_port,
            device: publication.device.clone().unwrap_or_default(),
            masquerade: publication.masquerade,
            conditional: !publication.conditions.is_empty(),
            comment: comment.clone(),
        };
        publication.ports.iter().filter(|port| port.is_of(v6)).map(entry).collect()
    }

    pub(super) fn is_of(&self, tag: &OwnerTag) -> bool {
        OwnerTag::read(&self.comment).is_some_and(|own| own == *tag)
    }

    /// Whether both want the same packets, and are of different containers. Conditions may keep them apart.
    pub(super) fn conflicts(&self, other: &Self) -> bool {
        let meet = self.host.is_none() || other.host.is_none() || self.host == other.host;
        let sure = !self.conditional && !other.conditional;
        self.number == other.number
            && meet
            && sure
            && OwnerTag::container(&self.comment) != OwnerTag::container(&other.comment)
    }

    /// `10.0.0.1:80/tcp`.
    pub(super) fn port(&self) -> PublishedPort {
        let Number { protocol, port, .. } = self.number;
        PublishedPort { protocol, host: self.host, port, target_port: self.target_port }
    }

    /// Its element of the registry in a slot.
    fn element(&self, slot: u32) -> Element {
        let unspecified = if self.number.v6 { IpAddr::V6(Ipv6Addr::UNSPECIFIED) } else { Ipv4Addr::UNSPECIFIED.into() };
        let masquerade = match self.masquerade {
            Hairpin::Nobody => 0u32,
            Hairpin::Neighbours => 1,
            Hairpin::Everybody => 2,
        };
        let masquerade = masquerade | if self.conditional { CONDITIONAL } else { 0 };
        let data = Key::default().bytes(&octets(self.host.unwrap_or(unspecified))).bytes(&octets(self.target));
        let data = data.bytes(&self.target_port.to_be_bytes()).ifname(&self.device).bytes(&masquerade.to_ne_bytes());
        Element { data: data.done(), comment: self.comment.clone(), ..self.number.slot(slot) }
    }

    /// Reads an element of the registry.
    pub(super) fn read(number: Number, element: &Element) -> Option<Self> {
        let length = if number.v6 { 16 } else { 4 };
        let (host, rest) = element.data.split_at_checked(length)?;
        let (target, rest) = rest.split_at_checked(length)?;
        let (port, rest) = rest.split_at_checked(4)?;
        let (device, masquerade) = rest.split_at_checked(16)?;
        Some(Self {
            number,
            host: address(host).filter(|host| !host.is_unspecified()),
            target: address(target)?,
            target_port: u16::from_be_bytes([port[0], port[1]]),
            device: crate::netlink::read_text(device),
            conditional: crate::netlink::read_u32(masquerade) & CONDITIONAL != 0,
            masquerade: match crate::netlink::read_u32(masquerade) & !CONDITIONAL {
                0 => Hairpin::Nobody,
                1 => Hairpin::Neighbours,
                _ => Hairpin::Everybody,
            },
            comment: element.comment.clone(),
        })
    }

    /// Where packets are sent.
    fn destination(&self) -> Vec<u8> {
        Key::default().bytes(&octets(self.target)).bytes(&self.target_port.to_be_bytes()).done()
    }

    /// The element that leads packets to it: from everywhere, or from its own device.
    fn way(&self, near: bool) -> Element {
        let sets = sets(self.number.v6);
        let set = match (near, self.host) {
            (false, None) => &sets.ports,
            (false, Some(_)) => &sets.host_ports,
            (true, None) => &sets.near_ports,
            (true, Some(_)) => &sets.near_host_ports,
        };
        let mut key = Key::default();
        if near {
            key = key.ifname(&self.device);
        }
        if let Some(host) = self.host {
            key = key.bytes(&octets(host));
        }
        let number = self.number.key().done();
        let comment = self.comment.clone();
        Element { data: self.destination(), comment, ..Element::new(set, key.bytes(&number).done()) }
    }

    /// The element by which its packets are masqueraded.
    fn veil(&self) -> Option<Element> {
        let sets = sets(self.number.v6);
        let set = match self.masquerade {
            Hairpin::Nobody => return None,
            Hairpin::Neighbours => &sets.hairpins,
            Hairpin::Everybody => &sets.veiled,
        };
        let key = Key::default().ifname(&self.device).bytes(&octets(self.target));
        let key = key.bytes(&[self.number.protocol.number()]).bytes(&self.target_port.to_be_bytes());
        (!self.device.is_empty()).then(|| Element::new(set, key.done()))
    }
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    match octets.len() {
        4 => <[u8; 4]>::try_from(octets).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(octets).ok().map(IpAddr::from),
        _ => None,
    }
}

/// All elements that follow from the entries of one port, in the order of the registry. The first has the packets from
/// everywhere; what is listed behind it are other attachments of the same container: each has those from its own
/// network, and one of them takes over when the first leaves.
pub(super) fn elements(entries: &[Entry]) -> Vec<Element> {
    let mut elements: Vec<Element> = Vec::with_capacity(entries.len() * 3);
    let mut add = |element: Element| {
        if !elements.iter().any(|there| there.set == element.set && there.key == element.key) {
            elements.push(element);
        }
    };
    for (entry, slot) in entries.iter().zip(0..) {
        add(entry.element(slot));
        let first = entries.iter().find(|first| !first.conditional && first.host == entry.host);
        if entry.conditional {
            // Has no way of its own.
        } else if first == Some(entry) {
            add(entry.way(false));
        } else if !entry.device.is_empty() && first.is_some_and(|first| first.device != entry.device) {
            add(entry.way(true));
        }
        entry.veil().into_iter().for_each(&mut add);
    }
    elements
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBER: Number = Number { v6: false, protocol: Protocol::Tcp, port: 8080 };

    fn entry(network: &str, container: &str, host: Option<&str>) -> Entry {
        Entry {
            number: NUMBER,
            host: host.map(|host| host.parse().unwrap()),
            target: if network == "web" { [10, 1, 2, 3] } else { [10, 9, 9, 3] }.into(),
            target_port: 80,
            device: format!("{network}0"),
            masquerade: Hairpin::Neighbours,
            conditional: false,
            comment: Owner::new(network, container, "eth0").container_comment(),
        }
    }

    fn shown(entries: &[Entry]) -> Vec<String> {
        let show =
            |element: &Element| format!("{} {element} : {}", element.set.name, element.set.show_data(&element.data));
        elements(entries).iter().map(show).collect()
    }

    #[test]
    fn the_first_has_all_packets_and_others_those_of_their_network() {
        let (web, db) = (entry("web", "a", None), entry("db", "a", None));
        assert_eq!(
            shown(&[web.clone(), db.clone()]),
            [
                "published4 tcp . 8080 . 0x00000000 : 0.0.0.0 . 10.1.2.3 . 80 . web0 . 0x00000001",
                "ports4 tcp . 8080 : 10.1.2.3 . 80",
                "hairpins4 web0 . 10.1.2.3 . tcp . 80 : ",
                "published4 tcp . 8080 . 0x00000001 : 0.0.0.0 . 10.9.9.3 . 80 . db0 . 0x00000001",
                "near_ports4 db0 . tcp . 8080 : 10.9.9.3 . 80",
                "hairpins4 db0 . 10.9.9.3 . tcp . 80 : ",
            ]
        );
        // Whoever remains takes over.
        assert_eq!(shown(std::slice::from_ref(&db))[1], "ports4 tcp . 8080 : 10.9.9.3 . 80");
        assert!(!web.conflicts(&db));
    }

    #[test]
    fn a_host_address_is_a_port_of_its_own() {
        let (any, one) = (entry("web", "a", None), entry("web", "a", Some("192.0.2.1")));
        let shown = shown(&[any, one]);
        assert_eq!(shown[1], "ports4 tcp . 8080 : 10.1.2.3 . 80");
        assert_eq!(shown[4], "host_ports4 192.0.2.1 . tcp . 8080 : 10.1.2.3 . 80");
        assert_eq!(shown.len(), 5, "the endpoint is masqueraded once: {shown:?}");
    }

    #[test]
    fn containers_conflict_where_their_addresses_meet() {
        let any = entry("web", "a", None);
        let at = |host| entry("web", "b", Some(host));
        assert!(
            any.conflicts(&entry("web", "b", None))
                && any.conflicts(&at("192.0.2.1"))
                && at("192.0.2.1").conflicts(&any)
        );
        let one = entry("web", "a", Some("192.0.2.1"));
        assert!(one.conflicts(&at("192.0.2.1")) && !one.conflicts(&at("192.0.2.2")));
        let udp = Entry { number: Number { protocol: Protocol::Udp, ..NUMBER }, ..entry("web", "b", None) };
        assert!(!any.conflicts(&udp));
    }

    #[test]
    fn what_is_written_is_read() {
        for host in [None, Some("192.0.2.1")] {
            let entry = entry("web", "a", host);
            assert_eq!(Entry::read(NUMBER, &entry.element(7)), Some(entry));
        }
        let tag = Owner::new("web", "a", "eth0").tag();
        let number = Number { v6: true, protocol: Protocol::Sctp, port: 9 };
        let note = number.note(&tag, 3);
        assert_eq!((Number::noted(&note), author(&note)), (Some(number), Some(tag)));
    }
}
