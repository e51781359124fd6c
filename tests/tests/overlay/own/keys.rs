//! What each key does: devices, result, entries.

use cnm_tests::Conf;
use serde_json::json;

use super::{HERE, HERE6, Site, THERE, THERE6, bare, blue, forwarding, vxlan, world};

#[test]
fn bridge_and_vxlan_are_made_and_the_result_tells() {
    let site = Site::new();
    let (one, result) = site.attach(&world(), "one");
    assert_eq!(result.interfaces()[0], "ov42");
    assert_eq!(result.mac("ov42").as_deref(), Some("02:76:78:00:00:2a"));
    assert_eq!((one.link("eth0").mtu, site.link("ov42").mtu, site.link("vx42").mtu), (1450, 1450, 1450));
    assert_eq!(result.json()["interfaces"][2]["mtu"], 1450, "{}", result.json());
    assert!(one.has_route("default", "10.1.2.1") && one.has_route("default", "fd00:1:2::1"), "{:?}", one.routes());
    let (device, data) = (site.link("vx42"), vxlan(&site, "vx42"));
    assert_eq!((device.kind.as_str(), device.master.as_deref(), device.up), ("vxlan", Some("ov42"), true));
    for (key, value) in [
        ("id", json!(42)),
        ("port", json!(4789)),
        ("local", json!(HERE)),
        ("link", json!("up0")),
        ("learning", json!(true)),
        ("udp_csum", json!(true)),
    ] {
        assert_eq!(data[key], value, "{key}: {data}");
    }
    // Our own address among the peers is no peer.
    let gateway = format!("02:76:78:00:00:2a dst {HERE}");
    assert_eq!(forwarding(&site, "vx42"), [format!("00:00:00:00:00:00 dst {THERE}"), gateway]);
    for flag in ["neigh_suppress", "isolated"] {
        assert_eq!(device.port_flag(flag), Some(false), "{flag}");
    }
    for flag in ["learning", "flood", "bcast_flood", "mcast_flood"] {
        assert_eq!(device.port_flag(flag), Some(true), "{flag}");
    }
    assert!(site.link("ov42").alias.contains("cnm network") && device.alias.contains("blue"), "{device:?}");
}

/// systemd-udevd gives a device a MAC of its own choice unless its assign type (`NET_ADDR_SET`, 3) says that somebody
/// has chosen one.
#[test]
fn udev_would_leave_the_hardware_addresses_alone() {
    let site = Site::new();
    let _one = site.attach(&world(), "one");
    site.run("mkdir -p /run/sys");
    // sysfs shows the network namespace of whoever mounts it.
    site.run("mount -t sysfs sysfs /run/sys");
    for device in ["ov42", "vx42"] {
        assert_eq!(site.run(&format!("cat /run/sys/class/net/{device}/addr_assign_type")).trim(), "3", "{device}");
    }
    site.run("umount /run/sys");
}

#[test]
fn port_bridge_and_a_tunnel_address_without_device() {
    let site = Site::new();
    let conf = bare("blue", 7).without("underlay").with("local", HERE).with("port", 8472).with("bridge", "br-blue");
    let (_one, result) = site.attach(&conf, "one");
    assert_eq!(result.interfaces()[0], "br-blue");
    let data = vxlan(&site, "vx7");
    assert_eq!((&data["port"], &data["local"], &data["link"]), (&json!(8472), &json!(HERE), &json!(null)), "{data}");
    assert_eq!(site.link("vx7").master.as_deref(), Some("br-blue"));
    assert_eq!(site.link("vx7").mtu, 1450, "of the device that has the address");
}

#[test]
fn an_underlay_of_ipv6() {
    let site = Site::new();
    for (key, value) in [("underlay", "up0"), ("underlay", HERE6), ("local", HERE6)] {
        let conf = bare("blue", 42).without("underlay").with(key, value).with("peers", json!([HERE6, THERE6]));
        let (one, _) = site.attach(&conf, "one");
        let data = vxlan(&site, "vx42");
        assert_eq!(data["local6"], HERE6, "{data}");
        assert_eq!(site.link("vx42").mtu, 1430);
        assert_eq!(one.link("eth0").mtu, 1430);
        assert_eq!(forwarding(&site, "vx42"), [format!("00:00:00:00:00:00 dst {THERE6}")]);
        site.del(&conf, &one).succeeds_silently();
        one.vanish();
    }
}

#[test]
fn the_first_address_of_the_underlay_is_taken_unless_local_names_another() {
    let site = Site::new();
    site.run("ip addr add 192.0.2.77/24 dev up0");
    let (one, _) = site.attach(&blue(), "one");
    assert_eq!(vxlan(&site, "vx42")["local"], HERE);
    site.del(&blue(), &one).succeeds_silently();
    let conf = blue().with("local", "192.0.2.77");
    site.add(&conf, &one).succeeds();
    let data = vxlan(&site, "vx42");
    assert_eq!((&data["local"], &data["link"]), (&json!("192.0.2.77"), &json!("up0")));
}

#[test]
fn a_group_is_joined_on_the_underlay() {
    let site = Site::new();
    let conf = bare("blue", 42).with("group", "239.1.1.1").subnet(super::V4);
    let (one, _) = site.attach(&conf, "one");
    let data = vxlan(&site, "vx42");
    assert_eq!((&data["group"], &data["link"]), (&json!("239.1.1.1"), &json!("up0")), "{data}");
    assert!(site.run("ip maddr show dev up0").contains("239.1.1.1"));
    site.del(&conf, &one).succeeds_silently();
    assert!(!site.run("ip maddr show dev up0").contains("239.1.1.1"));
}

#[test]
fn isolated_ports_are_isolated_from_other_hosts_too() {
    for conf in [blue().with("icc", false), blue().with("portIsolation", true)] {
        let site = Site::new();
        site.joins(42, &["10.1.2.99/24"]);
        let (one, result) = site.attach(&conf, "one");
        assert_eq!(site.link("vx42").port_flag("isolated"), Some(true));
        one.cannot_reach("10.1.2.99");
        site.far.cannot_reach(result.ip());
    }
}

#[test]
fn a_second_endpoint_changes_nothing_of_the_network() {
    let site = Site::new();
    let (_one, _) = site.attach(&world(), "one");
    let device = |site: &Site, name: &str| {
        let link = site.link(name);
        (link.index, link.mac, link.mtu, link.group, link.alias)
    };
    let network =
        |site: &Site| (device(site, "ov42"), device(site, "vx42"), vxlan(site, "vx42"), forwarding(site, "vx42"));
    let before = network(&site);
    let (_two, _) = site.attach(&world(), "two");
    assert_eq!(network(&site), before);
}

/// What the configuration has learnt since is told to the kernel by the next ADD.
#[test]
fn a_peer_that_is_new_in_the_configuration_comes_with_the_next_endpoint() {
    let site = Site::new();
    let (_one, _) = site.attach(&blue(), "one");
    let more: Conf = blue().with("peers", json!([THERE, "192.0.2.3"]));
    let (_two, _) = site.attach(&more, "two");
    let entries = [THERE, "192.0.2.3"].map(|peer| format!("00:00:00:00:00:00 dst {peer}"));
    assert_eq!(forwarding(&site, "vx42"), entries);
}

/// Flooding goes to exactly the peers: who is no longer one hears nothing any more.
#[test]
fn a_peer_that_has_left_the_configuration_goes_with_the_next_endpoint() {
    let site = Site::new();
    let (_one, _) = site.attach(&blue().with("peers", json!([THERE, "192.0.2.3"])), "one");
    let (_two, _) = site.attach(&blue(), "two");
    assert_eq!(forwarding(&site, "vx42"), [format!("00:00:00:00:00:00 dst {THERE}")]);
}
