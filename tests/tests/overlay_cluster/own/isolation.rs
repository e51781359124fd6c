//! Two networks do not see each other.

use cnm_tests::cluster::{Cluster, Family, Overlay};

use super::{all_reach_all, nobody_reaches, served, servers, web, world};

#[test]
fn neither_reaches_the_other_though_both_have_gateways() {
    let cluster = Cluster::of(3);
    let red = world().everywhere(&cluster);
    let blue = Overlay::new("blue", 200).subnet("10.1.3.0/24").subnet("fd00:1:3::/64").to_the_world();
    let blue = blue.everywhere(&cluster);
    all_reach_all(&red);
    all_reach_all(&blue);
    let (in_red, in_blue) = (servers(&red), servers(&blue));
    nobody_reaches(&red, &served(&blue, &in_blue));
    nobody_reaches(&blue, &served(&red, &in_red));
}

#[test]
fn neither_reaches_the_other_in_the_same_subnet() {
    let cluster = Cluster::of(3);
    let (red, blue) = (web(), Overlay::new("blue", 200).subnet("10.1.2.0/24"));
    // h2 is only in red, h3 only in blue, h1 in both: its containers have the same address.
    let (one, two, three) = (cluster.host(1), cluster.host(2), cluster.host(3));
    let (red1, red2) = (red.attach(&cluster, one), red.attach(&cluster, two));
    let (blue1, blue3) = (blue.attach(&cluster, one), blue.attach(&cluster, three));
    assert_eq!(red1.1.ip(), blue1.1.ip());
    let (in_red2, in_blue3) = (red2.0.echo(), blue3.0.echo());
    assert_eq!(red1.0.is_seen_as(red2.1.ip(), &in_red2), red1.1.ip());
    assert_eq!(blue1.0.is_seen_as(blue3.1.ip(), &in_blue3), blue1.1.ip());
    let (red2_ip, blue3_ip) = (red2.1.ip(), blue3.1.ip());
    nobody_reaches(&[red1, red2], &[(blue3_ip, &in_blue3)]);
    nobody_reaches(&[blue1, blue3], &[(red2_ip, &in_red2)]);
}

#[test]
fn one_address_in_two_networks_is_two_containers() {
    let cluster = Cluster::of(2);
    let (red, blue) = (web(), Overlay::new("blue", 200).subnet("10.1.2.0/24"));
    let (red, blue) = (red.everywhere(&cluster), blue.everywhere(&cluster));
    let address = red[1].1.ip();
    assert_eq!(address, blue[1].1.ip());
    // A server in red only: who asks in blue reaches blue's container, where nobody serves.
    let echo = red[1].0.echo();
    assert_eq!(red[0].0.is_seen_as(address, &echo), red[0].1.ip());
    blue[0].0.reaches(address);
    assert_eq!(blue[0].0.asks_tcp(address, &echo), None);
    assert_eq!(blue[0].0.asks_udp(address, &echo), None);
}

#[test]
fn an_internal_network_has_no_way_out_and_none_in() {
    let cluster = Cluster::of(2);
    let web = web().with("isGateway", true).with("internal", true);
    let containers = web.everywhere(&cluster);
    all_reach_all(&containers);
    let outside = cluster.world().echo();
    let world = cluster.world_address(Family::V4);
    for (container, _) in &containers {
        container.attempt(&format!("ip route replace default via {}", containers[0].1.gateway(0)));
    }
    nobody_reaches(&containers, &[(world, &outside)]);
    // Nor do other hosts get in: h2 leads there.
    let inside = containers[1].0.echo();
    let router = cluster.router();
    router.run(&format!("ip route add 10.1.2.0/24 via {}", cluster.host(2).address(Family::V4, 0)));
    cluster.host(2).set_sysctl("net/ipv4/ip_forward", "1");
    router.cannot_reach(containers[1].1.ip());
    assert_eq!(router.asks_tcp(containers[1].1.ip(), &inside), None);
}
