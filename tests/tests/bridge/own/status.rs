//! STATUS: whether the next ADD could be served, and why not.

use cnm_tests::{Conf, Feature, Host};
use serde_json::json;

use crate::{V4, world};

fn current() -> Conf {
    world().version("1.1.0")
}

#[test]
fn status_is_fine_before_and_after_the_first_endpoint() {
    let host = Host::new();
    for conf in [current(), Conf::bridge("web").version("1.1.0"), current().with("macspoofchk", true)] {
        let before = host.snapshot();
        host.status(&conf).succeeds_silently();
        host.is_again(&before);
    }
    let _ = host.attach(&current(), "one");
    host.status(&current()).succeeds_silently();
}

#[test]
fn a_full_pool_is_not_available() {
    let host = Host::new();
    let small = Conf::bridge("web").version("1.1.0").range_set(json!([{ "subnet": "10.1.2.0/30" }]));
    host.status(&small).succeeds_silently();
    let (one, _) = host.attach(&small, "one");
    host.status(&small).fails_with(50, &["10.1.2"]);
    host.del(&small, &one).succeeds_silently();
    host.status(&small).succeeds_silently();
}

#[test]
fn a_bridge_name_that_is_something_else_is_not_available() {
    let host = Host::new();
    host.run("ip link add br-web type veth peer name other");
    host.status(&current()).fails_with(50, &["br-web", "not a bridge"]);
}

#[test]
fn a_missing_ipam_plugin_is_an_error() {
    let host = Host::new();
    let conf = Conf::bridge("web").version("1.1.0").with("ipam", json!({ "type": "no-such-ipam", "subnet": V4 }));
    host.status(&conf).fails().says(&["no-such-ipam"]);
}

#[test]
fn status_is_refused_below_its_first_version() {
    let host = Host::new();
    host.status(&world()).fails_with(1, &["config version does not allow STATUS"]);
}

#[test]
fn vlans_without_a_kernel_that_filters_them_are_not_available() {
    let host = Host::new();
    let status = host.status(&current().with("vlan", 7));
    if Feature::VlanFiltering.is_here() {
        status.succeeds_silently();
    } else {
        status.fails_with(50, &["vlan, vlanTrunk", "CONFIG_BRIDGE_VLAN_FILTERING"]);
    }
}
