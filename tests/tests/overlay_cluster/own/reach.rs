//! Five hosts, two networks: any to any.

use cnm_tests::cluster::{Cluster, Family, MOST_HOSTS, Overlay, Plan};

use serde_json::json;

use super::{all_reach_all, world};

fn blue() -> Overlay {
    Overlay::new("blue", 200).subnet("10.1.3.0/24").subnet("fd00:1:3::/64")
}

#[test]
fn five_hosts_and_two_networks_over_ipv4() {
    let cluster = Cluster::of(5);
    let (web, blue) = (world().everywhere(&cluster), blue().everywhere(&cluster));
    all_reach_all(&web);
    all_reach_all(&blue);
}

#[test]
fn five_hosts_and_two_networks_over_ipv6() {
    let cluster = Cluster::of(5);
    let web = world().over(Family::V6).everywhere(&cluster);
    let blue = blue().over(Family::V6).everywhere(&cluster);
    all_reach_all(&web);
    all_reach_all(&blue);
}

#[test]
fn as_many_hosts_as_the_rig_has() {
    let cluster = Cluster::of(MOST_HOSTS);
    let containers = world().everywhere(&cluster);
    let (last, source) = containers.last().expect("25 containers");
    let echo = last.echo();
    for (container, result) in containers.iter().filter(|(container, _)| container.id() != last.id()) {
        assert_eq!(container.is_seen_as(source.ip(), &echo), result.ip());
        last.reaches(result.ip());
    }
}

#[test]
fn a_multicast_group_instead_of_peers() {
    for (family, group) in [(Family::V4, "239.1.1.1"), (Family::V6, "ff05::100")] {
        let cluster = Cluster::build(Plan::hosts(3).switched());
        let web = world().over(family);
        let containers: Vec<_> = cluster
            .hosts()
            .map(|host| {
                let conf =
                    web.on(&cluster, host).without("peers").with("group", group).with("underlay", host.uplink(0));
                host.attach(&conf, &format!("web{}", host.number()))
            })
            .collect();
        all_reach_all(&containers);
    }
}

#[test]
fn entries_known_in_advance_need_no_flooding() {
    let cluster = Cluster::of(3);
    let web = super::web().subnet("fd00:1:2::/64");
    // The MACs are chosen, so that they are known: 02:00:00:00:00:<host>.
    let mac = |number: usize| format!("02:00:00:00:00:{number:02x}");
    let ips = |number: usize| [format!("10.1.2.{}", 8 * number), format!("fd00:1:2::{:x}", 8 * number)];
    let fdb: Vec<_> =
        (1..=3).map(|number| json!({ "mac": mac(number), "vtep": cluster.host(number).vtep(Family::V4) })).collect();
    let neighbours: Vec<_> =
        (1..=3).flat_map(|number| ips(number).map(|ip| json!({ "ip": ip, "mac": mac(number) }))).collect();
    let mut wire = cluster.router().capture();
    let containers: Vec<_> = cluster
        .hosts()
        .map(|host| {
            let conf = web.on(&cluster, host).without("peers").with("fdb", fdb.clone());
            let conf =
                conf.with("neighbours", neighbours.clone()).with("runtimeConfig", json!({ "mac": mac(host.number()) }));
            host.attach(&conf, &format!("web{}", host.number()))
        })
        .collect();
    for (container, result) in &containers {
        assert_eq!(
            result.mac("eth0"),
            Some(mac(container.name().trim_start_matches("web").parse().expect("a number")))
        );
    }
    all_reach_all(&containers);
    let broadcast = |frame: &cnm_tests::Frame| {
        frame.tunnelled(web.port()).is_some_and(|packet| packet.inner.bytes.first().is_some_and(|byte| byte & 1 == 1))
    };
    let flooded: Vec<_> = wire.frames().iter().filter(|frame| broadcast(frame)).cloned().collect();
    assert_eq!(flooded, [], "ARP and ND are answered locally, and nothing is flooded");
}
