//! The other keys, one by one: result and kernel state.

use cnm_tests::{Conf, Host, eventually};
use serde_json::json;

use crate::{V4, dual, lan, world};

#[test]
fn the_result_lists_bridge_host_end_and_container_end_in_this_order() {
    let host = Host::new();
    let (one, result) = host.attach(&dual().with("isGateway", true), "one");
    let names = result.interfaces();
    assert_eq!(names.len(), 3);
    assert_eq!((names[0].as_str(), names[2].as_str()), ("br-web", "eth0"));
    let json = result.json();
    assert_eq!(json["cniVersion"], "1.0.0");
    assert_eq!(json["interfaces"][2]["sandbox"], one.path());
    assert!(json["interfaces"][0]["sandbox"].is_null() && json["interfaces"][1]["sandbox"].is_null());
    assert_eq!(json["ips"][0]["interface"], 2);
    assert_eq!(json["ips"][1]["interface"], 2);
    assert_eq!(result.mac("br-web"), Some(host.link("br-web").mac));
    assert_eq!(result.mac(&names[1]), Some(host.link(&names[1]).mac));
    assert_eq!(result.mac("eth0"), Some(one.link("eth0").mac));
}

#[test]
fn the_kernel_has_what_the_result_says() {
    let host = Host::new();
    let (one, result) = host.attach(&dual(), "one");
    let addresses: Vec<String> = result.addresses().iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["10.1.2.2/24", "fd00:1:2::2/64"]);
    assert_eq!(one.address_texts("eth0"), addresses);
    assert_eq!(one.addresses("eth0")[0].broadcast, "10.1.2.255");
    let port = host.link(&result.host_link());
    assert_eq!((port.master.as_deref(), port.kind.as_str()), (Some("br-web"), "veth"));
    for link in [port, host.link("br-web"), one.link("eth0")] {
        assert!(link.up && link.state == "UP", "{}: {}", link.name, link.json);
    }
}

#[test]
fn without_a_name_the_bridge_is_cni0() {
    let host = Host::new();
    let (_one, result) = host.attach(&Conf::new("bridge", "web").subnet(V4), "one");
    assert_eq!(result.interfaces()[0], "cni0");
    assert_eq!(host.ports("cni0"), [result.host_link()]);
}

#[test]
fn ipv6_alone() {
    let host = Host::new();
    let (one, result) = host.attach(&Conf::bridge("web").to_the_world().subnet("fd00:1:2::/64"), "one");
    assert_eq!(one.address_texts("eth0"), ["fd00:1:2::2/64"]);
    assert_eq!(result.gateway(0).to_string(), "fd00:1:2::1");
    assert_eq!(host.sysctl("net/ipv4/ip_forward"), "0");
    one.reaches("fd00:1:2::1");
}

#[test]
fn ipv6_that_is_off_in_the_sandbox_is_switched_on() {
    let host = Host::new();
    let one = host.sandbox("one");
    one.switch_ipv6_off();
    let result = host.add(&dual(), &one).attached();
    assert_eq!(result.addresses().len(), 2);
    assert_eq!(one.address_texts("eth0"), ["10.1.2.2/24", "fd00:1:2::2/64"]);
    one.has_ipv6(&["lo", "eth0"]);
}

#[test]
fn mtu_is_that_of_the_new_bridge_and_of_both_ends() {
    let host = Host::new();
    let (one, result) = host.attach(&lan().with("mtu", 1380), "one");
    assert_eq!(host.link("br-web").mtu, 1380);
    assert_eq!(host.link(&result.host_link()).mtu, 1380);
    assert_eq!(one.link("eth0").mtu, 1380);
}

#[test]
fn an_existing_bridge_is_used_as_it_is() {
    let host = Host::new();
    host.run("ip link add br-web type bridge ageing_time 12300 priority 5");
    let before = host.link("br-web");
    let (_one, result) = host.attach(&lan(), "one");
    let after = host.link("br-web");
    assert_eq!(after.index, before.index);
    assert!(after.up);
    for key in ["ageing_time", "priority", "vlan_filtering"] {
        assert_eq!(after.json["linkinfo"]["info_data"][key], before.json["linkinfo"]["info_data"][key], "{key}");
    }
    assert_eq!(host.ports("br-web"), [result.host_link()]);
}

#[test]
fn hairpin_mode_is_a_flag_of_the_port() {
    let host = Host::new();
    for (name, hairpin) in [("one", true), ("two", false)] {
        let (_sandbox, result) = host.attach(&lan().with("hairpinMode", hairpin), name);
        assert_eq!(host.link(&result.host_link()).port_flag("hairpin"), Some(hairpin));
    }
}

#[test]
fn promisc_mode_is_a_flag_of_the_bridge() {
    let host = Host::new();
    let _ = host.attach(&lan(), "one");
    assert!(!host.link("br-web").promiscuous);
    let _ = host.attach(&lan().with("promiscMode", true), "two");
    assert!(host.link("br-web").promiscuous);
}

#[test]
fn hairpin_and_promisc_exclude_each_other() {
    let host = Host::new();
    let one = host.sandbox("one");
    let before = host.snapshot();
    let both = lan().with("promiscMode", true).with("hairpinMode", true);
    host.add(&both, &one).fails().says(&["cannot set hairpin mode and promiscuous mode at the same time"]);
    host.is_again(&before);
}

#[test]
fn frames_with_a_false_source_are_dropped_under_macspoofchk() {
    let host = Host::new();
    let checked = lan().with("macspoofchk", true);
    let (one, first) = host.attach(&checked, "one");
    let (two, second) = host.attach(&checked, "two");
    one.reaches(second.ip());
    let mac = one.link("eth0").mac;
    one.run("ip link set eth0 address 02:00:00:00:00:99");
    one.cannot_reach(second.ip());
    // The bridge gets an address so that a sandbox that does not cheat has somebody to talk to.
    host.run("ip addr add 10.1.2.250/24 dev br-web");
    two.reaches("10.1.2.250");
    one.run(&format!("ip link set eth0 address {mac}"));
    one.reaches(second.ip());
    two.reaches(first.ip());
}

#[test]
fn duplicate_address_detection_is_off_unless_asked_for() {
    let host = Host::new();
    let (one, _) = host.attach(&dual(), "one");
    assert_eq!(one.sysctl("net/ipv6/conf/eth0/accept_dad"), "0");
}

/// CVE-2020-10749.
#[test]
fn a_container_that_poses_as_router_does_not_configure_the_host() {
    let host = Host::new();
    let (one, result) = host.attach(&dual(), "one");
    let (two, _) = host.attach(&dual(), "two");
    assert_eq!(host.sysctl("net/ipv6/conf/br-web/accept_ra"), "0");
    // A sandbox may believe it; that also shows when it has been everywhere.
    eventually("an advertisement arrives", || {
        one.poses_as_router("eth0", "2001:db8:bad::".parse().expect("a prefix"));
        let learned = two.has_route("2001:db8:bad::/64", "");
        if learned { Ok(()) } else { Err(format!("{:?}", two.routes())) }
    });
    for device in ["br-web", &result.host_link()] {
        assert_eq!(host.address_texts(device), Vec::<String>::new(), "{device}");
    }
    assert!(!host.has_route("2001:db8:bad::/64", "") && !host.has_route("default", ""), "{:?}", host.routes());
}

#[test]
fn without_ipam_it_is_a_wire_and_nothing_more() {
    for conf in [
        Conf::bridge("web"),
        Conf::bridge("web").with("ipam", json!({})),
        Conf::bridge("web").with("ipam", json!({ "type": "" })),
    ] {
        let host = Host::new();
        let (one, result) = host.attach(&conf, "one");
        assert_eq!(result.interfaces().len(), 3);
        assert!(result.json()["ips"].is_null() && result.json()["routes"].is_null(), "{}", result.json());
        assert!(one.link("eth0").up);
        assert_eq!(one.address_texts("eth0"), Vec::<String>::new());
        assert_eq!(host.list_folder("/var/lib/cni"), Vec::<String>::new());
        let (two, _) = host.attach(&conf, "two");
        one.run("ip addr add 192.0.2.1/24 dev eth0");
        two.run("ip addr add 192.0.2.2/24 dev eth0");
        one.reaches("192.0.2.2");
        host.del(&conf, &one).succeeds_silently();
        assert!(!one.has_link("eth0"));
    }
}

#[test]
fn keys_are_matched_in_any_letter_case_and_null_is_absent() {
    let host = Host::new();
    let conf = Conf::bridge("web")
        .with("ISGATEWAY", true)
        .with("IPMasq", true)
        .with("mtu", serde_json::Value::Null)
        .with("Documentation", "a key that nobody knows")
        .with("IPAM", json!({ "TYPE": "host-local", "Ranges": [[{ "Subnet": V4 }]], "Documentation": 1 }));
    let (one, _) = host.attach(&conf, "one");
    assert_eq!(one.link("eth0").mtu, 1500);
    assert_eq!(host.address_texts("br-web"), ["10.1.2.1/24"]);
}

#[test]
fn several_interfaces_in_one_sandbox() {
    let host = Host::new();
    let outside = host.outside();
    let (one, _) = host.attach(&world(), "one");
    let second = host.calling("ADD", &world(), &one).ifname("net1");
    let back = Conf::bridge("back").with("isGateway", true).subnet("10.5.0.0/24");
    let third = host.calling("ADD", &back, &one).ifname("net2");
    // One network twice would give two default routes in one sandbox, so the second has its own.
    let plain = second.conf(&dual());
    assert_eq!(plain.run().attached().addresses()[0].to_string(), "10.1.2.3/24");
    assert_eq!(third.run().attached().addresses()[0].to_string(), "10.5.0.2/24");
    assert_eq!(host.ports("br-web").len(), 2);
    host.calling("DEL", &back, &one).ifname("net2").run().succeeds_silently();
    host.calling("DEL", &dual(), &one).ifname("net1").run().succeeds_silently();
    assert!(one.has_link("eth0") && !one.has_link("net1") && !one.has_link("net2"));
    one.reaches("198.51.100.2");
    drop(outside);
}
