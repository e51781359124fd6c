//! Requests in a small universe, so that they often meet.

use cnm::{Address, Change, Kernel, KernelError, LinkKind, LinkName, LinkSpec, Mac, Peer, Place, PortFlags, Route};
use proptest::prelude::*;
use proptest::sample::select;

pub(crate) const MACS: [Mac; 5] = [
    Mac([2, 0, 0, 0, 0, 1]),
    Mac([2, 0, 0, 0, 0, 2]),
    Mac([2, 0, 0, 0, 0, 3]),
    Mac([2, 0, 0, 0, 0, 4]),
    Mac([2, 0, 0, 0, 0, 5]),
];
/// What is looked up after each step.
pub(crate) const TARGETS: &[&str] = &[
    "10.0.0.1",
    "10.0.0.2",
    "10.0.0.7",
    "10.0.0.255",
    "10.0.9.9",
    "10.1.0.1",
    "10.1.0.7",
    "10.2.0.5",
    "10.9.9.9",
    "127.0.0.1",
    "8.8.8.8",
    "fd00::1",
    "fd00::2",
    "fd00::7",
    "fd01::1",
    "fd02::1",
    "fd03::5",
    "fd99::1",
    "::1",
];
/// Variables of each link.
pub(crate) const SYSCTLS: &[&str] = &[
    "net/ipv4/conf/IF/arp_notify",
    "net/ipv4/conf/IF/forwarding",
    "net/ipv6/conf/IF/disable_ipv6",
    "net/ipv6/conf/IF/accept_ra",
    "net/ipv6/conf/IF/accept_dad",
    "net/ipv6/conf/IF/forwarding",
];

const BRIDGES: &[&str] = &["br0", "br1"];
const ENDS: &[&str] = &["v0", "v1", "v2"];
const INNER: &[&str] = &["eth0", "eth1"];
const EVERY: &[&str] = &["br0", "br1", "v0", "v1", "v2", "eth0", "eth1", "lo", "nothing"];
/// IPv6 by lo is full of special cases (reject routes) that nobody here needs.
const CARDS: &[&str] = &["br0", "br1", "v0", "v1", "v2", "eth0", "eth1", "nothing"];
const ADDRESSES: &[&str] = &[
    "10.0.0.1/24",
    "10.0.0.2/24",
    "10.0.0.1/16",
    "10.1.0.1/24",
    "10.9.9.9/32",
    "10.1.0.8/31",
    "fd00::1/64",
    "fd00::2/64",
    "fd01::1/64",
    "fd02::1/128",
    "fd00::2/48",
    "ff02::5/64",
    "::1/128",
];
const V4_ROUTES: &[&str] = &["0.0.0.0/0", "10.2.0.0/16", "10.1.0.0/24", "10.2.0.5/32", "10.0.0.0/24"];
const V6_ROUTES: &[&str] = &["::/0", "fd03::/64", "fd01::/64", "fd03::5/128", "fd00::/64"];
const V4_GATEWAYS: &[&str] = &["10.0.0.9", "10.1.0.9", "10.0.0.1", "10.0.0.255", "10.2.0.9", "99.0.0.1"];
const V6_GATEWAYS: &[&str] = &["fd00::9", "fd01::9", "fd00::1", "fe80::9", "fd03::9", "ff02::1"];

/// One call of the trait, with links by name.
#[derive(Debug, Clone)]
pub(crate) enum Request {
    Create(Place, LinkSpec),
    Apply(Place, Change),
    /// The link of the route by name.
    Route(Place, String, Route),
    Sysctl(Place, String, String),
}

impl Request {
    pub(crate) fn send(&self, kernel: &mut (impl Kernel + ?Sized)) -> Result<(), KernelError> {
        match self {
            Self::Create(place, spec) => kernel.create(*place, spec).map(|_| ()),
            Self::Apply(place, change) => kernel.apply(*place, std::slice::from_ref(change)).remove(0),
            Self::Route(place, link, route) => {
                let link = kernel.link(*place, &LinkName::Name(link.clone()))?.map_or(4711, |link| link.index);
                kernel.apply(*place, &[Change::AddRoute(Route { link, ..route.clone() })]).remove(0)
            }
            Self::Sysctl(place, key, value) => kernel.set_sysctl(*place, key, value),
        }
    }
}

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![3 => Just(Place::Host), 2 => Just(Place::Sandbox)]
}

fn name(of: &'static [&'static str]) -> impl Strategy<Value = String> {
    select(of).prop_map(str::to_owned)
}

fn link() -> impl Strategy<Value = LinkName> {
    name(EVERY).prop_map(LinkName::Name)
}

fn card() -> impl Strategy<Value = LinkName> {
    name(CARDS).prop_map(LinkName::Name)
}

fn bridge() -> impl Strategy<Value = LinkSpec> {
    let mac = prop::option::weighted(0.3, select(&MACS[..]));
    let mtu = prop::option::weighted(0.2, select(&[1400u32, 1280, 60, 9000][..]));
    (name(BRIDGES), mac, mtu, any::<bool>(), any::<bool>()).prop_map(|(name, mac, mtu, up, promisc)| LinkSpec {
        mac,
        mtu,
        up,
        promisc,
        ..LinkSpec::new(name, LinkKind::Bridge { vlan_filtering: false })
    })
}

fn veth() -> impl Strategy<Value = LinkSpec> {
    let inner = prop_oneof![4 => name(INNER), 1 => name(ENDS)];
    let master = prop_oneof![4 => name(BRIDGES), 1 => name(EVERY)];
    let mtu = prop::option::weighted(0.3, select(&[1400u32, 1200, 65536, 9000][..]));
    (
        name(ENDS),
        inner,
        any::<bool>(),
        (select(&MACS[..]), select(&MACS[..])),
        prop::option::weighted(0.6, master),
        mtu,
        any::<bool>(),
        select(&[0u32, 0x4000_0001][..]),
    )
        .prop_map(|(name, inner, in_sandbox, (mac, peer_mac), master, mtu, up, group)| LinkSpec {
            mac: Some(mac),
            master,
            mtu,
            up,
            group,
            // The kernel ignores it here.
            alias: Some("born".into()),
            ..LinkSpec::new(name, LinkKind::Veth { peer: Peer { name: inner, in_sandbox, mac: Some(peer_mac) } })
        })
}

fn address() -> impl Strategy<Value = Address> {
    (select(ADDRESSES), any::<bool>()).prop_map(|(net, nodad)| Address { net: net.parse().unwrap(), nodad })
}

fn route() -> impl Strategy<Value = Route> {
    let hop = |dsts: &'static [&'static str], gateways: &'static [&'static str]| {
        (select(dsts), prop::option::weighted(0.7, select(gateways)))
    };
    let pair = prop_oneof![hop(V4_ROUTES, V4_GATEWAYS), hop(V6_ROUTES, V6_GATEWAYS)];
    let table = select(&[None, None, None, Some(7), Some(254), Some(0), Some(700)][..]);
    // Not the host's scope (254): a look-up by a route that has no source address is EINVAL.
    let scope = select(&[None, None, None, Some(253), Some(0)][..]);
    (pair, select(&[0u32, 0, 5][..]), table, scope, select(&[0u32, 0, 1400][..])).prop_map(
        |((dst, gateway), priority, table, scope, mtu)| Route {
            dst: dst.parse().unwrap(),
            gateway: gateway.map(|gateway| gateway.parse().unwrap()),
            link: 0,
            priority,
            table,
            scope,
            mtu,
            advmss: 0,
        },
    )
}

fn change() -> impl Strategy<Value = Change> {
    let mac = prop_oneof![4 => select(&MACS[..]), 1 => Just(Mac([1, 0, 0, 0, 0, 1]))];
    let port = (any::<bool>(), any::<bool>()).prop_map(|(hairpin, isolated)| PortFlags {
        hairpin,
        isolated,
        ..PortFlags::default()
    });
    let alias = select(&["", "a name", "x"][..]).prop_map(str::to_owned);
    prop_oneof![
        8 => (link(), prop::bool::weighted(0.7)).prop_map(|(link, up)| Change::Up(link, up)),
        1 => (link(), any::<bool>()).prop_map(|(link, on)| Change::Promisc(link, on)),
        1 => (link(), any::<bool>()).prop_map(|(link, on)| Change::AllMulticast(link, on)),
        1 => (link(), select(&[0u32, 1000, 77][..])).prop_map(|(link, size)| Change::QueueLength(link, size)),
        2 => (link(), mac).prop_map(|(link, mac)| Change::Mac(link, mac)),
        2 => (card(), select(&[1500u32, 1400, 1279, 60, 65535][..])).prop_map(|(link, mtu)| Change::Mtu(link, mtu)),
        1 => (link(), alias).prop_map(|(link, alias)| Change::Alias(link, alias)),
        1 => (link(), any::<bool>()).prop_map(|(link, on)| Change::ArpNotify(link, on)),
        1 => (link(), select(&[0u32, 7][..])).prop_map(|(link, group)| Change::Group(link, group)),
        2 => link().prop_map(Change::ClosePort),
        2 => (link(), port).prop_map(|(link, flags)| Change::Port(link, flags)),
        8 => (card(), address()).prop_map(|(link, address)| Change::AddAddress(link, address)),
        4 => (card(), address()).prop_map(|(link, address)| Change::DeleteAddress(link, address)),
        1 => link().prop_map(Change::DeleteLink),
    ]
}

fn sysctl() -> impl Strategy<Value = (String, String)> {
    let key = prop_oneof![
        Just("net/ipv4/ip_forward".to_owned()),
        Just("net/ipv6/conf/all/forwarding".to_owned()),
        (
            select(&["all", "default", "br0", "v0", "eth0", "nothing"][..]),
            select(
                &[
                    "ipv6/conf/IF/disable_ipv6",
                    "ipv6/conf/IF/keep_addr_on_down",
                    "ipv6/conf/IF/accept_ra",
                    "ipv4/conf/IF/arp_notify",
                    "ipv4/conf/IF/promote_secondaries",
                    "ipv4/conf/IF/forwarding",
                    "ipv6/conf/IF/forwarding",
                ][..]
            )
        )
            // An IPv4 default reaches every link on which nobody has set the variable: not modelled.
            .prop_filter("a default of IPv4", |(link, key)| *link != "default" || key.starts_with("ipv6"))
            .prop_map(|(link, key)| format!("net/{}", key.replace("IF", link))),
    ];
    (key, select(&["0", "1", "1", "x"][..]).prop_map(str::to_owned))
}

/// Any request.
pub(crate) fn request() -> impl Strategy<Value = Request> {
    prop_oneof![
        2 => bridge().prop_map(|spec| Request::Create(Place::Host, spec)),
        1 => (place(), bridge()).prop_map(|(place, spec)| Request::Create(place, spec)),
        4 => veth().prop_map(|spec| Request::Create(Place::Host, spec)),
        12 => (place(), change()).prop_map(|(place, change)| Request::Apply(place, change)),
        6 => (place(), name(CARDS), route()).prop_map(|(place, link, route)| Request::Route(place, link, route)),
        2 => (place(), sysctl()).prop_map(|(place, (key, value))| Request::Sysctl(place, key, value)),
    ]
}

/// A bridge, two attachments, one of them gone.
pub(crate) fn attachment() -> Vec<Request> {
    let by_name = |name: &str| LinkName::Name(name.into());
    let host = |change| Request::Apply(Place::Host, change);
    let inside = |change| Request::Apply(Place::Sandbox, change);
    let address = |net: &str, nodad| Address { net: net.parse().unwrap(), nodad };
    let veth = |name: &str, inner: &str, at: usize| LinkSpec {
        mac: Some(MACS[at]),
        master: Some("br0".into()),
        group: 0x4000_0001,
        up: true,
        mtu: Some(1450),
        ..LinkSpec::new(
            name,
            LinkKind::Veth { peer: Peer { name: inner.into(), in_sandbox: true, mac: Some(MACS[at + 1]) } },
        )
    };
    let default = |dst: &str, gateway: &str| {
        let (dst, gateway) = (dst.parse().unwrap(), Some(gateway.parse().unwrap()));
        let route = Route { dst, gateway, link: 0, priority: 0, table: None, scope: None, mtu: 0, advmss: 0 };
        Request::Route(Place::Sandbox, "eth0".into(), route)
    };
    let bridge =
        LinkSpec { up: true, mac: Some(MACS[4]), ..LinkSpec::new("br0", LinkKind::Bridge { vlan_filtering: false }) };
    vec![
        Request::Create(Place::Host, bridge.clone()),
        Request::Create(Place::Host, bridge),
        Request::Create(Place::Host, veth("v0", "eth0", 0)),
        Request::Create(Place::Host, veth("v0", "eth1", 0)),
        Request::Create(Place::Host, veth("v1", "eth0", 0)),
        host(Change::Alias(by_name("v0"), "cnm tag".into())),
        host(Change::Port(by_name("v0"), PortFlags { hairpin: true, ..PortFlags::default() })),
        inside(Change::ArpNotify(by_name("eth0"), true)),
        inside(Change::AddAddress(by_name("eth0"), address("10.0.0.2/24", true))),
        inside(Change::AddAddress(by_name("eth0"), address("fd00::2/64", true))),
        inside(Change::AddAddress(by_name("eth0"), address("fd00::2/64", true))),
        inside(Change::Up(by_name("eth0"), true)),
        default("0.0.0.0/0", "10.0.0.9"),
        default("0.0.0.0/0", "10.0.0.9"),
        default("::/0", "fd00::9"),
        default("::/0", "fd00::9"),
        host(Change::AddAddress(by_name("br0"), address("10.0.0.1/24", true))),
        host(Change::AddAddress(by_name("br0"), address("fd00::1/64", true))),
        Request::Sysctl(Place::Host, "net/ipv4/ip_forward".into(), "1".into()),
        Request::Create(Place::Host, veth("v1", "eth1", 2)),
        host(Change::DeleteLink(by_name("v0"))),
        host(Change::DeleteLink(by_name("v0"))),
        inside(Change::DeleteLink(by_name("eth1"))),
        host(Change::DeleteLink(by_name("br0"))),
    ]
}
