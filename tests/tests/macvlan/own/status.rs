//! STATUS: whether the parent is there and up.

use cnm_tests::{Host, Lan};

use super::current;

#[test]
fn it_names_the_parent_that_is_missing_or_down() {
    let host = Host::new();
    let _lan = Lan::new(&host);
    host.status(&current()).succeeds_silently();
    host.run("ip link set eth0 down");
    host.status(&current()).fails_with(50, &["the parent interface eth0 is down", "ip link set eth0 up"]);
    host.status(&current().with("master", "eth1")).fails_with(50, &["the parent interface eth1 is missing"]);
    host.run("ip link del eth0");
    host.status(&current()).fails_with(50, &["the parent interface eth0 is missing"]);
}

#[test]
fn the_parent_may_be_the_default_route_s() {
    let host = Host::new();
    let _lan = Lan::new(&host);
    let conf = current().without("master");
    host.status(&conf).succeeds_silently();
    host.run("ip -4 route del default");
    host.run("ip -6 route del default");
    host.status(&conf).fails_with(50, &["no default route interface found", "master"]);
}

#[test]
fn a_vlan_that_would_be_made_needs_its_interface() {
    let host = Host::new();
    let _lan = Lan::new(&host);
    let conf = current().with("master", "eth0.10");
    host.status(&conf).succeeds_silently();
    host.run("ip link set eth0 down");
    host.status(&conf).fails_with(50, &["eth0 is down"]);
    host.status(&current().with("master", "eth7.10")).fails_with(50, &["eth7 is missing"]);
}

#[test]
fn an_internal_network_needs_nothing_but_addresses() {
    let host = Host::new();
    let conf = current().without("master").with("internal", true);
    host.status(&conf).succeeds_silently();
    let full = serde_json::json!([{ "subnet": "10.1.3.0/30", "rangeStart": "10.1.3.2", "rangeEnd": "10.1.3.2" }]);
    let conf = conf.without("ipam").range_set(full);
    host.write_file("/var/lib/cni/networks/wire/10.1.3.2", "other\r\neth0");
    let _ = host.status(&conf).fails();
}
