//! Masquerading and published ports beside the tunnels: neither touches the other's packets.

use cnm_tests::cluster::{Cluster, Family};
use cnm_tests::{Capture, Frame};

use super::outer::{all_from_tunnel_addresses, tunnelled, without_offload};
use super::{all_reach_all, world};

/// Addresses of the overlay that are on the wire outside of tunnels.
#[track_caller]
fn nothing_of_the_overlay_is_bare(wire: &mut Capture) {
    let overlay: [ipnet::IpNet; 2] = ["10.1.2.0/24", "fd00:1:2::/64"].map(|subnet| subnet.parse().expect("a subnet"));
    let bare = |frame: &&Frame| {
        frame.addresses().is_some_and(|(source, target)| {
            overlay.iter().any(|subnet| subnet.contains(&source) || subnet.contains(&target))
        })
    };
    let frames: Vec<Frame> = wire.frames().iter().filter(bare).cloned().collect();
    assert_eq!(frames, [], "packets of the overlay outside of its tunnels");
}

#[test]
fn masquerading_is_for_what_leaves_the_overlay_alone() {
    for underlay in Family::ALL {
        let cluster = Cluster::of(3);
        without_offload(&cluster);
        let web = world().over(underlay);
        let mut wire = cluster.router().capture();
        let containers = web.everywhere(&cluster);
        let outside = cluster.world().echo();
        // Between containers nobody is masqueraded …
        all_reach_all(&containers);
        for (host, (container, _)) in cluster.hosts().zip(&containers) {
            // … and the world sees the container's host.
            for family in Family::ALL {
                let seen = container.is_seen_as(cluster.world_address(family), &outside);
                assert_eq!(seen, host.address(family, 0), "{} over {underlay}", container.name());
            }
        }
        all_reach_all(&containers);
        all_from_tunnel_addresses(&cluster, underlay, &tunnelled(&mut wire, web.port()));
        nothing_of_the_overlay_is_bare(&mut wire);
    }
}
