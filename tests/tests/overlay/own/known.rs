//! `fdb` and `neighbours`: everything is known, nothing is flooded, ARP and ND are answered here.

use cnm_tests::Conf;
use serde_json::json;

use super::{HERE, Site, THERE, V4, V6, bare, forwarding, vxlan};

/// The station behind the far side, and one on this host.
const REMOTE: &str = "02:00:00:00:09:01";
const LOCAL: &str = "02:00:00:00:09:02";

fn known() -> Conf {
    bare("blue", 42)
        .subnet(V4)
        .subnet(V6)
        .with("fdb", json!([{ "mac": REMOTE, "vtep": THERE }, { "mac": LOCAL, "vtep": HERE }]))
        .with(
            "neighbours",
            json!([
                { "ip": "10.1.2.91", "mac": REMOTE },
                { "ip": "fd00:1:2::91", "mac": REMOTE },
                { "ip": "10.1.2.2", "mac": LOCAL },
            ]),
        )
}

#[test]
fn exact_entries_and_a_port_that_neither_floods_nor_learns() {
    let site = Site::new();
    let (_one, _) = site.attach(&known(), "one");
    assert_eq!(vxlan(&site, "vx42")["learning"], json!(false));
    // What is behind our own address is not behind a tunnel.
    assert_eq!(forwarding(&site, "vx42"), [format!("{REMOTE} dst {THERE}"), format!("{REMOTE} master")]);
    let port = site.link("vx42");
    for (flag, on) in [
        ("neigh_suppress", true),
        ("learning", false),
        ("flood", false),
        ("mcast_flood", false),
        ("bcast_flood", false),
    ] {
        assert_eq!(port.port_flag(flag), Some(on), "{flag}");
    }
    let neighbours = site.run("ip neigh show dev ov42 nud permanent");
    for ip in ["10.1.2.91", "fd00:1:2::91"] {
        assert!(
            neighbours.lines().any(|line| line.starts_with(&format!("{ip} ")) && line.contains(REMOTE)),
            "{neighbours}"
        );
    }
    assert!(!neighbours.contains("10.1.2.2 "), "{neighbours}");
}

#[test]
fn who_is_known_is_answered_for_and_nobody_is_asked_far_away() {
    let site = Site::new();
    let (one, _) = site.attach(&known(), "one");
    let mut capture = site.far.capture();
    for ip in ["10.1.2.91", "fd00:1:2::91"] {
        let _ = one.ping(ip);
        assert_eq!(one.neighbour(ip).as_deref(), Some(REMOTE), "{ip}");
    }
    assert!(!one.ping("10.1.2.92"), "nobody knows it");
    // Encapsulated frames: what follows Ethernet, IPv4, UDP and VXLAN (50 bytes) is the inner frame.
    let inner = |bytes: &[u8]| bytes.get(50..).map(<[u8]>::to_vec).unwrap_or_default();
    let tunnelled: Vec<Vec<u8>> = capture
        .frames()
        .iter()
        .filter(|frame| {
            frame.bytes.get(12..14) == Some(&[0x08, 0x00]) && frame.bytes.get(36..38) == Some(&[0x12, 0xb5])
        })
        .map(|frame| inner(&frame.bytes))
        .collect();
    assert!(!tunnelled.is_empty(), "the echo requests themselves go to the far side");
    for frame in tunnelled {
        assert_eq!(frame.get(..6), Some(&[0x02, 0, 0, 0, 9, 1][..]), "a frame for somebody else: {frame:02x?}");
        assert_ne!(frame.get(12..14), Some(&[0x08, 0x06][..]), "an ARP request: {frame:02x?}");
    }
}

#[test]
fn a_station_that_is_known_is_reached() {
    let site = Site::new();
    let (one, result) = site.attach(&known(), "one");
    let mac = one.link("eth0").mac;
    site.far.run(&format!(
        "ip link add vx42 address {REMOTE} type vxlan id 42 dstport 4789 local {THERE} dev eth0 nolearning"
    ));
    site.far.run(&format!("bridge fdb add {mac} dev vx42 dst {HERE}"));
    site.far.run("ip link set vx42 mtu 1450 up");
    site.far.run("ip addr add 10.1.2.91/24 dev vx42");
    site.far.run(&format!("ip neigh add {} lladdr {mac} dev vx42 nud permanent", result.ip()));
    one.reaches("10.1.2.91");
    site.far.reaches(result.ip());
}
