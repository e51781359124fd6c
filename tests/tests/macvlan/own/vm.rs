//! Parents that are made: 802.1Q interfaces and internal networks' own, on kernels that have them.

use std::cell::Cell;

use cnm_tests::{Conf, Feature, Host, Lan, Ordeal, needs};
use serde_json::json;

use super::parallel::all_at_once;
use super::{current, links};
use crate::lan;

/// A network in VLAN 10 of the wire.
fn tagged() -> Conf {
    current().with("master", "eth0.10")
}

/// A network that leads nowhere.
fn internal() -> Conf {
    current().without("master").with("internal", true)
}

/// The wire, with a station in VLAN 10: its subnet is the wire's.
fn wire(host: &Host) -> Lan {
    let lan = Lan::new(host);
    lan.station.run("ip link add link eth0 name eth0.10 type vlan id 10");
    for line in ["ip addr flush dev eth0", "ip link set eth0.10 up", "ip addr add 10.1.2.20/24 dev eth0.10"] {
        lan.station.run(line);
    }
    lan
}

#[test]
fn the_vlan_is_made_used_and_goes_with_the_last_endpoint() {
    needs(&[Feature::VlanDevices]);
    let host = Host::new();
    let lan = wire(&host);
    host.warm_up(&tagged());
    let (one, two) = (host.sandbox("one"), host.sandbox("two"));
    let before = host.snapshot();
    let first = host.add(&tagged(), &one).attached();
    let second = host.add(&tagged(), &two).attached();
    let vlan = host.link("eth0.10");
    assert_eq!((vlan.kind.as_str(), vlan.up, vlan.mac), ("vlan", true, host.link("eth0").mac));
    lan.station.reaches(first.ip());
    one.reaches(second.ip());
    host.check(&tagged().after(first.json()), &one).succeeds_silently();
    host.del(&tagged(), &one).succeeds_silently();
    assert!(host.has_link("eth0.10"), "two is still there");
    lan.station.reaches(second.ip());
    host.del(&tagged(), &two).succeeds_silently();
    host.is_again(&before);
}

#[test]
fn a_vlan_that_was_there_or_serves_others_stays() {
    needs(&[Feature::VlanDevices]);
    let host = Host::new();
    let _lan = wire(&host);
    host.run("ip link add link eth0 name eth0.10 type vlan id 10");
    let (one, _) = host.attach(&tagged(), "one");
    host.del(&tagged(), &one).succeeds_silently();
    assert!(host.has_link("eth0.10"), "it was there before");
    assert!(!host.link("eth0.10").up, "and it is somebody else's to bring up");
    host.run("ip link del eth0.10");
    host.add(&tagged(), &one).succeeds();
    let other = tagged().with("name", "other");
    let (two, _) = host.attach(&other, "two");
    host.del(&tagged(), &one).succeeds_silently();
    assert!(host.has_link("eth0.10"), "the other network is on it");
    host.run("ip link add link eth0.10 name mine type macvlan");
    host.del(&other, &two).succeeds_silently();
    assert!(host.has_link("eth0.10"), "somebody's macvlan is on it");
    host.run("ip link del mine");
    host.gc(&tagged()).succeeds_silently();
    assert!(!host.has_link("eth0.10"));
}

#[test]
fn a_failed_add_leaves_no_vlan() {
    needs(&[Feature::VlanDevices]);
    let host = Host::new();
    let _lan = wire(&host);
    let one = host.sandbox("one");
    one.run("ip link add eth0 type veth peer name other");
    let two = host.sandbox("two");
    let before = host.snapshot();
    host.add(&tagged(), &one).fails().says(&["file exists"]);
    host.is_again(&before);
    let full = tagged().without("ipam").with("ipam", json!({ "type": "host-local", "ranges": [] }));
    let _ = host.add(&full, &two).fails();
    host.is_again(&before);
    host.run("ip link set eth0 down");
    host.add(&tagged(), &two).fails().says(&["eth0.10", "ip link set eth0 up"]);
    assert!(!host.has_link("eth0.10"));
}

#[test]
fn a_vlan_that_has_another_name_is_named_and_one_that_is_forgotten_goes() {
    needs(&[Feature::VlanDevices]);
    let host = Host::new();
    let _lan = wire(&host);
    host.warm_up(&tagged());
    let one = host.sandbox("one");
    let before = host.snapshot();
    host.run("ip link add link eth0 name vlan10 type vlan id 10");
    host.add(&tagged(), &one).fails_with(7, &["VLAN 10 of eth0", "its name is vlan10", "name vlan10 as master"]);
    host.run("ip link del vlan10");
    host.add(&tagged(), &one).succeeds();
    host.gc(&current()).succeeds_silently();
    host.is_again(&before);
}

/// On one VLAN, which is made by the first and goes with the last of them, whoever that is.
#[test]
fn many_come_and_go_at_once_on_a_vlan() {
    needs(&[Feature::VlanDevices]);
    let host = Host::new();
    let lan = wire(&host);
    let conf = tagged().without("ipam").range_set(json!([{ "subnet": crate::V4, "rangeStart": "10.1.2.100" }]));
    host.warm_up(&conf);
    let sandboxes = host.sandboxes(12);
    all_at_once(&host, "ADD", &conf, &sandboxes);
    let last = sandboxes[11].address_texts("eth0").pop().expect("an address");
    lan.station.reaches(last.split_once('/').expect("with prefix length").0);
    all_at_once(&host, "DEL", &conf, &sandboxes);
    assert!(!host.has_link("eth0.10"));
    assert!(sandboxes.iter().all(|sandbox| !sandbox.has_link("eth0")));
}

#[test]
fn an_internal_network_leads_nowhere_and_its_parent_goes_with_it() {
    needs(&[Feature::Dummy]);
    let host = Host::new();
    let lan = Lan::new(&host);
    host.warm_up(&internal());
    let (one, two) = (host.sandbox("one"), host.sandbox("two"));
    let before = host.snapshot();
    let _first = host.add(&internal(), &one).attached();
    let second = host.add(&internal(), &two).attached();
    assert_eq!(links(&host, "dm-").len(), 1);
    one.reaches(second.ip());
    one.cannot_reach("10.1.2.20");
    lan.station.cannot_reach(second.ip());
    assert!(!one.has_route("default", "10.1.2.1"), "{:?}", one.routes());
    let three = host.sandbox("three");
    let large = internal().with("mtu", 9000);
    host.add(&large, &three).fails_with(7, &["invalid MTU 9000, must be [0, master MTU(1500)]"]);
    three.vanish();
    host.del(&internal(), &one).succeeds_silently();
    host.del(&internal(), &two).succeeds_silently();
    host.is_again(&before);
}

#[test]
fn the_host_is_the_gateway_of_an_internal_network_by_default() {
    needs(&[Feature::Dummy]);
    let host = Host::new();
    let conf = internal().with("hostAccess", true);
    host.warm_up(&conf);
    let one = host.sandbox("one");
    let before = host.snapshot();
    let result = host.add(&conf, &one).attached();
    one.reaches("10.1.2.1");
    host.reaches(result.ip());
    host.check(&conf.clone().after(result.json()), &one).succeeds_silently();
    host.del(&conf, &one).succeeds_silently();
    host.is_again(&before);
}

/// Kernels before 6.15 look for the name beside the parent, too.
#[test]
fn a_name_that_the_host_has_is_no_obstacle_on_an_older_kernel() {
    needs(&[Feature::Dummy]);
    let host = Host::new();
    let lan_ = Lan::new(&host);
    host.warm_up(&lan());
    let one = host.sandbox("one");
    let before = host.snapshot();
    let result = host.add(&lan(), &one).attached();
    lan_.station.reaches(result.ip());
    host.add(&lan(), &one).fails().says(&["already attached"]);
    assert_eq!(links(&one, "cnm"), Vec::<String>::new());
    host.del(&lan(), &one).succeeds_silently();
    host.is_again(&before);
}

/// SIGKILL between the changes of the network that ADD makes (all system calls are the fake ring's, and would take too long
/// here). What was made for a network is found and goes, however much of it there is: by DEL and by GC in turns.
fn killed(conf: Conf) {
    let host = Host::new();
    let _lan = wire(&host);
    let turn = Cell::new(false);
    Ordeal::new(host, conf).kill_add_between_changes(|ordeal| {
        turn.set(!turn.get());
        if turn.get() { ordeal.del() } else { ordeal.gc() }
    });
}

#[test]
fn a_vlan_goes_although_its_maker_was_killed() {
    needs(&[Feature::VlanDevices]);
    killed(tagged());
}

#[test]
fn an_internal_network_goes_although_its_maker_was_killed() {
    needs(&[Feature::VlanDevices, Feature::Dummy]);
    killed(internal());
}
