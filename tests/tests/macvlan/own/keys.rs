//! Keys that Debian's reference plugin lacks, and errors that say what to do.

use cnm_tests::{Conf, Host, Lan};
use serde_json::json;

use crate::{lan, world};

#[test]
fn the_queue_for_broadcasts() {
    let host = Host::new();
    let _lan = Lan::new(&host);
    for (name, conf, wanted) in [("one", lan(), 1000), ("two", lan().with("bcqueuelen", 5000), 5000)] {
        let (sandbox, _) = host.attach(&conf, name);
        assert_eq!(sandbox.link("eth0").json["linkinfo"]["info_data"]["bcqueuelen"], json!(wanted), "{name}");
    }
}

#[test]
fn a_master_in_the_container() {
    for conf in [lan().with("linkInContainer", true), lan().with("linkInContainer", true).without("master")] {
        let host = Host::new();
        let lan = Lan::new(&host);
        let one = host.sandbox("one");
        lan.plug_in(&one, 30);
        one.run("ip route add default via 10.1.2.1 dev eth0");
        let before = one.link("eth0").index;
        let add = host.calling("ADD", &conf, &one).ifname("net1").run();
        let result = add.attached();
        assert_eq!(one.link("net1").kind, "macvlan");
        lan.station.reaches(result.ip());
        host.calling("CHECK", &conf.clone().after(result.json()), &one).ifname("net1").run().succeeds_silently();
        host.calling("DEL", &conf, &one).ifname("net1").run().succeeds_silently();
        assert!(!one.has_link("net1"));
        assert_eq!(one.link("eth0").index, before);
    }
}

#[test]
fn parent_is_another_word_for_master() {
    let host = Host::new();
    let lan = Lan::new(&host);
    let (_one, result) = host.attach(&crate::lan().without("master").with("parent", "eth0"), "one");
    lan.station.reaches(result.ip());
    let two = host.sandbox("two");
    let both = crate::lan().with("parent", "eth1");
    host.add(&both, &two).fails_with(7, &["parent", "another word for master", "eth1"]);
}

/// The reference announces IPv4 addresses alone: those of IPv6 are still being looked for by others.
#[test]
fn both_families_are_announced() {
    let host = Host::new();
    crate::traffic::is_announced(&host, &Lan::new(&host), &world(), &["10.1.2.100", "fd00:1:2::100"]);
}

/// This would take one to two seconds for duplicate address detection.
#[test]
fn both_families_are_usable_at_once() {
    let host = Host::new();
    let lan = Lan::new(&host);
    let (one, _) = host.attach(&world(), "one");
    let dump = one.run("ip -6 addr show dev eth0 scope global");
    assert!(dump.contains("nodad") && !dump.contains("tentative"), "{dump}");
    assert!(one.ping("fd00:1:2::20"));
    drop(lan);
}

#[test]
fn a_vlan_of_a_missing_interface_names_it() {
    let host = Host::new();
    let _lan = Lan::new(&host);
    let one = host.sandbox("one");
    let before = host.snapshot();
    host.add(&lan().with("master", "nothing.10"), &one).fails().says(&[
        "nothing.10",
        "Link not found",
        "made on nothing",
    ]);
    host.is_again(&before);
}

#[test]
fn an_interface_whose_name_looks_like_a_vlan_is_used_as_it_is() {
    let host = Host::new();
    let lan = Lan::new(&host);
    host.run("ip link set eth0 down");
    host.run("ip link set eth0 name eth0.10");
    host.run("ip link set eth0.10 up");
    let conf = crate::lan().with("master", "eth0.10");
    let (one, result) = host.attach(&conf, "one");
    lan.station.reaches(result.ip());
    host.del(&conf, &one).succeeds_silently();
    assert!(host.has_link("eth0.10"), "it is not ours");
}

#[test]
fn an_interface_that_serves_a_bridge_is_refused_with_its_name() {
    let host = Host::new();
    let _lan = Lan::new(&host);
    host.run("ip link add br0 type bridge");
    host.run("ip link set eth0 master br0");
    let one = host.sandbox("one");
    let before = host.snapshot();
    host.add(&lan(), &one).fails().says(&["eth0 serves something else", "name the bridge itself"]);
    host.is_again(&before);
}

#[test]
fn a_duplicate_leaves_the_first_alone() {
    let host = Host::new();
    let lan = Lan::new(&host);
    let (one, result) = host.attach(&world(), "one");
    let before = host.snapshot();
    host.add(&world(), &one).fails().says(&["already attached", "one", "wire"]);
    host.is_again(&before);
    lan.station.reaches(result.ip());
    host.calling("ADD", &world(), &one).container("another").run().fails().says(&["eth0", "file exists"]);
    host.is_again(&before);
}

#[test]
fn an_interface_that_the_sandbox_has_already_is_left_alone() {
    let host = Host::new();
    let _lan = Lan::new(&host);
    host.warm_up(&lan());
    let one = host.sandbox("one");
    one.run("ip link add eth0 type veth peer name other");
    let before = host.snapshot();
    host.add(&lan(), &one).fails().says(&["eth0", "file exists"]);
    host.del(&lan(), &one).succeeds_silently();
    host.is_again(&before);
}

#[test]
fn two_interfaces_in_one_sandbox() {
    let host = Host::new();
    let lan = Lan::new(&host);
    let (one, first) = host.attach(&crate::lan(), "one");
    let second = host.calling("ADD", &crate::lan(), &one).ifname("net1").run().attached();
    assert_ne!(first.mac("eth0"), second.mac("net1"));
    lan.station.reaches(second.ip());
    host.calling("DEL", &crate::lan(), &one).ifname("net1").run().succeeds_silently();
    assert!(one.has_link("eth0") && !one.has_link("net1"));
    lan.station.reaches(first.ip());
}

#[test]
fn mtu_in_the_result_of_the_newest_version() {
    let host = Host::new();
    let _lan = Lan::new(&host);
    host.run("ip link set eth0 mtu 1450");
    let conf = Conf::macvlan("wire").version("1.1.0");
    let (_one, result) = host.attach(&conf, "one");
    assert_eq!(result.json()["interfaces"][0]["mtu"], json!(1450));
}

/// The kernel would say "Address already in use" when it comes up.
#[test]
fn a_hardware_address_that_is_on_the_wire_already_is_refused_and_nothing_stays() {
    let host = Host::new();
    let _lan = Lan::new(&host);
    let taken = lan().with("mac", "02:00:00:00:00:0a");
    let (_one, _) = host.attach(&taken, "one");
    let two = host.sandbox("two");
    let before = host.snapshot();
    host.add(&taken, &two).fails().says(&["up", "another interface on the same master", "MAC address"]);
    host.is_again(&before);
}

/// A link that were made on the host and moved would be seen there, by udev and by everybody, and take an index.
#[test]
fn the_link_is_never_on_the_host() {
    let host = Host::new();
    let _lan = Lan::new(&host);
    let index = |name: &str| {
        host.run(&format!("ip link add {name} type ifb"));
        host.link(name).index
    };
    let (one, first) = (host.sandbox("one"), index("p0"));
    host.add(&world(), &one).succeeds();
    assert_eq!(index("p1"), first + 1, "something was born on the host in between");
    host.run("ip link add moved link eth0 type macvlan");
    host.run("ip link set moved netns one");
    assert_eq!(index("p2"), first + 3, "and it would have been seen");
}
