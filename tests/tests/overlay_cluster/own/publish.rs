//! Masquerading and published ports beside the tunnels: neither touches the other's packets.

use std::net::{IpAddr, SocketAddr};

use cnm_tests::cluster::{Cluster, Family};
use cnm_tests::{Capture, Conf, Frame, Namespace};
use serde_json::{Value, json};

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

#[test]
fn also_on_a_host_that_masquerades_whatever_leaves_it() {
    for underlay in Family::ALL {
        let cluster = Cluster::of(3);
        without_offload(&cluster);
        for host in cluster.hosts() {
            // An administrator's rule: it sees the tunnels' packets, too.
            host.write_file(
                "/run/all.nft",
                "table inet admin { chain out { type nat hook postrouting priority 100; oifname \"up0\" masquerade; }; }",
            );
            host.run("nft -f /run/all.nft");
        }
        let web = world().over(underlay);
        let mut wire = cluster.router().capture();
        let containers = web.everywhere(&cluster);
        all_reach_all(&containers);
        let outside = cluster.world().echo();
        for (host, (container, _)) in cluster.hosts().zip(&containers) {
            let seen = container.is_seen_as(cluster.world_address(Family::V4), &outside);
            assert_eq!(seen, host.address(Family::V4, 0), "{} over {underlay}", container.name());
        }
        all_from_tunnel_addresses(&cluster, underlay, &tunnelled(&mut wire, web.port()));
        nothing_of_the_overlay_is_bare(&mut wire);
    }
}

/// The host's port that leads to its container, and the container's.
const PUBLISHED: u16 = 8080;
const SERVED: u16 = 80;

#[test]
fn published_ports_lead_to_the_container_of_their_host() {
    for underlay in Family::ALL {
        let cluster = Cluster::of(3);
        without_offload(&cluster);
        let web = world().over(underlay);
        let mut wire = cluster.router().capture();
        let containers = web.everywhere(&cluster);
        let portmap = Conf::new("portmap", web.name())
            .with("capabilities", json!({ "portMappings": true }))
            .with("runtimeConfig", json!({ "portMappings": [mapping("tcp"), mapping("udp")] }));
        let mut servers = Vec::new();
        for (host, (container, result)) in cluster.hosts().zip(&containers).take(2) {
            host.add(&portmap.clone().after(result.json()), container).succeeds();
            servers.push(container.echo_on(SERVED));
        }
        for family in Family::ALL {
            let [one, two] = [1, 2].map(|number| SocketAddr::new(cluster.host(number).address(family, 0), PUBLISHED));
            let world = cluster.world_address(family);
            // From outside, as who it is.
            is_seen_as(cluster.world(), one, world);
            is_seen_as(cluster.world(), two, world);
            // From a container of another host, which leaves the overlay for it and so looks like its host …
            is_seen_as(&containers[2].0, one, cluster.host(3).address(family, 0));
            is_seen_as(&containers[0].0, two, cluster.host(1).address(family, 0));
            // … from another host itself, and from one where nothing is published there is no answer.
            is_seen_as(cluster.host(3), one, cluster.host(3).address(family, 0));
            let nobody = SocketAddr::new(cluster.host(3).address(family, 0), PUBLISHED);
            assert_eq!(cluster.world().asks_tcp_at(nobody), None);
            // Within the overlay the container is reached as ever, unchanged by anybody.
            let (target, own) = (&containers[0].1, &containers[1].1);
            let place = usize::from(family == Family::V6);
            let direct = SocketAddr::new(target.addresses()[place].addr(), SERVED);
            is_seen_as(&containers[1].0, direct, own.addresses()[place].addr());
        }
        drop(servers);
        all_reach_all(&containers);
        all_from_tunnel_addresses(&cluster, underlay, &tunnelled(&mut wire, web.port()));
        nothing_of_the_overlay_is_bare(&mut wire);
        for (host, (container, result)) in cluster.hosts().zip(&containers).take(2) {
            host.del(&portmap.clone().after(result.json()), container).succeeds_silently();
        }
        let gone = SocketAddr::new(cluster.host(1).address(Family::V4, 0), PUBLISHED);
        assert_eq!(cluster.world().asks_tcp_at(gone), None);
    }
}

fn mapping(protocol: &str) -> Value {
    json!({ "hostPort": PUBLISHED, "containerPort": SERVED, "protocol": protocol })
}

/// The server at `server` sees `from` as `who`, by TCP and UDP.
#[track_caller]
fn is_seen_as(from: &Namespace, server: SocketAddr, who: IpAddr) {
    from.reaches(server.ip());
    assert_eq!(from.asks_tcp_at(server), Some(who), "{} asks {server} by TCP", from.label());
    assert_eq!(from.asks_udp_at(server), Some(who), "{} asks {server} by UDP", from.label());
}
