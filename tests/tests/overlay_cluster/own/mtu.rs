//! The largest packet of a container is the largest that the underlay carries, to the byte.

use cnm_tests::cluster::{Cluster, Family, Overlay, Plan};
use cnm_tests::{Attached, Frame, Sandbox};

/// Bytes of the outer Ethernet-in-UDP headers that a packet of the overlay has on the wire: inner Ethernet 14,
/// VXLAN 8, UDP 8, IP 20 or 40.
fn outer(family: Family) -> u64 {
    match family {
        Family::V4 => 50,
        Family::V6 => 70,
    }
}

/// An echo request of `size` bytes of IP that must not be fragmented.
fn passes(from: &Sandbox, to: &Attached, inner: usize, size: u64) -> bool {
    let headers = [28, 48][inner];
    let target = to.addresses()[inner].addr();
    from.attempt(&format!("ping -n -q -c 1 -W 1 -M do -s {} {target}", size - headers)).status.success()
}

#[track_caller]
fn exact(cables: u32, underlay: Family) {
    let cluster = Cluster::build(Plan::hosts(2).mtu(cables));
    let web = Overlay::new("web", 100).subnet("10.1.2.0/24").subnet("fd00:1:2::/64").over(underlay);
    let containers = web.everywhere(&cluster);
    let [(one, _), (_, second)] = containers.as_slice() else { panic!("two hosts") };
    let mtu = u64::from(cables) - outer(underlay);
    let host = cluster.host(1);
    let devices = [one.link("eth0"), host.link(&web.device()), host.link(web.bridge())];
    assert_eq!(devices.map(|link| link.mtu), [mtu; 3], "eth0, VXLAN device, bridge");
    for address in second.addresses() {
        one.reaches(address.addr());
    }
    let mut wire = cluster.router().capture();
    for inner in 0..2 {
        assert!(passes(one, second, inner, mtu), "{mtu} bytes of family {inner} over {underlay}");
        assert!(!passes(one, second, inner, mtu + 1), "{} bytes of family {inner} over {underlay}", mtu + 1);
    }
    let frames = wire.frames();
    let longest = frames.iter().filter_map(|frame| frame.tunnelled(web.port())).map(|packet| packet.length).max();
    assert_eq!(longest, Some(cables as usize), "the largest packet fills the cable");
    assert!(!frames.iter().any(Frame::is_fragment), "nothing is fragmented on the wire");
    // Nor does a byte more pass when the container itself would send it.
    for (container, _) in &containers {
        container.run(&format!("ip link set eth0 mtu {}", mtu + 1));
    }
    for inner in 0..2 {
        assert!(!passes(one, second, inner, mtu + 1), "{} bytes of family {inner} over {underlay}", mtu + 1);
    }
}

#[test]
fn over_ipv4() {
    exact(1500, Family::V4);
}

#[test]
fn over_ipv6() {
    exact(1500, Family::V6);
}

#[test]
fn over_short_cables() {
    exact(1400, Family::V4);
    exact(1400, Family::V6);
}

#[test]
fn over_jumbo_frames() {
    exact(9000, Family::V4);
    exact(9000, Family::V6);
}
