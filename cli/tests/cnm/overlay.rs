//! The files of `conf-examples/overlay`, on three hosts with the addresses that they name.

use std::fs;

use cnm_tests::cluster::{Cluster, Family, Node, Plan};
use cnm_tests::eventually;
use serde_json::Value;

use crate::own::overlay_examples;

/// Runs `cnm` on a host, which must succeed; its stdout.
#[track_caller]
fn cnm(host: &Node, line: &str) -> String {
    let (program, plugins) = (env!("CARGO_BIN_EXE_cnm"), host.suite().folder());
    host.run(&format!("env NETCONFPATH=/run/conf CNI_PATH={plugins} {program} {line}"))
}

#[test]
fn the_three_hosts_of_the_example_have_one_network() {
    let cluster = Cluster::build(Plan::hosts(3).loopback());
    let before: Vec<_> = cluster.hosts().map(|host| host.links().len()).collect();
    let mut containers = Vec::new();
    for (host, file) in cluster.hosts().zip(overlay_examples()) {
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains(&format!("\"underlay\": \"{}\"", host.vtep(Family::V4))), "{}", file.display());
        host.write_file("/run/conf/overlay.conflist", text);
        let container = host.sandbox("web");
        cnm(host, "status overlay");
        let result: Value = serde_json::from_str(&cnm(host, "add overlay web --json")).unwrap();
        let address = result["ips"][0]["address"].as_str().unwrap().to_owned();
        assert_eq!(address, format!("10.94.{}.1/16", host.number()));
        containers.push((container, address.trim_end_matches("/16").to_owned()));
    }
    let outside = cluster.world().echo();
    for (host, (container, own)) in cluster.hosts().zip(&containers) {
        for (_, other) in containers.iter().filter(|(_, other)| other != own) {
            container.reaches(other);
        }
        container.reaches("10.94.0.1");
        assert_eq!(container.is_seen_as(cluster.world_address(Family::V4), &outside), host.address(Family::V4, 0));
    }
    for (host, links) in cluster.hosts().zip(before) {
        cnm(host, "check overlay web");
        cnm(host, "del overlay web");
        assert_eq!(host.list_folder("/var/lib/cni/results"), [""; 0]);
        eventually("bridge and VXLAN device go with the last container", || match host.links() {
            left if left.len() == links => Ok(()),
            left => Err(format!("{left:?}")),
        });
    }
}
