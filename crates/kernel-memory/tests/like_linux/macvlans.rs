//! Requests about macvlans, beside their parent and in the sandbox, in a small universe of their own.

use cnm::{Address, Change, Kernel, LinkKind, LinkName, LinkSpec, Macvlan, MacvlanMode, Peer, Place, Route};
use proptest::prelude::*;
use proptest::sample::select;

use crate::requests::{MACS, Request};

const PARENTS: &[&str] = &["v0", "v0", "v1", "m0", "br0", "lo", "nothing"];
const NAMES: &[&str] = &["m0", "m1", "v0"];
const LINKS: &[&str] = &["v0", "v1", "m0", "m1", "br0", "nothing"];
const INNER: &[&str] = &["m0", "m1", "nothing"];
const MODES: [MacvlanMode; 4] = [MacvlanMode::Bridge, MacvlanMode::Private, MacvlanMode::Vepa, MacvlanMode::Passthru];

/// A cable with both ends on the host, one of them the usual parent.
fn cable() -> LinkSpec {
    let peer = Peer { name: "v1".into(), in_sandbox: false, mac: Some(MACS[1]) };
    LinkSpec { mac: Some(MACS[0]), ..LinkSpec::new("v0", LinkKind::Veth { peer }) }
}

fn bridge() -> LinkSpec {
    LinkSpec { up: true, mac: Some(MACS[4]), ..LinkSpec::new("br0", LinkKind::Bridge { vlan_filtering: false }) }
}

/// A port of the bridge: nothing can stand on it.
fn port() -> LinkSpec {
    LinkSpec { master: Some("br0".into()), ..cable() }
}

fn macvlan() -> impl Strategy<Value = LinkSpec> {
    let mtu = prop::option::weighted(0.4, select(&[1500u32, 1400, 1300, 9000, 60][..]));
    let place = prop_oneof![2 => Just(Place::Sandbox), 1 => Just(Place::Host)];
    let mode = prop_oneof![4 => select(&MODES[..3]), 1 => Just(MODES[3])];
    (select(NAMES), select(PARENTS), place, mode, mtu, select(&MACS[2..4])).prop_map(
        |(name, parent, born_in, mode, mtu, mac)| {
            let (parent, parent_in) = (parent.to_owned(), Place::Host);
            let kind = Macvlan { parent, parent_in, born_in, mode, queue: None, stage: None };
            // The kernel ignores the alias here.
            let alias = Some("born".into());
            LinkSpec { mac: Some(mac), mtu, group: 77, alias, ..LinkSpec::new(name, LinkKind::Macvlan(kind)) }
        },
    )
}

fn name(of: &'static [&'static str]) -> impl Strategy<Value = LinkName> {
    select(of).prop_map(|name| LinkName::Name(name.into()))
}

fn change(of: &'static [&'static str]) -> impl Strategy<Value = Change> {
    let address = |net: &str| Address { net: net.parse().unwrap(), nodad: true };
    prop_oneof![
        6 => (name(of), prop::bool::weighted(0.7)).prop_map(|(link, up)| Change::Up(link, up)),
        2 => (name(of), select(&[1500u32, 1400, 1300][..])).prop_map(|(link, mtu)| Change::Mtu(link, mtu)),
        1 => name(of).prop_map(|link| Change::Alias(link, "cnm tag".into())),
        2 => name(of).prop_map(move |link| Change::AddAddress(link, address("10.0.0.1/24"))),
        2 => name(of).prop_map(Change::DeleteLink),
    ]
}

/// Any request.
pub(crate) fn request() -> impl Strategy<Value = Request> {
    prop_oneof![
        2 => Just(Request::Create(Place::Host, cable())),
        1 => Just(Request::Create(Place::Host, bridge())),
        1 => Just(Request::Create(Place::Host, port())),
        6 => macvlan().prop_map(|spec| Request::Create(Place::Host, spec)),
        6 => change(LINKS).prop_map(|change| Request::Apply(Place::Host, change)),
        6 => change(INNER).prop_map(|change| Request::Apply(Place::Sandbox, change)),
    ]
}

/// Both find the same links elsewhere, delete the same, and know the same default route.
pub(crate) fn look_elsewhere(kernel: &mut dyn Kernel) -> Vec<String> {
    let by_name = |name: &str| LinkName::Name(name.into());
    let mut told = Vec::new();
    for spec in [cable(), sandboxed("m0", MacvlanMode::Bridge), sandboxed("m1", MacvlanMode::Vepa)] {
        kernel.create(Place::Host, &spec).unwrap();
    }
    let list = |kernel: &mut dyn Kernel, told: &mut Vec<String>| {
        let mut each = |other: &cnm::Elsewhere| {
            let link = &other.link;
            told.push(format!(
                "{} {:?} group {} abroad {}",
                link.name,
                link.mode,
                link.group,
                link.parent_netns.is_some()
            ));
            false
        };
        assert!(kernel.find_elsewhere(Some("macvlan"), &mut each).unwrap().is_none());
    };
    list(kernel, &mut told);
    let first = kernel.find_elsewhere(None, &mut |other| other.link.name == "m0").unwrap().unwrap();
    let gone = Change::DeleteElsewhere(first.space, first.link.index);
    let odd = Change::DeleteElsewhere(4711, 1);
    let verdicts = kernel.apply(Place::Host, &[gone.clone(), gone, odd]);
    told.extend(verdicts.into_iter().map(|verdict| format!("{:?}", verdict.map_err(|error| error.errno))));
    list(kernel, &mut told);
    let link = kernel.link(Place::Host, &by_name("v0")).unwrap().unwrap().index;
    let route = |dst: &str, gateway: Option<&str>, priority| Route {
        dst: dst.parse().unwrap(),
        gateway: gateway.map(|gateway| gateway.parse().unwrap()),
        link,
        priority,
        table: Some(254),
        scope: Some(if gateway.is_some() { 0 } else { 253 }),
        mtu: 0,
        advmss: 0,
    };
    let tagged = route("10.0.0.9/32", None, 1 << 30);
    let changes = [
        Change::Up(by_name("v1"), true),
        Change::Up(by_name("v0"), true),
        Change::AddAddress(by_name("v0"), Address { net: "10.0.0.1/24".parse().unwrap(), nodad: true }),
        Change::AddRoute(route("0.0.0.0/0", Some("10.0.0.7"), 5)),
        Change::AddRoute(tagged.clone()),
        Change::DeleteRoute(Route { priority: 1 << 30 | 1, ..tagged.clone() }),
        Change::DeleteRoute(tagged.clone()),
        Change::DeleteRoute(tagged),
    ];
    let verdicts = kernel.apply(Place::Host, &changes);
    told.extend(verdicts.into_iter().map(|verdict| format!("{:?}", verdict.map_err(|error| error.errno))));
    for place in [Place::Host, Place::Sandbox] {
        let found = kernel.default_link(place).unwrap();
        told.push(format!("default {place} {:?}", found.map(|link| link.name)));
    }
    told
}

fn sandboxed(name: &str, mode: MacvlanMode) -> LinkSpec {
    let (parent, parent_in, born_in) = ("v0".to_owned(), Place::Host, Place::Sandbox);
    let kind = Macvlan { parent, parent_in, born_in, mode, queue: None, stage: None };
    LinkSpec { mac: Some(MACS[2]), group: 77, ..LinkSpec::new(name, LinkKind::Macvlan(kind)) }
}
