//! Requests about VXLAN devices, forwarding tables and neighbours, in a small universe of their own.

use cnm::{Change, FdbEntry, LinkKind, LinkName, LinkSpec, Mac, Neighbour, Place, PortFlags, Vxlan};
use proptest::prelude::*;
use proptest::sample::select;

use crate::requests::{MACS, Request};

const TUNNELS: &[&str] = &["x0", "x1"];
const LINKS: &[&str] = &["x0", "x1", "br0", "nothing"];
/// What has a table of its own, or may be a port. (A bridge takes entries for itself, too, which nobody here needs.)
const TABLES: &[&str] = &["x0", "x1", "nothing"];
const VTEPS: &[&str] = &["10.0.0.7", "10.0.0.8", "fd00::7"];
const STATIONS: [Mac; 2] = [Mac([2, 0, 0, 0, 9, 1]), Mac([2, 0, 0, 0, 9, 2])];
const IPS: &[&str] = &["10.1.0.91", "10.1.0.92", "fd01::91"];

fn link() -> impl Strategy<Value = LinkName> {
    select(LINKS).prop_map(|name| LinkName::Name(name.into()))
}

fn table() -> impl Strategy<Value = LinkName> {
    select(TABLES).prop_map(|name| LinkName::Name(name.into()))
}

fn bridge() -> LinkSpec {
    LinkSpec { up: true, mac: Some(MACS[4]), ..LinkSpec::new("br0", LinkKind::Bridge { vlan_filtering: false }) }
}

fn tunnel() -> impl Strategy<Value = LinkSpec> {
    let local = select(&["10.0.0.1", "10.0.0.1", "fd00::1"][..]);
    let mtu = prop::option::weighted(0.5, select(&[1450u32, 1300, 60][..]));
    let master = prop::option::weighted(0.7, Just("br0".to_owned()));
    let vxlan = (select(&[5u32, 6][..]), select(&[4789u16, 4789, 8472][..]), local, any::<bool>());
    (select(TUNNELS), vxlan, mtu, master, any::<bool>()).prop_map(
        |(name, (vni, port, local, learning), mtu, master, up)| {
            let vxlan = Vxlan { vni, port, local: local.parse().unwrap(), group: None, underlay: 0, learning };
            LinkSpec { mac: Some(MACS[0]), mtu, master, up, ..LinkSpec::new(name, LinkKind::Vxlan(vxlan)) }
        },
    )
}

fn entry() -> impl Strategy<Value = FdbEntry> {
    let vtep = || select(VTEPS).prop_map(|text| text.parse().unwrap());
    prop_oneof![
        2 => vtep().prop_map(FdbEntry::flood_to),
        2 => (select(&STATIONS[..]), vtep()).prop_map(|(mac, vtep)| FdbEntry { mac, vtep: Some(vtep) }),
        2 => select(&STATIONS[..]).prop_map(|mac| FdbEntry { mac, vtep: None }),
    ]
}

fn neighbour() -> impl Strategy<Value = Neighbour> {
    (select(IPS), select(&STATIONS[..])).prop_map(|(ip, mac)| Neighbour { ip: ip.parse().unwrap(), mac })
}

fn flags() -> impl Strategy<Value = PortFlags> {
    // What is switched on is not switched off again: shared ports are made anew instead.
    any::<bool>().prop_map(|known| PortFlags {
        suppress: known,
        no_learning: known,
        no_flood: known,
        ..Default::default()
    })
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        5 => (table(), entry()).prop_map(|(link, entry)| Change::SetFdb(link, entry)),
        3 => (table(), entry()).prop_map(|(link, entry)| Change::DeleteFdb(link, entry)),
        3 => (link(), neighbour()).prop_map(|(link, neighbour)| Change::SetNeighbour(link, neighbour)),
        2 => (link(), neighbour()).prop_map(|(link, neighbour)| Change::DeleteNeighbour(link, neighbour)),
        2 => (link(), any::<bool>()).prop_map(|(link, up)| Change::Up(link, up)),
        1 => flags().prop_filter("nothing to set", |flags| flags.suppress)
            .prop_map(|flags| Change::Port(LinkName::Name("x0".into()), flags)),
        1 => select(LINKS).prop_map(|name| Change::DeleteLink(LinkName::Name(name.into()))),
    ]
}

/// Any request.
pub(crate) fn request() -> impl Strategy<Value = Request> {
    prop_oneof![
        1 => Just(Request::Create(Place::Host, bridge())),
        3 => tunnel().prop_map(|spec| Request::Create(Place::Host, spec)),
        9 => change().prop_map(|change| Request::Apply(Place::Host, change)),
    ]
}

/// A network that comes, is dressed twice, and goes.
pub(crate) fn life() -> Vec<Request> {
    let host = |change| Request::Apply(Place::Host, change);
    let name = |name: &str| LinkName::Name(name.into());
    let vxlan =
        Vxlan { vni: 42, port: 4789, local: "10.0.0.1".parse().unwrap(), group: None, underlay: 0, learning: false };
    let tunnel = LinkSpec {
        mac: Some(MACS[0]),
        mtu: Some(1450),
        master: Some("br0".into()),
        group: 0x6000_0001,
        ..LinkSpec::new("x0", LinkKind::Vxlan(vxlan))
    };
    let known = PortFlags { suppress: true, no_learning: true, no_flood: true, ..Default::default() };
    let station = |vtep: Option<&str>| FdbEntry { mac: STATIONS[0], vtep: vtep.map(|text| text.parse().unwrap()) };
    let neighbour = Neighbour { ip: "10.1.0.91".parse().unwrap(), mac: STATIONS[0] };
    let mut all = vec![
        Request::Create(Place::Host, bridge()),
        Request::Create(Place::Host, tunnel.clone()),
        Request::Create(Place::Host, tunnel.clone()),
        Request::Create(Place::Host, LinkSpec { name: "x1".into(), ..tunnel }),
        host(Change::Port(name("x0"), known)),
    ];
    for _ in 0..2 {
        all.extend([
            host(Change::SetFdb(name("x0"), FdbEntry::flood_to("10.0.0.7".parse().unwrap()))),
            host(Change::SetFdb(name("x0"), FdbEntry::flood_to("10.0.0.8".parse().unwrap()))),
            host(Change::SetFdb(name("x0"), station(Some("10.0.0.7")))),
            host(Change::SetFdb(name("x0"), station(Some("10.0.0.8")))),
            host(Change::SetFdb(name("x0"), station(None))),
            host(Change::SetNeighbour(name("br0"), neighbour)),
            host(Change::Up(name("x0"), true)),
        ]);
    }
    all.extend([
        host(Change::DeleteFdb(name("x0"), station(None))),
        host(Change::DeleteFdb(name("x0"), station(None))),
        host(Change::DeleteFdb(name("x0"), station(Some("10.0.0.7")))),
        host(Change::DeleteNeighbour(name("br0"), neighbour)),
        host(Change::DeleteNeighbour(name("br0"), neighbour)),
        host(Change::DeleteLink(name("br0"))),
        host(Change::DeleteLink(name("x0"))),
    ]);
    all
}
