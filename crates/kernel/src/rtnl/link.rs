//! Links: `RTM_*LINK`.

use std::os::fd::RawFd;

use cnm::{Link, LinkKind, LinkName, LinkSpec, Mac, Macvlan, MacvlanMode, Peer, PortFlags};

use super::{AF_INET, AF_INET6, DELETE_LINK, GET_LINK, NEW_LINK, SET_LINK, vxlan};
use crate::netlink::{Attributes, Batch, Message, flags, read_text, read_u32};

/// Length of `struct ifinfomsg`.
const LINK_HEADER: usize = 16;

const IFF_UP: u32 = 0x1;
const IFF_PROMISC: u32 = 0x100;
const IFF_ALLMULTI: u32 = 0x200;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_TXQLEN: u16 = 13;
const IFLA_OPERSTATE: u16 = 16;
const IFLA_LINKINFO: u16 = 18;
const IFLA_IFALIAS: u16 = 20;
pub(super) const IFLA_AF_SPEC: u16 = 26;
const IFLA_GROUP: u16 = 27;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_EXT_MASK: u16 = 29;
const IFLA_NUM_TX_QUEUES: u16 = 31;
const IFLA_NUM_RX_QUEUES: u16 = 32;
const IFLA_LINK_NETNSID: u16 = 37;
const IFLA_TARGET_NETNSID: u16 = 46;

const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_INFO_SLAVE_KIND: u16 = 4;
const IFLA_INFO_SLAVE_DATA: u16 = 5;
const VETH_INFO_PEER: u16 = 1;
const IFLA_BR_VLAN_FILTERING: u16 = 7;
pub(super) const IFLA_BRPORT_MODE: u16 = 4;
pub(super) const IFLA_BRPORT_LEARNING: u16 = 8;
/// `IFLA_BRPORT_UNICAST_FLOOD`, `…_MCAST_FLOOD`, `…_BCAST_FLOOD`.
pub(super) const FLOOD: [u16; 3] = [9, 27, 30];
pub(super) const IFLA_BRPORT_NEIGH_SUPPRESS: u16 = 32;
pub(super) const IFLA_BRPORT_ISOLATED: u16 = 33;
const IFLA_MACVLAN_MODE: u16 = 1;
const IFLA_MACVLAN_BC_QUEUE_LEN: u16 = 7;
const IFLA_VLAN_ID: u16 = 1;
const IFLA_INET_CONF: u16 = 1;
const IPV4_DEVCONF_ARP_NOTIFY: u16 = 22;
const IFLA_INET6_CONF: u16 = 2;
/// Which of the numbers of `IFLA_INET6_CONF` is `disable_ipv6`: `DEVCONF_DISABLE_IPV6` of `linux/ipv6.h`.
const DEVCONF_DISABLE_IPV6: usize = 26;

/// Leaves the counters out of the answer: they are its largest part.
const RTEXT_FILTER_SKIP_STATS: u32 = 1 << 3;

/// `struct ifinfomsg`.
pub(super) fn header(family: u8, index: u32, flags: u32, change: u32) -> [u8; LINK_HEADER] {
    let mut bytes = [0; LINK_HEADER];
    bytes[0] = family;
    bytes[4..8].copy_from_slice(&index.to_ne_bytes());
    bytes[8..12].copy_from_slice(&flags.to_ne_bytes());
    bytes[12..16].copy_from_slice(&change.to_ne_bytes());
    bytes
}

/// Begins a message about a named link and names it.
fn about(batch: &mut Batch, kind: u16, asked: u16, name: &LinkName, up: u32, change: u32) {
    match name {
        LinkName::Index(index) => {
            batch.message(kind, asked, &header(0, *index, up, change));
        }
        LinkName::Name(name) => {
            batch.message(kind, asked, &header(0, 0, up, change));
            batch.text(IFLA_IFNAME, name);
        }
    }
}

/// What is beneath a new link: the index of its master or parent, 0 when it has none; and its sandbox.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Beneath {
    pub(crate) link: u32,
    pub(crate) sandbox: Option<RawFd>,
}

/// Creates a link under `name`. The answer (`NLM_F_ECHO`) is the new link with its index, and its peer's in `IFLA_LINK`: no
/// look-up follows. For one that is born in another namespace the kernel gives no such answer.
pub(crate) fn create_link(batch: &mut Batch, spec: &LinkSpec, name: &str, beneath: Beneath) {
    let mut state = 0;
    if spec.up {
        state |= IFF_UP;
    }
    if spec.promisc {
        state |= IFF_PROMISC;
    }
    let asked = flags::ACK | flags::CREATE | flags::EXCL | flags::ECHO;
    batch.message(NEW_LINK, asked, &header(0, 0, state, state));
    batch.text(IFLA_IFNAME, name);
    if let Some(mac) = spec.mac {
        batch.attribute(IFLA_ADDRESS, &mac.0);
    }
    if let Some(mtu) = spec.mtu {
        batch.u32(IFLA_MTU, mtu);
    }
    if beneath.link != 0 {
        let attribute = if spec.master.is_some() { IFLA_MASTER } else { IFLA_LINK };
        batch.u32(attribute, beneath.link);
    }
    if spec.group != 0 {
        batch.u32(IFLA_GROUP, spec.group);
    }
    match &spec.kind {
        LinkKind::Veth { .. } => one_queue(batch),
        LinkKind::Macvlan(link) if link.born_in != link.parent_in => {
            batch.u32(IFLA_NET_NS_FD, beneath.sandbox.unwrap_or(-1).cast_unsigned());
        }
        LinkKind::Bridge { .. }
        | LinkKind::Macvlan(_)
        | LinkKind::Vlan { .. }
        | LinkKind::Dummy
        | LinkKind::Vxlan(_)
        | LinkKind::Ifb => {}
    }
    batch.nest(IFLA_LINKINFO, |info| {
        info.text(IFLA_INFO_KIND, spec.kind.as_str());
        match &spec.kind {
            LinkKind::Bridge { vlan_filtering: false } | LinkKind::Dummy | LinkKind::Ifb => {}
            LinkKind::Bridge { vlan_filtering: true } => {
                info.nest(IFLA_INFO_DATA, |data| data.u8(IFLA_BR_VLAN_FILTERING, 1));
            }
            LinkKind::Veth { peer } => {
                info.nest(IFLA_INFO_DATA, |data| {
                    data.nest(VETH_INFO_PEER, |data| veth_peer(data, peer, spec.mtu, beneath.sandbox))
                });
            }
            LinkKind::Vxlan(wanted) => info.nest(IFLA_INFO_DATA, |data| vxlan::write(data, wanted)),
            LinkKind::Macvlan(link) => info.nest(IFLA_INFO_DATA, |data| macvlan(data, link)),
            LinkKind::Vlan { id, .. } => {
                info.nest(IFLA_INFO_DATA, |data| data.attribute(IFLA_VLAN_ID, &id.to_ne_bytes()));
            }
        }
    });
}

/// What only a macvlan has.
fn macvlan(data: &mut Batch, link: &Macvlan) {
    data.u32(IFLA_MACVLAN_MODE, link.mode.number());
    if let Some(queue) = link.queue {
        data.u32(IFLA_MACVLAN_BC_QUEUE_LEN, queue);
    }
}

/// Gives a link that is down another name.
pub(crate) fn rename_link(batch: &mut Batch, index: u32, name: &str) {
    batch.message(SET_LINK, flags::ACK, &header(0, index, 0, 0));
    batch.text(IFLA_IFNAME, name);
}

/// A veth works with one queue in each direction unless somebody raises that (`ethtool -L`, for XDP); by default the
/// kernel (since 5.15) makes room for one for every processor, at both ends.
fn one_queue(batch: &mut Batch) {
    batch.u32(IFLA_NUM_TX_QUEUES, 1);
    batch.u32(IFLA_NUM_RX_QUEUES, 1);
}

/// The other end of a veth: a whole link message without the netlink header.
fn veth_peer(batch: &mut Batch, peer: &Peer, mtu: Option<u32>, sandbox: Option<RawFd>) {
    batch.raw(&header(0, 0, 0, 0));
    batch.text(IFLA_IFNAME, &peer.name);
    if let Some(mac) = peer.mac {
        batch.attribute(IFLA_ADDRESS, &mac.0);
    }
    if let Some(mtu) = mtu {
        batch.u32(IFLA_MTU, mtu);
    }
    one_queue(batch);
    if let Some(descriptor) = sandbox.filter(|_| peer.in_sandbox) {
        batch.u32(IFLA_NET_NS_FD, descriptor.cast_unsigned());
    }
}

/// Asks for one link; the answer is the link or a refusal, no acknowledgement.
pub(crate) fn get_link(batch: &mut Batch, name: &LinkName) {
    about(batch, GET_LINK, 0, name, 0, 0);
    batch.u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
}

/// Asks for all links, or for the ports of one master.
pub(crate) fn link_dump(batch: &mut Batch, master: u32) {
    batch.message(GET_LINK, flags::DUMP, &header(0, 0, 0, 0));
    batch.u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    if master != 0 {
        batch.u32(IFLA_MASTER, master);
    }
}

/// Asks for the links of `kind`, or all, in the namespace with the id `space`.
pub(crate) fn elsewhere_dump(batch: &mut Batch, space: i32, kind: Option<&str>) {
    batch.message(GET_LINK, flags::DUMP, &header(0, 0, 0, 0));
    batch.u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    batch.u32(IFLA_TARGET_NETNSID, space.cast_unsigned());
    if let Some(kind) = kind {
        batch.nest(IFLA_LINKINFO, |info| info.text(IFLA_INFO_KIND, kind));
    }
}

/// Asks for the links of a kind; for all, when the kernel does not know it.
pub(crate) fn kind_dump(batch: &mut Batch, kind: &str) {
    batch.message(GET_LINK, flags::DUMP, &header(0, 0, 0, 0));
    batch.u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    batch.nest(IFLA_LINKINFO, |info| info.text(IFLA_INFO_KIND, kind));
}

/// Removes a link in the namespace with the id `space`.
pub(crate) fn delete_elsewhere(batch: &mut Batch, space: i32, index: u32) {
    batch.message(DELETE_LINK, flags::ACK, &header(0, index, 0, 0));
    batch.u32(IFLA_TARGET_NETNSID, space.cast_unsigned());
}

/// Removes a link.
pub(crate) fn delete_link(batch: &mut Batch, name: &LinkName) {
    about(batch, DELETE_LINK, flags::ACK, name, 0, 0);
}

/// Which flag of a link to set.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Flag {
    Up,
    Promisc,
    AllMulticast,
}

/// Sets or clears a flag.
pub(crate) fn set_flags(batch: &mut Batch, name: &LinkName, flag: Flag, on: bool) {
    let bit = match flag {
        Flag::Up => IFF_UP,
        Flag::Promisc => IFF_PROMISC,
        Flag::AllMulticast => IFF_ALLMULTI,
    };
    about(batch, SET_LINK, flags::ACK, name, if on { bit } else { 0 }, bit);
}

/// What [`set_link`] changes.
#[derive(Debug)]
pub(crate) enum Setting<'a> {
    Mac(Mac),
    Mtu(u32),
    QueueLength(u32),
    Alias(&'a str),
    Group(u32),
}

/// Changes one attribute of a link.
pub(crate) fn set_link(batch: &mut Batch, name: &LinkName, setting: &Setting<'_>) {
    about(batch, SET_LINK, flags::ACK, name, 0, 0);
    match setting {
        Setting::Mac(mac) => batch.attribute(IFLA_ADDRESS, &mac.0),
        Setting::Mtu(mtu) => batch.u32(IFLA_MTU, *mtu),
        Setting::QueueLength(size) => batch.u32(IFLA_TXQLEN, *size),
        Setting::Group(group) => batch.u32(IFLA_GROUP, *group),
        // Without the NUL: the kernel takes the length from the attribute.
        Setting::Alias(alias) => batch.attribute(IFLA_IFALIAS, alias.as_bytes()),
    }
}

/// Sets `arp_notify` of a link.
pub(crate) fn arp_notify(batch: &mut Batch, name: &LinkName, on: bool) {
    about(batch, SET_LINK, flags::ACK, name, 0, 0);
    batch.nest(IFLA_AF_SPEC, |spec| {
        spec.nest(AF_INET.into(), |inet| {
            inet.nest(IFLA_INET_CONF, |conf| conf.u32(IPV4_DEVCONF_ARP_NOTIFY, on.into()));
        });
    });
}

/// Reads a link; `None` when the message is no link.
pub(crate) fn parse_link(message: &Message<'_>) -> Option<Link> {
    if message.kind != NEW_LINK || message.payload.len() < LINK_HEADER {
        return None;
    }
    let state = read_u32(&message.payload[8..]);
    let mut link = Link {
        index: read_u32(&message.payload[4..]),
        up: state & IFF_UP != 0,
        promisc: state & IFF_PROMISC != 0,
        allmulti: state & IFF_ALLMULTI != 0,
        ..Link::default()
    };
    for (kind, value) in message.attributes(LINK_HEADER) {
        match kind {
            IFLA_ADDRESS => link.mac = value.try_into().ok().map(Mac),
            IFLA_IFNAME => link.name = read_text(value),
            IFLA_MTU => link.mtu = read_u32(value),
            IFLA_TXQLEN => link.queue = read_u32(value),
            IFLA_LINK => link.parent = read_u32(value),
            IFLA_MASTER => link.master = read_u32(value),
            IFLA_OPERSTATE => link.operstate = value.first().copied().unwrap_or_default(),
            IFLA_LINKINFO => read_info(&mut link, value),
            IFLA_IFALIAS => link.alias = read_text(value),
            IFLA_GROUP => link.group = read_u32(value),
            IFLA_AF_SPEC => link.ipv6_off = ipv6_is_off(value),
            IFLA_LINK_NETNSID => link.parent_netns = Some(read_u32(value).cast_signed()),
            _ => {}
        }
    }
    Some(link)
}

/// Reads `disable_ipv6` out of `IFLA_AF_SPEC`, which leaves IPv6 out where a link has none.
fn ipv6_is_off(families: &[u8]) -> bool {
    let conf =
        Attributes::inside(families).find(AF_INET6.into()).and_then(|v6| Attributes::inside(v6).find(IFLA_INET6_CONF));
    conf.and_then(|conf| conf.chunks_exact(4).nth(DEVCONF_DISABLE_IPV6)).is_some_and(|value| read_u32(value) != 0)
}

/// Reads `IFLA_LINKINFO`: the kind, a bridge's settings, a port's flags.
fn read_info(link: &mut Link, info: &[u8]) {
    let info = Attributes::inside(info);
    link.kind = info.find(IFLA_INFO_KIND).map(read_text).unwrap_or_default();
    if link.kind == "bridge"
        && let Some(data) = info.find(IFLA_INFO_DATA)
    {
        link.vlan_filtering = Attributes::inside(data).find(IFLA_BR_VLAN_FILTERING).is_some_and(|value| value == [1]);
    }
    if link.kind == "vxlan" {
        link.vxlan = info.find(IFLA_INFO_DATA).map(vxlan::read);
    }
    if link.kind == "macvlan"
        && let Some(data) = info.find(IFLA_INFO_DATA)
    {
        link.mode = Attributes::inside(data).find(IFLA_MACVLAN_MODE).map(read_u32).and_then(MacvlanMode::of_number);
    }
    if link.kind == "vlan"
        && let Some(data) = info.find(IFLA_INFO_DATA)
    {
        let id = Attributes::inside(data).find(IFLA_VLAN_ID).and_then(|value| value.try_into().ok());
        link.vlan = id.map(u16::from_ne_bytes);
    }
    if info.find(IFLA_INFO_SLAVE_KIND).map(read_text).as_deref() == Some("bridge")
        && let Some(data) = info.find(IFLA_INFO_SLAVE_DATA)
    {
        let flag = |kind| Attributes::inside(data).find(kind).map(|value| value == [1]);
        let on = |kind| flag(kind).unwrap_or(false);
        link.port = Some(PortFlags {
            hairpin: on(IFLA_BRPORT_MODE),
            isolated: on(IFLA_BRPORT_ISOLATED),
            suppress: on(IFLA_BRPORT_NEIGH_SUPPRESS),
            no_learning: flag(IFLA_BRPORT_LEARNING) == Some(false),
            no_flood: FLOOD.iter().all(|kind| flag(*kind) == Some(false)),
        });
    }
}
