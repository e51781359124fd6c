//! Who owns what: the names and tags that let DEL and GC find everything without a state file.
//!
//! All of them are functions of (network, container id, interface name).

use std::fmt;

use ipnet::IpNet;
use sha2::{Digest, Sha512};

use crate::Mac;

/// What the metrics of routes to endpoints begin with.
const ROUTE_METRICS: u32 = 1 << 30;

/// The first `digits` hexadecimal digits of SHA-512 over `text`, as the reference plugins abbreviate names.
fn hex_of_sha512(text: &str, digits: usize) -> String {
    let digest = Sha512::digest(text.as_bytes());
    let halves = digest.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    halves.take(digits).map(|half| char::from(b"0123456789abcdef"[usize::from(half)])).collect()
}

/// The value of `IFLA_GROUP` on every link that an endpoint of `network` owns on the host: from 2^30 up, so that it is
/// neither the kernel's default group 0 nor negative where tools print it as a signed number.
#[must_use]
pub fn network_group(network: &str) -> u32 {
    let digest = Sha512::digest(network.as_bytes());
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]) & 0x1fff_ffff | 0x4000_0000
}

/// The group of an endpoint that is leaving: DEL has begun, so it no longer counts as one of its network, but GC
/// still knows whose it is.
#[must_use]
pub fn leaving_group(network: &str) -> u32 {
    network_group(network) & 0x1fff_ffff | 0x2000_0000
}

/// The group of a device that the endpoints of `network` share and that we made: unlike the alias it is there from the
/// first moment, so that a device whose maker was killed is still known as ours.
#[must_use]
pub fn shared_group(network: &str) -> u32 {
    network_group(network) & 0x1fff_ffff | 0x6000_0000
}

/// Whether a group is [`shared_group`] of some network.
#[must_use]
pub const fn is_shared_group(group: u32) -> bool {
    group >> 29 == 0x6000_0000 >> 29
}

/// The identity of one attachment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Owner {
    /// Network name.
    pub network: String,
    /// Container id, any length.
    pub container: String,
    /// Interface name in the sandbox.
    pub ifname: String,
}

impl Owner {
    /// Whoever calls itself so.
    #[must_use]
    pub fn new(network: impl Into<String>, container: impl Into<String>, ifname: impl Into<String>) -> Self {
        Self { network: network.into(), container: container.into(), ifname: ifname.into() }
    }

    /// The name of the host end of our veth: `veth` and 55 bits of a hash in base 32, 15 bytes in all. With
    /// 10,000 attachments on a host the chance that any two share a name is about one in 700 million.
    #[must_use]
    pub fn host_link(&self) -> String {
        const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
        let digest = Sha512::digest(format!("{}\n{}\n{}", self.network, self.container, self.ifname).as_bytes());
        let mut bits = u64::from_be_bytes([
            digest[0], digest[1], digest[2], digest[3], digest[4], digest[5], digest[6], digest[7],
        ]);
        let mut name = String::from("veth");
        for _ in 0..11 {
            name.push(char::from(DIGITS[(bits & 31) as usize]));
            bits >>= 5;
        }
        name
    }

    /// The name of the device (ifb) by which what leaves the sandbox passes: the reference's, in which the interface
    /// name is not, so that two interfaces of a container on one network have the same.
    #[must_use]
    pub fn shaper(&self) -> String {
        format!("bwp{}", hex_of_sha512(&format!("{}{}", self.network, self.container), 12))
    }

    /// The name for the second interface of a container on the network.
    #[must_use]
    pub fn second_shaper(&self) -> String {
        format!("bwp{}", hex_of_sha512(&format!("{}\n{}\n{}", self.network, self.container, self.ifname), 12))
    }

    /// The hardware address of that device. It says whose it is from the first moment, where the alias comes later and
    /// the name may be another interface's.
    #[must_use]
    pub fn shaper_mac(&self) -> Mac {
        let digest = Sha512::digest(format!("ifb\n{}\n{}\n{}", self.network, self.container, self.ifname).as_bytes());
        Mac::local([digest[0], digest[1], digest[2], digest[3], digest[4], digest[5]])
    }

    /// The name under which a link is born in the sandbox where its own cannot be had in one step: `cnm` and 55 bits of the
    /// same hash.
    #[must_use]
    pub fn stage_link(&self) -> String {
        self.host_link().replacen("veth", "cnm.", 1)
    }

    /// The metric of the host's routes to this attachment's addresses by a link that its network owns: nobody competes with
    /// them, so that the metric can say whose they are. From 2^30 up, as no kernel or person chooses them, with 30 bits of a
    /// hash; with 200 attachments to a network the chance that two share one is about 1 in 50,000.
    #[must_use]
    pub fn route_metric(&self) -> u32 {
        let digest = Sha512::digest(format!("{}\n{}", self.container, self.ifname).as_bytes());
        u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]) >> 2 | ROUTE_METRICS
    }

    /// Whether a metric is [`Owner::route_metric`] of some attachment.
    #[must_use]
    pub const fn is_route_metric(metric: u32) -> bool {
        metric >> 30 == ROUTE_METRICS >> 30
    }

    /// The tag that elements and rules of this attachment carry.
    #[must_use]
    pub fn tag(&self) -> OwnerTag {
        OwnerTag {
            network: hex_of_sha512(&self.network, 16),
            endpoint: hex_of_sha512(&format!("{}:{}", self.ifname, self.container), 16),
        }
    }

    /// The comment of a firewall element: the tag, then what a person wants to read, cut to 128 bytes. It is the
    /// text that the reference's nftables masquerade writes, so that either suite recognises the other's.
    #[must_use]
    pub fn comment(&self) -> String {
        let text = format!("{}, net: {}, if: {}, id: {}", self.tag(), self.network, self.ifname, self.container);
        cut(text.replace('"', ""), 128)
    }

    /// The same with 16 hexadecimal digits of the container behind the tag, for what attachments of one container share.
    #[must_use]
    pub fn container_comment(&self) -> String {
        let container = OwnerTag::digits(&self.container);
        let text =
            format!("{} {container}, net: {}, if: {}, id: {}", self.tag(), self.network, self.ifname, self.container);
        cut(text.replace('"', ""), 128)
    }

    /// The alias (`IFLA_IFALIAS`, at most 255 bytes) of a link: the tag, the addresses of the lease, the names.
    /// With it the kernel knows what the attachment was given even when the runtime has forgotten.
    #[must_use]
    pub fn alias(&self, addresses: &[IpNet]) -> String {
        let list: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        let mut list = list.join(",");
        if list.len() > 160 {
            list = String::from("?");
        }
        let text =
            format!("cnm {} [{list}] net: {}, if: {}, id: {}", self.tag(), self.network, self.ifname, self.container);
        cut(text, 255)
    }

    /// The alias of a device that a network shares: `cnm network <tag> <name>`.
    #[must_use]
    pub fn network_alias(network: &str) -> String {
        cut(format!("cnm network {} {network}", hex_of_sha512(network, 16)), 255)
    }

    /// Whether `alias` marks a device that we made for a network, whichever.
    #[must_use]
    pub fn is_network_alias(alias: &str) -> bool {
        alias.starts_with("cnm network ")
    }

    /// The reference's masquerade chain of iptables: `CNI-` and 24 digits; the interface name is not in it.
    #[must_use]
    pub fn masquerade_chain(&self) -> String {
        format!("CNI-{}", hex_of_sha512(&format!("{}{}", self.network, self.container), 24))
    }

    /// The reference's comment on its iptables rules, in Go's quoting.
    #[must_use]
    pub fn iptables_comment(&self) -> String {
        format!("name: {:?} id: {:?}", self.network, self.container)
    }
}

/// Cuts at a character boundary.
fn cut(mut text: String, most: usize) -> String {
    if text.len() > most {
        let end = (0..=most).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        text.truncate(end);
    }
    text
}

/// The hashed identity: what a comment or alias starts with. `<16 digits of the network>-<16 of ifname:container>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OwnerTag {
    /// 16 hexadecimal digits for the network.
    pub network: String,
    /// 16 hexadecimal digits for the endpoint within it.
    pub endpoint: String,
}

impl OwnerTag {
    /// Finds the tag at the beginning of a comment or after `cnm ` in an alias.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let text = text.strip_prefix("cnm ").unwrap_or(text);
        let tag = text.get(..33)?;
        let (network, endpoint) = tag.split_once('-')?;
        let hex = |part: &str| part.len() == 16 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
        (hex(network) && hex(endpoint)).then(|| Self { network: network.into(), endpoint: endpoint.into() })
    }

    /// The digits of the container in a comment made by [`Owner::container_comment`].
    #[must_use]
    pub fn container(comment: &str) -> Option<&str> {
        let digits = comment.get(34..50)?;
        (comment.get(33..34) == Some(" ") && digits.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(digits)
    }

    /// The tag of what all endpoints of `network` share: no endpoint's.
    #[must_use]
    pub fn shared(network: &str) -> Self {
        Self { network: hex_of_sha512(network, 16), endpoint: "0".repeat(16) }
    }

    /// The comment of such a thing.
    #[must_use]
    pub fn shared_comment(network: &str) -> String {
        cut(format!("{}, net: {network}", Self::shared(network)).replace('"', ""), 128)
    }

    /// The first 16 hexadecimal digits of SHA-512: a short name for any text.
    #[must_use]
    pub fn digits(text: &str) -> String {
        hex_of_sha512(text, 16)
    }

    /// The tag of `network` alone, to compare with [`OwnerTag::network`].
    #[must_use]
    pub fn of_network(network: &str) -> String {
        hex_of_sha512(network, 16)
    }

    /// The addresses that an alias made by [`Owner::alias`] lists.
    #[must_use]
    pub fn addresses(alias: &str) -> Vec<IpNet> {
        let Some((_, rest)) = alias.split_once(" [") else { return Vec::new() };
        let Some((list, _)) = rest.split_once(']') else { return Vec::new() };
        list.split(',').filter_map(|text| text.parse().ok()).collect()
    }
}

impl fmt::Display for OwnerTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.network, self.endpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_reference() {
        let owner = Owner::new("web", "c0ffee", "eth0");
        assert_eq!(owner.masquerade_chain(), "CNI-6fa081a84f4feb16e3c81d3f");
        assert_eq!(owner.tag().to_string(), "cbead8fe640f4d4a-a9bcd915bbe82469");
        assert_eq!(owner.comment(), "cbead8fe640f4d4a-a9bcd915bbe82469, net: web, if: eth0, id: c0ffee");
    }

    #[test]
    fn names_fit_the_kernel_whatever_the_id() {
        let owner = Owner::new("ä".repeat(200), "x".repeat(255), "eth0");
        assert_eq!(owner.host_link().len(), 15);
        assert!(owner.comment().len() <= 128);
        assert!(owner.alias(&["10.0.0.1/8".parse().unwrap()]).len() <= 255);
        assert!(Owner::network_alias(&owner.network).len() <= 255);
        assert_ne!(network_group("a"), 0);
        for network in ["a", "b", "web"] {
            assert!(is_shared_group(shared_group(network)), "{network}");
            assert!(!is_shared_group(network_group(network)) && !is_shared_group(leaving_group(network)), "{network}");
        }
    }

    #[test]
    fn an_alias_gives_back_tag_and_addresses() {
        let owner = Owner::new("web", "c0ffee", "eth0");
        let addresses: Vec<IpNet> = vec!["10.1.2.3/24".parse().unwrap(), "fd00::3/64".parse().unwrap()];
        let alias = owner.alias(&addresses);
        assert_eq!(OwnerTag::read(&alias), Some(owner.tag()));
        assert_eq!(OwnerTag::addresses(&alias), addresses);
        assert_eq!(OwnerTag::read(&owner.comment()), Some(owner.tag()));
        assert_eq!(OwnerTag::addresses(&owner.alias(&[])), Vec::<IpNet>::new());
        for foreign in ["", "cnm", "cnm network cbead8fe640f4d4a web", "eth0 uplink to the switch"] {
            assert_eq!(OwnerTag::read(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn a_comment_gives_back_tag_and_container() {
        let owner = Owner::new("web", "c0ffee", "eth0");
        let comment = owner.container_comment();
        assert_eq!(OwnerTag::read(&comment), Some(owner.tag()));
        assert_eq!(OwnerTag::container(&comment), Some(OwnerTag::digits("c0ffee").as_str()));
        assert!(comment.ends_with(", net: web, if: eth0, id: c0ffee"), "{comment}");
        assert_eq!(OwnerTag::container(&owner.comment()), None);
        assert_eq!(OwnerTag::container(""), None);
    }

    #[test]
    fn parts_cannot_be_shifted_into_each_other() {
        let one = Owner::new("ab", "c", "eth0");
        let two = Owner::new("a", "bc", "eth0");
        assert_ne!(one.host_link(), two.host_link());
        assert_ne!(one.tag(), two.tag());
    }
}
