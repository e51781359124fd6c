//! One gateway on every host: the same address, the same MAC, and each container uses its own host's.

use cnm_tests::cluster::{Cluster, Family};

use super::{all_reach_all, world};

#[test]
fn the_gateway_has_one_address_and_one_mac_on_all_hosts() {
    let cluster = Cluster::of(3);
    let web = world();
    let containers = web.everywhere(&cluster);
    let gateways: Vec<_> = (0..2).map(|family| containers[0].1.gateway(family)).collect();
    let mac = cluster.host(1).link(web.bridge()).mac;
    for (host, (container, result)) in cluster.hosts().zip(&containers) {
        assert_eq!(host.link(web.bridge()).mac, mac, "{}", host.label());
        assert_eq!(host.address_texts(web.bridge()), ["10.1.2.1/24", "fd00:1:2::1/64"], "{}", host.label());
        for (family, gateway) in gateways.iter().enumerate() {
            assert_eq!(result.gateway(family), *gateway);
            container.reaches(gateway);
            assert_eq!(container.neighbour(&gateway.to_string()).as_ref(), Some(&mac), "{}", container.name());
        }
    }
}

#[test]
fn each_container_leaves_by_its_own_host() {
    let cluster = Cluster::of(2);
    let web = world();
    let containers = web.everywhere(&cluster);
    all_reach_all(&containers);
    let outside = cluster.world().echo();
    let mut wire = cluster.router().capture();
    for (host, (container, _)) in cluster.hosts().zip(&containers) {
        for family in Family::ALL {
            assert_eq!(container.is_seen_as(cluster.world_address(family), &outside), host.address(family, 0));
        }
    }
    // The gateway is asked for and answers on its host: no other host hears a word of it.
    let gateways: Vec<_> = (0..2).map(|family| containers[0].1.gateway(family)).collect();
    let strays: Vec<_> = wire
        .frames()
        .iter()
        .filter_map(|frame| frame.tunnelled(web.port()))
        .filter(|packet| packet.inner.addresses().is_some_and(|(_, target)| gateways.contains(&target)))
        .collect();
    assert_eq!(strays, [], "packets to the gateway in the tunnels");
}

#[test]
fn a_container_that_moves_keeps_what_it_knows_of_the_gateway() {
    let cluster = Cluster::of(2);
    let web = world();
    let (one, two) = (cluster.host(1), cluster.host(2));
    let (first, result) = web.attach(&cluster, one);
    let outside = cluster.world().echo();
    let world = cluster.world_address(Family::V4);
    assert_eq!(first.is_seen_as(world, &outside), one.address(Family::V4, 0));
    let gateway = result.gateway(0);
    let mac = first.neighbour(&gateway.to_string()).expect("the gateway was used");
    one.del(&web.on(&cluster, one).after(result.json()), &first).succeeds_silently();
    // The same container with its address on another host, its entry as it was: nobody is asked anew.
    let conf = web.with_address(&cluster, two, result.ip());
    let (moved, _) = two.attach(&conf, "moved");
    moved.run(&format!("ip neigh replace {gateway} lladdr {mac} dev eth0 nud permanent"));
    assert_eq!(moved.is_seen_as(world, &outside), two.address(Family::V4, 0));
}
