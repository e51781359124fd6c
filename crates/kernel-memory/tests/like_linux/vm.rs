//! VLANs of bridge ports, where the kernel has them.

use cnm::{Change, LinkKind, LinkName, LinkSpec, Peer, Place, VlanRange};
use cnm_tests::{Feature, needs};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use crate::requests::{MACS, Request};
use crate::run;

const PORTS: [&str; 2] = ["v0", "v1"];

/// A bridge that filters and two ports.
fn bridge_with_ports() -> Vec<Request> {
    let bridge =
        LinkSpec { mac: Some(MACS[4]), up: true, ..LinkSpec::new("br0", LinkKind::Bridge { vlan_filtering: true }) };
    let ports = PORTS.iter().enumerate().map(|(n, port)| {
        let peer = Peer { name: format!("eth{n}"), in_sandbox: true, mac: Some(MACS[2 * n + 1]) };
        let (mac, master) = (Some(MACS[2 * n]), Some("br0".into()));
        let spec = LinkSpec { mac, master, mtu: Some(1400), up: true, ..LinkSpec::new(*port, LinkKind::Veth { peer }) };
        Request::Create(Place::Host, spec)
    });
    std::iter::once(Request::Create(Place::Host, bridge)).chain(ports).collect()
}

fn port(port: &str) -> LinkName {
    LinkName::Name(port.into())
}

const fn range(first: u16, last: u16, native: bool) -> VlanRange {
    VlanRange { first, last, native }
}

/// What drivers ask for, and what they do not.
fn change() -> impl Strategy<Value = Change> {
    let name = || prop::sample::select(&PORTS[..]).prop_map(port);
    let ids = || prop::sample::select(vec![1u16, 2, 3, 7, 100, 4094]);
    // Only single ids can be native (br_afspec).
    let single = (ids(), any::<bool>()).prop_map(|(id, native)| range(id, id, native));
    let several = (ids(), ids()).prop_map(|(one, two)| range(one.min(two), one.max(two), false));
    let any_range = || prop_oneof![2 => single.clone(), 1 => several.clone()].boxed();
    prop_oneof![
        4 => (name(), any_range()).prop_map(|(name, range)| Change::AddVlan(name, range)),
        2 => (name(), any_range()).prop_map(|(name, range)| Change::DeleteVlan(name, range)),
    ]
}

#[test]
fn the_vlans_of_an_endpoint_have_the_same_effects() {
    needs(&[Feature::VlanFiltering]);
    let host = |change| Request::Apply(Place::Host, change);
    let mut requests = bridge_with_ports();
    requests.extend([
        host(Change::DeleteVlan(port("v0"), range(1, 4094, false))),
        host(Change::AddVlan(port("v0"), range(100, 100, true))),
        host(Change::AddVlan(port("v1"), range(10, 20, false))),
        host(Change::AddVlan(port("v1"), range(5, 5, true))),
        host(Change::DeleteVlan(port("v1"), range(99, 99, false))),
        host(Change::AddVlan(port("br1"), range(5, 5, true))),
        host(Change::DeleteLink(port("v0"))),
    ]);
    run(&requests).unwrap_or_else(|difference| panic!("{difference}"));
}

#[test]
fn any_sequence_of_vlans_has_the_same_effects() {
    needs(&[Feature::VlanFiltering]);
    let config = Config { cases: 5, failure_persistence: None, max_shrink_iters: 20, ..Config::default() };
    TestRunner::new(config)
        .run(&prop::collection::vec(change(), 1..12), |changes| {
            let changes = changes.into_iter().map(|change| Request::Apply(Place::Host, change));
            let requests: Vec<Request> = bridge_with_ports().into_iter().chain(changes).collect();
            run(&requests).map_err(TestCaseError::fail)
        })
        .unwrap_or_else(|error| panic!("{error}"));
}
