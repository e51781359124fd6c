//! CHECK names what was tampered with.

use cnm_tests::Conf;
use serde_json::json;

use super::{Site, THERE, bare, blue, world};

/// Attaches `one`, checks, does the damage, and wants CHECK to fail with all of `words`.
#[track_caller]
fn finds(conf: &Conf, damage: &str, words: &[&str]) {
    let site = Site::new();
    let (one, result) = site.attach(conf, "one");
    let conf = conf.clone().after(result.json());
    site.check(&conf, &one).succeeds_silently();
    site.write_file("/run/damage", damage);
    site.run("sh -e /run/damage");
    let outcome = site.check(&conf, &one);
    assert!(!outcome.status.success(), "CHECK does not see: {damage}");
    outcome.fails().says(words);
}

#[test]
fn the_devices() {
    finds(&world(), "ip link del vx42", &["vxlan vx42", "is missing"]);
    finds(&world(), "ip link set vx42 down", &["vx42", "is down"]);
    finds(&world(), "ip link set vx42 nomaster", &["vxlan vx42", "is not a port of ov42"]);
    finds(&world(), "ip link set vx42 mtu 1400", &["vxlan vx42", "has MTU 1400, not 1450"]);
    finds(&world(), "ip link set ov42 down", &["bridge ov42", "is down"]);
    finds(
        &world(),
        "ip link set ov42 address 02:00:00:00:00:99",
        &["bridge ov42", "02:00:00:00:00:99", "02:76:78:00:00:2a"],
    );
    finds(&world(), "ip link del ov42", &["bridge ov42", "is missing"]);
}

#[test]
fn another_device_in_the_place_of_ours() {
    for (differs, words) in [
        ("id 43 dstport 4789 local 192.0.2.1 dev up0", "has VNI 43, not 42"),
        ("id 42 dstport 4790 local 192.0.2.1 dev up0", "has UDP port 4790, not 4789"),
        ("id 42 dstport 4789 local 192.0.2.77 dev up0", "has local address 192.0.2.77, not 192.0.2.1"),
        ("id 42 dstport 4789 local 192.0.2.1", "sends by link 0"),
        ("id 42 dstport 4789 local 192.0.2.1 dev up0 nolearning", "has learning off, not on"),
    ] {
        let damage = format!(
            "ip link del vx42; ip link add vx42 mtu 1450 type vxlan {differs}; ip link set vx42 master ov42 up"
        );
        finds(&blue(), &damage, &["vxlan vx42", words]);
    }
}

#[test]
fn the_entries() {
    let lost = format!("bridge fdb del 00:00:00:00:00:00 dev vx42 dst {THERE}");
    finds(&blue(), &lost, &["forwarding entry", THERE, "vx42", "is missing"]);
    finds(&blue(), "bridge fdb append 00:00:00:00:00:00 dev vx42 dst 192.0.2.9", &["192.0.2.9", "vx42", "is no peer"]);
    finds(&world(), "bridge fdb del 02:76:78:00:00:2a dev vx42 dst 192.0.2.1", &["02:76:78:00:00:2a dst 192.0.2.1"]);
    let known = bare("blue", 42)
        .with("fdb", json!([{ "mac": "02:00:00:00:09:01", "vtep": THERE }]))
        .with("neighbours", json!([{ "ip": "10.1.2.91", "mac": "02:00:00:00:09:01" }]));
    let self_lost = format!("bridge fdb del 02:00:00:00:09:01 dev vx42 dst {THERE} self");
    finds(&known, &self_lost, &["forwarding entry 02:00:00:00:09:01", THERE, "is missing"]);
    finds(&known, "bridge fdb del 02:00:00:00:09:01 dev vx42 master", &["02:00:00:00:09:01 master", "is missing"]);
    let neighbour = "ip neigh del 10.1.2.91 dev ov42";
    finds(&known, neighbour, &["neighbour 10.1.2.91 lladdr 02:00:00:00:09:01 on ov42", "is missing"]);
    finds(&known, "bridge link set dev vx42 neigh_suppress off", &["bridge port vx42", "neigh_suppress off"]);
    finds(&known, "bridge link set dev vx42 flood on", &["bridge port vx42", "flood on"]);
}

#[test]
fn addresses_and_routes() {
    finds(&world(), "ip addr del 10.1.2.1/24 dev ov42", &["10.1.2.1/24", "ov42"]);
    finds(&world(), "ip -n one route del default via 10.1.2.1", &["route", "10.1.2.1"]);
    finds(&world(), "ip route del 10.1.2.0/24 dev ov42", &["route 10.1.2.0/24 on ov42 on the host", "is missing"]);
    finds(&world(), "ip -6 route del fd00:1:2::/64 dev ov42", &["route fd00:1:2::/64 on ov42", "is missing"]);
}

#[test]
fn the_way_to_a_peer() {
    let site = Site::new();
    site.run(&format!("ip route add 203.0.113.0/24 via {THERE}"));
    let conf = blue().with("peers", json!(["203.0.113.9"]));
    let (one, result) = site.attach(&conf, "one");
    let conf = conf.after(result.json());
    site.check(&conf, &one).succeeds_silently();
    site.run("ip route del 203.0.113.0/24");
    site.check(&conf, &one).fails().says(&["no route to 203.0.113.9"]);
}

#[test]
fn what_keeps_overlays_apart() {
    finds(&blue(), "nft delete element inet cnm apart_out '{ \"ov42\" }'", &["ov42", "apart_out", "is missing"]);
}

#[test]
fn the_underlay() {
    finds(&blue(), "ip addr del 192.0.2.1/24 dev up0", &["underlay", "up0"]);
    finds(&blue(), "ip link set up0 mtu 1400", &["has MTU 1450, not 1350"]);
}
