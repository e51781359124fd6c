//! What the underlay sees: whose packets, to which port, with which checksum.

use std::collections::BTreeSet;
use std::net::IpAddr;

use cnm_tests::cluster::{Cluster, Family, Overlay, Plan};
use cnm_tests::{Capture, Checksum, Tunnelled};

use super::{all_reach_all, world};

/// The tunnel packets of a network so far.
pub(super) fn tunnelled(wire: &mut Capture, port: u16) -> Vec<Tunnelled> {
    wire.frames().iter().filter_map(|frame| frame.tunnelled(port)).collect()
}

/// What leaves a host has its checksums when it is on the wire, as behind a card that computes none.
#[track_caller]
pub(super) fn without_offload(cluster: &Cluster) {
    for host in cluster.hosts() {
        for cable in 0..cluster.plan().cables() {
            host.run(&format!("ethtool -K up{cable} tx off"));
        }
    }
}

/// Every packet is from one tunnel address of the cluster to another, its checksum good for the receiver.
#[track_caller]
pub(super) fn all_from_tunnel_addresses(cluster: &Cluster, family: Family, packets: &[Tunnelled]) {
    assert!(!packets.is_empty(), "no packet of the network was on the wire");
    let vteps: BTreeSet<IpAddr> = cluster.hosts().map(|host| host.vtep(family)).collect();
    for packet in packets {
        assert!(vteps.contains(&packet.source) && vteps.contains(&packet.target), "{packet:?}");
        match packet.checksum {
            Checksum::Right => {}
            // RFC 7348: zero over IPv4. Over IPv6 a receiver drops it (RFC 6936 would ask it not to).
            Checksum::Absent if family == Family::V4 => {}
            _ => panic!("a bad checksum: {packet:?}"),
        }
    }
}

#[track_caller]
fn from_a_loopback_address(family: Family) {
    let cluster = Cluster::build(Plan::hosts(3).two_cables().loopback());
    without_offload(&cluster);
    let web = world().over(family);
    let mut wire = cluster.router().capture();
    let containers = web.everywhere(&cluster);
    all_reach_all(&containers);
    // Flows enough for both cables.
    let echo = containers[1].0.echo();
    for _ in 0..20 {
        assert!(containers[0].0.asks_udp(containers[1].1.ip(), &echo).is_some());
    }
    let packets = tunnelled(&mut wire, web.port());
    all_from_tunnel_addresses(&cluster, family, &packets);
    let one = cluster.host(1);
    let sent: BTreeSet<usize> = packets
        .iter()
        .filter(|packet| packet.source == one.vtep(family))
        .map(|packet| packet.inner.interface)
        .collect();
    for cable in 0..2 {
        let port = usize::try_from(cluster.router().link(&one.port(cable)).index).expect("an index fits");
        assert!(sent.contains(&port), "nothing of h1 on cable {cable}: {sent:?}");
    }
    // With one cable less it is the same address.
    cluster.unplug(1, 0);
    let mut wire = cluster.router().capture();
    containers[0].0.reaches(containers[1].1.ip());
    containers[2].0.reaches(containers[0].1.ip());
    all_from_tunnel_addresses(&cluster, family, &tunnelled(&mut wire, web.port()));
}

#[test]
fn the_source_is_the_tunnel_address_on_lo_over_ipv4() {
    from_a_loopback_address(Family::V4);
}

#[test]
fn the_source_is_the_tunnel_address_on_lo_over_ipv6() {
    from_a_loopback_address(Family::V6);
}

#[test]
fn the_port_is_the_configured_one() {
    for family in Family::ALL {
        let cluster = Cluster::of(2);
        without_offload(&cluster);
        let web = Overlay::new("web", 100).subnet("10.1.2.0/24").over(family).on_port(8472);
        let mut wire = cluster.router().capture();
        let containers = web.everywhere(&cluster);
        all_reach_all(&containers);
        let packets = tunnelled(&mut wire, 8472);
        all_from_tunnel_addresses(&cluster, family, &packets);
        assert!(packets.iter().all(|packet| packet.vni == 100));
        assert_eq!(tunnelled(&mut wire, 4789), []);
    }
}
