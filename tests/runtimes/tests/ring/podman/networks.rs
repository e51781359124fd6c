//! Networks: the default one, and what `podman network create` makes.

use std::net::IpAddr;

use cnm_runtime_tests::Podman;
use cnm_tests::{Sandbox, eventually};

use super::{PUBLISHED, warm, warm_up, with_networks};
use crate::{HOST, OUTSIDE, answers, port};

/// The global addresses of a container's interface.
fn addresses(container: &Sandbox, device: &str) -> Vec<IpAddr> {
    let global = container.addresses(device).into_iter().filter(|address| address.scope == "global");
    global.map(|address| address.address.addr()).collect()
}

#[test]
fn a_container_on_the_default_network_reaches_the_world() {
    let (podman, outside, before) = warm();
    let container = podman.runs("web", "");
    assert_eq!(container.link("eth0").mtu, 1500);
    container.reaches("10.88.0.1");
    let echo = outside.echo();
    assert_eq!(container.is_seen_as(OUTSIDE[0].parse().expect("an address"), &echo).to_string(), HOST[0]);
    let address = podman.inspect("web")["NetworkSettings"]["IPAddress"].clone();
    assert_eq!(address, addresses(&container, "eth0")[0].to_string());
    drop((container, echo));
    podman.removes("web");
    podman.is_as(&before);
    podman.is_quiet(&[]);
}

#[test]
fn the_world_is_reached_from_a_host_that_refuses_to_forward() {
    let podman = Podman::new();
    let _outside = podman.outside();
    podman.run("iptables -P FORWARD DROP");
    let container = podman.runs("web", "");
    container.reaches(OUTSIDE[0]);
    podman.removes("web");
}

#[test]
fn a_stopped_container_has_nothing_left() {
    let (podman, _outside, before) = warm();
    let container = podman.runs("web", PUBLISHED);
    container.reaches("10.88.0.1");
    drop(container);
    podman.does("kill web");
    // Its monitor calls podman to clean up, which detaches.
    podman.is_as(&before);
    podman.removes("web");
    podman.is_quiet(&[]);
}

#[test]
fn a_created_bridge_network_has_its_subnet_and_goes_with_its_bridge() {
    let podman = Podman::new();
    let before = podman.state();
    podman.does("network create -d bridge --subnet 10.89.7.0/24 --ip-range 10.89.7.64/26 web");
    let (one, two) = (podman.runs("one", "--network web"), podman.runs("two", "--network web"));
    let there = addresses(&two, "eth0")[0];
    assert!(there.to_string().starts_with("10.89.7."), "{there}");
    one.reaches(there);
    one.reaches("10.89.7.1");
    drop((one, two));
    podman.removes("one");
    podman.removes("two");
    podman.does("network rm web");
    assert_eq!(podman.links().len(), 1, "only lo: {:?}", podman.links());
    // What a host keeps after its first network: forwarding, and empty tables of the firewall.
    let kept = ["host sysctl", "host firewall", "host iptables", "file /var/lib/cni"];
    assert_eq!(before.without(&kept).compare(&podman.state().without(&kept)), Ok(()));
    for folder in ["results", "networks/web"] {
        let left = podman.list_folder(&format!("/var/lib/cni/{folder}"));
        let left: Vec<_> = left.iter().filter(|name| !name.starts_with("last_reserved") && *name != "lock").collect();
        assert!(left.is_empty(), "{folder}: {left:?}");
    }
}

#[test]
fn a_network_of_both_families_routes_both() {
    let podman = Podman::new();
    let outside = podman.outside();
    podman.does("network create --ipv6 --subnet 10.89.6.0/24 --subnet fd00:89:6::/64 dual");
    warm_up(&podman, "dual");
    let before = podman.state();
    let container = podman.runs("web", &format!("--network dual {PUBLISHED}"));
    let echo = outside.echo();
    for (host, world) in HOST.into_iter().zip(OUTSIDE) {
        assert_eq!(container.is_seen_as(world.parse().expect("an address"), &echo).to_string(), host);
    }
    let _echo = container.echo_on(80);
    for host in HOST {
        answers(&outside, port(host, 8080));
        answers(&container, port(host, 8080));
    }
    answers(&podman, port(HOST[0], 8080));
    drop(container);
    podman.removes("web");
    podman.is_as(&before);
}

#[test]
fn an_internal_network_has_no_way_out() {
    let podman = Podman::new();
    let _outside = podman.outside();
    podman.does("network create --internal --subnet 10.89.8.0/24 inside");
    let (one, two) = (podman.runs("one", "--network inside"), podman.runs("two", "--network inside"));
    one.reaches(addresses(&two, "eth0")[0]);
    one.cannot_reach(OUTSIDE[0]);
    drop((one, two));
    podman.removes("one");
    podman.removes("two");
    podman.does("network rm inside");
}

#[test]
fn options_of_a_network_arrive() {
    let podman = Podman::new();
    podman.does("network create -o mtu=1400 small");
    let container = podman.runs("web", "--network small");
    assert_eq!(container.link("eth0").mtu, 1400);
    podman.removes("web");
}

#[test]
fn isolated_networks_do_not_reach_each_other() {
    let podman = Podman::new();
    let outside = podman.outside();
    for (name, subnet) in [("red", "10.89.11.0/24"), ("blue", "10.89.12.0/24")] {
        podman.does(&format!("network create -o isolate=true --subnet {subnet} {name}"));
    }
    let (red, blue) = (podman.runs("r", "--network red"), podman.runs("b", &format!("--network blue {PUBLISHED}")));
    let other = podman.runs("r2", "--network red");
    red.reaches(addresses(&other, "eth0")[0]);
    red.reaches(OUTSIDE[0]);
    red.cannot_reach(addresses(&blue, "eth0")[0]);
    blue.cannot_reach(addresses(&red, "eth0")[0]);
    let _echo = blue.echo_on(80);
    answers(&podman, port(HOST[0], 8080));
    drop((red, blue, other, outside));
    for name in ["r", "b", "r2"] {
        podman.removes(name);
    }
}

#[test]
fn a_static_address_and_a_hardware_address_are_given() {
    let podman = Podman::new();
    podman.does("network create --subnet 10.89.13.0/24 web");
    let container = podman.runs("web", "--network web --ip 10.89.13.77 --mac-address 02:00:00:00:00:77");
    assert_eq!(addresses(&container, "eth0")[0].to_string(), "10.89.13.77");
    assert_eq!(container.link("eth0").mac, "02:00:00:00:00:77");
    let taken = podman.attempts("run --name other --network web --ip 10.89.13.77 local/busybox sleep 1");
    assert!(!taken.status.success(), "an address was given twice");
    assert!(taken.complaint().contains("10.89.13.77"), "{}", taken.complaint());
    container.reaches("10.89.13.1");
    podman.removes("web");
}

#[test]
fn a_container_on_two_networks_has_an_interface_in_each() {
    let (podman, _outside, before) = with_networks(&[("red", "10.89.14.0/24"), ("blue", "10.89.15.0/24")]);
    let both = podman.runs("both", "--network red --network blue");
    for gateway in ["10.89.14.1", "10.89.15.1"] {
        both.reaches(gateway);
    }
    let (red, blue) = (podman.runs("r", "--network red"), podman.runs("b", "--network blue"));
    both.reaches(addresses(&red, "eth0")[0]);
    both.reaches(addresses(&blue, "eth0")[0]);
    drop((both, red, blue));
    for name in ["both", "r", "b"] {
        podman.removes(name);
    }
    podman.is_as(&before);
}

#[test]
fn a_network_is_connected_and_disconnected_while_the_container_runs() {
    let (podman, _outside, _) = with_networks(&[("red", "10.89.16.0/24"), ("blue", "10.89.17.0/24")]);
    let container = podman.runs("web", "--network red");
    let before = podman.state();
    podman.does("network connect blue web");
    container.reaches("10.89.17.1");
    assert!(container.has_link("eth1"));
    podman.does("network disconnect blue web");
    assert!(!container.has_link("eth1"));
    container.reaches("10.89.16.1");
    podman.is_as(&before);
    drop(container);
    podman.removes("web");
}

#[test]
fn a_restarted_container_is_attached_again() {
    let (podman, _outside, before) = warm();
    let first = podman.runs("web", PUBLISHED);
    first.reaches("10.88.0.1");
    drop(first);
    podman.does("restart --time 0 web");
    let again = podman.container("web");
    let _echo = again.echo_on(80);
    again.reaches("10.88.0.1");
    answers(&podman, port("10.88.0.1", 8080));
    drop(again);
    podman.removes("web");
    podman.is_as(&before);
}

#[test]
fn a_network_is_made_again_after_somebody_flushed_all_rules() {
    let (podman, outside, before) = warm();
    let container = podman.runs("web", PUBLISHED);
    let echo = container.echo_on(80);
    for flush in ["nft flush ruleset", "iptables -t nat -F", "iptables -t filter -F"] {
        podman.run(flush);
    }
    podman.does("network reload web");
    answers(&outside, port(HOST[0], 8080));
    container.reaches(OUTSIDE[0]);
    drop((container, echo));
    podman.removes("web");
    // `tuning` of the reference leaves its empty folder.
    let changed = ["host firewall", "host iptables", "file /run/cni/"];
    assert_eq!(before.without(&changed).compare(&podman.state().without(&changed)), Ok(()));
}

#[test]
fn a_macvlan_network_is_on_the_wire() {
    let podman = Podman::new();
    let outside = podman.outside();
    // Without a parent it is the device of the default route.
    for parent in ["-o parent=uplink", ""] {
        podman.does(&format!(
            "network create -d macvlan {parent} --subnet 198.51.100.0/24 --gateway 198.51.100.2 \
             --ip-range 198.51.100.64/26 wire"
        ));
        let before = podman.state();
        let container = podman.runs("web", "--network wire");
        container.reaches(OUTSIDE[0]);
        let echo = container.echo();
        let address = addresses(&container, "eth0")[0];
        assert_eq!(outside.is_seen_as(address, &echo).to_string(), OUTSIDE[0]);
        drop((container, echo));
        podman.removes("web");
        let kept = ["file /var/lib/cni"];
        assert_eq!(before.without(&kept).compare(&podman.state().without(&kept)), Ok(()));
        podman.does("network rm wire");
    }
}

#[test]
fn many_containers_start_and_go_at_once() {
    let (podman, _outside, before) = warm();
    let group = podman.control_group();
    let runs: Vec<_> = (0..8)
        .map(|n| {
            let port = 8100 + n;
            podman.starts(&format!(
                "run -d --cgroup-parent={group} --name c{n} -p {port}:80 -p {port}:80/udp local/busybox sleep 100000"
            ))
        })
        .collect();
    for run in runs {
        let _ = run.finish().expect_success();
    }
    let containers: Vec<_> = (0..8).map(|n| podman.container(&format!("c{n}"))).collect();
    let mut all: Vec<_> = containers.iter().map(|container| addresses(container, "eth0")[0]).collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 8, "every container has an address of its own: {all:?}");
    for (container, n) in containers.iter().zip(0..) {
        let _echo = container.echo_on(80);
        answers(&podman, port("10.88.0.1", 8100 + n));
    }
    drop(containers);
    let removals: Vec<_> = (0..8).map(|n| podman.starts(&format!("rm --force --time 0 c{n}"))).collect();
    for removal in removals {
        let _ = removal.finish().expect_success();
    }
    eventually("all are gone", || match podman.does("ps --all --quiet").trim() {
        "" => Ok(()),
        left => Err(left.to_owned()),
    });
    podman.is_as(&before);
    podman.is_quiet(&[]);
}
