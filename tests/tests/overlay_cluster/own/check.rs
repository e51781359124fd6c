//! What is changed behind our back, CHECK names.

use cnm_tests::cluster::{Cluster, Family, Node, Overlay};
use cnm_tests::{Conf, Sandbox};
use serde_json::json;

use super::{web, world};

/// CHECK is content, `tamper` with the host or the container, and it says every one of `words`.
#[track_caller]
fn names(web: &Overlay, complete: impl Fn(&Node, Conf) -> Conf, tamper: impl Fn(&Node, &Sandbox), words: &[&str]) {
    let cluster = Cluster::of(2);
    let host = cluster.host(1);
    let conf = complete(host, web.on(&cluster, host));
    let (container, result) = host.attach(&conf, "one");
    let conf = conf.after(result.json());
    host.check(&conf, &container).succeeds_silently();
    tamper(host, &container);
    host.check(&conf, &container).fails().says(words);
}

fn as_it_is(_: &Node, conf: Conf) -> Conf {
    conf
}

/// Entries known in advance, for a container on h2.
fn known(_: &Node, conf: Conf) -> Conf {
    conf.without("peers")
        .with("fdb", json!([{ "mac": "02:00:00:00:00:02", "vtep": "198.18.2.1" }]))
        .with("neighbours", json!([{ "ip": "10.1.2.16", "mac": "02:00:00:00:00:02" }]))
}

#[test]
fn the_vxlan_device() {
    names(&web(), as_it_is, |host, _| drop(host.run("ip link del vx100")), &["vx100"]);
}

#[test]
fn the_bridge() {
    names(&web(), as_it_is, |host, _| drop(host.run("ip link del br-web")), &["br-web"]);
}

#[test]
fn a_vxlan_device_that_is_down() {
    names(&web(), as_it_is, |host, _| drop(host.run("ip link set vx100 down")), &["vx100"]);
}

#[test]
fn a_vxlan_device_that_left_the_bridge() {
    names(&web(), as_it_is, |host, _| drop(host.run("ip link set vx100 nomaster")), &["vx100"]);
}

#[test]
fn another_vxlan_device_in_its_place() {
    let replace = |host: &Node, _: &Sandbox| {
        let local = host.vtep(Family::V4);
        host.run("ip link del vx100");
        host.ip_batch(&[
            format!("link add vx100 mtu 1450 type vxlan id 101 local {local} dstport 4789"),
            "link set vx100 master br-web".into(),
            "link set vx100 up".into(),
        ]);
    };
    names(&web(), as_it_is, replace, &["vx100", "101"]);
}

#[test]
fn the_flood_entry_of_a_peer() {
    let del = |host: &Node, _: &Sandbox| {
        host.run("bridge fdb del 00:00:00:00:00:00 dev vx100 dst 198.18.2.1");
    };
    names(&web(), as_it_is, del, &["vx100", "198.18.2.1"]);
}

#[test]
fn the_entry_of_a_container() {
    let del = |host: &Node, _: &Sandbox| {
        host.run("bridge fdb del 02:00:00:00:00:02 dev vx100 dst 198.18.2.1 self");
    };
    names(&web(), known, del, &["vx100", "02:00:00:00:00:02", "198.18.2.1"]);
}

#[test]
fn the_entry_of_a_neighbour() {
    let del = |host: &Node, _: &Sandbox| {
        let table = host.run("ip neigh show nud all");
        let entry = table.lines().find(|line| line.starts_with("10.1.2.16 ")).unwrap_or_else(|| panic!("{table}"));
        let device = entry.split(' ').skip_while(|word| *word != "dev").nth(1).expect("a device");
        host.run(&format!("ip neigh del 10.1.2.16 dev {device}"));
    };
    names(&web(), known, del, &["10.1.2.16"]);
}

#[test]
fn neighbour_suppression() {
    let off = |host: &Node, _: &Sandbox| drop(host.run("bridge link set dev vx100 neigh_suppress off"));
    names(&web(), known, off, &["vx100"]);
}

#[test]
fn a_route_of_the_container() {
    let del = |_: &Node, container: &Sandbox| drop(container.run("ip route del default"));
    names(&world(), as_it_is, del, &["0.0.0.0/0"]);
}

#[test]
fn the_gateway_address() {
    let del = |host: &Node, _: &Sandbox| drop(host.run("ip addr del 10.1.2.1/24 dev br-web"));
    names(&world(), as_it_is, del, &["10.1.2.1", "br-web"]);
}
